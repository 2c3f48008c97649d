"""Charts of one symbol: candles or a line, and indicators of its bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

import tickerkit as tk

Until = Callable[..., None]


def tick(price: float | None, second: float, symbol: str = "AAPL", **more: object) -> dict:
    """Make a tick so many seconds after 10:00."""
    time = np.datetime64("2026-11-23T10:00", "ms") + np.timedelta64(int(second * 1000), "ms")
    return {"symbol": symbol, "price": price, "time": f"{time}Z", "size": 10, **more}


def values(figure: tk.LiveFigure) -> Mapping[str, list[float]]:
    """Return the y of each trace that has one, by its name."""
    return {t.name: list(t.y) for t in figure.data if t.type != "candlestick" and t.y is not None}


def is_equal_to_bars(figure: tk.LiveFigure, feed: tk.Feed, bar: str, *names: str) -> bool:
    """Return whether indicators are drawn as `feed.bars` has them, from their first value on."""
    frame = feed.bars(bar, "AAPL", indicators=list(names))
    for name in (column for column in frame if column.startswith(names)):
        column = frame[name].dropna()
        trace = next(each for each in figure.data if each.name == name)
        if trace.x is None or list(trace.x) != list(column.index.tz_localize(None).to_numpy()):
            return False
        if list(trace.y) != list(column):
            return False
    return True


def test_indicators_are_drawn_over_the_candles_and_in_panes_below(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The last bar is revised with each tick, and a late tick revises all that follows it."""
    names = ("sma(3)", "bbands(4, 2)", "rsi(3)", "macd(3, 5, 2)")
    server.publish([tick(100 + n % 7, n) for n in range(60)])
    feed.wait(60)
    figure = feed.chart("candles+volume", indicators=list(names), bar="2s", alerts=False)
    until(lambda: len(figure.data) == 2 + 1 + 3 + 1 + 3)
    axes = {t.name: t.yaxis for t in figure.data}
    assert axes["volume"] == "y2"
    assert axes["sma(3)"] in (None, "y")
    assert (axes["rsi(3)"], axes["macd(3, 5, 2) line"]) == ("y3", "y4")
    named = {trace.name: trace.showlegend for trace in figure.data}
    assert named["macd(3, 5, 2) histogram"] is False  # bars are known by their shape
    assert figure.layout.xaxis.anchor == "y4"
    assert figure.layout.height == 420 + 2 * 80
    assert {(shape.yref, shape.y0) for shape in figure.layout.shapes} >= {("y3", 30), ("y3", 70)}
    until(lambda: is_equal_to_bars(figure, feed, "2s", *names))
    server.publish([tick(120, 60), tick(90, 61), tick(80, 10.5)])
    until(lambda: figure.data[0].low is not None and min(figure.data[0].low) == 80)
    until(lambda: len(figure.data[0].x) == 31 and values(figure)["rsi(3)"][-1] < 50)
    until(lambda: is_equal_to_bars(figure, feed, "2s", *names))
    assert feed.stats["last_error"] == ""


def test_line_has_indicators_of_its_bars(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A chart with indicators shows the first symbol, also of those that come later."""
    figure = feed.chart(indicators="sma(2), rsi(2)", bar="5s")
    server.publish([tick(100 + n, 2 * n) for n in range(20)])
    server.publish([tick(5, 50, "MSFT")])
    until(lambda: set(values(figure)) == {"AAPL", "sma(2)", "rsi(2)"})
    until(lambda: len(values(figure)["AAPL"]) == 20)
    until(lambda: is_equal_to_bars(figure, feed, "5s", "sma(2)", "rsi(2)"))


def test_indicators_of_a_line_begin_where_its_window_does(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The window counts ticks: as many bars would reach back much further."""
    server.publish([tick(100 + n, n) for n in range(40)])
    feed.wait(40)
    figure = feed.chart(indicators="sma(2)", bar="2s", window=10)
    until(lambda: set(values(figure)) == {"AAPL", "sma(2)"})
    until(lambda: len(figure.data[1].x) == 5 and figure.data[1].x[0] >= figure.data[0].x[0])


def test_average_of_a_line_in_percent_changes_since_the_first_value_of_the_line(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Otherwise the two would not lie over each other."""
    server.publish([tick(100 + n, 5 * n) for n in range(4)])
    feed.wait(4)
    figure = feed.chart(y="percent", indicators="sma(2)", bar="5s")
    until(lambda: len(figure.data) == 2 and len(values(figure).get("sma(2)", ())) == 3)
    shown = figure.to_dict()["data"]
    assert list(shown[0]["y"]) == [0, 1, 2, 3]
    assert list(shown[1]["y"]) == [0.5, 1.5, 2.5]


def test_candles_and_indicators_of_quotes_are_those_of_their_middle(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A currency has no trades."""
    server.publish([tick(None, 5 * n, bid=1.1 + n / 100, ask=1.3 + n / 100) for n in range(4)])
    feed.wait(4)
    figure = feed.chart("candles", indicators="sma(2)", bar="5s")
    until(lambda: len(figure.data) == 2 and figure.data[1].y is not None)
    assert list(figure.data[0].close) == pytest.approx([1.2, 1.21, 1.22, 1.23])
    assert list(figure.data[1].y) == pytest.approx([1.205, 1.215, 1.225])


def test_indicators_of_ones_own_have_panes_or_are_drawn_over_the_values(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A function may return a frame, whose columns are known only then."""

    def channel(bars):
        return bars[["low", "high"]].rolling(2).mean()

    channel.pane = "price"
    server.publish([tick(100 + n, 5 * n) for n in range(6)])
    feed.wait(6)
    figure = feed.chart("candles", indicators=[channel, lambda bars: bars["close"] * 2], bar="5s")
    until(lambda: len(values(figure)) == 3)
    assert {t.name: t.yaxis for t in figure.data[1:]} == {
        "channel low": None,
        "channel high": None,
        "lambda": "y2",
    }
    assert values(figure)["lambda"][-1] == 210


def test_indicator_that_fails_is_said_and_the_candles_go_on(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A user's error takes down neither the chart nor the feed."""

    def broken(bars):
        raise ValueError("no such thing")

    server.publish([tick(100, 0)])
    feed.wait(1)
    figure = feed.chart("candles", indicators=[broken, "sma(1)"])
    until(lambda: len(figure.data) and figure.data[0].close is not None)
    server.publish([tick(101, 1)])
    until(lambda: list(figure.data[0].close) == [101])
    until(lambda: values(figure) == {"sma(1)": [101]})
    assert "no such thing" in feed.stats["last_error"] or "no such thing" in repr(feed)


def test_wrong_indicator_is_refused_when_the_chart_is_made(feed: tk.Feed) -> None:
    """The error names the nearest."""
    with pytest.raises(tk.TickerkitError, match="sma"):
        feed.chart(indicators="smma(20)")
