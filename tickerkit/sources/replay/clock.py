"""Pacing: when each tick of a recording is due, on a clock that can stand, run faster, and jump."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tickerkit.ticks import NO_TIME, NS_PER_S

__all__ = ["ReplayClock", "due_ns", "forward_fill"]

# Rows that are due so soon after the first of a batch go with it.
TOGETHER_S = 0.005
# A time that steps back by less is a late tick; by more, a clock that was set, or a new recording.
LATEST_NS = 60 * NS_PER_S

Times = npt.NDArray[np.int64]


def forward_fill(times: Times) -> Times:
    """Return times in which a tick that has none has that of the last one that has; ns."""
    timed = times != NO_TIME
    if timed.all() or not timed.any():
        return times
    last_timed = np.maximum.accumulate(np.where(timed, np.arange(len(times)), 0))
    return np.where(timed.cumsum() > 0, times[last_timed], times[timed][0])


def due_ns(times: Times) -> Times:
    """Return when each tick is due, in ns after the first; never decreasing."""
    if not (times != NO_TIME).any():
        return np.zeros(len(times), dtype=np.int64)
    times = forward_fill(times)
    steps = np.diff(times, prepend=times[:1])
    # The highest time so far rather than the sum of the steps forward: of two interleaved streams
    # whose clocks differ, every other step is one back, and the sum of the others has no end.
    set_back = np.where(steps < -LATEST_NS, -steps, 0).cumsum()
    due: Times = np.maximum.accumulate(times - times[0] + set_back)
    return due


class ReplayClock:
    """Where in a recording the clock is; it stands at first.

    It runs on however late the ticks are sent: what was held up catches up.

    Args:
        due: when each tick is due, in ns after the first.
        speed: how many times as fast as recorded; `inf` has no clock, and is moved.
    """

    def __init__(self, due: Times, speed: float) -> None:
        self.due = due
        self.speed = speed
        self._at = 0.0
        self._since: int | None = None

    def at(self, now: int) -> float:
        """Return where it is at the time `now`, in ns after the first tick."""
        if self._since is None or math.isinf(self.speed) or not len(self.due):
            return self._at
        return min(self._at + (now - self._since) * self.speed, float(self.due[-1]))

    def run(self, now: int) -> None:
        """Run, from where it stands."""
        if self._since is None:
            self._since = now

    def stand(self, now: int) -> None:
        """Stand still."""
        self._at, self._since = self.at(now), None

    def go_at(self, speed: float, now: int) -> None:
        """Go on at another speed from where it is."""
        self._at = self.at(now)
        self.speed = speed
        if self._since is not None:
            self._since = now

    def move(self, row: int, now: int) -> None:
        """Go to where a row is due."""
        if len(self.due):
            self._at = float(self.due[min(row, len(self.due) - 1)])
        if self._since is not None:
            self._since = now

    def wait_s(self, row: int, now: int) -> float:
        """Return in how many seconds a row is due; not above 0 when it is."""
        return (float(self.due[row]) - self.at(now)) / self.speed / NS_PER_S

    def due_by(self, now: int) -> int:
        """Return before which row all are due now, or so soon that they go along."""
        until = self.at(now) + TOGETHER_S * NS_PER_S * self.speed
        return int(np.searchsorted(self.due, until, side="right"))
