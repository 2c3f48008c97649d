"""Grid and columns: the rows and the moments of a heat map of books."""

from __future__ import annotations

import numpy as np
import pytest

from tickerkit.chart.book.columns import MAX_COLUMNS, BookColumns, choose_interval_ns
from tickerkit.chart.book.grid import MAX_ROWS, Grid, choose_grid, find_tick
from tickerkit.log import EARLIER_NS, Book
from tickerkit.ticks import NO_LEVELS


def book(
    bid: float = 99.0, ask: float = 101.0, levels: int = 1, tick: float = 1.0, time: int = 0
) -> Book:
    """Return a book with some levels of size 2 on each side."""
    steps = tick * np.arange(levels)
    sizes = np.full(levels, 2.0)
    bids, asks = np.column_stack([bid - steps, sizes]), np.column_stack([ask + steps, sizes])
    return Book("A", bids, asks, time, time, "e", 1, time + 1)


@pytest.mark.parametrize(
    ("tick", "levels"), [(0.01, 20), (0.01, 200), (0.25, 40), (1e-8, 10), (1000.0, 1000)]
)
def test_each_level_near_the_price_has_a_row(tick: float, levels: int) -> None:
    """A row is a tick where that gives 200 rows or fewer, and else some ticks."""
    bid = 5000 * tick
    given = book(bid, bid + tick, levels, tick)
    assert find_tick([given]) == tick
    grid = choose_grid([given])
    assert grid is not None
    assert grid.rows <= MAX_ROWS
    assert grid.holds(given)
    cells = grid.fill(given)
    near = np.abs(grid.prices - bid) < 0.9 * levels * tick
    assert not np.isnan(cells[near][1:-1]).any()
    if grid.step == tick:
        row = int(np.argmin(np.abs(grid.prices - bid)))
        assert grid.prices[row] == pytest.approx(bid, rel=1e-12)
        assert set(cells[~np.isnan(cells)]) == {2.0}
    # Nothing is lost but what lies above and below.
    assert np.nansum(cells) <= 4 * levels
    assert np.nansum(cells) >= 4 * 0.85 * levels


def test_decimals_are_those_of_the_tick() -> None:
    """So that rows are named as the venue writes prices."""
    for tick, decimals in ((0.01, 2), (0.25, 2), (0.5, 1), (5.0, 0), (1e-8, 8)):
        grid = choose_grid([book(100 * tick, 101 * tick, 5, tick)])
        assert grid is not None
        assert grid.decimals == decimals


def test_grid_moves_when_the_price_leaves_its_middle() -> None:
    """And not before: each move has all columns drawn again."""
    grid = Grid(100, 1.0, 100, 0)
    assert grid.holds(book(149, 151))
    assert grid.holds(book(135, 137))
    assert not grid.holds(book(110, 112))
    assert not grid.holds(book(500, 501))
    assert grid.holds(book()._replace(bids=NO_LEVELS, asks=NO_LEVELS))


def test_no_levels_have_no_grid() -> None:
    """An empty book leaves nothing to draw."""
    assert choose_grid([]) is None
    assert choose_grid([book()._replace(bids=NO_LEVELS, asks=NO_LEVELS)]) is None


def test_one_sided_book_has_a_grid() -> None:
    """Around the only side."""
    grid = choose_grid([book(levels=5)._replace(asks=NO_LEVELS)])
    assert grid is not None
    assert np.nansum(grid.fill(book(levels=5)._replace(asks=NO_LEVELS))) == 10


def test_columns_are_the_newest_books_of_even_moments() -> None:
    """A moment without a change has the book before; the newest is not complete."""
    columns = BookColumns(100)
    books = [book(time=time) for time in (0, 50, 90, 420, 430)]
    new = columns.add(books)
    assert [(time, each.time) for time, each in new] == [(0, 90), (100, 90), (200, 90), (300, 90)]
    assert columns.newest is books[-1]
    late = book(time=10)
    assert columns.add([late]) == []
    assert [(time, each.time) for time, each in columns.add([book(time=500)])] == [(400, 10)]


def test_columns_begin_anew_after_a_wrong_time() -> None:
    """A book far in the future would otherwise stop the chart until then."""
    columns = BookColumns(100)
    columns.add([book(time=0), book(time=10**15)])
    new = columns.add([book(time=1_000), book(time=1_100), book(time=1_200)])
    assert [time for time, _ in new] == [time for time, _ in columns.held] == [1_000, 1_100]
    assert columns.restarts == 1


def test_grid_of_any_prices_can_be_filled() -> None:
    """Levels that hardly differ, and levels that are far away, give no endless grid."""
    side = np.array([[1.0, 1.0], [1 - 1e-16, 1.0]])
    odd = book()._replace(bids=side, asks=np.array([[1e300, 2.0]]))
    for each in (odd, odd._replace(asks=side[:, ::-1] + 1e-15)):
        grid = choose_grid([each])
        assert grid is not None
        assert len(grid.fill(each)) == grid.rows <= MAX_ROWS


def test_columns_are_bounded() -> None:
    """However long the pause between two books."""
    columns = BookColumns(1)
    columns.add([book(time=0)])
    new = columns.add([book(time=10**15)])
    assert len(new) == len(columns.held) == MAX_COLUMNS
    assert new[-1][0] == 10**15 - 1


@pytest.mark.parametrize(
    ("span_ns", "interval_ns"),
    [(None, EARLIER_NS), (10**9, EARLIER_NS), (300 * 10**9, 300_000_000), (10**12 + 1, 10**9 + 1)],
)
def test_window_has_at_most_a_thousand_columns(span_ns: int | None, interval_ns: int) -> None:
    """They are a tenth of a second apart at least, as the books are that a log holds."""
    assert choose_interval_ns(span_ns) == interval_ns
