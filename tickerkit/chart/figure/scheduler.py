"""One thread that sends what live figures have gathered, and knows when nobody takes it."""

from __future__ import annotations

import logging
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Protocol

__all__ = ["SENDER", "PresenceLease", "Sender", "RateLimiter"]

logger = logging.getLogger(__name__)

EVERY_S = 1 / 60
# jupyter_server drops messages, without a word, when there are over 1,000 a second.
CROWD = 3
CROWD_EVERY_S = 1 / 20
LINGER_S = 0.05
LEASE_S = 60.0


class Sending(Protocol):
    """What gathers and can send.

    Attributes:
        every_s: how long it wants to wait between two messages, if longer than the others.
    """

    @property
    def every_s(self) -> float: ...

    def flush(self) -> None:
        """Send what has gathered."""


class RateLimiter:
    """Says when each figure may send: at most 60 times a second, 20 with more than three of them.

    One message may come a turn early. Else ticks that are pushed 60 times a second, a little
    irregularly, would wait for most of a turn each.
    """

    def __init__(self) -> None:
        # Until when each figure has used its turns up, had it sent as evenly as it may.
        self._used: weakref.WeakKeyDictionary[Sending, float] = weakref.WeakKeyDictionary()

    def length_s(self, now: float) -> float:
        """Return how long a turn is, by how many figures are sending."""
        sending = sum(now - until < 1 for until in self._used.values())
        return EVERY_S if sending <= CROWD else CROWD_EVERY_S

    def next(self, figure: Sending, now: float) -> float:
        """Return from when on a figure may send."""
        return self._used.get(figure, 0.0) - max(self.length_s(now), figure.every_s)

    def take(self, figure: Sending, now: float) -> None:
        """Note that a figure sends now."""
        length = max(self.length_s(now), figure.every_s)
        self._used[figure] = max(self._used.get(figure, 0.0), now) + length

    def forget(self, figure: Sending) -> None:
        """Count a figure no more."""
        self._used.pop(figure, None)

    def __len__(self) -> int:
        return len(self._used)


class Sender:
    """Sends for all figures of the process, each when it is its turn.

    A figure's first point goes out at once; what comes while it has to wait is gathered. The thread
    ends when there is nothing more to send, and keeps no figure alive.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: weakref.WeakSet[Sending] = weakref.WeakSet()
        self._turns = RateLimiter()
        self._thread: threading.Thread | None = None

    def want(self, figure: Sending) -> None:
        """Have a figure sent as soon as it may be."""
        with self._changed:
            if figure in self._waiting:
                return
            self._waiting.add(figure)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="tickerkit figures", daemon=True
                )
                self._thread.start()
            else:
                self._changed.notify()

    def forget(self, figure: Sending) -> None:
        """Send this figure no more."""
        with self._changed:
            self._waiting.discard(figure)
            self._turns.forget(figure)
            self._changed.notify()

    def _run(self) -> None:
        idle_since = self._clock()
        while True:
            with self._changed:
                now = self._clock()
                dues = [(self._turns.next(each, now), each) for each in self._waiting]
                ready = [each for due, each in dues if due <= now]
                if ready:
                    idle_since = now
                elif not dues and (not self._turns or now - idle_since > LINGER_S):
                    self._thread = None
                    return
                else:
                    earliest = min((due for due, _ in dues), default=now + LINGER_S)
                    del dues
                    self._changed.wait(earliest - now)
                    continue
                for each in ready:
                    self._waiting.discard(each)
                    self._turns.take(each, now)
            for figure in ready:
                try:
                    figure.flush()
                except Exception:
                    logger.exception("a live figure could not be sent")
            # Names in this frame would keep closed figures in memory.
            del dues, ready, figure, each


SENDER = Sender()


class PresenceLease:
    """Tells whether a page still takes what a figure sends.

    A page in view says so every 20 seconds. Where none has for a minute, the laptop is closed or
    the tab hidden, and what is sent would pile up in the server in between. But a kernel that runs
    a cell may not hear: while one runs, and a minute after, the lease goes on.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        idle_since: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._idle_since = idle_since or _cells()
        self._until = clock() + LEASE_S

    def renew(self) -> None:
        """Note that a page has been heard."""
        self._until = self._clock() + LEASE_S

    @property
    def ended(self) -> bool:
        """Return whether nobody takes what is sent."""
        now = self._clock()
        return now > self._until and now > self._idle_since() + LEASE_S


class _Cells:
    """Notes when the kernel last ran a cell."""

    def __init__(self) -> None:
        self._idle_since = float("inf")
        # Without IPython there is no way to be told: then no lease ever ends.
        ipython = sys.modules.get("IPython")
        shell = ipython and ipython.get_ipython()
        if shell is not None:
            shell.events.register("pre_execute", self._started)
            shell.events.register("post_execute", self._ended)

    def __call__(self) -> float:
        return self._idle_since

    def _started(self) -> None:
        self._idle_since = float("inf")

    def _ended(self) -> None:
        self._idle_since = time.monotonic()


_noted: _Cells | None = None


def _cells() -> _Cells:
    global _noted
    if _noted is None:
        _noted = _Cells()
    return _noted
