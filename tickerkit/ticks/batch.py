"""Batch: some ticks as columns, the form in which they go into a log."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tickerkit.errors import BadTick

__all__ = ["NO_LEVELS", "NO_TIME", "Array", "Batch", "Column", "Levels", "Side", "Text"]

Array: TypeAlias = npt.NDArray[Any]

# Stands for a missing time, as NaT does in numpy and pandas.
NO_TIME = int(np.iinfo(np.int64).min)

# One side of an order book, shape (levels, 2): the price and the size of each level, the best one
# first.
Side: TypeAlias = "npt.NDArray[np.float64]"
NO_LEVELS: Side = np.empty((0, 2))
NO_LEVELS.flags.writeable = False


class Levels(NamedTuple):
    """The order book of a symbol at one moment. It belongs to no row of a batch.

    Attributes:
        symbol: the symbol.
        bids: the highest price first; None if the tick does not say: then they stay as they were.
        asks: likewise, the lowest price first.
        time: when it was so, in epoch ns; `NO_TIME` if that is not known.
        seq: of the newest tick at that time, in the numbering of another log; 0 without one.
    """

    symbol: str
    bids: Side | None
    asks: Side | None
    time: int = NO_TIME
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """A column of text.

    Attributes:
        codes: for each row an index into `words`, -1 for no value; integers, shape (N,).
        words: the different texts.
    """

    codes: Array
    words: list[str]

    @classmethod
    def of(cls, values: Iterable[str | None]) -> Text:
        """Encode `values`, with the words in the order in which they first appear."""
        # None is a key too, with the code -1. So the code of a new value is the length minus one.
        known: dict[str | None, int] = {None: -1}
        codes = [known.setdefault(value, len(known) - 1) for value in values]
        return cls(np.array(codes, dtype=np.int32), [w for w in known if w is not None])


# Numbers are int64 where a float64 would round them: 0 stands for no value.
Column: TypeAlias = "npt.NDArray[np.float64] | npt.NDArray[np.int64] | Text"


@dataclass(slots=True)
class Batch:
    """Some ticks as columns, each of `count` rows, and the order books that came with them.

    Attributes:
        count: how many ticks.
        time: int64, nanoseconds since 1970 UTC; `NO_TIME` where the source gave none.
        columns: `symbol` (`Text`), `price` and `size` (float64, NaN for a missing value), and a
            column for each further field that any of the ticks has: text, float64, or int64 with 0
            for a missing value.
        refused: how many invalid ticks, and invalid levels of a tick, were left out.
        errors: the errors of the first ten of these.
        misfits: for each field, how many values were left out although their ticks were accepted:
            nested objects, text in a column of numbers, and fields whose name can't be a column's.
        kept: for ticks read from a frame, the numbers of the rows that were not refused, counted
            from 0, shape (count,). None if all rows were accepted, or there was no frame.
        books: the order books, oldest first. They belong to no row: a batch without ticks may have
            some. They are as new as the last row.
    """

    count: int
    time: npt.NDArray[np.int64]
    columns: dict[str, Column]
    refused: int = 0
    errors: list[BadTick] = field(default_factory=list)
    misfits: dict[str, int] = field(default_factory=dict)
    kept: npt.NDArray[np.int64] | None = None
    books: list[Levels] = field(default_factory=list)

    def part(self, start: int, stop: int) -> Batch:
        """Return rows `start` to `stop` as a batch that shares the arrays.

        The order books come with the last row.
        """
        books = self.books if stop >= self.count else []
        return self._at(slice(start, stop), stop - start, books)

    def where(self, chosen: npt.NDArray[np.bool_]) -> Batch:
        """Return the rows for which `chosen`, shape (count,), is true, and all order books.

        The arrays are copied.
        """
        return self._at(chosen, int(chosen.sum()), self.books)

    def of_symbols(self, symbols: Container[str]) -> Batch:
        """Return the ticks of `symbols`; `refused`, `errors` and `misfits` are those of all."""
        column = self.columns["symbol"]
        assert isinstance(column, Text)
        # One entry for each word, and a last one for the code -1.
        wanted = np.array([*(word in symbols for word in column.words), False], dtype=bool)
        some = self.where(wanted[column.codes])
        some.refused, some.errors, some.misfits = self.refused, self.errors, self.misfits
        some.books = [book for book in self.books if book.symbol in symbols]
        return some

    def _at(self, index: slice | npt.NDArray[np.bool_], count: int, books: list[Levels]) -> Batch:
        columns: dict[str, Column] = {
            name: Text(column.codes[index], column.words)
            if isinstance(column, Text)
            else column[index]
            for name, column in self.columns.items()
        }
        return Batch(count, self.time[index], columns, books=books)
