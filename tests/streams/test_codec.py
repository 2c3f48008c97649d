"""Pieces of a log become messages that can each be read alone, and hostile ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import publish

from tickerkit.errors import ProtocolError
from tickerkit.limits import MAX_SEGMENT_BYTES
from tickerkit.log import Gap, Rows, TickLog
from tickerkit.protocol import End, Hello, Received
from tickerkit.streams import StreamMessage
from tickerkit.streams.codec import (
    decode,
    encode_end,
    encode_epoch,
    encode_gap,
    encode_ticks,
    is_sound,
)
from tickerkit.ticks import read_ticks

TICKS = [
    {"symbol": "B", "price": 1.5, "size": 2, "note": "x", "bid": 1.25, "time": 5},
    {"symbol": "A", "price": None, "bid": 2.0, "time": 4},
    {"symbol": "B", "price": 3, "note": "z", "trade_id": 2**60, "time": 9},
]


def read_back(rows: Rows) -> TickLog:
    """Return a log of the ticks of one message of these rows."""
    received = decode(encode_ticks(rows))
    assert isinstance(received, Received)
    log = TickLog()
    log.append(received.batch, received=0, epoch=received.epoch, seq=received.seq)
    return log


def test_a_message_from_the_middle_of_a_log_is_read_alone() -> None:
    """It has all words that its ticks use, and no others."""
    log = TickLog(epoch="e1")
    publish(log, 50, "CDEF", note="other")
    log.append(read_ticks(TICKS), received=0)
    message = encode_ticks(log.rows(50))
    assert (message.kind, message.epoch, message.seq, message.count) == ("ticks", "e1", 51, 3)
    assert b"other" not in message.body
    again = read_back(log.rows(50)).frame()
    for name, values in log.frame().iloc[50:].items():
        assert list(values.dropna()) == list(again[str(name)].dropna()), name


def test_a_message_ends_before_it_is_too_large() -> None:
    """The rows that do not fit are for the next one."""
    log = TickLog()
    publish(log, 100, note="x")
    rows = [{"symbol": "A", "price": 1, "note": f"{n:04096}"} for n in range(400)]
    log.append(read_ticks(rows), received=0)
    message = encode_ticks(log.rows())
    assert len(message.body) <= MAX_SEGMENT_BYTES
    assert 100 < message.count < 500


def test_gaps_hellos_and_ends_come_back() -> None:
    """What a message says about itself is what its body says."""
    for gap in (Gap("e1", 5, 9, "lost"), Gap("e1", 5, None, "lost")):
        assert decode(encode_gap(gap)) == gap
    hello = decode(encode_epoch("e1", 7, {"price": "°C"}))
    assert isinstance(hello, Hello)
    assert (hello.epoch, hello.next, hello.units) == ("e1", 7, {"price": "°C"})
    assert decode(encode_end("e1", 7)) == End()


@given(st.data())
def test_a_damaged_message_is_refused_or_read(data: st.DataObject) -> None:
    """It raises `ProtocolError` and nothing else; what is read has the ticks that it says."""
    log = TickLog(epoch="e1")
    publish(log, 5, "AB", note="x")
    messages = [
        encode_ticks(log.rows()),
        encode_gap(Gap("e1", 5, 9, "lost")),
        encode_epoch("e1", 7, {}),
        encode_end("e1", 7),
    ]
    message = data.draw(st.sampled_from(messages))
    body = bytearray(message.body)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    damaged = StreamMessage(message.kind, message.epoch, message.seq, message.count, bytes(body))
    try:
        event = decode(damaged)
    except ProtocolError:
        return
    if isinstance(event, Received):
        assert np.array_equal(event.seq, np.arange(1, 6))
    assert type(event) is type(decode(message))


@pytest.mark.parametrize(
    "change",
    [{"seq": 2}, {"count": 4}, {"kind": "gap"}, {"kind": "epoch"}, {"kind": "end"}],
)
def test_a_body_that_is_not_what_the_headers_say_is_refused(change: dict[str, object]) -> None:
    """The position of a reader relies on the headers."""
    log = TickLog(epoch="e1")
    publish(log, 5)
    message = encode_ticks(log.rows())
    parts = {name: getattr(message, name) for name in ("kind", "epoch", "seq", "count", "body")}
    with pytest.raises(ProtocolError):
        decode(StreamMessage(**{**parts, **change}))


def test_a_body_nested_too_deep_is_refused() -> None:
    """It does not end the relay."""
    body = b'{"type":"gap","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(ProtocolError):
        decode(StreamMessage("gap", "e1", 1, 1, body))


@pytest.mark.parametrize(
    "message",
    [
        StreamMessage("ticks", "", 1, 1, b""),
        StreamMessage("ticks", "e" * 257, 1, 1, b""),
        StreamMessage("ticks", "e1", 0, 1, b""),
        StreamMessage("ticks", "e1", 1, 0, b""),
        StreamMessage("ticks", "e1", 1, 10**6, b""),
        StreamMessage("gap", "e1", 2**63 - 1, 1, b""),
        StreamMessage("gap", "e1", 1, -1, b""),
        StreamMessage("epoch", "e1", 1, 1, b""),
    ],
)
def test_headers_that_no_maker_writes_are_not_sound(message: StreamMessage) -> None:
    """A message with them counts as written by others."""
    assert not is_sound(message)
