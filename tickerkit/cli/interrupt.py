"""How a command is asked to end: Ctrl-C, or a signal that means the same."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType

__all__ = ["Ending", "ending"]

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
STEP_S = 0.05
SAME_S = 1.0


class Ending:
    """Whether the command was asked to end.

    A signal only leaves a note here: an exception out of nowhere could hit an import or a clean-up.
    The second one, for when a clean end takes too long, is a KeyboardInterrupt.

    Attributes:
        asked: whether it was.
    """

    def __init__(self) -> None:
        self.asked = False
        self._when = 0.0

    def wait(self, seconds: float) -> bool:
        """Wait so long, less if asked to end; return whether that was asked."""
        # Not an Event: a handler that sets one can deadlock with the wait that it interrupts.
        end = time.monotonic() + seconds
        while not self.asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, STEP_S))
        return self.asked

    @contextlib.contextmanager
    def heeding(self) -> Iterator[None]:
        """Take note of signals, until the block is left."""
        self.asked = False
        before = {}
        for name in SIGNALS:
            number = getattr(signal, name, None)
            # nohup has SIGHUP ignored, and means it.
            if number and (name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN):
                before[number] = signal.signal(number, self._note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        # One Ctrl-C may arrive twice, from the terminal and from a program around this one.
        if self.asked and now - self._when > SAME_S:
            raise KeyboardInterrupt
        if not self.asked:
            self.asked, self._when = True, now


ending = Ending()
"""The ending of this process."""
