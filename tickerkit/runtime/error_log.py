"""ErrorLog: counts errors, keeps the last one, and logs each kind at most once a minute."""

from __future__ import annotations

import logging
import math
import threading
import time

from tickerkit.errors import TickerkitError
from tickerkit.formatting import format_line
from tickerkit.runtime.user_code import find_location, format_traceback

__all__ = ["ErrorLog", "describe", "logger", "wire_logger"]

REPEAT_S = 60.0
MAX_KINDS = 1000

# A library stays quiet unless the program configures logging: without a handler, Python would print
# warnings to stderr, which a notebook shows under whichever cell ran last.
logger = logging.getLogger("tickerkit")
logger.addHandler(logging.NullHandler())

# The log messages of websockets contain data that peers sent, tokens included, and come as often as
# peers connect. An ErrorLog counts every event in them that matters.
wire_logger = logger.getChild("websockets")
wire_logger.setLevel(logging.CRITICAL)


class ErrorLog:
    """Counts errors, and logs each kind when it first occurs and then at most once a minute.

    All methods may be called from any thread.

    Args:
        where: the prefix of its log lines.
        repeat_s: the shortest time between two log lines for one kind of error.

    Attributes:
        count: number of errors so far.
        last: the newest error, as one line of text; empty before the first. An error of the user's
            code ends with file and line.
        last_traceback: the traceback of the newest error of the user's code; empty before the
            first.
        last_at_s: when the newest error occurred, on the monotonic clock.
    """

    def __init__(self, where: str, repeat_s: float = REPEAT_S) -> None:
        self.where = where
        self.repeat_s = repeat_s
        self.count = 0
        self.last = ""
        self.last_traceback = ""
        self.last_at_s = -math.inf
        self._traceback_key = ("", "")
        self._logged: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, error: BaseException, count: int = 1) -> None:
        """Count an error. Never raises, never blocks, prints nothing.

        All errors of one type are one kind. Their texts don't count: they may differ each time, and
        a peer may have chosen them.
        """
        kind, text, location = type(error).__name__, describe(error), find_location(error)
        # The text of tickerkit's own errors is enough, unless the user's code raised them.
        has_traceback = bool(location) or not isinstance(error, TickerkitError)
        if location:
            text = f"{text} ({location})"
            # A callback may fail a thousand times a second: format each traceback once.
            if (key := (kind, location)) != self._traceback_key:
                self._traceback_key, self.last_traceback = key, format_traceback(error)
        self._add(kind, text, count, error if has_traceback else None)

    def add_message(self, kind: str, text: str, count: int = 1) -> None:
        """Count an error that is described by text. Never raises, never blocks, prints nothing.

        Args:
            kind: messages of the same kind are logged at most once a minute; never choose it from
                what a peer sent.
            text: the description.
            count: number of errors; 0 only replaces `last`.
        """
        self._add(f"message: {kind}", format_line(text), count, None)

    def _add(self, kind: str, text: str, count: int, cause: BaseException | None) -> None:
        now = time.monotonic()
        with self._lock:
            self.count += count
            self.last = text
            self.last_at_s = now
            recent = now - self._logged.get(kind, -self.repeat_s) < self.repeat_s
            if recent or len(self._logged) >= MAX_KINDS:
                return
            self._logged[kind] = now
        logger.warning("%s: %s", self.where, text, exc_info=cause)


def describe(error: BaseException) -> str:
    """Return an error as one line: its text, after its type unless it is tickerkit's own."""
    try:
        text = format_line(str(error))
    except Exception:  # a fault in the error's own code
        text = ""
    if text and isinstance(error, TickerkitError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
