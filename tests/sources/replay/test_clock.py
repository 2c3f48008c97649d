"""Tests of clock: a time within a recording that stands, runs and jumps, and when ticks are due."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tickerkit.sources.replay.clock import ReplayClock, TimeCarry, Timeline, Times, forward_fill
from tickerkit.ticks import NO_TIME

S = 10**9


def due_times(times: Times) -> Times:
    """Return when the ticks of a whole recording are due."""
    return Timeline.from_times(times, TimeCarry()).due


@pytest.mark.parametrize(
    ("times", "filled"),
    [
        ([], []),
        ([1, 2], [1, 2]),
        ([NO_TIME, NO_TIME], [NO_TIME, NO_TIME]),
        ([NO_TIME, 5, NO_TIME, 7], [5, 5, 5, 7]),
    ],
)
def test_missing_times_are_those_of_the_tick_before(times: list[int], filled: list[int]) -> None:
    """Before the first time, they are that one."""
    assert forward_fill(np.array(times, dtype=np.int64)).tolist() == filled


@pytest.mark.parametrize(
    ("times_s", "due_s"),
    [
        ([], []),
        ([5, 6, 8], [0, 1, 3]),
        ([5, 8, 6, 9], [0, 3, 3, 4]),
        ([5, 4, 5, 4], [0, 0, 0, 0]),
        ([100, 200, 10, 11], [0, 100, 100, 101]),
    ],
    ids=["none", "forward", "late", "interleaved", "set back"],
)
def test_due_times_never_decrease(times_s: list[int], due_s: list[int]) -> None:
    """A late tick is due with the newest before it; after a clock was set back, time goes on."""
    due = due_times(np.array(times_s, dtype=np.int64) * S)
    assert due.tolist() == [each * S for each in due_s]


def test_ticks_without_times_are_due_at_once() -> None:
    """There is nothing to pace them by."""
    assert due_times(np.full(3, NO_TIME)).tolist() == [0, 0, 0]


def test_clock_stands_runs_and_stops() -> None:
    """It stands at first; running it takes its speed into account."""
    clock = ReplayClock(2)
    assert clock.at_ns(5 * S) == 0
    clock.run(5 * S)
    clock.run(6 * S)
    assert clock.at_ns(7 * S) == 4 * S
    clock.stop(7 * S)
    assert clock.at_ns(9 * S) == 4 * S


def test_clock_changes_speed_where_it_is() -> None:
    """The time before counts at the old speed."""
    clock = ReplayClock(1)
    clock.run(0)
    clock.set_speed(10, 3 * S)
    assert clock.at_ns(4 * S) == 13 * S


def test_clock_jumps_and_runs_on() -> None:
    """A move counts from the moment at which it is made."""
    clock = ReplayClock(1)
    clock.run(0)
    clock.move_to(50.0 * S, 3 * S)
    assert clock.at_ns(4 * S) == 51 * S


def test_clock_of_infinite_speed_only_jumps() -> None:
    """It is moved to each tick that is sent."""
    clock = ReplayClock(math.inf)
    clock.run(0)
    assert clock.at_ns(4 * S) == 0
    clock.move_to(7.0, 5 * S)
    assert clock.at_ns(9 * S) == 7
