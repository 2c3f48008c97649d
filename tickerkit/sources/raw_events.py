"""Raw events: what happened on the connections of a source, for those who record it.

Each event is noted before the source's machine acts on it. So the same machine, fed with the same
events, makes the same ticks and gaps: see `tickerkit.storage.raw_source`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from tickerkit.net.redaction import Redactor

__all__ = ["Keeper", "RawEvent", "RawEvents"]

# Bytes of the events that are held until there is a recorder.
MAX_HELD_BYTES = 64 * 2**20

_lock = threading.Lock()


class RawEvent(NamedTuple):
    """Something that happened.

    Attributes:
        time_ns: when, in epoch ns.
        now: when, by the clock of the source's machine, in seconds.
        on: the number of the connection; 0 for the source as a whole.
        facts: what happened.
        data: a message that was received, or the body of an answer; None for none.
    """

    time_ns: int
    now: float
    on: int
    facts: dict[str, Any]
    data: str | bytes | None = None


class Keeper(Protocol):
    """Keeps events until they are written. It never waits."""

    def add_event(self, event: RawEvent, describe: Callable[[], list[RawEvent]]) -> None:
        """Keep an event; `describe` returns what must be known of the source before it."""


class RawEvents:
    """Passes what happens on a source's connections to recorders; almost free without a recorder.

    Its methods but `add`, `remove` and `hold` are called in the source's own thread.

    Args:
        describe: returns the events that a recording has to begin with at a time: the source, and
            what is known of it. It is called in the source's thread.
        redactor: cuts secrets out of all events.

    Attributes:
        is_wanted: whether there is a recorder.
        runs_elsewhere: whether the source runs in another process, where its events stay.
    """

    def __init__(self, describe: Callable[[float], list[RawEvent]], redactor: Redactor) -> None:
        self.is_wanted = self.runs_elsewhere = False
        self.redactor = redactor
        self._describe = describe
        # Replaced, never changed: another thread may call `add` and `remove`.
        self._keepers: tuple[Keeper, ...] = ()
        self._held: _Held | None = None

    def add(self, keeper: Keeper) -> None:
        """Pass each event from now on to `keeper`; the first one also those that were held."""
        with _lock:
            held, self._held = self._held, None
            if held is not None:
                held.pass_on(keeper)
            self._keepers = (*(each for each in self._keepers if each is not held), keeper)
            self.is_wanted = True

    def remove(self, keeper: Keeper) -> None:
        """Pass no more events to `keeper`; idempotent."""
        with _lock:
            self._keepers = tuple(each for each in self._keepers if each is not keeper)
            self.is_wanted = bool(self._keepers)

    def hold(self) -> None:
        """Hold each event from now on for the first keeper, so that it gets them all.

        For a source that starts before its recorder can be made.
        """
        with _lock:
            if not self._keepers:
                self._held = _Held()
                self._keepers = (self._held,)
                self.is_wanted = True

    def note(
        self,
        now: float,
        on: int = 0,
        data: str | bytes | None = None,
        time_ns: int | None = None,
        **facts: Any,
    ) -> None:
        """Note that something happened.

        Args:
            now: when, by the clock of the source's machine.
            on: the number of the connection.
            data: a message that was received, or the body of an answer.
            time_ns: when, in epoch ns; by default now.
            **facts: what happened.
        """
        time_ns = time.time_ns() if time_ns is None else time_ns
        event = RawEvent(
            time_ns, now, on, facts, None if data is None else self.redactor.cut_data(data)
        )

        def describe() -> list[RawEvent]:
            return self._describe(now)

        for keeper in self._keepers:
            keeper.add_event(event, describe)


class _Held:
    """Holds the events from the start of a source on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[RawEvent] = []
        self._before: list[RawEvent] = []
        self._bytes = 0
        self._next: Keeper | None = None

    def add_event(self, event: RawEvent, describe: Callable[[], list[RawEvent]]) -> None:
        with self._lock:
            if self._next is not None:
                self._next.add_event(event, describe)
                return
            self._bytes += len(event.data or "") + 100
            if self._bytes > MAX_HELD_BYTES:
                self._events, self._bytes = [], 0
            if not self._events:
                self._before = describe()
            self._events.append(event)

    def pass_on(self, keeper: Keeper) -> None:
        """Give all events to `keeper`, and each later one, too."""
        with self._lock:
            for event in self._events:
                keeper.add_event(event, lambda: self._before)
            self._events, self._next = [], keeper
