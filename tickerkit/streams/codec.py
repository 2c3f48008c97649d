"""Codec: pieces of a log as messages of a stream, each to be read by itself, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, TypeVar

import msgspec

from tickerkit.errors import ProtocolError
from tickerkit.limits import MAX_EPOCH_LENGTH, MAX_SEGMENT_BYTES
from tickerkit.log import MAX_SEQ, Gap, Rows
from tickerkit.protocol.codec import encode_columns
from tickerkit.protocol.decode import MAX_TICKS, decode_ticks
from tickerkit.protocol.messages import VERSION, End, Hello, Ticks, encode
from tickerkit.protocol.subscriber import Received
from tickerkit.protocol.words import ReceivedWords
from tickerkit.streams.message import StreamMessage

__all__ = [
    "StreamEvent",
    "decode",
    "encode_end",
    "encode_epoch",
    "encode_gap",
    "encode_ticks",
    "is_sound",
]

T = TypeVar("T")
StreamEvent: TypeAlias = Received | Gap | Hello | End

_ticks: msgspec.json.Decoder[Ticks] = msgspec.json.Decoder(Ticks)
_gap: msgspec.json.Decoder[Gap] = msgspec.json.Decoder(Gap)
_hello: msgspec.json.Decoder[Hello] = msgspec.json.Decoder(Hello)
_end: msgspec.json.Decoder[End] = msgspec.json.Decoder(End)


def encode_ticks(rows: Rows) -> StreamMessage:
    """Encode the first of some rows, as many as fit into a message.

    Args:
        rows: at least one row; all of one epoch, and their seqs rise by one.
    """
    body = encode_columns(rows, None, alone=True)
    while len(body or b"") > MAX_SEGMENT_BYTES and len(rows) > 1:
        rows = rows.part(rows.start, rows.start + len(rows) // 2)
        body = encode_columns(rows, None, alone=True)
    first = rows.position(0)
    return StreamMessage("ticks", first.epoch, first.seq, len(rows), body or b"")


def encode_gap(gap: Gap) -> StreamMessage:
    """Encode a gap; one of unknown size is the last message of its epoch."""
    # Without the times, as over the wire: the receiver's log may hold other ticks.
    sent = Gap(gap.epoch, gap.first, gap.last, gap.reason)
    return StreamMessage("gap", gap.epoch, gap.first, gap.count or 0, encode(sent))


def encode_epoch(epoch: str, seq: int, units: Mapping[str, str]) -> StreamMessage:
    """Encode that an epoch begins, or goes on, with the tick `seq`."""
    hello = Hello(epoch, seq, seq, [], {})
    if units:
        hello.units = dict(units)
    return StreamMessage("epoch", epoch, seq, 0, encode(hello))


def encode_end(epoch: str, seq: int) -> StreamMessage:
    """Encode that the source has ended before the tick `seq`."""
    return StreamMessage("end", epoch, seq, 0, encode(End()))


def is_sound(message: StreamMessage) -> bool:
    """Return whether the headers of a message, which anyone may have written, can be relied on."""
    if not 0 < len(message.epoch) <= MAX_EPOCH_LENGTH or message.seq < 1 or message.count < 0:
        return False
    if message.kind == "ticks":
        return 0 < message.count <= MAX_TICKS and message.last < MAX_SEQ
    return message.last < MAX_SEQ and (message.kind == "gap" or not message.count)


def decode(message: StreamMessage) -> StreamEvent:
    """Return the event that a message is.

    Raises:
        ProtocolError: the body can't be read, or isn't what the headers say.
    """
    match message.kind:
        case "ticks":
            return _decode_ticks(message)
        case "gap":
            gap = _read(_gap, message)
            last = message.last if message.count else None
            if (gap.epoch, gap.first, gap.last) != (message.epoch, message.seq, last):
                raise _mismatch(message)
            return gap
        case "epoch":
            hello = _read(_hello, message)
            if hello.protocol != VERSION or hello.epoch != message.epoch:
                raise _mismatch(message)
            return hello
        case "end":
            return _read(_end, message)


def _decode_ticks(message: StreamMessage) -> Received:
    ticks = _read(_ticks, message)
    if (ticks.seq, ticks.count) != (message.seq, message.count) or ticks.steps:
        raise _mismatch(message)
    batch, seq = decode_ticks(ticks, ReceivedWords())
    return Received(batch, message.epoch, seq)


def _read(decoder: msgspec.json.Decoder[T], message: StreamMessage) -> T:
    try:
        return decoder.decode(message.body)
    except RecursionError:
        raise ProtocolError(1007, "a message of the stream is nested too deep") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        problem = f"the body of a message of the stream can't be read ({error})"
        raise ProtocolError(1007, problem) from None


def _mismatch(message: StreamMessage) -> ProtocolError:
    headers = f"{message.kind} of {message.count} from {message.epoch}:{message.seq} on"
    return ProtocolError(1007, f"the body of a message of the stream isn't what it says: {headers}")
