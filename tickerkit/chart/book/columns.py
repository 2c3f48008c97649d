"""Columns: the books of a symbol at even moments, as a heat map needs them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from tickerkit.log import EARLIER_NS, Book

__all__ = ["MAX_COLUMNS", "BookColumns", "choose_interval_ns"]

MAX_COLUMNS = 1000


def choose_interval_ns(span_ns: int | None) -> int:
    """Return how far apart columns are, for a window of some ns, or None for one of columns."""
    return EARLIER_NS if span_ns is None else max(EARLIER_NS, -(-span_ns // MAX_COLUMNS))


class BookColumns:
    """The newest book at each of some even moments; at most 1,000 of them.

    A column is complete when a later book has come. A moment without a change has the book before.
    When time goes back by more than 1,000 columns, the time of earlier books was wrong, and no
    column of them stays.

    Args:
        interval_ns: the time between two columns.

    Attributes:
        held: the time of each column, in epoch ns, and its book; oldest first.
        restarts: how often time has gone back, and all columns went.
    """

    def __init__(self, interval_ns: int) -> None:
        self._interval_ns = interval_ns
        self.held: deque[tuple[int, Book]] = deque(maxlen=MAX_COLUMNS)
        self.restarts = 0
        self._open: Book | None = None  # of the column that is not complete
        self._place = 0  # of that column

    def add(self, books: Iterable[Book]) -> list[tuple[int, Book]]:
        """Take books in the order in which they came; return the new columns, oldest first.

        A book that is older than the newest column belongs to the one that is open: a late book is
        still the newest state that is known.
        """
        new: list[tuple[int, Book]] = []
        for book in books:
            place = book.time // self._interval_ns
            if self._open is not None and place < self._place - MAX_COLUMNS:
                self.held.clear()
                new.clear()
                self.restarts += 1
                self._place = place
            elif self._open is not None and place > self._place:
                first = max(self._place, place - MAX_COLUMNS)
                new += [(each * self._interval_ns, self._open) for each in range(first, place)]
            self._place = max(place, self._place)
            self._open = book
        self.held.extend(new)
        return new[-MAX_COLUMNS:]

    @property
    def newest(self) -> Book | None:
        """The newest book; None before the first."""
        return self._open
