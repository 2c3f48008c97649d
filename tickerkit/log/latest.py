"""Latest: the newest value of each field, for each symbol."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tickerkit.log.columns import FIXED
from tickerkit.log.rows import NO_NUMBERS, Rows
from tickerkit.log.tick_log import TickLog
from tickerkit.ticks import TIME_COLUMNS, UTC_NS, Array

__all__ = ["Latest"]


class Latest:
    """The newest value of each field, for each symbol.

    The first update begins with the oldest tick that the log holds. Quotes and trades complement
    each other: after a quote, `price` is still the last trade's. The cost of an update grows with
    the number of new ticks. Ticks that the log drops before an update are left out.

    Attributes:
        values: for each column an array of shape (S,), indexed by the symbol's code; S is the
            number of symbols or more. For no value NaN, 0 in a further column of integers, -1 in a
            column of codes, and None in one of text without a dictionary, as epochs are here.
        dictionaries: the dictionary of each column of codes.
        newest_row: for each symbol the number of its newest row, int64, shape (S,); -1 for none.
    """

    def __init__(self, log: TickLog) -> None:
        self.log = log
        self._reader = log.reader(log.start)
        self.dictionaries = log.dictionaries
        self.values: dict[str, Array] = {}
        self.newest_row: Array = np.empty(0, dtype=np.int64)

    def update(self) -> bool:
        """Read the new ticks; return whether there were any."""
        rows = self._reader.read()
        if not len(rows):
            return False
        codes = rows.array("symbol")  # (N,), as each column below
        symbols = len(rows.dictionaries["symbol"].words)
        if len(self.newest_row) < symbols:
            before, self.newest_row = self.newest_row, np.full(2 * symbols, -1, dtype=np.int64)
            self.newest_row[: len(before)] = before
        # Where a symbol comes several times, numpy keeps the value assigned last: the newest.
        self.newest_row[codes] = np.arange(rows.start, rows.stop)
        for name in rows.names():
            column = rows.array(name)
            if name == "epoch":  # the log drops the names of epochs without ticks, so codes change
                column = _texts(column, rows.dictionaries[name].words)
            empty = self._empty(name, column, rows)
            values = self.values.get(name)
            if values is not None:
                values = self._convert(name, values, column)
            if values is None or len(values) < symbols:
                # Twice the size needed, so that new symbols seldom need new arrays.
                dtype = np.dtype(np.int64) if column.dtype.kind == "i" else column.dtype
                wider = np.full(2 * symbols, empty, dtype=dtype)
                if values is not None:
                    wider[: len(values)] = values
                values = wider
            self.values[name] = values
            if column.dtype.kind == "f":
                has_value = ~np.isnan(column)
            elif name in FIXED:
                has_value = np.ones(len(column), dtype=bool)
            else:
                has_value = np.asarray(column != empty, dtype=bool)
            values[codes[has_value]] = column[has_value]
        self.dictionaries = rows.dictionaries
        return True

    def _empty(self, name: str, column: Array, rows: Rows) -> float | None:
        """Return what a column has for a symbol without a value."""
        if column.dtype == object:
            return None
        if column.dtype.kind == "f":
            return np.nan
        return -1 if name in FIXED or name in rows.dictionaries else 0

    def _convert(self, name: str, values: Array, column: Array) -> Array:
        """Return the values so far in the type of a column, which may have changed."""
        if values.dtype.kind == "f" and column.dtype.kind == "i":
            # A value with a fraction, of a row that the log no longer holds, is left out.
            whole = np.where(values == np.trunc(values), values, 0)
            return whole.astype(np.int64)
        if values.dtype != object and column.dtype == object:
            return _texts(values, self.dictionaries[name].words)
        return values

    def numbers(self, name: str) -> Array | None:
        """Return the newest numbers of a column by symbol code, shape (S,), NaN for no value.

        None if there is no column of this name, or one of text, or if it is one of the log's own.
        """
        values = self.values.get(name)
        if values is None or name in NO_NUMBERS or name in self.dictionaries:
            return None
        if values.dtype.kind == "i":
            return np.where(values == 0, np.nan, values)  # 0 stands for no value
        return values if values.dtype.kind == "f" else None

    def codes(self) -> Array:
        """Return the codes of the symbols that have values, in the order of their first ticks."""
        seq = self.values.get("seq")
        return np.empty(0, dtype=np.int64) if seq is None else np.flatnonzero(seq >= 0)

    def frame(self) -> pd.DataFrame:
        """Return a row for each symbol: the columns of `TickLog.frame`, indexed by symbol."""
        codes = self.codes()
        no_rows = self.log.rows(stop=0)
        held = self.values or {name: no_rows.array(name) for name in no_rows.names()}
        words = self.dictionaries["symbol"].words
        index = pd.Index([words[code] for code in codes], dtype="str")
        columns: dict[str, Any] = {}
        for name, values in held.items():
            chosen = values[codes]
            if name in TIME_COLUMNS:
                columns[name] = pd.array(chosen, dtype=UTC_NS)
            elif name == "epoch" and self.values:
                columns[name] = pd.Categorical(chosen)
            elif chosen.dtype == object:
                columns[name] = pd.Series(chosen, index=index, dtype=object)
            elif name in self.dictionaries:
                columns[name] = pd.Categorical.from_codes(
                    chosen, categories=pd.Index(self.dictionaries[name].words, dtype="str")
                )
            else:
                columns[name] = chosen
        return pd.DataFrame(columns, index=index)


def _texts(codes: Array, words: list[str]) -> Array:
    """Return the words of codes, shape (N,), None for -1."""
    if len(codes) and (codes == codes[0]).all():  # one epoch, as usual: nothing to sort
        return np.full(len(codes), words[codes[0]] if codes[0] >= 0 else None, dtype=object)
    used, places = np.unique(codes, return_inverse=True)
    texts = np.empty(len(used), dtype=object)
    texts[:] = [words[code] if code >= 0 else None for code in used.tolist()]
    found: Array = texts[places]
    return found
