"""MappedSource: what the sources share whose messages a field map reads."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from tickerkit.errors import BadTick, SourceError
from tickerkit.fieldmaps import Machine
from tickerkit.fieldmaps.batches import fill_time
from tickerkit.fieldmaps.machine import Received
from tickerkit.formatting import format_line
from tickerkit.net.redaction import HIDDEN
from tickerkit.net.urls import hide_secrets
from tickerkit.sources.base import Outlet, Source
from tickerkit.sources.delays import pick_delay_s
from tickerkit.sources.machine_events import MachineEvents

__all__ = ["MappedSource", "ReconnectingSource"]

# A connection without ticks that ended sooner counts as a failed attempt.
STABLE_S = 5.0


class MappedSource(Source):
    """A source whose messages a field map reads.

    Args:
        machine: reads the messages by a map, given or guessed; None while the messages are ticks,
            which need no map.
    """

    def __init__(self, machine: Machine | None) -> None:
        self.machine = machine
        if machine is not None and machine.fields is not None:
            self.units = machine.fields.units

    @property
    def fields(self) -> Any:
        """The field map, as it was given or guessed; None where there is none."""
        machine = self.machine
        return None if machine is None or machine.fields is None else machine.fields.given

    @property
    def fields_note(self) -> str:
        """What to know about a guessed field map; empty for one that was given."""
        return "" if self.machine is None else self.machine.fields_note

    @property
    def unknown(self) -> Mapping[str, int]:
        """How many messages the map does not name, by their shape."""
        return {} if self.machine is None else self.machine.shapes.counts

    def describe_guess(self) -> str:
        """Return a guessed field map as code, with a note that it is a guess; empty without one."""
        is_guess = self.fields is not None and self.fields_note
        return f"{self.fields!r} ({self.fields_note})" if is_guess else ""

    async def _deliver(self, received: Received, out: Outlet, time_ns: int = 0) -> bool:
        """Send what messages brought; return whether there were ticks.

        Ticks without a time get `time_ns`, if that is above 0.
        """
        for error in received.errors:
            out.report(error)
        for batch in received.batches:
            await out.send(fill_time(batch, time_ns))
        return any(batch.count for batch in received.batches)


class ReconnectingSource(MappedSource):
    """A source that connects again whenever its connection ends.

    The delay is random, of up to 0.25 s, doubled with each failed attempt up to 30 s.

    Args:
        machine: reads the messages.
        url: the address; keys in it are never shown.
        symbols: the symbols that the machine selects; None for all.
        headers: further headers of the request, whose values are secret.

    Attributes:
        status: "connecting", "live" or "reconnecting".
        status_reason: why the newest connection ended, or was not made; empty while live.
        retry_in_s: seconds until the next attempt.
        reconnects: how many times it has connected again; -1 before the first connection.
        raw_events: what happens on its connections, for recorders of raw frames.
    """

    machine: Machine
    # A delay that the server asks for.
    _min_delay_s = 0.0

    def __init__(
        self,
        machine: Machine,
        url: str,
        symbols: list[str] | None,
        headers: Mapping[str, str] | None,
    ) -> None:
        super().__init__(machine)
        self._url = url
        self._headers = dict(headers or {})
        self.raw_events = MachineEvents(machine, url, symbols, self._headers)
        self.status = "connecting"
        self.status_reason = ""
        self.retry_in_s = 0.0
        self.reconnects = -1
        self._has_ticks = False

    @property
    def address(self) -> str:
        """The address, without keys."""
        return hide_secrets(self._url)

    def on_sent_to_process(self) -> None:
        self.raw_events.runs_elsewhere = True

    @abstractmethod
    async def _attempt(self, out: Outlet) -> str | None:
        """Connect, and receive until the connection ends; return why, None when finished."""

    async def run(self, out: Outlet) -> None:
        """Connect and receive until it is cancelled."""
        failed = 0
        while True:
            began, self._has_ticks = time.monotonic(), False
            reason = await self._attempt(out)
            now = asyncio.get_running_loop().time()
            self.raw_events.note_end(now, reason or "the server has no more")
            if reason is None:
                return
            if self.status != "live":
                problem = self.raw_events.redactor.cut(f"can't connect: {reason}")
                out.report(SourceError(self.address, problem))
            is_stable = self._has_ticks or time.monotonic() - began > STABLE_S
            failed = 0 if is_stable else failed + 1
            delay_s = max(pick_delay_s(failed), self._min_delay_s)
            self.status_reason, self.retry_in_s = format_line(reason), delay_s
            self.status = "connecting" if self.reconnects < 0 else "reconnecting"
            await asyncio.sleep(delay_s)

    async def _deliver(self, received: Received, out: Outlet, time_ns: int = 0) -> bool:
        """Send what messages brought; a key that the server repeats is not in the errors."""
        received = received._replace(errors=[*map(self._hide_keys, received.errors)])
        for batch in received.batches:
            batch.errors[:] = map(self._hide_keys, batch.errors)
        return await super()._deliver(received, out, time_ns)

    def _hide_keys(self, error: BadTick) -> BadTick:
        """Return an error without the keys in its value, which may be a whole message."""
        redactor, value = self.raw_events.redactor, error.value
        shown = redactor.cut_data(value) if isinstance(value, str | bytes) else value
        text = repr(shown)
        if redactor.cut(text) != text:
            shown = HIDDEN
        return BadTick(redactor.cut(error.field), shown, redactor.cut(error.problem), error.fix)

    async def _begin(self, out: Outlet, missed: str = "reconnected") -> str:
        """Note that a connection was made; after a break, also that ticks may be missing.

        Args:
            out: where to note it.
            missed: the first words of the gap's reason.

        Returns:
            The reason of the gap; empty for the first connection.
        """
        self.reconnects += 1
        if not self.reconnects:
            return ""
        reason = f"{missed}: {self.status_reason}"
        await out.gap(None, reason)
        return reason

    def _note_live(self) -> None:
        self.status, self.status_reason, self.retry_in_s = "live", "", 0.0
