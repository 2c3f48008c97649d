"""Grid: the prices that the rows of a heat map of books stand for, and the sizes in each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tickerkit.log import Book
from tickerkit.ticks import Array, Side

__all__ = ["MAX_ROWS", "Grid", "choose_grid"]

MAX_ROWS = 200
# How much more than the book is high the grid is, so that the price can move within it.
ROOM = 2.5
# The part of levels by which the height of a book is judged: a few lie far off.
NEAR_PART = 0.9
# Where in the grid the middle of a book may be, as a part of its height.
MIN_PLACE, MAX_PLACE = 0.3, 0.7
# The smallest tick, as a part of the price.
MIN_TICK = 1e-12


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of one height, one above the other.

    Attributes:
        first: the lowest price of the lowest row, in steps.
        step: the height of a row, in the price's unit.
        rows: how many rows there are.
        decimals: how many decimals the prices of rows have.
    """

    first: int
    step: float
    rows: int
    decimals: int

    @property
    def prices(self) -> Array:
        """The price of each row, shape (rows,): of its only price where a step is a tick."""
        return np.round((self.first + np.arange(self.rows)) * self.step, self.decimals)

    def holds(self, book: Book) -> bool:
        """Return whether the middle of a book is not near an edge; True for an empty book."""
        middle = find_middle(book)
        if math.isnan(middle):
            return True
        return MIN_PLACE <= (middle / self.step - self.first) / self.rows <= MAX_PLACE

    def covers(self, price: float) -> bool:
        """Return whether a price lies in one of the rows."""
        return self.first <= price / self.step + 1e-6 < self.first + self.rows

    def fill(self, book: Book) -> Array:
        """Return the size in each row, shape (rows,); NaN where there is none."""
        sizes = np.zeros(self.rows)
        for side in (book.bids, book.asks):
            places = self._places(side)
            is_inside = (places >= 0) & (places < self.rows)
            np.add.at(sizes, places[is_inside].astype(np.int64), side[is_inside, 1])
        sizes[sizes == 0] = np.nan
        return sizes

    def _places(self, side: Side) -> npt.NDArray[np.float64]:
        # Rounded where a step is a tick; otherwise each row has the prices from its own one up.
        places: npt.NDArray[np.float64] = np.floor(side[:, 0] / self.step + 1e-6)
        return places - self.first


def choose_grid(books: Iterable[Book]) -> Grid | None:
    """Return a grid around the newest of some books, which is the last one; None for empty books.

    A step is a tick if that gives at most 200 rows, otherwise a multiple of it.
    """
    given = [book for book in books if len(book.bids) + len(book.asks)]
    if not given:
        return None
    newest = given[-1]
    middle = find_middle(newest)
    prices = np.concatenate([newest.bids[:, 0], newest.asks[:, 0]])
    height = 2 * float(np.quantile(np.abs(prices - middle), NEAR_PART)) * ROOM
    # Two levels may differ by less than the digits of a float tell.
    tick = max(find_tick(given), MIN_TICK * max(abs(middle), height))
    ticks = max(math.ceil(height / tick), 10)
    step = tick * math.ceil(ticks / MAX_ROWS)
    rows = min(math.ceil(ticks * tick / step), MAX_ROWS)
    decimals = max(0, -math.floor(math.log10(tick) + 1e-9))
    decimals += round(tick * 10**decimals, 6) % 1 > 0  # as for a tick of 0.25
    return Grid(round(middle / step) - rows // 2, step, rows, decimals)


def find_tick(books: Iterable[Book]) -> float:
    """Return the smallest distance between two levels of some books; 1 without two levels."""
    smallest = math.inf
    for book in books:
        for side in (book.bids, book.asks):
            if len(side) > 1:
                smallest = min(smallest, float(np.abs(np.diff(side[:, 0])).min()))
    # The difference of two floats has digits that neither price has.
    return float(f"{smallest:.3g}") if math.isfinite(smallest) else 1.0


def find_middle(book: Book) -> float:
    """Return the middle of the best bid and ask, or the only one; NaN for an empty book."""
    best = [float(side[0, 0]) for side in (book.bids, book.asks) if len(side)]
    return sum(best) / len(best) if best else math.nan
