"""feed.chart("book"): the books of one symbol over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tickerkit as tk
from tickerkit.errors import InvalidArgument
from tickerkit.ticks import Array

pytestmark = pytest.mark.usefixtures("quick")

Until = Callable[..., None]


def put(
    server: tk.TickServer, feed: tk.Feed, until: Until, second: float, middle: float = 100
) -> None:
    """Publish a book of three levels a side, with sizes 1 to 3, and wait for it."""
    bids = [[middle - 0.01 * n, n] for n in (1, 2, 3)]
    asks = [[middle + 0.01 * n, n] for n in (1, 2, 3)]
    tick = {"symbol": "A", "bids": bids, "asks": asks, "time": 1_795_000_000 + second}
    server.publish(tick)
    newest = server.log.books.newest("A")
    assert newest is not None

    def has_come() -> bool:
        found = feed.log.books.newest("A")
        return found is not None and found.time == newest.time

    until(has_come)


def cells(figure: tk.LiveFigure) -> tuple[Array, Array]:
    """Return the prices of the rows, and the cells."""
    heat = figure.data[0]
    return np.asarray(heat.y, dtype=float), np.asarray(heat.z)


def count_points(figure: tk.LiveFigure) -> int:
    """Return how many points the line of bids has; 0 until there is one."""
    values = figure.data[1].y if len(figure.data) == 3 else None
    return 0 if values is None else len(values)


def test_cells_are_the_sizes_at_their_prices(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A column for each tenth of a second, and lines of the best bid and ask."""
    figure = feed.chart("book", "A", window="1min")
    assert "waiting for the order book of A" in str(figure._note)
    for second in (0.0, 0.1, 0.3):
        put(server, feed, until, second)
    until(lambda: count_points(figure) == 3)
    prices, z = cells(figure)
    assert z.shape == (len(prices), 3)
    for column in z.T:
        sizes = {round(p, 2): s for p, s in zip(prices, column, strict=True) if not np.isnan(s)}
        expected = {100 + sign * n / 100: n for n in (1, 2, 3) for sign in (-1, 1)}
        assert sizes == {round(price, 2): size for price, size in expected.items()}
    assert list(figure.data[1].y) == [99.99] * 3
    assert list(figure.data[2].y) == [100.01] * 3
    assert [trace.name for trace in figure.data] == ["A", "bid", "ask"]


def test_rows_follow_the_price(
    server: tk.TickServer, feed: tk.Feed, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the price leaves the rows, all columns are drawn again around it."""
    figure = feed.chart("book", window="1min")
    has_values: list[bool] = []

    def note(traces: list[dict[str, Any]]) -> None:
        has_values.extend("y" in trace for trace in traces if trace["type"] == "scatter")

    monkeypatch.setattr(figure, "_send_addTraces_msg", note)
    for second in (0.0, 0.1):
        put(server, feed, until, second)
    until(lambda: len(figure.data) == 3)
    put(server, feed, until, 0.2, middle=110)
    put(server, feed, until, 0.3, middle=110)
    until(lambda: count_points(figure) == 3)
    prices, z = cells(figure)
    assert prices[0] < 110 < prices[-1]
    assert np.isnan(z[:, 0]).all()
    assert np.nansum(z[:, 2]) == 12
    assert np.isnan(figure.data[1].y[0])  # or the axis would reach down to it
    assert figure.data[1].y[2] == 109.99
    assert has_values == [False] * 4  # a message of plotly's is JSON, which has no NaN


def test_note_names_the_books_that_there_are(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Where the symbol asked for has none."""
    put(server, feed, until, 0.0)
    figure = feed.chart("book", "nope")
    until(lambda: "order book of nope; there are those of A" in str(figure._note))


def test_note_says_that_a_book_has_not_changed(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A column is complete when a later book has come."""
    put(server, feed, until, 0.0)
    figure = feed.chart("book", "A")
    until(lambda: "waiting for a change of the order book of A" in str(figure._note))


def test_map_goes_on_after_a_wrong_time(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """What was drawn at wrong times goes."""
    figure = feed.chart("book", "A", window="1min")
    for second in (0.0, 10**8, 0.1, 0.2, 0.3):
        put(server, feed, until, second)
    until(lambda: count_points(figure) == 2)
    assert max(figure.data[1].x) < np.datetime64(1_795_000_001, "s")


def test_book_has_no_indicators(feed: tk.Feed) -> None:
    """They would be left out in silence otherwise."""
    with pytest.raises(InvalidArgument, match="an order book has no bars"):
        feed.chart("book", "A", indicators="sma(20)")
