"""Tests of paces: the usual interval between the ticks of each symbol."""

from __future__ import annotations

import random

import numpy as np

from tickerkit.log import TickLog
from tickerkit.log.groups import group_rows
from tickerkit.log.pace import MIN_QUIET_NS, NEVER_NS, Arrivals, Clock, Pace, quiet_after_ns
from tickerkit.ticks import read_ticks

S = 1_000_000_000


def test_pace_is_the_mean_interval_of_the_newest_ticks() -> None:
    """It counts from the last but one multiple of 32, so it forgets the pace of long ago."""
    moments = np.cumsum([10] * 100 + [1] * 100) * S
    codes = np.zeros(len(moments), dtype=np.int8)
    paces = Pace().take(group_rows(codes), moments)
    assert (paces[:4] == -1).all()  # one interval says nothing
    assert (paces[4:100] == 10 * S).all()
    assert paces[-1] == S


def test_batches_do_not_change_a_pace() -> None:
    """Whatever batches the ticks come in, each has the same pace, to the nanosecond."""
    chance = random.Random(1)
    count = 2000
    codes = np.array(chance.choices(range(7), [50, 20, 10, 5, 5, 2, 1], k=count), dtype=np.int16)
    moments = np.cumsum([chance.randrange(S) for _ in range(count)])

    def take(cuts: list[int]) -> list[int]:
        pace, found = Pace(), []
        for start, stop in zip([0, *cuts], [*cuts, count], strict=True):
            groups = group_rows(codes[start:stop])
            paces = np.empty(stop - start, dtype=np.int64)
            paces[groups.order] = pace.take(groups, moments[start:stop])
            found += paces.tolist()
        return found

    whole = take([])
    assert take(sorted(chance.sample(range(1, count), 300))) == whole
    assert take(list(range(1, count))) == whole


def test_quiet_after_twenty_intervals_and_ten_seconds_at_least() -> None:
    """A symbol without a pace is never quiet."""
    limits = quiet_after_ns(np.array([-1, 0, S // 100, 5 * S, NEVER_NS]))
    assert limits[:4].tolist() == [NEVER_NS, MIN_QUIET_NS, MIN_QUIET_NS, 100 * S]


def test_clock_never_goes_back_and_stands_still_in_gaps() -> None:
    """Late ticks leave the clock as it is; after a gap it goes on from where it stood."""
    clock = Clock()
    assert clock.take(np.array([5, 3, 8])).tolist() == [5, 5, 8]
    assert clock.take(np.array([7, 9])).tolist() == [8, 9]
    assert clock.take(np.array([100, 103]), after_gap=True).tolist() == [9, 12]
    assert clock.take(np.array([104])).tolist() == [13]


def test_arrivals_know_the_newest_tick_of_each_symbol() -> None:
    """Each update reads only the ticks that are new."""
    log = TickLog(1000)
    arrivals = Arrivals(log)
    for index in range(20):
        tick = {"symbol": "AB"[index % 2], "price": 1.0, "time": 10**18 + index * S}
        log.append(read_ticks([tick]), received=10**18 + index * S + 5)
        arrivals.update()
    assert arrivals.pace.counts[:2].tolist() == [10, 10]
    assert arrivals.pace.newest[:2].tolist() == [2 * S, 2 * S]
    assert (arrivals.received - arrivals.time)[:2].tolist() == [5, 5]
