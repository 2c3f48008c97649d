"""Scheduler: one thread that sends what live figures and other widgets show, at a limited rate."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Protocol

from tickerkit.runtime.interrupts import hold_interrupts
from tickerkit.runtime.threads import start_thread

__all__ = ["SENDER", "RateLimiter", "Sendable", "Sender"]

logger = logging.getLogger(__name__)

# Messages a second. A figure sends at most 60, and all figures 240, which costs a kernel a tenth of
# a core. Of more than ten figures each still sends 22, as long as that is at most 480 in all.
MAX_RATE = 60
SHARED_RATE = 240
MIN_RATE = 22
MAX_SHARED_RATE = 480
# How long a figure counts as sending after its last message.
ACTIVE_S = 1.0
# How long the thread waits for further points before it ends.
LINGER_S = 0.05


class Sendable(Protocol):
    """A figure's points that wait to be sent.

    Attributes:
        min_interval_s: the shortest time between two messages, if the figure needs a longer one
            than `RateLimiter` requires; otherwise 0.
    """

    @property
    def min_interval_s(self) -> float: ...

    def flush(self) -> None:
        """Send all points that wait."""


class RateLimiter:
    """Limits each figure to 60 messages a second, and to fewer while more than four figures send.

    jupyter_server silently drops a kernel's messages above 1,000 a second
    (`iopub_msg_rate_limit`), and a page can't draw more often than 60 times a second anyway. Half
    of that limit is left to the cells' own output.

    The limit is a token bucket that holds two tokens: one message may be sent an interval early.
    Ticks that are pushed 60 times a second, a little irregularly, would otherwise often wait for
    most of an interval.
    """

    def __init__(self) -> None:
        # By figure: when its messages so far would end if one were sent in each interval.
        self._used_until: weakref.WeakKeyDictionary[Sendable, float] = weakref.WeakKeyDictionary()
        self._counted_at = -1.0
        self._interval_s = 1 / MAX_RATE

    def interval_s(self, now: float) -> float:
        """Return the time between two messages of a figure; it depends on how many figures send."""
        if now != self._counted_at:
            ends = self._used_until.values()
            sending = max(sum(now - until < ACTIVE_S for until in ends), 1)
            fair, least = SHARED_RATE / sending, min(MIN_RATE, MAX_SHARED_RATE / sending)
            self._counted_at, self._interval_s = now, 1 / max(min(MAX_RATE, fair), least)
        return self._interval_s

    def next_time(self, figure: Sendable, now: float) -> float:
        """Return the earliest time at which a figure may send."""
        interval_s = max(self.interval_s(now), figure.min_interval_s)
        return self._used_until.get(figure, 0.0) - interval_s

    def note_sent(self, figure: Sendable, now: float) -> None:
        """Note that a figure sends now."""
        if figure not in self._used_until:
            self._counted_at = -1.0
        interval_s = max(self.interval_s(now), figure.min_interval_s)
        self._used_until[figure] = max(self._used_until.get(figure, 0.0), now) + interval_s

    def discard(self, figure: Sendable) -> None:
        """Stop counting a figure."""
        self._used_until.pop(figure, None)
        self._counted_at = -1.0

    def __len__(self) -> int:
        return len(self._used_until)


class Sender:
    """Sends for all figures of the process, from one thread.

    One thread, because widgets lose messages that are sent from several: of 800 trait updates from
    several threads 394 arrived. Custom messages sent from one thread all arrived, in order, even
    while a cell ran (ipykernel 7.4).

    A figure's first points are sent at once. Later points wait until the limit allows the figure's
    next message. The thread ends when there is nothing more to send, and keeps no figure in memory.

    Attributes:
        interval_s: the time between two messages of a figure. Adding points more often is in vain.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._pending: weakref.WeakSet[Sendable] = weakref.WeakSet()
        self._limiter = RateLimiter()
        self._thread: threading.Thread | None = None
        self._wakes_at = 0.0
        self.interval_s = 1 / MAX_RATE

    def request(self, figure: Sendable) -> None:
        """Have a figure's `flush` called as soon as the limit allows; returns at once."""
        with self._changed:
            if figure in self._pending:
                return
            self._pending.add(figure)
            if self._thread is None:
                with hold_interrupts():
                    self._thread = start_thread(self._run, "tickerkit figures")
            # Not for each request: a wake-up interrupts the other threads of the kernel.
            elif self._limiter.next_time(figure, self._clock()) < self._wakes_at:
                self._changed.notify()

    def discard(self, figure: Sendable) -> None:
        """Drop a figure's request."""
        with self._changed:
            self._pending.discard(figure)
            self._limiter.discard(figure)
            self._changed.notify()

    def _run(self) -> None:
        idle_since = self._clock()
        while True:
            with self._changed:
                now = self._clock()
                self.interval_s = self._limiter.interval_s(now)
                times = [(self._limiter.next_time(each, now), each) for each in self._pending]
                ready = [each for next_time, each in times if next_time <= now]
                if ready:
                    idle_since = now
                elif not times and (not self._limiter or now - idle_since > LINGER_S):
                    self._thread = None
                    return
                else:
                    earliest = min((next_time for next_time, _ in times), default=now + LINGER_S)
                    del times
                    self._wakes_at = earliest
                    self._changed.wait(earliest - now)
                    continue
                for each in ready:
                    self._pending.discard(each)
                    self._limiter.note_sent(each, now)
            for figure in ready:
                try:
                    figure.flush()
                except Exception:
                    logger.exception("Could not send the points of a live figure")
            # These variables would otherwise keep closed figures in memory while the thread waits.
            del times, ready, figure, each


SENDER = Sender()
