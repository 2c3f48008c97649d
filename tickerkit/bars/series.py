"""Bar series: the bars of one symbol, to which new ticks are added, and its indicators."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd

from tickerkit.bars.indicators import IndicatorSpec
from tickerkit.bars.indicators.columns import CHECKPOINT_BARS, IndicatorColumns
from tickerkit.bars.indicators.library import LibraryFormula
from tickerkit.bars.indicators.own import OwnClass, OwnFunction
from tickerkit.bars.partial import PartialBars, time_index
from tickerkit.ticks import Array

__all__ = ["BarSeries"]

KINDS = {"row": "i8", "last_row": "i8", "ticks": "i8", "time": "i8", "revised": "?"}
# How many indicators of a series are kept: those that were used last.
MAX_INDICATORS = 64
# Bars that the log has dropped are kept while there are fewer than this, or than a quarter of all.
MAX_DROPPED = 4 * CHECKPOINT_BARS


class BarSeries:
    """The bars of one symbol since its first tick, kept up to date from new ticks alone.

    Ticks that the log drops change no bar here: so the columns of an indicator, computed from
    these bars, stay as they are. A bar is dropped when all of its ticks are.

    Bars are numbered from the first one ever held; number `start` is at index 0 of the arrays.

    Args:
        symbol: whose bars they are.
        length: the length of a bar in ns.

    Attributes:
        start: the number of the oldest bar held.
        stop: the number after that of the newest.
        arrays: each column, by name: those of `PartialBars` but for the codes, `time` (when each
            bar begins, epoch ns), and `revised` (bool: whether a late tick changed the bar when a
            newer one had begun). Elements beyond `stop - start` are not in use.
        first_row: the row of the first tick ever.
        last_row: the row of the last tick.
    """

    def __init__(self, symbol: str, length: int) -> None:
        self.symbol = symbol
        self.length = length
        self.start = self.stop = 0
        self.first_row = self.last_row = -1
        names = [*PartialBars._fields[2:], "time", "revised"]
        self.arrays = {name: np.empty(0, dtype=KINDS.get(name, "f8")) for name in names}
        self._columns: dict[Hashable, IndicatorColumns] = {}

    def column(self, name: str) -> Array:
        """Return a column of the bars held, shape (stop - start,), as a view."""
        return self.arrays[name][: self.stop - self.start]

    def add(self, part: PartialBars) -> None:
        """Add the bars of new ticks, all of this symbol, each shape (B,), in order of time."""
        times = part.intervals * self.length
        if self.first_row < 0:
            self.first_row = int(part.row.min())
        self.last_row = int(part.last_row.max())
        size = self.stop - self.start
        newest = int(self.arrays["time"][size - 1]) if size else None
        begin = int(times[0])
        if newest is None or begin > newest:
            changed = size
            self._append(part, times, 0)
        elif begin == newest:
            changed = size - 1
            self._merge(part, np.array([0]), np.array([changed]))
            self._append(part, times, 1)
        else:
            changed = self._add_late(part, times, newest)
        for columns in self._columns.values():
            columns.forget(self.start + changed)

    def compute(self, spec: IndicatorSpec) -> IndicatorColumns:
        """Return the columns of an indicator, up to date.

        What a user's own function or class raises is raised; the next call tries again.
        """
        formula = spec.formula
        key: Hashable = spec.text
        if isinstance(formula, OwnFunction | OwnClass | LibraryFormula):
            # Two functions of a user may have one name, and an object may have no hash. The columns
            # hold the object, so that no other one gets its id.
            key = spec.text, id(formula.given)
        columns = self._columns.pop(key, None)
        if columns is None:
            columns = IndicatorColumns(spec, self.start)
        self._columns[key] = columns  # a dict is in the order of insertion: last used, last
        while len(self._columns) > MAX_INDICATORS:
            del self._columns[next(iter(self._columns))]
        columns.update(self)
        return columns

    def held(self, first_row: int, last: int | None = None, begin: int = 0) -> Array:
        """Return the indices of the bars that have a tick in the log.

        Args:
            first_row: the row of the oldest tick that the log holds.
            last: only the newest bars: how many.
            begin: only bars from this index on.
        """
        rows = self.column("last_row")
        if last is not None:
            newest = max(len(rows) - last, begin)
            if (rows[newest:] >= first_row).all():  # as a rule
                return np.arange(newest, len(rows))
        found = begin + np.flatnonzero(rows[begin:] >= first_row)
        return found if last is None else found[max(len(found) - last, 0) :]

    def is_cut(self, indices: Array, first_row: int) -> bool:
        """Return whether the log, from `first_row` on, lacks a tick of one of these bars.

        It then has ticks for a shorter bar than this one.
        """
        return bool((self.column("row")[indices] < first_row).any())

    def frame(self, indices: Array) -> pd.DataFrame:
        """Return some of the bars as a frame, indexed by time."""
        columns = {name: self.column(name)[indices] for name in PartialBars._fields[4:]}
        return pd.DataFrame(columns, index=time_index(self.column("time")[indices], "time"))

    def trim(self, first_row: int) -> None:
        """Drop the oldest bars that have no tick in the log, which begins at `first_row`."""
        size = self.stop - self.start
        quarter = max(size // 4, MAX_DROPPED)
        rows = self.column("last_row")
        if size <= quarter or rows[quarter] >= first_row:
            return
        is_held = rows >= first_row
        dropped = int(np.argmax(is_held)) if is_held.any() else size - 1
        # Windows of the oldest bars that stay reach back over bars that the log has dropped.
        margin = max((each.lookback for each in self._columns.values()), default=0)
        count = max(dropped - margin, 0) // CHECKPOINT_BARS * CHECKPOINT_BARS
        if not count:
            return
        self.arrays = {name: each[count:size].copy() for name, each in self.arrays.items()}
        self.start += count
        # An indicator that was last asked for before these bars starts from the beginning.
        for key in [key for key, each in self._columns.items() if each.valid < self.start]:
            del self._columns[key]
        for columns in self._columns.values():
            columns.trim(self.start)

    def _append(self, part: PartialBars, times: Array, first: int) -> None:
        """Append bars from index `first` of a part on; they are newer than those held."""
        size, count = self.stop - self.start, len(times) - first
        if not count:
            return
        if size + count > len(self.arrays["time"]):
            self._grow(size + count)
        new = slice(size, size + count)
        for name in PartialBars._fields[2:]:
            self.arrays[name][new] = getattr(part, name)[first:]
        self.arrays["time"][new] = times[first:]
        self.arrays["revised"][new] = False
        self.stop += count

    def _grow(self, size: int) -> None:
        capacity = max(size, 2 * len(self.arrays["time"]), 16)
        for name, old in self.arrays.items():
            self.arrays[name] = np.empty(capacity, dtype=old.dtype)
            self.arrays[name][: len(old)] = old

    def _merge(self, part: PartialBars, new: Array, old: Array) -> None:
        """Merge bars at the indices `new` of a part into those held at the indices `old`."""
        arrays = self.arrays
        arrays["high"][old] = np.maximum(arrays["high"][old], part.high[new])
        arrays["low"][old] = np.minimum(arrays["low"][old], part.low[new])
        arrays["close"][old] = part.close[new]
        arrays["last_row"][old] = part.last_row[new]
        arrays["volume"][old] += part.volume[new]
        arrays["ticks"][old] += part.ticks[new]

    def _add_late(self, part: PartialBars, times: Array, newest: int) -> int:
        """Add bars of which the first are older than the newest held; return the first changed."""
        places = np.searchsorted(self.column("time"), times)  # (B,)
        size = self.stop - self.start
        is_held = self.column("time")[np.minimum(places, size - 1)] == times
        is_new = ~is_held & (times < newest)
        at = places[is_new]
        arrays = {"time": times}
        arrays |= {name: getattr(part, name) for name in PartialBars._fields[2:]}
        arrays["revised"] = np.zeros(len(times), dtype=bool)
        if len(at):
            for name in self.arrays:
                self.arrays[name] = np.insert(self.arrays[name][:size], at, arrays[name][is_new])
            self.stop += len(at)
            places = np.searchsorted(self.column("time"), times)
        self._merge(part, np.flatnonzero(is_held), places[is_held])
        is_late = times < newest
        self.arrays["revised"][places[is_late]] = True
        self._append(part, times, int(np.searchsorted(times, newest, side="right")))
        return int(places[0])
