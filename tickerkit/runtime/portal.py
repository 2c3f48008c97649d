"""The portal: one background thread with one event loop, and the calls into it from other threads.

All servers and feeds of the process share the loop. The thread starts with the first of them and
ends with the last. User code never runs on it, but in a `Worker` (a thread with an event loop of
its own) or a `Follower` (a thread that reads a log), so that it may block.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from tickerkit.errors import PortalError
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.forking import ForkSelector, on_fork
from tickerkit.runtime.interrupts import Outcome, hold_interrupts
from tickerkit.runtime.threads import BackgroundThread, start_thread

__all__ = ["Portal", "portal"]

T = TypeVar("T")

JOIN_S = 5.0
OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Portal:
    """A background event loop that runs while it has users: each calls `enter`, then `leave`.

    Example:
        >>> portal.enter("example")
        >>> portal.call(asyncio.sleep, 0, "answer")
        'answer'
        >>> portal.leave("example")
    """

    def __init__(self) -> None:
        self._selector: ForkSelector | None = None
        self.abandon_after_fork()

    def abandon_after_fork(self) -> None:
        """Reset the portal in a forked child, which has the parent's memory but not its threads.

        The sockets of the parent are released too; otherwise its port would stay taken, and its
        connections open, for as long as the child lives.
        """
        if self._selector is not None:
            self._selector.release_after_fork()
        # A new lock: a thread that the child does not have may hold the old one. Reentrant: the
        # handler of a signal may call `tk.status` while its thread is in here.
        self._lock = threading.RLock()
        self._users: set[object] = set()
        self._thread: BackgroundThread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: list[BackgroundThread] = []

    def enter(self, user: object) -> None:
        """Register a user of the loop; the first one starts the thread. Idempotent."""
        with hold_interrupts(), self._lock:
            if self._loop is None:
                self._start()
            self._users.add(user)

    def leave(self, user: object) -> None:
        """Unregister a user; the last one stops the loop and waits for its thread to end.

        Idempotent, so that an interrupted `leave` can be completed. In the loop's own thread it
        doesn't wait.
        """
        with hold_interrupts():
            with self._lock:
                self._users.discard(user)
                if not self._users and self._loop is not None and self._thread is not None:
                    self._ending.append(self._thread)
                    self._loop.call_soon_threadsafe(self._loop.stop)
                    self._thread = self._loop = None
            self.join()

    def join(self) -> None:
        """Wait for the thread to end if its last user has left."""
        for thread in list(self._ending):
            if thread.join_within(JOIN_S) and thread in self._ending:
                self._ending.remove(thread)

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller runs in the loop's own thread."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run a coroutine function on the loop, wait for it, and return its result.

        An interrupt ends the wait; the coroutine continues.

        Raises:
            PortalError: if called from the loop's own thread, which would wait for itself; or if
                nothing has entered the portal.
        """
        self.check_other_thread(getattr(function, "__name__", str(function)))
        outcome: Outcome[T] = Outcome()

        def begin() -> None:
            try:
                task = asyncio.ensure_future(function(*args))
            except BaseException as error:  # the arguments are wrong
                outcome.set_error(error)
            else:
                task.add_done_callback(finish)

        def finish(task: asyncio.Task[T]) -> None:
            if task.cancelled():  # the loop ends
                outcome.set_error(CancelledError())
            elif (error := task.exception()) is not None:
                outcome.set_error(error)
            else:
                outcome.set(task.result())

        self.post(begin)
        return outcome.wait()

    def check_other_thread(self, name: str) -> None:
        """Raise PortalError in the loop's own thread, where `name` would wait for itself."""
        if self.is_current_thread:
            raise PortalError(
                f"{name} was called from tickerkit's own thread and would wait for itself; call "
                "it from another thread"
            )

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Have a plain function called on the loop soon; returns at once, from any thread.

        Raises:
            PortalError: if nothing has entered.
        """
        # Under the lock: the loop runs all that was posted to it before it was told to stop.
        with self._lock:
            self._get_loop().call_soon_threadsafe(function, *args)

    def call_async(
        self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any
    ) -> asyncio.Future[T]:
        """Run a coroutine function on the loop, and return a future for the caller's own loop.

        Raises:
            PortalError: if nothing has entered.
        """
        with self._lock:
            # First: a coroutine that is made but not run would be a warning on stderr.
            loop = self._get_loop()
            return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(function(*args), loop))

    def _get_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise PortalError(
                "tickerkit's thread is not running: nothing has entered the portal; "
                "start a server or a feed first"
            )
        return self._loop

    def _start(self) -> None:
        if hasattr(os, "fork"):
            self._selector = ForkSelector()
            loop: asyncio.AbstractEventLoop = asyncio.SelectorEventLoop(self._selector)
        else:
            loop = asyncio.new_event_loop()
        loop.set_exception_handler(_on_loop_error)

        def run() -> None:
            asyncio.set_event_loop(loop)
            try:
                loop.run_forever()
            finally:
                # An interrupted `call` does not wait for its coroutine. A coroutine that was posted
                # just before the end starts here: otherwise cancelling would skip its cleanup.
                loop.run_until_complete(asyncio.sleep(0))
                tasks = asyncio.all_tasks(loop)
                for task in tasks:
                    task.cancel()
                loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()

        try:
            self._thread = start_thread(run, "tickerkit")
        except BaseException:  # the system allows no more threads
            loop.close()
            raise
        self._loop = loop


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log that connections can't be accepted for lack of files; leave other errors to asyncio.

    asyncio accepts again after a second. But it reports each of a hundred failures with its
    traceback, which Python prints to stderr if the program does not configure logging.
    """
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in OUT_OF_RESOURCES:
        loop_errors.add(error)
    else:
        loop.default_exception_handler(context)


loop_errors = ErrorLog("event loop")

portal = Portal()
"""The portal of this process."""

on_fork(in_child=portal.abandon_after_fork)
