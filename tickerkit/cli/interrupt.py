"""Interrupts: Ctrl-C, SIGTERM or SIGHUP requests the end of a command."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

__all__ = ["Interrupt", "interrupt"]

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
POLL_S = 0.05
ECHO_S = 1.0


class Interrupt:
    """Whether a command was asked to end.

    A signal only sets a flag: an exception at a random moment could interrupt an import or a
    cleanup. A second signal, for a cleanup that takes too long, raises KeyboardInterrupt.

    Attributes:
        requested: whether a signal was received.
        is_termination: whether it was SIGTERM, by which a supervisor ends a command.
    """

    def __init__(self) -> None:
        self.requested = self.is_termination = False
        self._requested_at = 0.0

    def wait(self, seconds: float) -> bool:
        """Sleep until a signal comes, for `seconds` at most; return whether one came."""
        # Not a threading.Event: a signal handler that sets it can deadlock with the wait that it
        # interrupts.
        end = time.monotonic() + seconds
        while not self.requested and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, POLL_S))
        return self.requested

    @contextlib.contextmanager
    def handle_signals(self) -> Iterator[None]:
        """Handle signals inside the block, and restore the former handlers after it.

        Python handles signals in its main thread only; in another one, this only clears the flag.
        """
        self.requested = self.is_termination = False
        before = {}
        for name in SIGNALS if threading.current_thread() is threading.main_thread() else ():
            number = getattr(signal, name, None)
            # nohup ignores SIGHUP on purpose.
            if number and (name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN):
                before[number] = signal.signal(number, self._request)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        # One Ctrl-C may arrive twice: from the terminal, and from a program around this one.
        if self.requested and now - self._requested_at > ECHO_S:
            raise KeyboardInterrupt
        if not self.requested:
            self.is_termination = number == signal.SIGTERM
            self.requested, self._requested_at = True, now


interrupt = Interrupt()
"""The interrupts of this process."""
