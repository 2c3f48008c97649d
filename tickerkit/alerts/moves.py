"""Move: a value that rises or falls by some percent within a time."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np
import pandas as pd

from tickerkit.alerts.condition import NOTHING, Firing
from tickerkit.alerts.view import Changes, View
from tickerkit.formatting import format_measure
from tickerkit.ticks import Array

__all__ = ["Move", "RollingLow"]

# After each firing the rest of a batch is judged again, so long batches are judged in pieces.
PIECE = 4096
# How many values, and how many batches of them, may wait.
MAX_WAITING = 65_536
MAX_BATCHES = 1000
# 100 to 101 is a move of 1 %, whatever the rounding of floats.
TOLERANCE = 1e-12


class RollingLow:
    """The lowest value within a time before each value, for one symbol.

    Only values that may still be the lowest are kept: each is below all that came after it.

    Args:
        within_ns: the time; a value that is exactly this old counts.
    """

    def __init__(self, within_ns: int) -> None:
        self.within_ns = within_ns
        self._times: Array = np.zeros(0, dtype=np.int64)
        self._values: Array = np.zeros(0)

    @property
    def lowest(self) -> float:
        """The lowest value kept; NaN without one."""
        return float(self._values[0]) if len(self._values) else np.nan

    def clear(self) -> None:
        """Forget all values."""
        self._times, self._values = self._times[:0], self._values[:0]

    def look(self, times: Array, values: Array) -> Array:
        """Return the lowest value up to each of these, itself included, (N,); keep none of them.

        Args:
            times: when they came, never decreasing, int64 ns, (N,).
            values: float64, (N,).
        """
        if times[-1] - times[0] <= self.within_ns:
            lows = np.minimum.accumulate(values)
        else:
            index = pd.DatetimeIndex(times)
            window = pd.Series(values, index=index).rolling(
                pd.Timedelta(self.within_ns), closed="both"
            )
            lows = window.min().to_numpy()
        # Kept values ascend: the lowest within the time is the first within it.
        kept = np.append(self._values, np.inf)
        found: Array = np.minimum(lows, kept[np.searchsorted(self._times, times - self.within_ns)])
        return found

    def add(self, times: Array, values: Array) -> None:
        """Keep values; arguments as for `look`."""
        later = np.append(np.minimum.accumulate(values[::-1])[::-1][1:], np.inf)
        lowest = np.flatnonzero(values < later)
        is_kept = (self._times >= times[-1] - self.within_ns) & (self._values < values.min())
        is_new = times[lowest] >= times[-1] - self.within_ns
        self._times = np.append(self._times[is_kept], times[lowest][is_new])
        self._values = np.append(self._values[is_kept], values[lowest][is_new])


class _Window:
    """The lowest and the highest value of one symbol within a time."""

    def __init__(self, within_ns: int) -> None:
        self.low, self.high = RollingLow(within_ns), RollingLow(within_ns)  # highs with a minus
        self.newest_ns = -(2**62)
        # The batches from this number on have values that are not in it yet.
        self.next_batch = 0

    def clear(self) -> None:
        self.low.clear()
        self.high.clear()

    def advance(self, times: Array) -> Array:
        """Return times that never go back: a late tick counts at the newest time before it."""
        if len(times):
            times = np.maximum(np.maximum.accumulate(times), self.newest_ns)
            self.newest_ns = int(times[-1])
        return times

    def add(self, times: Array, values: Array) -> None:
        """Keep values; arguments as for `RollingLow.look`."""
        if len(values):
            self.low.add(times, values)
            self.high.add(times, -values)


class Move:
    """Fires when a value has risen from its lowest, or fallen from its highest, by some percent.

    After it fired it measures from that tick on, so a long fall fires once for each such part. A
    tick that comes late counts as if it came at the newest time of its symbol.

    Most ticks can't fire: they are too near to all values since the lowest and the highest within
    the time were last looked for. Such values wait in batches, and are gone through only when one
    comes that may fire.

    Args:
        column: the column that is judged; only values above 0 are.
        percent: by how much, in percent.
        within_ns: within which time.
        within: that time as text.
    """

    sees_all = False

    def __init__(self, column: str, percent: float, within_ns: int, within: str) -> None:
        self.column, self.percent, self.within_ns, self.within = column, percent, within_ns, within
        self._share = percent / 100 * (1 - TOLERANCE)
        self._windows: dict[int, _Window] = {}
        # By code: bounds of the values within the time, which may be too wide.
        self._lows: Array = np.zeros(0)
        self._highs: Array = np.zeros(0)
        # Batches of values and their times, the first with the number `_first_batch`.
        self._batches: list[tuple[Changes, Array]] = []
        self._first_batch = 0
        self._waiting = 0

    def judge(self, view: View, codes: Set[int] | None) -> list[Firing]:
        """Return the moves, see `Condition`."""
        changes = view.changes(self.column)
        if not changes.parts:
            return NOTHING
        self._grow(max(changes.parts) + 1)
        # Copies: a view would keep the log's arrays in memory.
        self._batches.append((changes, view.times[changes.places]))
        self._waiting += len(changes.values)
        symbols = np.fromiter(changes.parts, dtype=np.int64)
        values = np.where(changes.values > 0, changes.values, np.nan)
        lowest = np.fmin.reduceat(values, changes.starts)
        highest = np.fmax.reduceat(values, changes.starts)
        lows = self._lows[symbols] = np.fmin(self._lows[symbols], lowest)
        highs = self._highs[symbols] = np.fmax(self._highs[symbols], highest)
        may_rise = highest - lows >= self._share * lows
        may_fall = highs - lowest >= self._share * highs
        found: list[Firing] = []
        for code in symbols[may_rise | may_fall].tolist():
            if codes is None or code in codes:
                self._catch_up(code, found)
        if self._waiting >= MAX_WAITING or len(self._batches) >= MAX_BATCHES:
            self._empty(codes)
        return found

    def _catch_up(self, code: int, found: list[Firing] | None) -> None:
        """Take the values of a symbol out of the batches.

        Args:
            code: the symbol.
            found: takes what fires at values of the last batch; None if none can.
        """
        if (window := self._windows.get(code)) is None:
            window = self._windows[code] = _Window(self.within_ns)
        batches = self._batches[max(window.next_batch - self._first_batch, 0) :]
        window.next_batch = self._first_batch + len(self._batches)
        times, values = _join(batches if found is None else batches[:-1], code)
        window.add(window.advance(times), values)
        if found is not None:
            changes, moments = batches[-1]
            part = changes.parts[code]
            values, times, places = changes.values[part], moments[part], changes.places[part]
            is_above = values > 0
            values, times, places = values[is_above], times[is_above], places[is_above]
            times = window.advance(times)
            for start in range(0, len(values), PIECE):
                piece = slice(start, start + PIECE)
                self._judge_piece(window, times[piece], values[piece], places[piece], code, found)
        self._lows[code], self._highs[code] = window.low.lowest, -window.high.lowest

    def _empty(self, codes: Set[int] | None) -> None:
        """Take all values out of the batches."""
        symbols = {code for changes, _ in self._batches for code in changes.parts}
        for code in symbols if codes is None else symbols & codes:
            self._catch_up(code, None)
        self._first_batch += len(self._batches)
        self._batches, self._waiting = [], 0

    def _judge_piece(
        self,
        window: _Window,
        times: Array,
        values: Array,
        places: Array,
        code: int,
        found: list[Firing],
    ) -> None:
        start = 0
        while start < len(values):
            later, new = times[start:], values[start:]
            lows, highs = window.low.look(later, new), -window.high.look(later, -new)
            hits = (new - lows >= self._share * lows) | (highs - new >= self._share * highs)
            first = int(np.argmax(hits))
            if not hits[first]:
                window.add(later, new)
                return
            value = float(new[first])
            rise = (value / float(lows[first]) - 1) * 100
            fall = (value / float(highs[first]) - 1) * 100
            move = rise if rise >= -fall else fall
            way = "rises" if move > 0 else "falls"
            text = f"{way} by {abs(move):.3g} % within {self.within}: {format_measure(value)}"
            found.append(Firing(int(places[start + first]), "move", code, move, text))
            window.clear()
            window.add(later[first : first + 1], new[first : first + 1])
            start += first + 1

    def _grow(self, size: int) -> None:
        if (more := size - len(self._lows)) > 0:
            more = max(more, len(self._lows), 16)
            self._lows = np.append(self._lows, np.full(more, np.nan))
            self._highs = np.append(self._highs, np.full(more, np.nan))


def _join(batches: Sequence[tuple[Changes, Array]], code: int) -> tuple[Array, Array]:
    """Return the times of the values of a symbol that are above 0, and these values."""
    parts = [
        (times[changes.parts[code]], changes.values[changes.parts[code]])
        for changes, times in batches
        if code in changes.parts
    ]
    if not parts:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    times, values = (np.concatenate(each) for each in zip(*parts, strict=True))
    return times[values > 0], values[values > 0]
