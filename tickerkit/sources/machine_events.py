"""MachineEvents: the raw events of a source whose machine reads one connection after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from tickerkit.fieldmaps import Machine
from tickerkit.formatting import format_line
from tickerkit.net.redaction import Redactor
from tickerkit.presets.saving import Saver
from tickerkit.sources.raw_events import RawEvent, RawEvents

__all__ = ["MachineEvents"]


class MachineEvents(RawEvents):
    """What happens to the machine of a field map, for recorders of raw frames.

    `now` is the machine's clock. All but `note_sent` are called before the machine acts.

    Args:
        machine: the machine.
        url: the address; it may have keys.
        symbols: the symbols that the machine selects; None for all.
        headers: further headers of the request, whose values are secret.
    """

    def __init__(
        self, machine: Machine, url: str, symbols: list[str] | None, headers: Mapping[str, str]
    ) -> None:
        values = headers.values()
        # The server may repeat a token without its scheme, as of "Bearer token".
        tokens = [value.partition(" ")[2].strip() for value in values]
        super().__init__(self._describe_machine, Redactor([*values, *tokens]))
        # Known before the first message of a recording that begins in the middle.
        self.redactor.cut_url(url)
        for text in (*machine.talk.subscribe, machine.talk.ping or ""):
            self.redactor.cut_message(text)
        self._machine = machine
        self._url = url
        self._symbols = symbols
        # The number of the open connection, 0 for none; and that of the newest.
        self._on = self._last_on = 0

    def note_open(self, now: float, missed: str) -> None:
        """Note that a connection begins; `missed` is the reason of the gap before it, or empty."""
        number = self._last_on + 1
        if self.is_wanted:
            reason = self.redactor.cut(missed)
            self.note(now, number, opened=self.redactor.cut_url(self._url), reason=reason)
        self._on = self._last_on = number

    def note_messages(self, messages: Sequence[str | bytes], now: float, time_ns: int) -> None:
        """Note what came together at a time, in epoch ns; nothing, if the machine was due."""
        if not self.is_wanted:
            return
        for message in messages:
            self.note(now, self._on, message, time_ns)
        if not messages:
            self.note(now, self._on, time_ns=time_ns, due=True)

    def note_sent(self, text: str, now: float) -> None:
        """Note a message to the server."""
        if self.is_wanted:
            self.note(now, self._on, sent=self.redactor.cut_message(text))

    def note_close(self, now: float, code: int | None, reason: str) -> None:
        """Note how a websocket was closed; `code` is None if this end closes it."""
        if self.is_wanted:
            self.note(now, self._on, closed=code, reason=self.redactor.cut(reason))

    def note_end(self, now: float, reason: str) -> None:
        """Note why a connection ended, or was not made."""
        if self.is_wanted:
            self.note(now, self._on, failed=self.redactor.cut(format_line(reason)))
        self._on = 0

    def _describe_machine(self, now: float) -> list[RawEvent]:
        """Return the events that a recording begins with."""
        redactor, machine, time_ns = self.redactor, self._machine, time.time_ns()
        url, talk, fields = redactor.cut_url(self._url), machine.talk, machine.fields
        source = {
            "kind": "machine",
            "url": url,
            "fields": None if fields is None else fields.given,
            "is_guess": machine.is_guess,
            "subscribe": [redactor.cut_message(each) for each in talk.subscribe],
            "ping": None if talk.ping is None else redactor.cut_message(talk.ping),
            "ping_every_s": talk.ping_every_s,
            **talk.given,
            "symbols": self._symbols,
        }
        events = [RawEvent(time_ns, now, 0, {"source": source})]
        if self._on:
            facts = {"opened": url, "joined": {"known": Saver(()).save(machine.known)}}
            events.append(RawEvent(time_ns, now, self._on, facts))
            held = map(redactor.cut_data, machine.held)
            events += [RawEvent(time_ns, now, self._on, {}, each) for each in held]
        return events
