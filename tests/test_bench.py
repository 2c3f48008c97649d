"""Tests of what the benchmarks rely on: their readers count correctly, and the report is right."""

from __future__ import annotations

import asyncio
import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

pytest.importorskip("bench", reason="a source distribution has no benchmarks")

from bench.reader import Reader
from bench.report import Report

WELCOME = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)


def frame(payload: bytes, head: int = 0x81) -> bytes:
    """Return a frame of a server's."""
    size = len(payload)
    if size < 126:
        return bytes([head, size]) + payload
    if size < 2**16:
        return bytes([head, 126]) + size.to_bytes(2, "big") + payload
    return bytes([head, 127]) + size.to_bytes(8, "big") + payload


def ticks(first: int, count: int) -> bytes:
    """Return a message of ticks with these numbers."""
    every = [
        {"symbol": "A", "price": float(seq), "seq": seq} for seq in range(first, first + count)
    ]
    return json.dumps(every).encode()


def read(kind: str, chunks: list[bytes]) -> tuple[Reader, list[bytes]]:
    """Have a reader read these chunks; return it, and what it wrote after its request."""

    async def main() -> tuple[Reader, list[bytes]]:
        reader, wire = Reader(kind, 1, "/", None), Wire()
        reader.connection_made(wire)
        for chunk in chunks:
            reader.data_received(chunk)
        return reader, wire.written[1:]

    return asyncio.run(main())


@pytest.mark.parametrize("size", [1, 2, 7, 1000, 10**6])
def test_however_the_wire_cuts_them_all_messages_are_read(size: int) -> None:
    """Short, long and very long frames, a ping between them, in pieces of any size."""
    wire = WELCOME + frame(ticks(5, 1)) + frame(ticks(6, 20)) + frame(b"hi", 0x89)
    wire += frame(ticks(26, 2000))
    # Byte by byte what is held is copied each time: only where that is what is tried.
    wire = wire if size > 2 else wire[: len(WELCOME) + 300]
    reader, written = read("many", [wire[at : at + size] for at in range(0, len(wire), size)])
    if size > 2:
        assert (reader.ticks, reader.messages, reader.seq, reader.breaks) == (2021, 3, 2025, 0)
        assert written == [b"\x8a\x82\0\0\0\0hi"]
        assert reader.bytes == len(wire) - len(WELCOME)
    else:
        assert (reader.ticks, reader.seq, reader.breaks) == (1, 5, 0)


def test_a_message_in_several_frames_is_one() -> None:
    """Its parts are put together, also with a ping between them."""
    whole = ticks(1, 3)
    chunks = [frame(whole[:10], 0x01), frame(b"", 0x89), frame(whole[10:20], 0x00)]
    reader, _ = read("many", [WELCOME, *chunks, frame(whole[20:], 0x80)])
    assert (reader.ticks, reader.messages) == (3, 1)


def test_compressed_messages_share_their_context() -> None:
    """permessage-deflate with context takeover, as servers use it by default."""
    deflate = zlib.compressobj(wbits=-12)

    def compressed(seq: int) -> bytes:
        text = json.dumps({"symbol": "A", "price": 1.5, "seq": seq}).encode()
        return (deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]

    reader, _ = read("deflated", [WELCOME, *(frame(compressed(n), 0xC1) for n in range(1, 6))])
    assert (reader.ticks, reader.seq, reader.newest.price, reader.breaks) == (5, 5, 1.5, 0)


@pytest.mark.parametrize(
    ("messages", "breaks"),
    [
        ([ticks(7, 2), ticks(9, 2)], 0),
        ([ticks(7, 2), ticks(10, 2)], 1),
        ([ticks(7, 2), ticks(8, 2)], 1),
        ([ticks(1, 2)[:-1] + b", " + ticks(4, 1)[1:]], 1),
    ],
)
def test_missing_and_repeated_ticks_are_seen(messages: list[bytes], breaks: int) -> None:
    """A run may begin anywhere, and then every number follows the one before."""
    reader, _ = read("many", [WELCOME, *map(frame, messages)])
    assert reader.breaks == breaks


def test_refusal_is_reported_with_its_text() -> None:
    """The error has the text that the server sent."""

    async def main() -> None:
        reader = Reader("one", 1, "/", None)
        reader.connection_made(Wire())
        reader.data_received(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
        await reader.open

    with pytest.raises(ConnectionError, match="503"):
        asyncio.run(main())


def ratio(report: Report) -> float:
    """Add a ratio whose pairs are 10, 20 and 3."""
    return report.ratio("r", [10, 40, 30], [1, 2, 10], at_least=10)


def figure(report: Report) -> float:
    """Add a figure that is not reached."""
    return report.figure("f", [3, 1, 200], "ms", at_most=2.5)


@pytest.mark.parametrize(("add", "median", "reached"), [(ratio, 10, True), (figure, 3, False)])
def test_a_report_tells_medians_and_whether_they_reach(
    add: Callable[[Report], float], median: float, reached: bool, tmp_path: Path
) -> None:
    """Ratios are taken pair by pair before the median is."""
    report = Report("try", "a try")
    assert add(report) == median
    report.finish(tmp_path / "out.json")
    row: dict[str, Any] = json.loads((tmp_path / "out.json").read_text())["rows"][0]
    assert (row["median"], row["reached"]) == (median, reached)
