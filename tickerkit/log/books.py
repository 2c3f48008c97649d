"""Books: the order books beside the ticks of a log: the newest of each symbol, and earlier ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

import numpy as np
import pandas as pd

from tickerkit.limits import MAX_LEVELS_HELD
from tickerkit.ticks import NO_LEVELS, NO_TIME, UTC_NS, Levels, Side

__all__ = ["EARLIER_NS", "MAX_EARLIER", "Book", "Books", "book_frame"]

# How many books of a symbol are held, and of which interval only the newest is.
MAX_EARLIER = 1000
EARLIER_NS = 100_000_000
# What a book costs besides its levels, in levels.
BOOK_COST = 16
SIDE_NAMES = pd.CategoricalDtype(["bid", "ask"])


class Book(NamedTuple):
    """The order book of a symbol at one moment; nothing of it ever changes.

    Attributes:
        symbol: the symbol.
        bids: shape (levels, 2), prices and sizes, the highest price first.
        asks: likewise, the lowest price first.
        time: when it was so, in epoch ns.
        received: when it was received, in epoch ns.
        epoch: the epoch that the log was in.
        seq: of the newest tick at that time; 0 before the first.
        number: the number of the book among those that the log was given, from 1.
    """

    symbol: str
    bids: Side
    asks: Side
    time: int
    received: int
    epoch: str
    seq: int
    number: int

    @property
    def cost(self) -> int:
        """How much of the memory for books it takes, in levels."""
        return len(self.bids) + len(self.asks) + BOOK_COST


class Books:
    """The newest order book of each symbol, and earlier ones.

    Of each symbol some 1,000 books are held, of each tenth of a second (by their time) only the
    newest. All of them together have at most `MAX_LEVELS_HELD` levels; beyond, the oldest books of
    all symbols are dropped. A book is a state and no tick: it has no row in the log, no recording
    has it, and a reader that comes late needs only the newest.

    One thread adds books; any thread may read them.

    Attributes:
        number: how many books were added. A reader that remembers it knows which are new.
    """

    def __init__(self) -> None:
        self.number = 0
        # No lock: each change of this dict and of its lists is atomic, and readers copy.
        self._held: dict[str, list[Book]] = {}
        # The newest book of each symbol, in the order in which they came, so that what is new is at
        # the end. For the writer's thread only: a symbol is missing while its book is replaced.
        self._by_age: dict[str, Book] = {}
        self._cost = 0

    def __len__(self) -> int:
        return len(self._held)

    def add(self, levels: Levels, *, received: int, epoch: str, seq: int) -> None:
        """Add a book; call it in the log's writer's thread.

        Args:
            levels: the book; a side that it leaves out stays as it was.
            received: when it was received, in epoch ns; also its time, if it has none.
            epoch: the epoch that the log is in.
            seq: the log's newest tick.
        """
        symbol, bids, asks, time, own_seq = levels
        before = self._by_age.pop(symbol, None)
        if bids is None:
            bids = NO_LEVELS if before is None else before.bids
        if asks is None:
            asks = NO_LEVELS if before is None else before.asks
        time = received if time == NO_TIME else time
        number = self.number + 1
        book = Book(symbol, bids, asks, time, received, epoch, own_seq or seq, number)
        self._cost += book.cost
        if (held := self._held.get(symbol)) is None:
            self._held[symbol] = [book]
        elif held[-1].time // EARLIER_NS == time // EARLIER_NS:
            self._cost -= held[-1].cost
            held[-1] = book
        else:
            held.append(book)
            if len(held) > MAX_EARLIER + MAX_EARLIER // 8:
                self._drop(held, len(held) - MAX_EARLIER)
        self._by_age[symbol] = book
        # Last: a reader that sees the number must find the book.
        self.number = number
        if self._cost > MAX_LEVELS_HELD:
            self._drop_oldest()

    def newest(self, symbol: str) -> Book | None:
        """Return the newest book of a symbol; None if there is none."""
        newest = self._held.get(symbol, [])[-1:]  # at once: the writer may drop it
        return newest[0] if newest else None

    def symbols(self) -> list[str]:
        """Return the symbols that have a book, in the order of their names."""
        return sorted(self._held.copy())

    def since(self, symbol: str, number: int) -> list[Book]:
        """Return the books of a symbol that are held and came after a number, oldest first."""
        held = self._held.get(symbol, []).copy()
        newer = list(takewhile(lambda book: book.number > number, reversed(held)))
        return newer[::-1]

    def changed(self, number: int) -> Iterator[Book]:
        """Yield the newest book of each symbol that has one after a number, newest first.

        Call it in the writer's thread.
        """
        return takewhile(lambda book: book.number > number, reversed(self._by_age.values()))

    def _drop(self, held: list[Book], count: int) -> None:
        self._cost -= sum(book.cost for book in held[:count])
        del held[:count]

    def _drop_oldest(self) -> None:
        """Drop the oldest books, until an eighth of the memory is free."""
        books = sorted((book.number, book) for held in self._held.values() for book in held)
        for _, book in books:
            if self._cost <= MAX_LEVELS_HELD * 7 // 8:
                break
            held = self._held[book.symbol]
            self._drop(held, 1)
            if not held:
                del self._held[book.symbol]
                self._by_age.pop(book.symbol, None)


def book_frame(book: Book | None) -> pd.DataFrame:
    """Return a book as a frame with the columns of `Feed.book`; without a book it has no rows."""
    bids, asks = (NO_LEVELS, NO_LEVELS) if book is None else (book.bids, book.asks)
    codes = np.repeat(np.array([0, 1], dtype=np.int8), [len(bids), len(asks)])
    frame = pd.DataFrame(
        {
            "side": pd.Categorical.from_codes(codes, dtype=SIDE_NAMES),
            "price": np.concatenate([bids[:, 0], asks[:, 0]]),
            "size": np.concatenate([bids[:, 1], asks[:, 1]]),
            "total": np.concatenate([np.cumsum(bids[:, 1]), np.cumsum(asks[:, 1])]),
        }
    )
    if book is not None:
        times = pd.array(np.array([book.time, book.received]), dtype=UTC_NS)
        frame.attrs = {
            "symbol": book.symbol,
            "time": times[0],
            "received": times[1],
            "epoch": book.epoch,
            "seq": book.seq,
        }
    return frame
