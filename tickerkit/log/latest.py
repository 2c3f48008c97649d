"""Latest: the newest value of each field, for each symbol."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

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
            number of symbols or more. NaN, or -1 in a column of codes, for no value.
        newest_row: for each symbol the number of its newest row, int64, shape (S,); -1 for none.
    """

    def __init__(self, log: TickLog) -> None:
        self.log = log
        self._reader = log.reader(log.start)
        self.values: dict[str, Array] = {}
        self.newest_row: Array = np.empty(0, dtype=np.int64)

    def update(self) -> bool:
        """Read the new ticks; return whether there were any."""
        rows = self._reader.read()
        if not len(rows):
            return False
        codes = rows.array("symbol")  # (N,), as each column below
        symbols = len(self.log.dictionaries["symbol"].words)
        if len(self.newest_row) < symbols:
            before, self.newest_row = self.newest_row, np.full(2 * symbols, -1, dtype=np.int64)
            self.newest_row[: len(before)] = before
        # Where a symbol comes several times, numpy keeps the value assigned last: the newest.
        self.newest_row[codes] = np.arange(rows.start, rows.stop)
        for name in rows.names():
            column = rows.array(name)
            number = column.dtype.kind == "f"
            values = self.values.get(name)
            if values is None or len(values) < symbols:
                # Twice the size needed, so that new symbols seldom need new arrays.
                empty = np.nan if number else -1
                values = np.full(2 * symbols, empty, dtype=column.dtype if number else np.int64)
                if (old := self.values.get(name)) is not None:
                    values[: len(old)] = old
                self.values[name] = values
            if number:
                has_value = ~np.isnan(column)  # (N,) bool
                values[codes[has_value]] = column[has_value]
            elif name in self.log.dictionaries:
                has_value = column >= 0
                values[codes[has_value]] = column[has_value]
            else:
                values[codes] = column
        return True

    def codes(self) -> Array:
        """Return the codes of the symbols that have values, in the order of their first ticks."""
        seq = self.values.get("seq")
        return np.empty(0, dtype=np.int64) if seq is None else np.flatnonzero(seq >= 0)

    def frame(self) -> pd.DataFrame:
        """Return a row for each symbol: the columns of `TickLog.frame`, indexed by symbol."""
        codes = self.codes()
        no_rows = self.log.rows(stop=0)
        held = self.values or {name: no_rows.array(name) for name in no_rows.names()}
        columns: dict[str, Any] = {}
        for name, values in held.items():
            chosen = values[codes]
            if name in TIME_COLUMNS:
                columns[name] = pd.array(chosen, dtype=UTC_NS)
            elif name in self.log.dictionaries:
                columns[name] = pd.Categorical.from_codes(
                    chosen, categories=pd.Index(self.log.dictionaries[name].words, dtype="str")
                )
            else:
                columns[name] = chosen
        index = pd.Index(
            [self.log.dictionaries["symbol"].words[code] for code in codes], dtype="str"
        )
        return pd.DataFrame(columns, index=index)
