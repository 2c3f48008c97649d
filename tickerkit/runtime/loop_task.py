"""LoopTask: a coroutine on the portal's loop, with a start and an end that other threads await."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from tickerkit.errors import PortalError
from tickerkit.runtime.interrupts import Outcome, hold_interrupts
from tickerkit.runtime.portal import portal

__all__ = ["LoopTask"]


class LoopTask:
    """A coroutine function that runs on the portal's loop from `start` until `stop`.

    What it holds, it releases in a `finally`, on the loop, which no interrupt reaches: whoever
    called `stop` may be interrupted, and the coroutine ends nonetheless. The portal's thread runs
    until then.

    Args:
        main: called with a function that it calls once it is ready.
    """

    def __init__(self, main: Callable[[Callable[[], None]], Coroutine[Any, Any, None]]) -> None:
        self._main = main
        self._ready: Outcome[None] = Outcome()
        self._ended: Outcome[None] = Outcome()
        self._task: asyncio.Task[None] | None = None
        self._has_begun = self._is_cancelled = False

    def start(self) -> None:
        """Start it, and wait until it is ready; raise its error if it ends before.

        Raises:
            PortalError: if called in the portal's thread, or if it was stopped before it was ready.
        """
        portal.check_other_thread("start")
        with hold_interrupts():
            portal.enter(self)
            portal.post(self._begin)
            self._has_begun = True
            self._ready.wait()

    def stop(self) -> None:
        """Cancel it, once, and wait for its end; raise the error that ended it. Idempotent."""
        with hold_interrupts():
            if not self._has_begun:
                return
            with contextlib.suppress(PortalError):  # the loop has ended, and with it the task
                portal.post(self._cancel)
            try:
                self._ended.wait()
            finally:  # also if it raises the task's error
                portal.join()

    # --- on the loop --------------------------------------------------------------------------

    def _begin(self) -> None:
        self._task = asyncio.ensure_future(self._main(self._set_ready))
        self._task.add_done_callback(self._finish)

    def _set_ready(self) -> None:
        self._ready.set(None)

    def _cancel(self) -> None:
        # A second cancellation would interrupt what the first one has the coroutine clean up.
        if self._task is not None and not self._is_cancelled:
            self._is_cancelled = True
            self._task.cancel()

    def _finish(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        portal.leave(self)
        if not self._ready.is_set:
            # `start` raises the error, so `stop` does not raise it again.
            self._ready.set_error(error or PortalError("it was stopped before it was ready"))
            error = None
        if error is None:
            self._ended.set(None)
        else:
            self._ended.set_error(error)
