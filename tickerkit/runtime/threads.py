"""Threads: started and joined so that an interrupt at any moment loses none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tickerkit.runtime.interrupts import Outcome, hold_interrupts

__all__ = ["BackgroundThread", "UserThread", "shorten_joins", "start_thread"]

MIN_JOIN_S = 0.05

_join_deadline = float("inf")


class BackgroundThread(threading.Thread):
    """A daemon thread, since another one would prevent the kernel or script from exiting.

    Args:
        run: the function to run.
        name: name of the thread.
    """

    def __init__(self, run: Callable[[], object], name: str) -> None:
        super().__init__(target=run, name=name, daemon=True)
        self._finished: Outcome[None] = Outcome()

    def run(self) -> None:
        """Run the function; called in the thread."""
        try:
            super().run()
        finally:
            self._finished.set(None)

    @property
    def has_ended(self) -> bool:
        """Whether the thread has ended; also true in a forked child, which has no copy of it."""
        with hold_interrupts():
            return not self.is_alive()

    def join_within(self, timeout_s: float) -> bool:
        """Wait for the end, unless this is the current thread; return whether it has ended.

        An interrupt ends the wait, also inside `hold_interrupts`.
        """
        if self is threading.current_thread():
            return False
        if self.has_ended:
            return True
        # Not join(timeout) or is_alive() alone: before Python 3.13 an interrupt inside them marks a
        # running thread as ended.
        within_s = min(timeout_s, max(_join_deadline - time.monotonic(), MIN_JOIN_S))
        if not self._finished.wait_until_set(within_s):
            return False
        with hold_interrupts():
            self.join()
        return True


class UserThread(BackgroundThread):
    """A thread that runs code of the user: a source, a callback, a chart's drawing."""


def start_thread(
    run: Callable[[], object], name: str, kind: type[BackgroundThread] = BackgroundThread
) -> BackgroundThread:
    """Start a thread, and return it.

    Call this inside a `hold_interrupts` block that also stores the thread.
    """
    # An interrupt inside Thread.start() could leave a thread that no variable refers to, or one
    # that `threading.enumerate` lists for ever although it never started.
    with hold_interrupts():
        thread = kind(run, name)
        thread.start()
    return thread


def shorten_joins(within_s: float) -> None:
    """Limit the time that all following joins take together, because the process is exiting.

    Without it, each of many blocked threads would hold up the exit for a second of its own.
    """
    global _join_deadline
    _join_deadline = time.monotonic() + within_s
