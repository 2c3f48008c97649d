"""Compatibility: live figures with a plotly whose internals tickerkit doesn't know."""

from __future__ import annotations

from collections.abc import Iterator

import plotly.graph_objects as go
import pytest
from plotly.basedatatypes import BaseFigure

import tickerkit as tk
from tickerkit.chart.figure import compatibility
from tickerkit.chart.figure.compatibility import find_incompatibility, warn_if_incompatible
from tickerkit.chart.figure.page_side import build_page_side


@pytest.fixture(autouse=True)
def uncached() -> Iterator[None]:
    """Clear the cached results of the check, before and after the test."""
    cached = (find_incompatibility, warn_if_incompatible, build_page_side)
    for each in cached:
        each.cache_clear()
    yield
    for each in cached:
        each.cache_clear()


def test_installed_plotly_is_known() -> None:
    """Messages, methods and plotly.js of the installed version are as expected."""
    assert find_incompatibility() is None


def test_unknown_messages_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names the messages that only one of the two sides has."""
    monkeypatch.setattr(compatibility, "MESSAGES", {*compatibility.MESSAGES, "_py2js_new"})
    assert "the known messages (_py2js_new)" in str(find_incompatibility())


def test_missing_method_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A private method that tickerkit overrides, and plotly no longer has, is named."""
    monkeypatch.delattr(BaseFigure, "_relayout_child")
    assert find_incompatibility() == (
        "its FigureWidget lacks methods that tickerkit overrides (_relayout_child)"
    )


def test_figure_with_unknown_plotly_sends_points_plainly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Plotly's own page side is used, one warning has the reason, and x is sent as ISO text."""
    monkeypatch.setattr(compatibility, "MESSAGES", {"_py2js_restyle"})
    assert build_page_side() == str(go.FigureWidget._esm)
    with pytest.warns(UserWarning, match="can't stream point by point") as warned:
        figure = tk.LiveFigure(data=[go.Scatter()])
    assert warned[0].filename == __file__
    assert figure._plotly is None
    plain = tk.LiveFigure()
    restyled = []
    figure._streams._send_plainly = lambda uid, columns: restyled.append(columns)
    figure.append("2026-11-23T10:00:00Z", 1)
    figure._streams.flush()
    assert restyled[-1]["x"].tolist() == ["2026-11-23T10:00:00.000"]
    figure.close()
    plain.close()
