"""BestQuotes: order books out of the levels that change, and the best bid and ask of each.

A preset's reading with `book = true` reads levels: `side` is `buy` for a bid and `sell` for an ask,
`price` is the level's price, and `size` its new size. A `size` or a `level_count` of 0 removes the
level; a level without a price or a size is ignored. The levels of a snapshot (`old`) begin the
book; levels that come before the first snapshot are ignored. Where a venue sends a book of some
`depth`, and does not remove what falls out of it, the worst levels beyond it are dropped.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tickerkit.fieldmaps.batches import has_origin, join_mixed
from tickerkit.fieldmaps.fields import MESSAGE
from tickerkit.limits import MAX_SYMBOLS
from tickerkit.ticks import Batch, Column, Levels, Side, Text
from tickerkit.ticks.masks import is_any

__all__ = ["BOOK_CLASSES", "LEVEL", "WHOLE_BOOK", "BestQuotes", "drop_marks"]

# This column marks levels, and the other one rows that came with a whole book.
LEVEL, WHOLE_BOOK = "level", "whole_book"
COLUMNS = (LEVEL, "level_count", MESSAGE)

_Level: TypeAlias = tuple[str, str, float, float, bool]

# How many levels of a side are kept; above that, only the better half.
MAX_LEVELS = 200_000
# How many levels of a side go to the log. To find the best 1,000 of 20,000 levels takes 3 ms.
DEPTH = 200
# How many prices of removed levels are kept before they are cleaned up.
MAX_REMOVED = 1_000


class _Quote(NamedTuple):
    """The best bid and ask; NaN for none."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float


NO_QUOTE = _Quote(*[float("nan")] * 4)


class _Side:
    """The bids or the asks of a symbol.

    Args:
        sign: 1 if the lowest price is the best one, -1 if the highest is.
    """

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._sizes: dict[float, float] = {}
        # The prices of all levels, and of removed ones, the best first.
        self._order: list[float] = []

    def set(self, price: float, size: float) -> None:
        """Set the size of a level; a size that is not above 0 removes it."""
        key = self._sign * price
        if not size > 0:
            self._sizes.pop(key, None)
            return
        if key not in self._sizes:
            heapq.heappush(self._order, key)
        self._sizes[key] = size
        if len(self._sizes) > MAX_LEVELS:
            best = heapq.nsmallest(MAX_LEVELS // 2, self._sizes)
            self._sizes = {each: self._sizes[each] for each in best}
        if len(self._order) > 2 * len(self._sizes) + MAX_REMOVED:
            self._order = sorted(self._sizes)

    def best(self) -> tuple[float, float]:
        """Return the price and the size of the best level."""
        while self._order and self._order[0] not in self._sizes:
            heapq.heappop(self._order)
        if not self._order:
            return float("nan"), float("nan")
        return self._sign * self._order[0], self._sizes[self._order[0]]

    def cut(self, depth: int) -> None:
        """Drop the worst levels beyond `depth`."""
        if len(self._sizes) > depth:
            self._order = heapq.nsmallest(depth, self._sizes)  # sorted lists are heaps
            self._sizes = {each: self._sizes[each] for each in self._order}

    def levels(self) -> Side:
        """Return the best levels, shape (levels, 2): prices and sizes, the best one first."""
        best = heapq.nsmallest(DEPTH, self._sizes)
        return np.array([(self._sign * key, self._sizes[key]) for key in best]).reshape(-1, 2)


class _Book:
    """The levels of a symbol."""

    def __init__(self) -> None:
        self.quote = NO_QUOTE
        self.clear()

    def clear(self) -> None:
        """Remove all levels."""
        self.sides = {"buy": _Side(-1), "sell": _Side(1)}

    def update_quote(self) -> bool:
        """Set `quote` to the best bid and ask; return whether it has changed.

        A crossed book is not used: the second message of the same change is still to come. An empty
        book has no quote.
        """
        quote = _Quote(*self.sides["buy"].best(), *self.sides["sell"].best())
        if quote.bid >= quote.ask or np.array_equal(quote, self.quote, equal_nan=True):
            return False
        self.quote = quote
        return quote.bid == quote.bid or quote.ask == quote.ask

    def cut(self, depth: int) -> None:
        """Drop the worst levels of each side beyond `depth`."""
        for side in self.sides.values():
            side.cut(depth)

    def levels(self, symbol: str, time_ns: int) -> Levels | None:
        """Return the best levels of both sides; None while the book is crossed."""
        bids, asks = self.sides["buy"].levels(), self.sides["sell"].levels()
        if len(bids) and len(asks) and bids[0, 0] >= asks[0, 0]:
            return None
        return Levels(symbol, bids, asks, time_ns)


class BestQuotes:
    """The order books of one connection."""

    def __init__(self) -> None:
        self._books: dict[str, _Book] = {}

    def take(
        self,
        batch: Batch,
        *,
        quotes: bool = True,
        books: bool = False,
        depth: int | None = None,
    ) -> Batch:
        """Return rows with quotes in place of the levels: at most one for each message and symbol.

        Args:
            batch: the rows, with the numbers of their messages. All levels of a message are applied
                before its quote is made.
            quotes: whether to return quotes.
            books: whether to return order books: for each symbol whose levels have changed, the 200
                best levels of each side, once for all messages.
            depth: how many levels of a side the venue's book has; None for all.
        """
        marks, numbers = batch.columns.get(LEVEL), batch.columns.get(MESSAGE)
        if not isinstance(numbers, np.ndarray):
            return batch
        is_level = marks == 1 if isinstance(marks, np.ndarray) else np.zeros(batch.count, bool)
        columns = {name: each for name, each in batch.columns.items() if name not in COLUMNS}
        rest = replace(batch, columns=columns)
        if not is_level.any():
            return rest
        rest = rest.where(~is_level)
        messages = numbers[is_level].astype(np.int64)
        at, made, touched = self._take_levels(batch.where(is_level), messages, depth)
        keys = [numbers[~is_level].astype(np.int64), at]
        if quotes:
            rest = join_mixed([rest, made], keys) if rest.count else made
        found = [
            self._books[symbol].levels(symbol, time_ns)
            for symbol, time_ns in touched.items()
            if books
        ]
        return replace(
            rest,
            refused=batch.refused,
            errors=batch.errors,
            misfits=batch.misfits,
            books=[*batch.books, *(each for each in found if each is not None)],
        )

    def _take_levels(
        self, levels: Batch, numbers: npt.NDArray[np.int64], depth: int | None
    ) -> tuple[npt.NDArray[np.int64], Batch, dict[str, int]]:
        """Apply levels.

        Returns:
            The number of the message of each quote, the quotes, and the time of the newest change
            of each book that has changed.
        """
        rows = list(_rows_of(levels))
        changed: dict[str, int] = {}
        starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), levels.count]
        found: list[tuple[int, int, str, _Quote]] = []
        for start, stop in pairwise(starts):
            time_ns = int(levels.time[start:stop].max())
            for symbol in self._update(rows[start:stop]):
                book = self._books[symbol]
                changed[symbol] = time_ns
                if depth is not None:
                    book.cut(depth)
                if book.update_quote():
                    found.append((int(numbers[start]), time_ns, symbol, book.quote))
        count = len(found)
        none = np.full(count, np.nan)
        table = np.array([quote for *_, quote in found]).reshape(-1, 4)
        columns: dict[str, Column] = {
            "symbol": Text.of(symbol for _, _, symbol, _ in found),
            "price": none,
            "size": none,
            **{name: table[:, n].copy() for n, name in enumerate(_Quote._fields)},
        }
        at, times = (np.array([each[n] for each in found], dtype=np.int64) for n in (0, 1))
        return at, Batch(count, times, columns), changed

    def _update(self, rows: Iterable[_Level]) -> list[str]:
        """Apply the levels of a message to the books; return their symbols."""
        touched: dict[str, None] = {}
        for symbol, side, price, size, is_old in rows:
            if symbol not in self._books and not (is_old and len(self._books) < MAX_SYMBOLS):
                continue
            book = self._books.setdefault(symbol, _Book())
            if symbol not in touched:
                touched[symbol] = None
                if is_old:
                    book.clear()
            if side in book.sides and price == price and size == size:
                book.sides[side].set(price, size)
        return list(touched)


def drop_marks(batch: Batch, *, quotes: bool) -> Batch:
    """Return rows without the mark of those that came with a whole book.

    Args:
        batch: the rows.
        quotes: whether such rows stay, as quotes: where no other channel brings these.
    """
    if (marks := batch.columns.get(WHOLE_BOOK)) is None:
        return batch
    columns = {name: each for name, each in batch.columns.items() if name != WHOLE_BOOK}
    rest = replace(batch, columns=columns)
    if quotes or not isinstance(marks, np.ndarray) or not is_any(is_marked := marks == 1):
        return rest
    left = rest.where(~is_marked)
    return replace(left, refused=rest.refused, errors=rest.errors, misfits=rest.misfits)


def _rows_of(levels: Batch) -> Iterator[_Level]:
    """Yield the symbol, side, price and size of each level, and whether it is of a snapshot."""
    texts = {}
    for name in ("symbol", "side"):
        column = levels.columns.get(name)
        words = [*column.words, ""] if isinstance(column, Text) else [""]
        codes = column.codes.tolist() if isinstance(column, Text) else [0] * levels.count
        texts[name] = [words[code] for code in codes]
    numbers = []
    for name in ("price", "size", "level_count"):
        column = levels.columns.get(name)
        # A column that is not of numbers is ignored.
        none = [np.nan] * levels.count
        numbers.append(column.tolist() if isinstance(column, np.ndarray) else none)
    prices, sizes, counts = numbers
    sizes = [size if count else 0.0 for size, count in zip(sizes, counts, strict=True)]
    old = has_origin(levels, "snapshot").tolist()
    yield from zip(texts["symbol"], texts["side"], prices, sizes, old, strict=True)


# What order books are made of, for a `Saver`.
BOOK_CLASSES = (BestQuotes, _Book, _Side, _Quote)
