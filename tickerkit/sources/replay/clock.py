"""Replay clock: a time within a recording that can stand still, run faster, and jump."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tickerkit.ticks import NO_TIME, NS_PER_S

__all__ = ["ReplayClock", "due_times", "forward_fill"]

# A time that steps back by at most this much is that of a late tick. A larger step back means that
# the recording's clock was set back, or that another recording begins.
MAX_LATE_NS = 60 * NS_PER_S

Times = npt.NDArray[np.int64]


def forward_fill(times: Times) -> Times:
    """Give each tick without a time the time of the nearest earlier tick that has one.

    Ticks before the first known time get the first known time.

    Args:
        times: shape (ticks,), in ns; `NO_TIME` where a tick has none.
    """
    timed = times != NO_TIME
    if timed.all() or not timed.any():
        return times
    # For each tick the index of the newest tick with a time, 0 where there is none yet.
    last_timed = np.maximum.accumulate(np.where(timed, np.arange(len(times)), 0))
    return np.where(timed.cumsum() > 0, times[last_timed], times[timed][0])


def due_times(times: Times) -> Times:
    """Return when each tick is due, in ns after the first; never decreasing.

    Args:
        times: shape (ticks,), in ns; `NO_TIME` where a tick has none.
    """
    if not (times != NO_TIME).any():
        return np.zeros(len(times), dtype=np.int64)
    times = forward_fill(times)
    steps = np.diff(times, prepend=times[:1])
    # The due times are not the sum of the steps forward: if two streams with different clocks are
    # interleaved, every other step goes back, and the steps forward add up to far more than the
    # time that passed.
    set_back = np.where(steps < -MAX_LATE_NS, -steps, 0).cumsum()
    due: Times = np.maximum.accumulate(times - times[0] + set_back)
    return due


class ReplayClock:
    """A time within a recording, in ns after its first tick. It stands still at first.

    It keeps running even if ticks are sent late, so that a replay catches up after a delay.

    Args:
        speed: how many times as fast as recorded it runs. At `inf` it stands still, and
            the replay moves it to each tick that it sends.
    """

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._at_ns = 0.0
        self._running_since: int | None = None

    def at_ns(self, now: int) -> float:
        """Return the time within the recording at the time `now`."""
        if self._running_since is None or math.isinf(self.speed):
            return self._at_ns
        return self._at_ns + (now - self._running_since) * self.speed

    def run(self, now: int) -> None:
        """Run from where it stands; no effect while it runs."""
        if self._running_since is None:
            self._running_since = now

    def stop(self, now: int) -> None:
        """Stand still."""
        self._at_ns, self._running_since = self.at_ns(now), None

    def set_speed(self, speed: float, now: int) -> None:
        """Continue at another speed from the current position."""
        self.move_to(self.at_ns(now), now)
        self.speed = speed

    def move_to(self, at_ns: float, now: int) -> None:
        """Jump to a time within the recording, and run on from there if it runs."""
        self._at_ns = at_ns
        if self._running_since is not None:
            self._running_since = now
