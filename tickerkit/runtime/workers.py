"""Threads for code that may block: a `Worker` has an event loop, a `Follower` reads a log."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

from tickerkit.log import Reader, Rows, TickLog

__all__ = ["Follower", "Worker", "hurry"]

GIVE_UP_S = 1.0
MIN_WAIT_S = 0.05

_hurry_until = float("inf")


def hurry(within_s: float) -> None:
    """Wait no longer than that, in all, for threads that are to end: the process wants to exit."""
    global _hurry_until
    _hurry_until = time.monotonic() + within_s


def _join(thread: threading.Thread, timeout_s: float) -> None:
    """Wait for a thread to end, unless it is this one."""
    if thread is not threading.current_thread():
        thread.join(min(timeout_s, max(_hurry_until - time.monotonic(), MIN_WAIT_S)))


class Worker:
    """A thread with an event loop of its own, for code that may block.

    Args:
        name: name of the thread.
        main: what to run; the thread ends with it.
    """

    def __init__(self, name: str, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._main = main
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._task = asyncio.current_task()
            if not self._cancelled:
                await self._main()

        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(main())

    def cancel(self, timeout_s: float = GIVE_UP_S) -> bool:
        """Cancel it and wait; return whether the thread has ended.

        Code that blocks can't be interrupted: after `timeout_s` its thread is left to end by
        itself, and what it still makes goes nowhere.
        """
        self._cancelled = True
        if self._loop is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # its loop has closed: it ended by itself
                self._loop.call_soon_threadsafe(self._task.cancel)
        _join(self._thread, timeout_s)
        return not self._thread.is_alive()


class Follower:
    """A thread that reads a log from a position, and hands on what is new.

    A handler that is slower than the log gets larger batches, never a queue.

    Args:
        log: the log.
        handle: called with the rows that are new, in this thread; must not raise.
        finish: called in this thread at its end.
        reader: where to read from; from now on by default.
        every_s: wait so long between two calls, so that batches gather.
        idle_s: call it without rows when nothing was new for so long; never by default.
        name: name of the thread.
    """

    def __init__(
        self,
        log: TickLog,
        handle: Callable[[Rows], None],
        *,
        finish: Callable[[], object] | None = None,
        reader: Reader | None = None,
        every_s: float = 0.0,
        idle_s: float | None = None,
        name: str = "tickerkit follower",
    ) -> None:
        self.reader = reader or log.reader()
        self._handle = handle
        self._finish = finish
        self._every_s = every_s
        self._idle_s = idle_s
        self._new = threading.Event()
        self._new.set()
        self._stopping = threading.Event()
        self._unhook = log.on_append(self._new.set)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            new = self._new.wait(self._idle_s)
            self._new.clear()
            stopping = self._stopping.is_set()
            rows = self.reader.read()
            if len(rows) or rows.lost or not new:
                self._handle(rows)
            if stopping:
                break
            if self._every_s:
                self._stopping.wait(self._every_s)
        if self._finish is not None:
            self._finish()

    @property
    def ended(self) -> bool:
        """Whether its thread has ended."""
        return not self._thread.is_alive()

    def stop(self, timeout_s: float = GIVE_UP_S) -> bool:
        """Hand on what there is, end the thread, and return whether it has ended."""
        self._unhook()
        if self.ended:  # or in a forked child, where the events may be locked for ever
            return True
        self._stopping.set()
        self._new.set()
        _join(self._thread, timeout_s)
        return self.ended
