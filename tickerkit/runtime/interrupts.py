"""Interrupts: Ctrl-C is held back while a service starts or stops, except where it waits.

Python raises KeyboardInterrupt between any two instructions of the main thread: after a thread has
started and before a variable refers to it, or inside `Condition.__enter__`, with the lock taken for
ever. So code that starts or stops something runs inside `hold_interrupts`, and lets interrupts in
with `allow_interrupts` only where it waits. An interrupt at another moment is raised by the next
such wait, or at the end of the block.
"""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Generic, ParamSpec, TypeVar, cast

from tickerkit.runtime.forking import on_fork

__all__ = ["Outcome", "allow_interrupts", "hold_interrupts", "uninterrupted"]

P = ParamSpec("P")
T = TypeVar("T")


class _Held:
    """The interrupts that one block holds back, and the handler that they are meant for."""

    def __init__(self, handler: Callable[[int, FrameType | None], Any]) -> None:
        self.handler: Any = handler
        self._pending: tuple[int, FrameType | None] | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        self._pending = number, frame

    def deliver(self) -> None:
        """Pass a pending interrupt on to the handler, which usually raises KeyboardInterrupt."""
        pending, self._pending = self._pending, None
        if pending is not None and callable(self.handler):
            self.handler(*pending)


# Used in the main thread only: Python handles signals nowhere else.
_current: _Held | None = None


# These two are classes: a generator whose `__exit__` is interrupted before it continues would run
# the rest when it is collected, and hold interrupts back for ever.
class hold_interrupts:  # noqa: N801 - a context manager, called like a function
    """Hold Ctrl-C back inside the block; a block inside another one changes nothing.

    Other threads are not interrupted, so there it does nothing; nor does it where SIGINT has no
    handler of Python's. Other signals are not held back.

    Example:
        >>> with hold_interrupts():
        ...     thread = start_thread(work)
        ...     with allow_interrupts():
        ...         thread.join()
    """

    def __init__(self) -> None:
        self._held: _Held | None = None

    def __enter__(self) -> None:
        global _current
        if threading.current_thread() is not threading.main_thread() or _current is not None:
            return
        handler = signal.getsignal(signal.SIGINT)
        if not callable(handler):
            return
        held = _Held(handler)
        signal.signal(signal.SIGINT, held.note)
        # From here on, nothing raises.
        self._held = _current = held

    def __exit__(self, *_: object) -> None:
        global _current
        held = self._held
        if held is None:
            return
        _current = None
        signal.signal(signal.SIGINT, held.handler)
        held.deliver()


class allow_interrupts:  # noqa: N801 - a context manager, called like a function
    """Let Ctrl-C in inside the block, where a `hold_interrupts` block waits.

    An interrupt that came before is raised at the beginning. Elsewhere this does nothing.
    """

    def __init__(self) -> None:
        self._held: _Held | None = None

    def __enter__(self) -> None:
        global _current
        if threading.current_thread() is not threading.main_thread() or _current is None:
            return
        held = self._held = _current
        try:
            _current = None
            signal.signal(signal.SIGINT, held.handler)
            held.deliver()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        global _current
        held = self._held
        if held is not None:
            # A handler may have replaced itself in the block.
            held.handler = signal.signal(signal.SIGINT, held.note)
            _current = held


def uninterrupted(function: Callable[P, T]) -> Callable[P, T]:
    """Run a function inside `hold_interrupts`; a decorator."""

    @functools.wraps(function)
    def run(*args: P.args, **options: P.kwargs) -> T:
        with hold_interrupts():
            return function(*args, **options)

    return run


class Outcome(Generic[T]):
    """A result that one thread sets, once, and others wait for; an interrupt ends a wait.

    Not a concurrent.futures.Future: an interrupt inside its methods could leave its lock taken, and
    the event loop would wait for that lock for ever. Here the main thread only appends to a list
    and acquires a lock of its own, which is one call that is interrupted or has succeeded.
    """

    def __init__(self) -> None:
        self._result: T | None = None
        self._error: BaseException | None = None
        self._waiting: list[threading.Lock] = []
        self.is_set = False

    def set(self, result: T) -> None:
        """Set the result."""
        self._result = result
        self._wake()

    def set_error(self, error: BaseException) -> None:
        """Set an error, which `wait` raises."""
        self._error = error
        self._wake()

    def wait(self) -> T:
        """Wait, and return the result or raise the error; also inside `hold_interrupts`."""
        self.wait_until_set()
        if self._error is not None:
            raise self._error
        return cast("T", self._result)

    def wait_until_set(self, timeout_s: float | None = None) -> bool:
        """Wait for a limited time; return whether the result or the error is set."""
        lock = threading.Lock()
        lock.acquire()
        self._waiting.append(lock)
        if not self.is_set:
            with allow_interrupts():
                lock.acquire(timeout=-1 if timeout_s is None else timeout_s)
        return self.is_set

    def _wake(self) -> None:
        # A thread that begins to wait is in the list, or sees this flag.
        self.is_set = True
        for lock in self._waiting:
            lock.release()


def _reset_after_fork() -> None:
    """Hold nothing back in a forked child: the thread whose block it was may not be in it."""
    global _current
    held, _current = _current, None
    if held is not None:
        signal.signal(signal.SIGINT, held.handler)


on_fork(in_child=_reset_after_fork)
