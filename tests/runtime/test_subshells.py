"""Subshells: messages of a page reach the subshell that the page names."""

from __future__ import annotations

import ipywidgets

import tickerkit as tk
from tickerkit.runtime.subshells import deliver_as_addressed


def test_message_is_delivered_to_the_subshell_it_names() -> None:
    """The subshell of the page that sent the last message is ignored."""
    button = ipywidgets.Button()
    deliver_as_addressed(button)
    button.comm._reply_subshell_id = "of a closed page"
    assert button.comm._reply_subshell_for({"method": "update"}, "of this page") == "of this page"
    assert button.comm._reply_subshell_for({}, None) is None
    button.close()


def test_closed_widget_is_left_alone() -> None:
    """A closed widget has no comm; the call does nothing."""
    button = ipywidgets.Button()
    button.close()
    deliver_as_addressed(button)
    assert button.comm is None


def test_figures_and_dashboards_are_covered() -> None:
    """Every widget of tickerkit that a user clicks delivers messages as addressed."""
    with tk.serve(None, port=0) as server, tk.connect(server.url) as feed:
        dashboard = feed.dashboard()
        for widget in (dashboard, dashboard.figure, dashboard._download):
            assert widget.comm._reply_subshell_for({}, "asked") == "asked"
        dashboard.close()
