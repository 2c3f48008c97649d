"""Threads for code that may block: a `Worker` runs an event loop, a `Follower` reads a log.

Code that blocks can't be interrupted; so each stop waits for its thread, but only for a limited
time.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from tickerkit.log import Reader, Rows, TickLog
from tickerkit.runtime.interrupts import hold_interrupts
from tickerkit.runtime.threads import UserThread, start_thread

__all__ = ["Follower", "Worker"]

JOIN_S = 1.0


class Worker:
    """A thread with an event loop of its own, for code that may block.

    Args:
        name: name of the thread.
        main: the coroutine function to run; the thread ends with it.
    """

    def __init__(self, name: str, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._main = main
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        self._thread = start_thread(self._run, name, UserThread)

    def _run(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._task = asyncio.current_task()
            if not self._cancelled:
                await self._main()

        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(main())

    def cancel(self, timeout_s: float = JOIN_S) -> bool:
        """Cancel the coroutine, once, and wait; return whether the thread has ended.

        Code that blocks can't be interrupted: after `timeout_s` the thread is abandoned. It ends
        when its code returns.
        """
        with hold_interrupts():
            is_first, self._cancelled = not self._cancelled, True
            # A second cancellation would interrupt what the first one has the coroutine clean up.
            if is_first and self._loop is not None and self._task is not None:
                with contextlib.suppress(RuntimeError):  # the loop is closed: the thread has ended
                    self._loop.call_soon_threadsafe(self._task.cancel)
            return self._thread.join_within(timeout_s)


class Follower:
    """A thread that reads a log from a position, and passes new rows to a handler.

    A handler that is slower than the log gets larger batches; nothing is queued.

    Args:
        log: the log.
        handle: called in the thread with the new rows; must not raise.
        finish: called in the thread before it ends.
        reader: where to start reading; by default at the end of the log.
        every_s: pause after each call, so that batches gather; or a function that returns it.
        max_waiting: number of rows that end the pause early, unless the handler left rows that it
            was given; by default none.
        idle_s: call the handler without rows after this many seconds without new ones; by default
            never.
        name: name of the thread.
        without_rows: call the handler also after an append that brought no row, but order books.
    """

    def __init__(
        self,
        log: TickLog,
        handle: Callable[[Rows], None],
        *,
        finish: Callable[[], object] | None = None,
        reader: Reader | None = None,
        every_s: float | Callable[[], float] = 0.0,
        max_waiting: int | None = None,
        idle_s: float | None = None,
        name: str = "tickerkit follower",
        without_rows: bool = False,
    ) -> None:
        self._without_rows = without_rows
        self.reader = reader or log.reader()
        self._handle = handle
        self._finish = finish
        self._every_s = every_s
        self._max_waiting = max_waiting
        self._idle_s = idle_s
        self._new = threading.Event()
        self._new.set()
        self._stopping = threading.Event()
        self._pause_is_over = threading.Event()
        self._unhook = log.on_append(self._note_rows)
        self._thread = start_thread(self._run, name, UserThread)

    def _note_rows(self) -> None:
        self._new.set()
        if self._max_waiting is not None and self.reader.behind >= self._max_waiting:
            self._pause_is_over.set()

    def _run(self) -> None:
        while True:
            new = self._new.wait(self._idle_s)
            self._new.clear()
            # Before it looks whether to stop: `stop` sets the events in the opposite order.
            self._pause_is_over.clear()
            stopping = self._stopping.is_set()
            rows = self.reader.read()
            if len(rows) or rows.lost or not new or self._without_rows:
                self._handle(rows)
            if stopping:
                break
            every_s = self._every_s() if callable(self._every_s) else self._every_s
            if every_s:
                has_taken_all = self.reader.row == rows.stop
                (self._pause_is_over if has_taken_all else self._stopping).wait(every_s)
        if self._finish is not None:
            self._finish()

    @property
    def ended(self) -> bool:
        """Whether the thread has ended."""
        return self._thread.has_ended

    def stop(self, timeout_s: float = JOIN_S) -> bool:
        """Pass on the remaining rows, end the thread, and return whether it has ended; idempotent.

        A handler that blocks for longer than `timeout_s` is abandoned.
        """
        with hold_interrupts():
            self._unhook()
            if self.ended:  # also in a forked child, where a lock of the events may be held forever
                return True
            self._stopping.set()
            self._pause_is_over.set()
            self._new.set()
            return self._thread.join_within(timeout_s)
