"""Latest: of each symbol, the newest value of each field; a reader that folds a log."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tickerkit.log.tick_log import TickLog
from tickerkit.ticks import TIME_COLUMNS, UTC_NS, Array

__all__ = ["Latest"]


class Latest:
    """The newest value of each field, for each symbol that came since `log`'s oldest tick.

    Quotes and trades fill in for each other: after a quote, `price` is still the last trade's.
    Folding costs by the ticks that are new; a tick dropped unread is not in it.

    Attributes:
        values: an array for each column, with an entry for each symbol by its code.
    """

    def __init__(self, log: TickLog) -> None:
        self.log = log
        self._reader = log.reader(log.start)
        self.values: dict[str, Array] = {}

    def update(self) -> bool:
        """Fold what is new; return whether anything was."""
        rows = self._reader.read()
        if not len(rows):
            return False
        codes = rows.array("symbol")
        symbols = len(self.log.dictionaries["symbol"].words)
        for name in rows.names():
            column = rows.array(name)
            number = column.dtype.kind == "f"
            values = self.values.get(name)
            if values is None or len(values) < symbols:
                none = np.nan if number else -1
                values = np.full(2 * symbols, none, dtype=column.dtype if number else np.int64)
                if (old := self.values.get(name)) is not None:
                    values[: len(old)] = old
                self.values[name] = values
            # Where a symbol comes several times, numpy keeps the value assigned last: the newest.
            if number:
                there = ~np.isnan(column)
                values[codes[there]] = column[there]
            elif name in self.log.dictionaries:
                there = column >= 0
                values[codes[there]] = column[there]
            else:
                values[codes] = column
        return True

    def codes(self) -> Array:
        """Return the codes of the symbols there are values of, in the order they first came."""
        seq = self.values.get("seq")
        return np.empty(0, dtype=np.int64) if seq is None else np.flatnonzero(seq >= 0)

    def frame(self) -> pd.DataFrame:
        """Return one row for each symbol: the columns of `TickLog.frame`, indexed by symbol."""
        codes = self.codes()
        none = self.log.rows(stop=0)
        held = self.values or {name: none.array(name) for name in none.names()}
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
