"""Pace: how often each symbol usually ticks, and from when on it is quiet.

A pace is the mean interval of a symbol's newest 32 to 64 ticks. It counts in whole nanoseconds, so
it is the same whatever batches the ticks come in: alerts of silence depend on it.
"""

from __future__ import annotations

import numpy as np

from tickerkit.log.groups import Groups, group_rows
from tickerkit.log.rows import Rows
from tickerkit.log.tick_log import TickLog
from tickerkit.ticks import NS_PER_S, Array

__all__ = ["NEVER_NS", "Arrivals", "Clock", "Pace", "quiet_after_ns"]

BLOCK = 32
# How many ticks a pace needs: one interval says nothing.
MIN_TICKS = 5
# As for the subscriptions of a venue.
MIN_QUIET_NS = 10 * NS_PER_S
QUIET_INTERVALS = 20
UNKNOWN = -1
NEVER_NS = 2**62


def quiet_after_ns(paces: Array) -> Array:
    """Return after how long without a tick symbols are quiet, for their paces, both in ns.

    Never, `NEVER_NS`, where the pace is unknown.
    """
    short = np.minimum(paces, NEVER_NS // QUIET_INTERVALS)  # so that the product fits in 64 bits
    limits = np.maximum(short * QUIET_INTERVALS, MIN_QUIET_NS)
    return np.where(paces < 0, NEVER_NS, limits)


class Clock:
    """The time by which a log has come: the newest time of its ticks, which stands still in gaps.

    In a gap nothing is known: that no tick came in it says nothing about a symbol.

    Attributes:
        now_ns: the time after the newest row taken; None before the first.
    """

    def __init__(self) -> None:
        self.now_ns: int | None = None
        self._skipped_ns = 0

    def take(self, times: Array, *, after_gap: bool = False) -> Array:
        """Return the clock at each row, int64 ns, (N,), never decreasing.

        Args:
            times: the times of the rows, (N,); at least one.
            after_gap: whether a gap lies right before the first row.
        """
        clock = np.maximum.accumulate(times)
        if self.now_ns is not None:
            if after_gap:
                jump = int(times[0]) - self._skipped_ns - self.now_ns
                self._skipped_ns += max(jump, 0)
            clock = np.maximum(clock - self._skipped_ns, self.now_ns)
        self.now_ns = int(clock[-1])
        return clock


class Pace:
    """The usual interval between the ticks of each symbol.

    Attributes:
        counts: how many ticks each symbol had, by its code, int64.
        newest: its pace after its newest tick, in ns; -1 where it is unknown.
    """

    def __init__(self) -> None:
        self.counts: Array = np.zeros(0, dtype=np.int64)
        self.newest: Array = np.zeros(0, dtype=np.int64)
        # The clock at the two newest ticks of each symbol whose numbers are multiples of 32.
        self._marks: Array = np.zeros((0, 2), dtype=np.int64)

    def take(self, groups: Groups, clock: Array) -> Array:
        """Take rows; return each one's pace, that of its symbol after it, in the order of `groups`.

        Args:
            groups: the rows by symbol.
            clock: the time of each row, never decreasing, int64 ns, (N,).
        """
        order, codes, starts, stops = groups
        if len(codes) and codes[-1] >= len(self.counts):
            self._grow(int(codes[-1]) + 1)
        sizes = stops - starts
        before = np.repeat(self.counts[codes], sizes)  # (N,): ticks of the symbol before the batch
        first = np.repeat(starts, sizes)
        number = np.arange(len(order)) - first + before  # (N,): which tick of its symbol it is
        block = number // BLOCK
        anchor_block = np.maximum(block - 1, 0)
        anchor = anchor_block * BLOCK
        moments = clock[order]
        symbol = np.repeat(codes, sizes)
        in_batch = np.minimum(np.maximum(first + anchor - before, 0), len(order) - 1)
        since = np.where(anchor >= before, moments[in_batch], self._marks[symbol, anchor_block % 2])
        paces: Array = (moments - since) // np.maximum(number - anchor, 1)
        paces[number < MIN_TICKS - 1] = UNKNOWN
        marked = np.flatnonzero(number % BLOCK == 0)
        # Where a place is assigned several times, numpy keeps the last: the newest.
        self._marks[symbol[marked], block[marked] % 2] = moments[marked]
        self.counts[codes] += sizes
        self.newest[codes] = paces[stops - 1]
        return paces

    def _grow(self, size: int) -> None:
        more = max(2 * size, 16) - len(self.counts)
        self.counts = np.append(self.counts, np.zeros(more, dtype=np.int64))
        self.newest = np.append(self.newest, np.full(more, UNKNOWN))
        self._marks = np.concatenate([self._marks, np.zeros((more, 2), dtype=np.int64)])


class Arrivals:
    """When each symbol of a log ticked last, and its pace; the cost is that of the new ticks.

    Attributes:
        pace: the paces, and how many ticks each symbol had.
        received: when each symbol's newest tick was received, by its code, int64 ns.
        time: the time of that tick.
    """

    def __init__(self, log: TickLog) -> None:
        self._reader = log.reader(log.start)
        self._clock = Clock()
        self.pace = Pace()
        self.received: Array = np.zeros(0, dtype=np.int64)
        self.time: Array = np.zeros(0, dtype=np.int64)

    def update(self) -> None:
        """Read the new ticks."""
        while len(rows := self._reader.read(65_536)):
            self._take(rows)

    def _take(self, rows: Rows) -> None:
        codes, times = rows.array("symbol"), rows.array("time")
        self.pace.take(group_rows(codes), self._clock.take(times))
        if (more := len(self.pace.counts) - len(self.time)) > 0:
            self.time = np.append(self.time, np.zeros(more, dtype=np.int64))
            self.received = np.append(self.received, np.zeros(more, dtype=np.int64))
        self.time[codes], self.received[codes] = times, rows.array("received")
