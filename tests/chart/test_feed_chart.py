"""chart: a live figure of a feed's ticks."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import tickerkit as tk
from tickerkit.chart.feed_chart import _label, draw
from tickerkit.log import Gap
from tickerkit.runtime import rerun

Until = Callable[..., None]


@pytest.fixture
def server() -> Iterator[tk.TickServer]:
    """Give a server that serves only what is published by hand."""
    with tk.serve(None, port=0) as server:
        yield server


@pytest.fixture
def feed(server: tk.TickServer) -> Iterator[tk.Feed]:
    """Give a feed from that server."""
    with tk.connect(server.url) as feed:
        yield feed


def tick(symbol: str, price: float | None, second: int, **more: object) -> dict[str, object]:
    """Make a tick of a second after ten."""
    return {"symbol": symbol, "price": price, "time": f"2026-11-23T10:00:{second:02}Z", **more}


def lines(figure: tk.LiveFigure) -> dict[str, list[float]]:
    """Return the y of each line by its name."""
    return {t.name: [] if t.y is None else list(t.y) for t in figure.data}


def test_a_line_for_each_symbol_follows_the_feed(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """History is drawn first, then what comes, a new symbol on a line of its own."""
    server.publish([tick("AAPL", 1, 0), tick("MSFT", 10, 0), tick("AAPL", 2, 1)])
    feed.wait(3)
    figure = feed.chart()
    until(lambda: lines(figure) == {"AAPL": [1, 2], "MSFT": [10]})
    server.publish([tick("AAPL", 3, 2), tick("NVDA", 7, 2)])
    until(lambda: lines(figure) == {"AAPL": [1, 2, 3], "MSFT": [10], "NVDA": [7]})
    assert list(figure.data[0].x) == [np.datetime64(f"2026-11-23T10:00:0{n}") for n in range(3)]
    assert figure.layout.xaxis.type == "date"


def test_only_the_symbols_asked_for_are_drawn(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A chart of one symbol leaves the others out, also those that come later."""
    figure = feed.chart(symbols="MSFT")
    server.publish([tick("AAPL", 1, 0), tick("MSFT", 10, 0)])
    server.publish([tick("NVDA", 1, 1), tick("MSFT", 11, 1)])
    until(lambda: lines(figure) == {"MSFT": [10, 11]})


def test_percent_shows_the_change_since_the_first_point(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """In percent each line begins at 0."""
    figure = feed.chart(y="percent")
    server.publish([tick("AAPL", 200, 0), tick("MSFT", 50, 0)])
    server.publish([tick("AAPL", 202, 1), tick("MSFT", 45, 1)])
    until(lambda: [len(y) for y in lines(figure).values()] == [2, 2])
    assert lines(figure)["AAPL"] == pytest.approx([0, 1])
    assert lines(figure)["MSFT"] == pytest.approx([0, -10])


def test_a_symbol_that_has_only_quotes_is_drawn_by_their_middle(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Quotes between trades are not mixed in; without any trade their middle is the line."""
    figure = feed.chart()
    server.publish([tick("EURUSD", None, 0, bid=1.0, ask=1.5), tick("AAPL", 5, 0)])
    server.publish([tick("AAPL", None, 1, bid=7, ask=9), tick("EURUSD", None, 1, bid=2, ask=3)])
    until(lambda: lines(figure) == {"EURUSD": [1.25, 2.5], "AAPL": [5]})


def test_candles_show_bars_of_one_symbol(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The last bar is updated as ticks come, new ones follow."""
    figure = feed.chart(kind="candles", symbols="AAPL", bar="10s", window="1min")
    server.publish([tick("AAPL", 5, 1), tick("MSFT", 99, 1), tick("AAPL", 7, 2)])
    until(lambda: figure.data and figure.data[0].close is not None)
    assert (list(figure.data[0].open), list(figure.data[0].high)) == ([5], [7])
    server.publish([tick("AAPL", 4, 9), tick("AAPL", 6, 11)])
    until(lambda: list(figure.data[0].close) == [4, 6])
    assert list(figure.data[0].low) == [4, 6]
    assert figure.data[0].x[0] == np.datetime64("2026-11-23T10:00")
    assert figure.data[0].name == "AAPL"


def test_candles_come_with_their_volume(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """The volume of each bar stands below it, and counts what came for the bar in all."""
    figure = feed.chart(kind="candles+volume", symbols="AAPL", bar="10s", window="1min")
    server.publish([tick("AAPL", 5, 1) | {"size": 10}, tick("AAPL", 7, 12) | {"size": 1}])
    until(lambda: len(figure.data) == 2 and figure.data[1].y is not None)
    assert list(figure.data[1].y) == [10, 1]
    server.publish([tick("AAPL", 9, 13) | {"size": 2}, tick("AAPL", 1, 3) | {"size": 5}])
    until(lambda: list(figure.data[1].y) == [15, 3])
    assert (list(figure.data[0].low), list(figure.data[0].high)) == ([1, 7], [5, 9])
    assert figure.data[1].yaxis == "y2"


def test_bars_are_those_of_all_ticks(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """However the ticks come in, the bars drawn are those that feed.bars() tells."""
    figure = feed.chart(kind="candles+volume", symbols="AAPL", bar="10s", window=1000)
    rng = np.random.default_rng(3)
    for second in range(0, 60, 3):
        server.publish(
            [tick("AAPL", float(rng.normal(100)), second + n) | {"size": 1.0} for n in range(3)]
        )
        feed.wait(3)
    bars = feed.bars("10s", "AAPL")
    # The volume comes last: who reads while a bar is put in may find its prices there before it.
    until(lambda: len(figure.data) == 2 and np.array_equal(figure.data[1].y, bars["volume"]))
    for name in ("open", "high", "low", "close"):
        assert list(figure.data[0][name]) == list(bars[name])


def test_gaps_break_lines_and_are_shaded(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Where ticks will never come, no line is drawn as if nothing was missing."""
    figure = feed.chart()
    server.publish([tick("AAPL", 1, 0), tick("MSFT", 5, 0)])
    feed.wait(2)
    feed._state.gaps.add(Gap("an epoch", 3, 9, "test"))
    server.publish([tick("AAPL", 2, 8), tick("AAPL", 3, 9)])
    until(lambda: len(lines(figure).get("AAPL", [])) == 4)
    assert np.array_equal(lines(figure)["AAPL"], [1, np.nan, 2, 3], equal_nan=True)
    until(lambda: len(figure.layout.shapes) == 1)
    shade = figure.layout.shapes[0]
    assert (shade.x0[:19], shade.x1[:19]) == ("2026-11-23T10:00:00", "2026-11-23T10:00:08")
    # One of which nothing came right after the gap breaks all the same, whenever it comes.
    server.publish(tick("MSFT", 6, 20))
    until(lambda: len(lines(figure)["MSFT"]) == 3)
    assert np.array_equal(lines(figure)["MSFT"], [5, np.nan, 6], equal_nan=True)
    server.publish([tick("MSFT", 7, 21), tick("AAPL", 4, 21)])
    until(lambda: len(lines(figure)["MSFT"]) == 4)
    assert np.array_equal(lines(figure)["AAPL"], [1, np.nan, 2, 3, 4], equal_nan=True)


def test_the_users_own_traces_and_shapes_are_left_alone(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """What was added to the figure by hand gets no ticks and stays when gaps leave the window."""
    figure = feed.chart(window=3)
    figure.add_scatter(x=[1], y=[2], name="mine")
    figure.add_hline(y=1)
    server.publish(tick("AAPL", 1, 0))
    until(lambda: lines(figure) == {"mine": [2], "AAPL": [1]})
    feed._state.gaps.add(Gap("an epoch", 2, 9, "test"))
    server.publish(tick("AAPL", 2, 8))
    until(lambda: len(figure.layout.shapes) == 2)
    for second in range(10, 20):
        server.publish(tick("AAPL", 3, second))
    until(lambda: len(figure.layout.shapes) == 1)
    assert figure.layout.shapes[0].name is None
    assert list(figure.data[0].y) == [2]


def test_candles_are_drawn_beside_the_users_own_traces(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A line that was added first does not keep the candles away."""
    figure = feed.chart(kind="candles", symbols="AAPL", bar="10s")
    figure.add_scatter(x=[1], y=[2], name="mine")
    server.publish(tick("AAPL", 5, 1))
    until(lambda: len(figure.data) == 2 and figure.data[1].close is not None)
    assert list(figure.data[1].close) == [5]


def test_times_are_shown_in_the_zone_asked_for(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The axis says which zone it is."""
    figure = feed.chart(tz="Asia/Tokyo")
    server.publish([tick("AAPL", 1, 0)])
    until(lambda: lines(figure) == {"AAPL": [1]})
    assert figure.data[0].x[0] == np.datetime64("2026-11-23T19:00")
    assert figure.layout.xaxis.title.text == "Asia/Tokyo"


def test_symbols_are_data_and_not_markup(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A symbol that looks like plotly's markup is shown as it is."""
    figure = feed.chart()
    server.publish([tick('<a href="javascript:alert(1)">x</a>', 1, 0)])
    until(lambda: figure.data)
    assert figure.data[0].name == '&lt;a href="javascript:alert(1)">x&lt;/a>'


def test_at_most_twenty_lines_are_drawn(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """A feed of hundreds of symbols does not make hundreds of lines."""
    figure = feed.chart()
    server.publish([tick(f"S{n}", n + 1, 0) for n in range(100)])
    until(lambda: len(figure.data) == 20)
    server.publish([tick("S0", 5, 1), tick("S99", 5, 1)])
    until(lambda: lines(figure)["S0"] == [1, 5])
    assert len(figure.data) == 20


def test_it_ends_with_the_feed(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """After feed.stop() the figure stays as it is, and no thread draws."""
    figure = feed.chart()
    server.publish(tick("AAPL", 1, 0))
    until(lambda: lines(figure) == {"AAPL": [1]})
    feed.stop()
    server.publish(tick("AAPL", 2, 1))
    assert lines(figure) == {"AAPL": [1]}


def test_charts_drawn_anew_leave_nothing_behind(feed: tk.Feed) -> None:
    """However often a figure is drawn anew, the feed keeps only what still draws."""
    figure = feed.chart()
    for _ in range(5):
        draw(feed, figure, "line", None, "1min")
    assert len(feed._state.followers) == 1
    figure.close()


def test_a_run_of_the_same_cell_draws_into_the_same_figure(
    server: tk.TickServer, feed: tk.Feed, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same object again, with lines and gaps drawn once; other cells have others."""
    server.publish(tick("AAPL", 1, 0))
    feed.wait(1)
    feed._state.gaps.add(Gap("an epoch", 2, 9, "test"))
    server.publish(tick("AAPL", 2, 1))
    feed.wait(1)
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", "run 1"))
    figure = feed.chart()
    until(lambda: len(figure.layout.shapes) == 1)
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", "run 2"))
    assert feed.chart() is figure
    until(lambda: len(lines(figure).get("AAPL", [])) == 3)
    figure.end()
    assert np.array_equal(lines(figure)["AAPL"], [1, np.nan, 2], equal_nan=True)
    assert len(figure.layout.shapes) == 1
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("another cell", "run 3"))
    assert feed.chart() is not figure


@pytest.mark.parametrize(
    ("options", "words"),
    [({"kind": "pie"}, "kind='pie'"), ({"y": "euro"}, "y='euro'"), ({"window": "soon"}, "soon")],
)
def test_what_it_can_not_show_is_refused(
    feed: tk.Feed, options: dict[str, str], words: str
) -> None:
    """A kind, a unit or a window that is none is an error that names it."""
    with pytest.raises(ValueError, match=words):
        feed.chart(**options)


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        (r"$\href{javascript:x}{y}$", r"&#36;\href&#123;javascript:x}&#123;y}&#36;"),
        ("%{y}", "%&#123;y}"),
        ("<b>&lt;", "&lt;b>&amp;lt;"),
        ("BRK.B", "BRK.B"),
    ],
)
def test_a_symbol_is_no_formula_and_no_template(symbol: str, name: str) -> None:
    """What plotly would take for more than text is written so that it shows it."""
    assert _label(symbol) == name
    assert html.unescape(name) == symbol
