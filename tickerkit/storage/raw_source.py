"""RawSource: the machine of a source, run over its raw frames by the recorded clock; no I/O.

It is the machine that ran live: `fieldmaps.Machine` or `presets.Venue`. All that happened to it is
in the lines, in the same order and with the same times; so it makes the same ticks and gaps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tickerkit.fieldmaps import Machine, parse_fields, parse_talk
from tickerkit.fieldmaps.batches import fill_time
from tickerkit.presets import Fetch, Link, Missing, Venue
from tickerkit.presets.preset import parse_preset
from tickerkit.presets.saving import Saver
from tickerkit.storage.raw_lines import Line
from tickerkit.ticks import Batch

__all__ = ["RawSource"]

LOOK_EVERY_S = 1.0
# The columns of `Venue.freshness` whose changes are noted.
SHOWN = ("status", "gaps", "missing", "repaired", "refusal")
OK = 200


class RawSource:
    """Runs the machine of a source.

    Args:
        line: the line that says what the machine is made of.

    Attributes:
        states: the states of a venue's subscriptions: the time in epoch ns and a row of
            `Venue.freshness`, for each change (looked for once a second), and for all at the end.

    Raises:
        Exception: the line can't be understood.
    """

    def __init__(self, line: Line) -> None:
        assert line.source is not None
        kinds = {"venue": _VenueRun, "machine": _MachineRun}
        self._run: _Run = kinds[line.source["kind"]](line.source)
        self.states: list[tuple[int, dict[str, Any]]] = []
        self._shown: dict[tuple[str, str], tuple[object, ...]] = {}
        self._time_ns, self._now = line.t or 0, line.now
        self._looked_at = line.now
        # Messages that were taken together.
        self._messages: list[str | bytes] = []
        self._taken: tuple[int, float, int | None] = (0, 0.0, None)

    def finish(self, following: Line | None = None) -> list[Batch | Missing]:
        """Read the messages so far, unless the following line was taken together with them."""
        if not self._messages or (following is not None and self._belongs(following)):
            return []
        messages, self._messages = self._messages, []
        on, now, time_ns = self._taken
        return _select(self._run.receive(on, messages, now, time_ns or 0))

    def take(self, line: Line) -> list[Batch | Missing]:
        """Take a line, after `finish` was called with it; return ticks, and what is missing.

        Raises:
            Exception: it does not fit the lines before it; some of them are lost.
        """
        if line.now - self._looked_at >= LOOK_EVERY_S:
            self.look()
        self._time_ns, self._now = line.t or self._time_ns, line.now
        data = line.data()
        if data is None or line.fetch is not None:
            return _select(self._run.take(line, data))
        if not self._run.is_open(line.on):
            raise KeyError(line.on)
        self._messages.append(data)
        self._taken = (line.on, line.now, line.t)
        return []

    def look(self, *, is_last: bool = False) -> list[Batch | Missing]:
        """Note the state of each subscription that has changed; at the last look, of all."""
        self._looked_at = self._now
        for row in self._run.freshness(self._now):
            key = row["symbol"], row["channel"]
            shown = tuple(row[name] for name in SHOWN)
            if is_last or self._shown.get(key) != shown:
                self._shown[key] = shown
                self.states.append((self._time_ns, row))
        return []

    def _belongs(self, line: Line) -> bool:
        has_frame = line.fetch is None and line.data() is not None
        return has_frame and (line.on, line.now, line.t) == self._taken


class _Run(ABC):
    """Runs one kind of machine."""

    @abstractmethod
    def is_open(self, on: int) -> bool:
        """Return whether a connection is open."""

    @abstractmethod
    def receive(
        self, on: int, messages: Sequence[str | bytes], now: float, received_ns: int
    ) -> Sequence[object]:
        """Read messages that were received together."""

    @abstractmethod
    def take(self, line: Line, data: str | bytes | None) -> Sequence[object]:
        """Take any other line."""

    def freshness(self, now: float) -> list[dict[str, Any]]:
        """Return what is known of each subscription."""
        return []


class _MachineRun(_Run):
    """The machine of a field map."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        fields = source["fields"]
        talk = parse_talk(
            source["subscribe"] or None,
            ping=source["ping"],
            ping_every_s=source["ping_every_s"],
            wait_for=source.get("wait_for"),
            ignore=source.get("ignore"),
        )
        self._machine = Machine(
            None if fields is None else parse_fields(fields),
            talk,
            source["symbols"],
            is_guess=source["is_guess"],
        )
        self._on = 0

    def is_open(self, on: int) -> bool:
        return on == self._on

    def receive(
        self, on: int, messages: Sequence[str | bytes], now: float, received_ns: int
    ) -> Sequence[object]:
        batches = self._machine.receive(messages, now).batches
        self._machine.take_pings(now)
        return [fill_time(each, received_ns) for each in batches]

    def take(self, line: Line, data: str | bytes | None) -> Sequence[object]:
        if line.opened is not None:
            gaps = [Missing("", None, line.reason)] if line.reason else []
            self._on = line.on
            self._machine.start_connection(line.now)
            if line.joined is not None:
                self._machine.restore(Saver(()).restore(line.joined["known"]))
            return gaps
        if line.due:
            return self.receive(line.on, [], line.now, line.t or 0)
        if line.failed is not None:
            self._on = 0
        return []


class _VenueRun(_Run):
    """A venue."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        preset = parse_preset(source["preset"])
        self._venue = Venue(preset, source["symbols"], source["channels"])
        self._venue.restore(source["known"])
        self._links: dict[int, Link] = {}

    def is_open(self, on: int) -> bool:
        return on in self._links

    def freshness(self, now: float) -> list[dict[str, Any]]:
        return self._venue.freshness(now)

    def receive(
        self, on: int, messages: Sequence[str | bytes], now: float, received_ns: int
    ) -> Sequence[object]:
        link = self._links[on]
        return [*self._venue.receive(link, messages, now, received_ns), *link.tick(now)]

    def take(self, line: Line, data: str | bytes | None) -> Sequence[object]:
        venue, now = self._venue, line.now
        if line.opened is not None:
            return self._open(line)
        if line.sent is not None:
            self._links[line.on].take_sends(now)
        elif line.due:
            return self._links[line.on].tick(now) if line.on else venue.tick(now)
        elif line.fetch is not None:
            messages = None if line.status != OK or data is None else [data]
            return venue.backfilled(Fetch(*line.fetch), messages, now)
        elif line.resumed:
            return venue.resume(now)
        elif line.closed is not msgspec.UNSET:
            return venue.close(self._links.pop(line.on), now, by_venue=line.by_venue)
        return []

    def _open(self, line: Line) -> Sequence[object]:
        socket = self._venue.preset.sockets[line.socket]
        link, events = self._venue.open(socket, line.now, resumes=line.resumes)
        if line.joined is not None:
            link.restore(line.joined)
        self._links[line.on] = link
        return events


def _select(events: Sequence[object]) -> list[Batch | Missing]:
    """Return ticks, and what is missing."""
    return [each for each in events if isinstance(each, Batch | Missing)]
