"""Silence: a symbol from which no tick comes, for a time or for longer than is usual for it."""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from tickerkit.alerts.condition import Firing
from tickerkit.alerts.view import Tick, View
from tickerkit.log.pace import NEVER_NS, Pace, quiet_after_ns
from tickerkit.ticks import NS_PER_S, Array

__all__ = ["Silence"]


class Silence:
    """Fires once after the last tick of a symbol, when too much time has passed on the log's clock.

    The ticks of all symbols move the clock; it stands still in gaps. `wake` judges by a clock that
    moves without ticks: the event is the same.

    Args:
        limit_ns: after how long; None for 20 usual intervals of the symbol, and 10 s at least.
    """

    sees_all = True

    def __init__(self, limit_ns: int | None) -> None:
        self.limit_ns = limit_ns
        self._pace = Pace()
        # By code: the clock at the newest tick, after how long a silence fires, and whether it did.
        self._since: Array = np.zeros(0, dtype=np.int64)
        self._limits: Array = np.zeros(0, dtype=np.int64)
        self._ticks: dict[int, Tick] = {}

    def judge(self, view: View, codes: Set[int] | None) -> list[Firing]:
        """Return the silences that these ticks show, see `Condition`."""
        order, symbols, starts, stops = view.groups
        self._grow(int(symbols[-1]) + 1)
        moments = view.clock[order]
        if self.limit_ns is None:
            limits = quiet_after_ns(self._pace.take(view.groups, view.clock))
        else:
            limits = np.full(len(order), self.limit_ns)
        since, limit_before = np.empty_like(moments), np.empty_like(limits)
        since[1:], limit_before[1:] = moments[:-1], limits[:-1]
        since[starts], limit_before[starts] = self._since[symbols], self._limits[symbols]
        silent = np.flatnonzero(moments - since > limit_before)
        found = []
        if len(silent):
            first = np.zeros(len(order), dtype=bool)
            first[starts] = True
            sorted_codes = view.codes[order]
            for index in silent.tolist():
                code = int(sorted_codes[index])
                if codes is None or code in codes:
                    before = self._ticks.get(code) if first[index] else None
                    tick = before or view.tick(int(order[index - 1]))
                    deadline = int(since[index] + limit_before[index])
                    found.append(self._fire(view.clock, deadline, code, tick, since[index]))
        self._since[symbols], self._limits[symbols] = moments[stops - 1], limits[stops - 1]
        for code, stop in zip(symbols.tolist(), stops.tolist(), strict=True):
            if codes is None or code in codes:
                self._ticks[code] = view.tick(int(order[stop - 1]))
        return found + self._find_silent(view.clock, codes)

    def wake(self, now_ns: int, codes: Set[int] | None) -> list[Firing]:
        """Return the silences at a time of the log's clock at which no tick has come."""
        return self._find_silent(np.array([now_ns]), codes)

    def _find_silent(self, clock: Array, codes: Set[int] | None) -> list[Firing]:
        """Return the silences after the newest tick of each symbol."""
        found = []
        for code in np.flatnonzero(clock[-1] - self._since > self._limits).tolist():
            if codes is None or code in codes:
                since, deadline = self._since[code], int(self._since[code] + self._limits[code])
                found.append(self._fire(clock, deadline, code, self._ticks[code], since))
            self._limits[code] = NEVER_NS  # it fires once
        return found

    def _fire(self, clock: Array, deadline: int, code: int, tick: Tick, since: int) -> Firing:
        place = int(np.searchsorted(clock, deadline, side="right"))
        seconds = (deadline - int(since)) / NS_PER_S
        text = f"is silent: no tick for {seconds:.3g} s"
        return Firing(place, "silence", code, seconds, text, tick=tick)

    def _grow(self, size: int) -> None:
        if (more := size - len(self._since)) > 0:
            more = max(more, len(self._since), 16)
            self._since = np.append(self._since, np.zeros(more, dtype=np.int64))
            self._limits = np.append(self._limits, np.full(more, NEVER_NS))
