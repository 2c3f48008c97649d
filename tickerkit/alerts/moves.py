"""Move: a value that rises or falls by some percent within a time."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
import pandas as pd

from tickerkit.alerts.condition import Firing
from tickerkit.alerts.view import View
from tickerkit.formatting import format_measure
from tickerkit.ticks import Array

__all__ = ["Move", "RollingLow"]

# After each firing the rest of a batch is judged again, so long batches are judged in pieces.
PIECE = 4096
# 100 to 101 is a move of 1 %, whatever the rounding of floats.
TOLERANCE = 1e-12


class RollingLow:
    """The lowest value within a time before each value, for one symbol.

    Only values that may still be the lowest are kept: each is below all that came after it.

    Args:
        within_ns: the time; a value of exactly so long ago counts.
    """

    def __init__(self, within_ns: int) -> None:
        self.within_ns = within_ns
        self._times: Array = np.zeros(0, dtype=np.int64)
        self._values: Array = np.zeros(0)

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

    def clear(self) -> None:
        self.low.clear()
        self.high.clear()

    def add(self, times: Array, values: Array) -> None:
        self.low.add(times, values)
        self.high.add(times, -values)


class Move:
    """Fires when a value has risen from its lowest, or fallen from its highest, by some percent.

    After it fired it measures from that tick on, so a long fall fires once for each such part. A
    tick that comes late counts as if it came at the newest time of its symbol.

    Args:
        column: the column that is judged; only values above 0 are.
        percent: by how much, in percent.
        within_ns: within which time.
        within: that time as text.
    """

    def __init__(self, column: str, percent: float, within_ns: int, within: str) -> None:
        self.column, self.percent, self.within_ns, self.within = column, percent, within_ns, within
        self._windows: dict[int, _Window] = {}

    def judge(self, view: View, codes: Set[int] | None) -> list[Firing]:
        """Return the moves, see `Condition`."""
        changes = view.changes(self.column)
        all_times = view.times
        found: list[Firing] = []
        for code, part in changes.select(codes):
            values, places = changes.values[part], changes.places[part]
            if (is_above := values > 0).all():
                times = all_times[places]
            else:
                values, places = values[is_above], places[is_above]
                times = all_times[places]
                if not len(values):
                    continue
            if (window := self._windows.get(code)) is None:
                window = self._windows[code] = _Window(self.within_ns)
            times = np.maximum(np.maximum.accumulate(times), window.newest_ns)
            window.newest_ns = int(times[-1])
            for start in range(0, len(values), PIECE):
                piece = slice(start, start + PIECE)
                self._judge_piece(window, times[piece], values[piece], places[piece], code, found)
        return found

    def _judge_piece(
        self,
        window: _Window,
        times: Array,
        values: Array,
        places: Array,
        code: int,
        found: list[Firing],
    ) -> None:
        share = self.percent / 100 * (1 - TOLERANCE)
        start = 0
        while start < len(values):
            later, new = times[start:], values[start:]
            lows, highs = window.low.look(later, new), -window.high.look(later, -new)
            hits = (new - lows >= share * lows) | (highs - new >= share * highs)
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
