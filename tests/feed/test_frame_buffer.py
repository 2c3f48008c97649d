"""Tests of frame_buffer: a bounded buffer of messages between a connection and a recorder."""

from __future__ import annotations

from tickerkit.feed.frame_buffer import (
    Connected,
    Dropped,
    Frame,
    FrameBuffer,
    FrameBuffers,
    SyntheticHello,
)
from tickerkit.protocol import Client, PlainClient
from tickerkit.storage.raw_lines import made_line

TICK = b'{"symbol":"A","price":1.50,"time":"2026-11-22T10:00:00Z"}'
HELLO = b'{"type":"hello","epoch":"e","first":1,"next":5,"symbols":["A"],"columns":{},"protocol":1}'


def test_full_buffer_drops_and_counts_messages() -> None:
    """Messages that don't fit are counted; a hello then makes the later ones readable."""
    client = Client()
    client.start_connection()
    buffer = FrameBuffer(max_bytes=1000)
    buffer.begin_connection(1, "ws://x/", "tickerkit.v1", client)
    buffer.add(2, HELLO)
    client.receive(HELLO)
    for n in range(5):
        buffer.add(3 + n, b"x" * 300)
    kinds = [type(entry) for entry in buffer.drain(9)]
    assert kinds == [Connected, Frame, Frame, Frame]
    buffer.add(10, b"y")
    after = buffer.drain(11)
    assert [type(entry) for entry in after] == [Dropped, SyntheticHello, Frame]
    assert after[0] == Dropped(10, 3)
    assert buffer.dropped == 3
    assert isinstance(after[1], SyntheticHello)
    assert made_line(*after[1]).startswith(b'{"t":10,"made":true,"frame":{"type":"hello"')


def test_new_file_begins_with_the_connection_and_a_hello() -> None:
    """Entries after `new_file` can be read without the earlier ones."""
    client = Client()
    client.start_connection()
    client.receive(HELLO)
    buffer = FrameBuffer()
    buffer.begin_connection(1, "ws://x/", "tickerkit.v1", client)
    buffer.drain(12, new_file=True)
    buffer.add(13, b"z")
    assert [type(entry) for entry in buffer.drain(14)] == [Connected, SyntheticHello, Frame]


def test_new_file_reports_drops_in_the_old_one() -> None:
    """Messages dropped before the file ends are counted in it, though no later one came."""
    buffer = FrameBuffer(max_bytes=1)
    buffer.add(1, b"x")
    assert buffer.drain(2) == []
    assert buffer.drain(3, new_file=True) == [Dropped(3, 1)]


def test_joining_a_plain_connection_records_its_position() -> None:
    """The first entry holds the epoch and seq at which the feed continues."""
    plain = PlainClient()
    plain.start_connection()
    plain.receive(TICK)
    buffer = FrameBuffer()
    buffer.join_connection("ws://x/", "", plain)
    buffer.add(5, TICK)
    assert buffer.drain(6)[0] == Connected(5, "ws://x/", "", plain.epoch or "", 1)


def test_buffers_join_an_open_connection_and_leave_it() -> None:
    """A buffer added while a connection is open describes it; a removed one gets nothing more."""
    plain = PlainClient()
    plain.start_connection()
    buffers, early, late = FrameBuffers(), FrameBuffer(), FrameBuffer()
    buffers.add(early)
    buffers.begin_connection(1, "ws://x/", "", plain)
    buffers.add_frame(2, TICK)
    buffers.add(late)
    buffers.add_frame(3, TICK)
    assert [type(entry) for entry in early.drain(4)] == [Connected, Frame, Frame]
    assert [type(entry) for entry in late.drain(4)] == [Connected, Frame]
    buffers.remove(late)
    buffers.remove(late)
    buffers.end_connection()
    after = FrameBuffer()
    buffers.add(after)
    buffers.begin_connection(5, "ws://x/", "", plain)
    assert [type(entry) for entry in early.drain(6)] == [Connected]
    assert late.drain(6) == []
    assert [type(entry) for entry in after.drain(6)] == [Connected]
