"""The one door between threads and event loops.

One background thread runs one event loop for all servers and feeds of the process. It starts with
the first of them and is gone with the last. Code of the user's never runs on it, but in a `Worker`
(a thread with a loop of its own) or a `Follower` (a thread that reads a log).
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tickerkit.errors import PortalError
from tickerkit.runtime.forking import ForkSelector

__all__ = ["Portal", "portal"]

T = TypeVar("T")

LEAVE_S = 5.0


class Portal:
    """A background event loop, shared by all who have entered and not yet left.

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
        """Begin anew, in a forked child: it has the memory of the thread, but not the thread.

        Nor does it keep the sockets of its parent: else a port would stay taken, and connections
        open, for as long as the child lives.
        """
        if self._selector is not None:
            self._selector.give_up()
        self._lock = threading.Lock()
        self._users = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def enter(self) -> None:
        """Take a share in the loop, which is started for the first."""
        with self._lock:
            self._users += 1
            if self._thread is None:
                self._start()

    def leave(self) -> None:
        """Give the share back; the last one stops the loop and waits for its thread to end."""
        with self._lock:
            self._users -= 1
            if self._users or self._thread is None or self._loop is None:
                return
            thread, loop = self._thread, self._loop
            self._thread = self._loop = None
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(LEAVE_S)

    @property
    def is_here(self) -> bool:
        """Whether the caller is in the loop's own thread."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run a coroutine function on the loop, and return or raise what it does.

        Raises:
            PortalError: if called from the loop's own thread, which would wait for itself.
        """
        loop = self._running()
        if self.is_here:
            raise PortalError(
                f"{getattr(function, '__name__', function)} was called from tickerkit's own "
                "thread, which would wait for itself; call it from another thread"
            )
        return asyncio.run_coroutine_threadsafe(function(*args), loop).result()

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Have a plain function called on the loop soon; returns at once, from any thread."""
        self._running().call_soon_threadsafe(function, *args)

    def ask(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> asyncio.Future[T]:
        """Run a coroutine function on the loop for another loop, which awaits the answer."""
        return asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(function(*args), self._running())
        )

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise PortalError("tickerkit's thread is not running: nothing has entered the portal")
        return self._loop

    def _start(self) -> None:
        if hasattr(os, "fork"):
            self._selector = ForkSelector()
            loop: asyncio.AbstractEventLoop = asyncio.SelectorEventLoop(self._selector)
        else:
            loop = asyncio.new_event_loop()
        self._loop = loop
        ready = threading.Event()

        def run() -> None:
            asyncio.set_event_loop(loop)
            loop.call_soon(ready.set)
            try:
                loop.run_forever()
            finally:
                # What was asked for just before the end begins, and can tidy up: an interrupted
                # `call` does not wait for it.
                loop.run_until_complete(asyncio.sleep(0))
                tasks = asyncio.all_tasks(loop)
                for task in tasks:
                    task.cancel()
                loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()

        # A daemon, since a thread that is none never lets a kernel or a script exit.
        self._thread = threading.Thread(target=run, name="tickerkit", daemon=True)
        self._thread.start()
        ready.wait()


portal = Portal()
"""The portal of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=portal.abandon_after_fork)
