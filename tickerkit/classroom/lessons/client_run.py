"""ClientRun: a student's client that runs in a thread, connected through the student's own tap."""

from __future__ import annotations

import asyncio
import inspect
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tickerkit.classroom import Tap
from tickerkit.classroom.lessons.captured import Captured
from tickerkit.classroom.lessons.exercise import AnswerError
from tickerkit.classroom.lessons.running import end_thread
from tickerkit.errors import TickerkitError
from tickerkit.runtime.interrupts import allow_interrupts
from tickerkit.runtime.lifecycle import Lifecycle
from tickerkit.runtime.threads import BackgroundThread, UserThread, start_thread

__all__ = ["ClientRun"]

END_S, STEP_S = 3.0, 0.2


class ClientRun(Lifecycle):
    """A client of a student, which runs until it returns, raises an error or is stopped.

    Args:
        client: a function, or an async function, that is called with an address.
        tap: through which it connects.

    Attributes:
        error: what ended it; None if it runs or has returned.
    """

    _kind, _how_to_restart = "client", "run the check again"

    def __init__(self, client: Callable[[str], Any], tap: Tap) -> None:
        super().__init__()
        self._client, self._tap = client, tap
        self._links = len(tap.links)
        self._thread: BackgroundThread | None = None
        self.error: BaseException | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the client no longer runs."""
        return self._thread is None or self._thread.has_ended

    @property
    def has_connected(self) -> bool:
        """Whether the client has connected at least once."""
        return len(self._tap.links) > self._links

    def runs(self, client: Callable[[str], Any], tap: Tap) -> bool:
        """Return whether this is the same client, and it goes on."""
        return not self.has_ended and tap is self._tap and _code(client) == _code(self._client)

    def start(self) -> ClientRun:
        """Start the client, once."""
        self._start_service()
        return self

    def stop(self) -> None:
        """Cut the client's connections, and end it. Idempotent."""
        self._stop_service(self._release)

    def _acquire(self) -> None:
        self._thread = start_thread(self._run, "tickerkit-client", UserThread)

    def _release(self) -> None:
        if self._thread is None:
            return
        end = time.monotonic() + END_S
        # Again, since a client may catch even the error that ends its thread.
        while not self._thread.has_ended and time.monotonic() < end:
            end_thread(self._thread)
            self._cut()
            with allow_interrupts():
                self._thread.join_within(STEP_S)

    def _cut(self) -> None:
        """Cut the connections, so that a client which waits for a message goes on."""
        try:
            self._tap.drop()
        except TickerkitError:  # the tap has been stopped
            return

    def _run(self) -> None:
        if isinstance(sys.stdout, Captured):  # the check shows what is printed meanwhile
            sys.stdout.adopt_thread()
        try:
            came = self._client(self._tap.url)
            if inspect.iscoroutine(came):
                asyncio.run(came)
        except AnswerError as error:
            self.error = error.error
        except BaseException as error:
            self.error = error

    def _summarize(self) -> dict[str, str]:
        return {
            "kind": self._kind,
            "address": urlsplit(self._tap.url).netloc,
            "status": "ended" if self.has_ended else "running",
            "about": getattr(self._client, "__name__", ""),
        }


def _code(client: Callable[[str], Any]) -> object:
    """Return what a function does: the same if a cell has defined it again."""
    inner = inspect.unwrap(client)
    return getattr(inner, "__code__", inner)
