"""Envelopes: a message comes back as it was, and whatever isn't one is None."""

from __future__ import annotations

import struct
import tracemalloc

import pytest
import zstandard

from tickerkit.brokers.envelope import make_envelope, open_envelope, split_headers
from tickerkit.limits import MAX_SEGMENT_BYTES
from tickerkit.streams import StreamMessage

MESSAGE = StreamMessage("ticks", "e1", 5, 3, b'{"type":"ticks"}' * 1000)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("kind", ["ticks", "gap", "epoch", "end"])
def test_message_comes_back(kind: str, compress: bool) -> None:
    """Headers and body hold everything of a message."""
    message = StreamMessage(kind, "e1", 2**63 - 1, 0, MESSAGE.body)  # type: ignore[arg-type]
    headers, body = make_envelope(message, compress=compress)
    assert open_envelope(headers, body) == message
    assert (len(body) < len(message.body)) is compress


def test_small_body_is_not_compressed() -> None:
    """It would hardly become smaller."""
    headers, body = make_envelope(StreamMessage("end", "e1", 1, 0, b"{}"), compress=True)
    assert body == b"{}"
    assert "Tk-Encoding" not in headers


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Tk-V", "2"),
        ("Tk-V", None),
        ("Tk-Kind", "bars"),
        ("Tk-Kind", None),
        ("Tk-Epoch", ""),
        ("Tk-Epoch", None),
        ("Tk-Epoch", "e" * 257),
        ("Tk-Seq", None),
        ("Tk-Seq", "-1"),
        ("Tk-Seq", "1.0"),
        ("Tk-Seq", "٣"),
        ("Tk-Seq", "9" * 19),
        ("Tk-Seq", "9" * 5000),
        ("Tk-Count", "many"),
        ("Tk-Encoding", "gzip"),
        ("Tk-Encoding", "zstd"),  # the body isn't
    ],
)
def test_other_headers_are_no_message(header: str, value: str | None) -> None:
    """A message of a later version, or of another program, is not read."""
    headers, body = make_envelope(MESSAGE)
    if value is None:
        del headers[header]
    else:
        headers[header] = value
    assert open_envelope(headers, body) is None


def test_body_is_bounded() -> None:
    """A body is as large as a message of the protocol at most."""
    headers, _ = make_envelope(MESSAGE)
    assert open_envelope(headers, bytes(MAX_SEGMENT_BYTES)) is not None
    assert open_envelope(headers, bytes(MAX_SEGMENT_BYTES + 1)) is None


def bomb(*, says_size: bool) -> bytes:
    """Return a gigabyte of zeros as a small frame."""
    params = zstandard.ZstdCompressionParameters(write_content_size=says_size)
    packer = zstandard.ZstdCompressor(compression_params=params)
    size = 2**30 if says_size else -1
    compressor = packer.compressobj(size=size)
    chunk = bytes(2**24)
    return b"".join([*(compressor.compress(chunk) for _ in range(64)), compressor.flush()])


@pytest.mark.parametrize("says_size", [True, False])
def test_bomb_takes_no_memory(says_size: bool) -> None:
    """A small frame that unpacks to a gigabyte is not unpacked."""
    headers, _ = make_envelope(MESSAGE)
    headers["Tk-Encoding"] = "zstd"
    body = bomb(says_size=says_size)
    assert len(body) < 2**17
    tracemalloc.start()
    try:
        assert open_envelope(headers, body) is None
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_damaged_frame_is_no_message() -> None:
    """A frame that is cut off, changed, or wants a large window is not read."""
    headers, body = make_envelope(MESSAGE, compress=True)
    for damaged in (body[:-1], body[:10], b"", body[:30] + bytes([body[30] ^ 255]) + body[31:]):
        found = open_envelope(headers, damaged)
        assert found is None or found.body != MESSAGE.body
    assert open_envelope(headers, body[:-4]) is None
    window = struct.pack("<IBB", 0xFD2FB528, 0, 0xA0) + b"\x01\x00\x00"  # 1 GiB
    assert open_envelope(headers, window) is None


def test_headers_are_split() -> None:
    """A block of headers of the broker is read, whatever is in it."""
    raw = b"NATS/1.0\r\nTk-Kind: ticks\r\nno colon\r\nA:b:c\r\n\xff: \xff\r\n\r\n"
    assert split_headers(raw) == {"Tk-Kind": "ticks", "A": "b:c", "\ufffd": "\ufffd"}
    assert split_headers(b"") == {}
