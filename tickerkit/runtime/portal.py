"""The one door between threads and event loops.

One background thread runs one event loop for all servers and feeds of the process. It starts with
the first of them and is gone with the last. Code of the user's never runs on it, but in a `Worker`
(a thread with a loop of its own) or a `Follower` (a thread that reads a log).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from tickerkit.errors import PortalError
from tickerkit.log import Reader, Rows, TickLog

__all__ = ["Follower", "Portal", "Worker", "hurry", "portal"]

T = TypeVar("T")

LEAVE_S = 5.0
GIVE_UP_S = 1.0
TURNS = 5
MIN_S = 0.05

_hurry_until = float("inf")


def hurry(within_s: float) -> None:
    """Wait no longer than that, in all, for threads that are to end: the process wants to exit."""
    global _hurry_until
    _hurry_until = time.monotonic() + within_s


def _join(thread: threading.Thread, timeout_s: float) -> None:
    """Wait for a thread to end, unless it is this one."""
    if thread is not threading.current_thread():
        thread.join(min(timeout_s, max(_hurry_until - time.monotonic(), MIN_S)))


class Portal:
    """A background event loop, shared by all who have entered and not yet left.

    Example:
        >>> portal.enter()
        >>> portal.call(asyncio.sleep, 0, "answer")
        'answer'
        >>> portal.leave()
    """

    def __init__(self) -> None:
        self._selector: _Selector | None = None
        self.abandon_after_fork()

    def abandon_after_fork(self) -> None:
        """Begin anew, in a forked child: it has the memory of the thread, but not the thread.

        Nor does it keep the sockets of its parent: else a port would stay taken, and connections
        open, for as long as the child lives.
        """
        if self._selector is not None:
            self._selector.let_go()
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
            self._selector = _Selector()
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


class _Selector(selectors.DefaultSelector):
    """A selector that can let go, in a forked child, of all that its loop has to do with.

    It knows each descriptor that was ever registered, by number and inode: one that is not
    registered just now (a reader that pauses) is shared with the parent as well, and a number that
    is some other file's by now is left alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[int, tuple[int, int]] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        self._known[fd] = _identity(fd)
        return super().register(fileobj, events, data)

    def let_go(self) -> None:
        """Put /dev/null in the place of each descriptor, which leaves the parent's as they are.

        Closed numbers would be given to other files, which the child's stale sockets would then
        close; and what is unregistered from an epoll is so for the parent too.
        """
        null = os.open(os.devnull, os.O_RDWR)
        for fd, identity in self._known.items():
            with contextlib.suppress(OSError):  # closed meanwhile
                if _identity(fd) == identity:
                    os.dup2(null, fd, inheritable=False)
        with contextlib.suppress(AttributeError, ValueError):  # has none, or is closed
            os.dup2(null, self.fileno(), inheritable=False)
        os.close(null)


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


async def stop_accepting(sockets: Iterable[socket.socket]) -> None:
    """Accept nothing more, and let what was accepted become connections: then close the server.

    Closed in between, asyncio of Python 3.11 prints an error, and the client hangs.
    """
    for listener in sockets:
        with contextlib.suppress(NotImplementedError):  # Windows' other loop, without the fault
            asyncio.get_running_loop().remove_reader(listener.fileno())
    for _ in range(TURNS):
        await asyncio.sleep(0)


portal = Portal()
"""The portal of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=portal.abandon_after_fork)


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
