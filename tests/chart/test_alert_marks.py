"""Alerts in a chart: marks where they fired, and the levels that they watch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tickerkit as tk

Until = Callable[..., None]


def tick(price: float, second: int, symbol: str = "AAPL", **more: object) -> dict[str, object]:
    """Make a tick at a second after 10:00."""
    return {"symbol": symbol, "price": price, "time": f"2026-11-23T10:00:{second:02}Z", **more}


def levels(figure: tk.LiveFigure) -> list[float]:
    """Return the levels that a figure shows."""
    return [shape.y0 for shape in figure.layout.shapes if shape.name == "alert"]


@pytest.mark.parametrize("kind", ["line", "candles"])
def test_alert_that_fires_is_marked_with_its_text(
    kind: str, server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Those from before the chart, too; of other symbols there is no mark."""
    server.publish([tick(100, 0), tick(5, 0, "MSFT")])
    feed.wait(2)
    alert = feed.alert("AAPL", above=101)
    feed.alert("MSFT", above=7)
    server.publish([tick(102, 1), tick(9, 1, "MSFT")])
    until(lambda: len(feed.alerts) == 2)
    figure = feed.chart(kind, "AAPL")
    until(lambda: len(figure.data) == 2 and figure.data[1].x is not None)
    server.publish([tick(100, 2), tick(103, 3)])
    until(lambda: len(figure.data[1].x) == 2)
    marks = figure.data[1]
    assert (marks.name, marks.mode, list(marks.y)) == ("AAPL alerts", "markers", [102, 103])
    assert list(marks.x) == [np.datetime64(f"2026-11-23T10:00:0{n}") for n in (1, 3)]
    assert "above 101" in marks.text[0]
    assert len(marks.text) == 2
    until(lambda: levels(figure) == [101])
    alert.stop()
    server.publish([tick(103, 4)])
    until(lambda: levels(figure) == [])


def test_chart_of_another_column_marks_the_alerts_of_that_column(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A price would stand at a wrong height there."""
    server.publish([tick(100, 0, load=1)])
    feed.wait(1)
    feed.alert("AAPL", above=101)
    feed.alert("AAPL", above=2, column="load")
    figure = feed.chart(y="load")
    server.publish([tick(102, 1, load=3)])
    until(lambda: len(figure.data) == 2 and figure.data[1].y is not None)
    assert list(figure.data[1].y) == [3]
    until(lambda: levels(figure) == [2])


def test_marks_of_a_line_in_percent_lie_on_it(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Levels, which are values, are not shown there."""
    server.publish([tick(100, 0)])
    feed.wait(1)
    feed.alert("AAPL", above=101)
    figure = feed.chart(y="percent")
    server.publish([tick(102, 1)])
    until(lambda: len(figure.data) == 2 and figure.data[1].y is not None)
    assert list(figure.to_dict()["data"][1]["y"]) == [2]
    assert levels(figure) == []


def test_marks_before_the_window_are_dropped(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """An old mark does not stretch the axis of a window of ticks."""
    server.publish([tick(100, 0)])
    feed.wait(1)
    feed.alert("AAPL", above=101)
    server.publish([tick(102, 1)])
    figure = feed.chart(window=3)
    until(lambda: len(figure.data) == 2 and figure.data[1].x is not None)
    server.publish([tick(100 - n, 1 + n) for n in range(1, 5)])
    until(lambda: len(figure.data[1].x) == 0)


def test_chart_without_alerts_has_neither_marks_nor_levels(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """`alerts=False` leaves them out."""
    server.publish([tick(100, 0)])
    feed.wait(1)
    feed.alert("AAPL", above=101)
    server.publish([tick(102, 1)])
    until(lambda: len(feed.alerts) == 1)
    figure = feed.chart(alerts=False)
    until(lambda: len(figure.data) == 1 and figure.data[0].y is not None)
    assert len(figure.data[0].y) == 2
    assert len(figure.data) == 1
    assert levels(figure) == []
