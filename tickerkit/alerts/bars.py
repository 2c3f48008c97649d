"""OnBars: conditions on the bars of a column, each judged once, when it closes.

A bar closes with the first tick of a later bar of its symbol. So what fires depends on the ticks
alone; a bar that is still open is not judged, and a tick that comes late for a closed bar is in no
bar.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence, Set
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tickerkit.alerts.condition import NOTHING, Condition, Firing
from tickerkit.alerts.own import read_truth
from tickerkit.alerts.view import Changes, LastValues, View, find_changes
from tickerkit.ticks import UTC_NS, Array

__all__ = ["OnBars", "OwnBarCondition"]

COLUMNS = ("open", "high", "low", "close", "volume", "ticks")
# How many closed bars of a symbol a function of the user's gets.
MAX_BARS = 1000


class Bar(NamedTuple):
    """A bar of one symbol; `interval` is when it begins, counted in intervals since 1970."""

    interval: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    ticks: int


class BarView:
    """The bars that closed in a view, as conditions read them: their closes are the values.

    Attributes:
        bars: each bar with the place of the tick that closed it and the code of its symbol, in the
            order in which they closed.
        times: when each bar begins, int64 ns, (B,).
        is_past: whether what fires here is left out.
    """

    def __init__(
        self,
        bars: Sequence[tuple[int, int, Bar]],
        length_ns: int,
        columns: dict[str, LastValues],
        *,
        is_past: bool,
    ) -> None:
        self.bars, self.is_past = bars, is_past
        self.times: Array = np.array([bar.interval for *_, bar in bars]) * length_ns
        self._columns = columns
        self._changes: dict[str, Changes] = {}

    def changes(self, column: str) -> Changes:
        """Return the closes, each beside the one before it."""
        if (found := self._changes.get(column)) is None:
            codes = np.array([code for _, code, _ in self.bars], dtype=np.int64)
            closes = np.array([bar.close for *_, bar in self.bars])
            last = self._columns.setdefault(column, LastValues())
            found = self._changes[column] = find_changes(codes, closes, last)
        return found


class OnBars:
    """Has conditions judge the bars that close.

    Args:
        column: the column whose bars these are.
        length_ns: the length of a bar.
        conditions: conditions that need no more of a view than a `BarView` has.
    """

    sees_all = False

    def __init__(self, column: str, length_ns: int, conditions: Sequence[Condition]) -> None:
        self.column, self.length_ns, self.conditions = column, length_ns, conditions
        self._open: dict[int, Bar] = {}
        self._columns: dict[str, LastValues] = {}

    def judge(self, view: View, codes: Set[int] | None) -> list[Firing]:
        """Return what fires at the bars that these ticks close, see `Condition`."""
        closed: list[tuple[int, int, Bar]] = []
        changes, times, sizes = view.changes(self.column), view.times, view.rows.array("size")
        for code, part in changes.select(codes):
            places = changes.places[part]
            self._add(code, places, times[places], changes.values[part], sizes[places], closed)
        if not closed:
            return NOTHING
        closed.sort(key=lambda each: each[:2])
        bars: Any = BarView(closed, self.length_ns, self._columns, is_past=view.is_past)
        firings = [each for one in self.conditions for each in one.judge(bars, codes)]
        return [each._replace(place=closed[each.place][0]) for each in firings]

    def _add(
        self,
        code: int,
        places: Array,
        times: Array,
        values: Array,
        sizes: Array,
        closed: list[tuple[int, int, Bar]],
    ) -> None:
        """Add ticks of a symbol to its bars."""
        bar = self._open.get(code)
        intervals = times // self.length_ns
        newest = np.maximum.accumulate(intervals)
        if bar is not None:
            newest = np.maximum(newest, bar.interval)
        if (is_late := intervals < newest).any():
            chosen = ~is_late
            places, intervals = places[chosen], intervals[chosen]
            values, sizes = values[chosen], sizes[chosen]
        if not len(values):
            return
        cuts = np.flatnonzero(np.diff(intervals)) + 1
        for start, stop in zip([0, *cuts], [*cuts, len(values)], strict=True):
            interval, some = int(intervals[start]), values[start:stop]
            # From left to right, whatever the batches: a sum of floats depends on the order.
            volumes = np.nan_to_num(sizes[start:stop])
            if bar is not None and bar.interval == interval:
                bar = Bar(
                    interval,
                    bar.open,
                    max(bar.high, float(some.max())),
                    min(bar.low, float(some.min())),
                    float(some[-1]),
                    float(np.cumsum(np.append(bar.volume, volumes))[-1]),
                    bar.ticks + len(some),
                )
                continue
            if bar is not None:
                closed.append((int(places[start]), code, bar))
            bar = Bar(
                interval,
                float(some[0]),
                float(some.max()),
                float(some.min()),
                float(some[-1]),
                float(np.cumsum(volumes)[-1]),
                len(some),
            )
        if bar is not None:
            self._open[code] = bar


class OwnBarCondition:
    """Fires when what a function returns for a symbol's bars becomes true.

    Args:
        function: called when a bar closes, with a frame of the newest closed bars of its symbol. It
            returns a truth value for the last bar, or one for each bar; then the last one counts.
        length_ns: the length of a bar.
        name: what to call the condition in texts.
    """

    sees_all = False

    def __init__(self, function: Callable[[pd.DataFrame], Any], length_ns: int, name: str) -> None:
        self.function, self.length_ns, self.name = function, length_ns, name
        self._bars: dict[int, deque[Bar]] = {}
        # What it returned for the newest bar of each symbol; None where it was not called.
        self._truth: dict[int, bool | None] = {}

    def judge(self, view: BarView, codes: Set[int] | None) -> list[Firing]:
        """Return the bars at which the condition becomes true.

        Raises:
            Exception: the function raises it.
            InvalidArgument: it returns something else.
        """
        found = []
        for place, (_, code, bar) in enumerate(view.bars):
            bars = self._bars.setdefault(code, deque(maxlen=MAX_BARS))
            if view.is_past:
                bars.append(bar)
                self._truth[code] = None
                continue
            if bars and self._truth.get(code) is None:
                self._truth[code] = self._ask(bars)
            before = self._truth.get(code)
            bars.append(bar)
            self._truth[code] = is_true = self._ask(bars)
            if is_true and before is False:
                found.append(Firing(place, "when", code, bar.close, f"meets {self.name}"))
        return found

    def _ask(self, bars: Sequence[Bar]) -> bool:
        table = list(zip(*bars, strict=True))
        index = pd.DatetimeIndex(
            pd.array(np.array(table[0], dtype=np.int64) * self.length_ns, dtype=UTC_NS),
            name="time",
        )
        frame = pd.DataFrame(dict(zip(COLUMNS, table[1:], strict=True)), index=index)
        result = self.function(frame)
        if isinstance(result, bool | np.bool_):
            return bool(result)
        return bool(read_truth(self.function, result, len(frame))[-1] == 1)
