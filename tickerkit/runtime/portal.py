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
from typing import Any, TypeVar

from tickerkit.errors import PortalError
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.forking import ForkSelector, on_fork

__all__ = ["Portal", "portal"]

T = TypeVar("T")

JOIN_S = 5.0
OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Portal:
    """A background event loop that runs while it has users: each calls `enter`, then `leave`.

    Example:
        >>> portal.enter()
        >>> portal.call(asyncio.sleep, 0, "answer")
        'answer'
        >>> portal.leave()
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
        # A new lock: a thread that the child does not have may hold the old one.
        self._lock = threading.Lock()
        self._users = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def enter(self) -> None:
        """Register a user of the loop; the first one starts the thread."""
        with self._lock:
            self._users += 1
            if self._thread is None:
                self._start()

    def leave(self) -> None:
        """Unregister a user; the last one stops the loop and waits for its thread to end."""
        with self._lock:
            self._users -= 1
            if self._users or self._thread is None or self._loop is None:
                return
            thread, loop = self._thread, self._loop
            self._thread = self._loop = None
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(JOIN_S)

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller runs in the loop's own thread."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run a coroutine function on the loop, wait for it, and return its result.

        Raises:
            PortalError: if called from the loop's own thread, which would wait for itself; or if
                nothing has entered the portal.
        """
        loop = self._get_loop()
        if self.is_current_thread:
            raise PortalError(
                f"{getattr(function, '__name__', function)} was called from tickerkit's own "
                "thread and would wait for itself; call it from another thread"
            )
        return asyncio.run_coroutine_threadsafe(function(*args), loop).result()

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Have a plain function called on the loop soon; returns at once, from any thread.

        Raises:
            PortalError: if nothing has entered.
        """
        self._get_loop().call_soon_threadsafe(function, *args)

    def call_async(
        self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any
    ) -> asyncio.Future[T]:
        """Run a coroutine function on the loop, and return a future for the caller's own loop.

        Raises:
            PortalError: if nothing has entered.
        """
        return asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(function(*args), self._get_loop())
        )

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
        self._loop = loop
        ready = threading.Event()

        def run() -> None:
            asyncio.set_event_loop(loop)
            loop.call_soon(ready.set)
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

        # Daemon: a non-daemon thread would prevent the kernel or script from exiting.
        self._thread = threading.Thread(target=run, name="tickerkit", daemon=True)
        self._thread.start()
        ready.wait()


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
