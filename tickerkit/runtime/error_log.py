"""Faults: errors that something lived through: counted, the last one kept, logged once each."""

from __future__ import annotations

import logging
import threading
import time

from tickerkit.errors import TickerkitError
from tickerkit.formatting import one_line

__all__ = ["ErrorLog", "describe", "logger", "wire_logger"]

REPEAT_S = 60.0
MAX_KINDS = 1000

# A library stays quiet unless the program sets up logging: without a handler of its own, Python
# would print warnings to stderr, which in a notebook lands in whatever cell is newest.
logger = logging.getLogger("tickerkit")
logger.addHandler(logging.NullHandler())

# What websockets logs holds what peers sent, tokens too, as often as they send it. All of it that
# matters is counted in Faults.
wire_logger = logger.getChild("websockets")
wire_logger.setLevel(logging.CRITICAL)


class ErrorLog:
    """Counts errors, and logs each kind when it first comes and then once a minute at most.

    Args:
        where: what the log lines begin with.
        repeat_s: how long a kind is not logged again.

    Attributes:
        count: how many there were.
        last: the newest one, in words; empty when there was none.
    """

    def __init__(self, where: str, repeat_s: float = REPEAT_S) -> None:
        self.where = where
        self.repeat_s = repeat_s
        self.count = 0
        self.last = ""
        self._logged: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, error: BaseException | str, count: int = 1) -> None:
        """Take note of an error; never raises, never blocks, prints nothing."""
        words = one_line(error) if isinstance(error, str) else describe(error)
        # Words may differ each time, and a peer may have chosen them: the kind is the type alone.
        kind = type(error).__name__
        now = time.monotonic()
        with self._lock:
            self.count += count
            self.last = words
            recent = now - self._logged.get(kind, -self.repeat_s) < self.repeat_s
            if recent or len(self._logged) >= MAX_KINDS:
                return
            self._logged[kind] = now
        # Of tickerkit's own errors the words say it all.
        cause = None if isinstance(error, str | TickerkitError) else error
        logger.warning("%s: %s", self.where, words, exc_info=cause)


def describe(error: BaseException) -> str:
    """Return an error as one line: its type, unless its words say enough, and its words."""
    try:
        words = one_line(str(error))
    except Exception:  # its own code is at fault
        words = ""
    if words and isinstance(error, TickerkitError):
        return words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
