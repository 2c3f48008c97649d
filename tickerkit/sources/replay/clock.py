"""Replay clock: a time within a recording that can stand still, run faster, and jump."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tickerkit.ticks import NO_TIME, NS_PER_S

__all__ = ["ReplayClock", "TimeCarry", "Timeline", "forward_fill"]

# A time that steps back by at most this much is that of a late tick. A larger step back means that
# the recording's clock was set back, or that another recording begins.
MAX_LATE_NS = 60 * NS_PER_S

Times = npt.NDArray[np.int64]


class TimeCarry(NamedTuple):
    """What the times of earlier ticks mean for those of later ones, in ns.

    Attributes:
        first: the first known time; `NO_TIME` before one is known.
        last: the time of the newest tick that has one.
        latest: the latest time.
        set_back: how far the recording's clock was set back, in all.
        due: when the newest tick is due, after the first.
    """

    first: int = NO_TIME
    last: int = NO_TIME
    latest: int = NO_TIME
    set_back: int = 0
    due: int = 0


class Timeline(NamedTuple):
    """When successive ticks were recorded, and when they are due; each of shape (ticks,), in ns.

    Attributes:
        times: a tick without a time has that of the tick before; ticks before the first known time
            have that one, or `NO_TIME` if none of these ticks has a time.
        latest: the latest time up to each tick.
        due: after the first tick of the recording; never decreasing.
        carry: what these times mean for the ticks after them.
    """

    times: Times
    latest: Times
    due: Times
    carry: TimeCarry

    @classmethod
    def from_times(cls, times: Times, before: TimeCarry) -> Timeline:
        """Return when ticks were recorded, and when they are due.

        Args:
            times: shape (ticks,), in ns; `NO_TIME` where a tick has none.
            before: what the times of the ticks before mean for these.
        """
        times = forward_fill(times, before.last)
        if not len(times) or times[0] == NO_TIME:  # none is known yet
            return cls(times, times, np.zeros(len(times), dtype=np.int64), before)
        first = int(times[0]) if before.first == NO_TIME else before.first
        last = first if before.last == NO_TIME else before.last
        steps = np.diff(times, prepend=last)
        # The due times are not the sum of the steps forward: if two streams with different clocks
        # are interleaved, every other step goes back, and the steps forward add up to far more than
        # the time that passed.
        set_back = before.set_back + np.where(steps < -MAX_LATE_NS, -steps, 0).cumsum()
        due = np.maximum(np.maximum.accumulate(times - first + set_back), before.due)
        latest = np.maximum(np.maximum.accumulate(times), before.latest)
        ends = (int(each[-1]) for each in (times, latest, set_back, due))
        return cls(times, latest, due, TimeCarry(first, *ends))


def forward_fill(times: Times, before: int = NO_TIME) -> Times:
    """Give each tick without a time the time of the nearest earlier tick that has one.

    Ticks before the first known time get that of the tick before them, or the first known time.

    Args:
        times: shape (ticks,), in ns; `NO_TIME` where a tick has none.
        before: the time of the tick before; `NO_TIME` without one.
    """
    timed = times != NO_TIME
    if timed.all():
        return times
    if not timed.any():
        return times if before == NO_TIME else np.full(len(times), before)
    # For each tick the index of the newest tick with a time, 0 where there is none yet.
    last_timed = np.maximum.accumulate(np.where(timed, np.arange(len(times)), 0))
    start = times[timed][0] if before == NO_TIME else before
    return np.where(timed.cumsum() > 0, times[last_timed], start)


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
