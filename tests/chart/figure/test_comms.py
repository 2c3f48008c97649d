"""stay_heard: what pages say goes where they send it."""

from __future__ import annotations

import ipywidgets

import tickerkit as tk
from tickerkit.chart.figure.comms import stay_heard


def test_a_widget_hears_a_page_whoever_spoke_before() -> None:
    """The subshell that a page names is the one that hears it, not the last one that was there."""
    button = ipywidgets.Button()
    stay_heard(button)
    button.comm._reply_subshell_id = "of a page that is gone"
    assert button.comm._reply_subshell_for({"method": "update"}, "of this page") == "of this page"
    assert button.comm._reply_subshell_for({}, None) is None
    button.close()


def test_a_widget_without_a_comm_is_left_alone() -> None:
    """A closed one has nothing to hear with."""
    button = ipywidgets.Button()
    button.close()
    stay_heard(button)
    assert button.comm is None


def test_figures_and_the_controls_of_a_dashboard_stay_heard() -> None:
    """All of tickerkit's widgets that a user clicks are seen to."""
    with tk.serve(None, port=0) as server, tk.connect(server.url) as feed:
        dashboard = feed.dashboard()
        first, second = (row.children for row in dashboard.children[-1].children)
        controls = [*first[:-1], *second]
        assert len(controls) == 7
        for widget in (dashboard.figure, *controls):
            assert widget.comm._reply_subshell_for({}, "asked") == "asked"
        dashboard.close()
