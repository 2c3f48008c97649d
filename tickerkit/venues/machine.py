"""Machine: the client's end of somebody's websocket: what to send, and what was received; no I/O.

The same machine runs over a socket, over a recording of frames, and in tests.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tickerkit.errors import BadTick
from tickerkit.ticks import Batch, Text
from tickerkit.venues.fields import FieldMap
from tickerkit.venues.reader import FieldReader, NotJson
from tickerkit.venues.shapes import ShapeCounts
from tickerkit.venues.talk import Talk, matches

__all__ = ["Machine", "Received"]

GZIP = b"\x1f\x8b"
# Bytes that a compressed message may have when unpacked.
MAX_UNPACKED_BYTES = 16 * 2**20
MAX_TEXT = 200
MAX_ERRORS = 10
FIX = "check that the server sends JSON, and that the subscription asks for it"
# Answers to a ping that are not JSON.
PONGS = frozenset(("pong", "PONG", b"pong", b"PONG"))


class Received(NamedTuple):
    """What some messages brought.

    Attributes:
        batches: the ticks, in the order of the messages.
        sends: messages to send in answer.
        refused: how many messages were not JSON.
        errors: the errors of the first of these.
    """

    batches: list[Batch]
    sends: list[str]
    refused: int
    errors: list[BadTick]


class Machine:
    """The client's end of a websocket whose messages a field map reads.

    Args:
        fields: the map.
        talk: what to send to the server.
        symbols: only the ticks of these; None for all.
        on_other: called with each message without rows; returns whether it knows the message.

    Attributes:
        shapes: the messages in which the map names no row, and `talk` no answer.

    Example:
        >>> machine = Machine(parse_fields({"symbol": "s", "price": "p"}))
        >>> machine.start_connection(now=0.0)
        []
        >>> machine.receive(['{"s": "AAPL", "p": "187.25"}']).batches[0].count
        1
    """

    def __init__(
        self,
        fields: FieldMap,
        talk: Talk | None = None,
        symbols: Sequence[str] | None = None,
        on_other: Callable[[Any], bool] = lambda _: False,
    ) -> None:
        self.fields = fields
        self.talk = talk or Talk()
        self.shapes = ShapeCounts()
        self._symbols = None if symbols is None else frozenset(symbols)
        self._on_other = on_other
        self._reader = FieldReader(fields)
        self._is_waiting = False
        self._ping_at: float | None = None

    def start_connection(self, now: float) -> list[str]:
        """Begin a connection; return the messages to send first."""
        self._reader.start_connection()
        self._ping_at = None if self.talk.ping is None else now + self.talk.ping_every_s
        self._is_waiting = bool(self.talk.wait_for)
        return [] if self._is_waiting else list(self.talk.subscribe)

    def due(self) -> float | None:
        """Return when `take_pings` has a message to send next; None for never."""
        return self._ping_at

    def take_pings(self, now: float) -> list[str]:
        """Return the messages that are due at `now`."""
        if self.talk.ping is None or self._ping_at is None or now < self._ping_at:
            return []
        self._ping_at = now + self.talk.ping_every_s
        return [self.talk.ping]

    def receive(self, messages: Sequence[str | bytes]) -> Received:
        """Read messages, in the order in which they came; never raises for bad input."""
        texts: list[str | bytes] = []
        errors: list[BadTick] = []
        for data in messages:
            try:
                texts.append(_unpack(data) if isinstance(data, bytes) else data)
            except BadTick as error:
                errors.append(error)
        taken = self._reader.read(texts)
        sends: list[str] = []
        for message in taken.others:
            if isinstance(message, NotJson):
                if message.text not in PONGS:
                    errors.append(BadTick("message", _cut(message.text), message.problem, FIX))
            elif self._is_waiting and matches(self.talk.wait_for, message):
                self._is_waiting = False
                sends.extend(self.talk.subscribe)
            elif not self._on_other(message) and not any(
                matches(each, message) for each in self.talk.ignore
            ):
                self.shapes.add(message)
        batches = [self._select(batch) for batch in taken.batches]
        return Received(batches, sends, len(errors), errors[:MAX_ERRORS])

    def _select(self, batch: Batch) -> Batch:
        """Return the ticks of the wanted symbols, with what was refused of all."""
        if self._symbols is None:
            return batch
        column = batch.columns["symbol"]
        assert isinstance(column, Text)
        wanted = np.array([*(word in self._symbols for word in column.words), False], dtype=bool)
        some = batch.where(wanted[column.codes])
        some.refused, some.errors, some.misfits = batch.refused, batch.errors, batch.misfits
        return some


def _unpack(data: bytes) -> bytes:
    """Return the JSON of a binary message, which may be gzip; raises `BadTick` if it is damaged."""
    if not data.startswith(GZIP):
        return data
    try:
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        text = unpacker.decompress(data, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise BadTick("message", _cut(data), f"can't be unpacked ({error})", FIX) from None
    if unpacker.unconsumed_tail or not unpacker.eof:
        problem = "is cut off" if not unpacker.unconsumed_tail else "is too large when unpacked"
        raise BadTick("message", _cut(data), problem, "have the server send less in a message")
    return text


def _cut(text: Any) -> Any:
    return text[:MAX_TEXT]
