"""Machine: the client's end of somebody's websocket: what to send, and what was received; no I/O.

The same machine runs over a socket, over a recording of frames, and in tests.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from tickerkit.errors import BadTick
from tickerkit.fieldmaps.fields import FieldMap
from tickerkit.fieldmaps.guess import FieldGuesser
from tickerkit.fieldmaps.reader import FieldReader, NotJson, decode
from tickerkit.fieldmaps.shapes import ShapeCounts, shape_of
from tickerkit.fieldmaps.talk import Talk, matches
from tickerkit.ticks import Batch

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

    def refuse(self, error: BadTick) -> Received:
        """Return the same with a message that was not JSON."""
        errors = self.errors if len(self.errors) >= MAX_ERRORS else [*self.errors, error]
        return self._replace(refused=self.refused + 1, errors=errors)


class Machine:
    """The client's end of a websocket whose messages a field map reads.

    Without a map, the first messages are held until one can be guessed, and then read by it: for
    a second, or longer while no row is found in them. Tables for other kinds of messages are added
    when these come.

    Args:
        fields: the map; None to guess it.
        talk: what to send to the server.
        symbols: only the ticks of these; None for all.
        on_other: called with each message without rows; returns whether it knows the message.
        is_guess: whether the map is a guess, to which tables may be added.

    Attributes:
        fields: the map; None while none has been guessed.
        is_guess: whether the map is a guess.
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
        fields: FieldMap | None,
        talk: Talk | None = None,
        symbols: Sequence[str] | None = None,
        on_other: Callable[[Any], bool] = lambda _: False,
        *,
        is_guess: bool = False,
    ) -> None:
        self.is_guess = is_guess or fields is None
        self.talk = talk or Talk()
        self.shapes = ShapeCounts()
        self._symbols = None if symbols is None else frozenset(symbols)
        self._on_other = on_other
        self._reader = None if fields is None else FieldReader(fields)
        self._guesser = FieldGuesser()
        self._is_waiting = False
        self._ping_at: float | None = None

    @property
    def fields(self) -> FieldMap | None:
        """The map."""
        return None if self._reader is None else self._reader.fields

    @property
    def known(self) -> Any:
        """What earlier messages of the connection said, for `restore`; None without a map."""
        return None if self._reader is None else self._reader.known

    def restore(self, known: Any) -> None:
        """Continue in the middle of the connection of another machine with the same map."""
        self._is_waiting = False
        if self._reader is not None and known is not None:
            self._reader.restore(known)

    @property
    def held(self) -> list[str | bytes]:
        """The messages that are held until a map can be guessed."""
        return list(self._guesser.held)

    @property
    def fields_note(self) -> str:
        """What the user should know about a guessed map; empty for a map that was given."""
        if not self.is_guess:
            return ""
        if self.fields is None:
            return "no map could be guessed yet; pass one as fields="
        return "a guess; to keep or correct it, pass it as fields="

    def start_connection(self, now: float) -> list[str]:
        """Begin a connection; return the messages to send first."""
        if self._reader is not None:
            self._reader.start_connection()
        self._ping_at = None if self.talk.ping is None else now + self.talk.ping_every_s
        self._is_waiting = bool(self.talk.wait_for)
        return [] if self._is_waiting else list(self.talk.subscribe)

    def due(self) -> float | None:
        """Return when to call `take_pings` and `receive`, though nothing came; None for never."""
        times = [self._ping_at, self._guesser.due()]
        return min((each for each in times if each is not None), default=None)

    def take_pings(self, now: float) -> list[str]:
        """Return the messages that are due at `now`."""
        if self.talk.ping is None or self._ping_at is None or now < self._ping_at:
            return []
        self._ping_at = now + self.talk.ping_every_s
        return [self.talk.ping]

    def receive(self, messages: Sequence[str | bytes], now: float = 0.0) -> Received:
        """Read messages, in the order in which they came; never raises for bad input.

        Args:
            messages: the messages; none if nothing came until `due`.
            now: the time, as in `start_connection`.
        """
        texts: list[str | bytes] = []
        received = Received([], [], 0, [])
        for data in messages:
            try:
                texts.append(_unpack(data) if isinstance(data, bytes) else data)
            except BadTick as error:
                received = received.refuse(error)
        if self._reader is not None:
            return self._read(self._reader, texts, received)
        decoded = [decode(text) for text in texts]
        pairs = zip(texts, decoded, strict=True)
        self._guesser.hold([text for text, each in pairs if not isinstance(each, NotJson)], now)
        # Those held are counted, too: this shows what comes while nothing is understood.
        received = self._sort(decoded, received)
        if (fields := self._guesser.guess(now)) is None:
            return received
        self._reader = FieldReader(fields)
        self.shapes = ShapeCounts()
        held, self._guesser.held = self._guesser.held, []
        return self._read(self._reader, held, received, is_known=True)

    def _read(
        self,
        reader: FieldReader,
        texts: Sequence[str | bytes],
        received: Received,
        *,
        is_known: bool = False,
    ) -> Received:
        """Read messages by the map; extend a guessed map if it leaves some out."""
        taken = reader.read(texts)
        received.batches.extend(self._select(batch) for batch in taken.batches)
        if not self.is_guess:
            return self._sort(taken.others, received)
        again = not is_known and self._guesser.count(texts)
        for message in taken.others:
            if not isinstance(message, NotJson):
                seen = self.shapes.counts.get(shape_of(message), 0) + 1
                again |= self._guesser.note(msgspec.json.encode(message), seen)
        received = self._sort(taken.others, received)
        if again and (found := self._guesser.extend(reader.fields)):
            longer, strange = found
            reader.extend(longer)
            taken = reader.read(strange)
            received.batches.extend(self._select(batch) for batch in taken.batches)
        return received

    def _sort(self, others: Sequence[Any], received: Received) -> Received:
        """Add what follows from messages without rows: subscriptions to send, and errors."""
        for message in others:
            if isinstance(message, NotJson):
                if message.text not in PONGS:
                    error = BadTick("message", _cut(message.text), message.problem, FIX)
                    received = received.refuse(error)
            elif self._is_waiting and matches(self.talk.wait_for, message):
                self._is_waiting = False
                received.sends.extend(self.talk.subscribe)
            elif not self._on_other(message) and not any(
                matches(each, message) for each in self.talk.ignore
            ):
                self.shapes.add(message)
        return received

    def _select(self, batch: Batch) -> Batch:
        """Return the ticks of the wanted symbols."""
        return batch if self._symbols is None else batch.of_symbols(self._symbols)


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
