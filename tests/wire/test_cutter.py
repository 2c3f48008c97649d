"""Cutter and header: frames are found in any bytes, however they were read."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tickerkit.wire.cutter import MAX_KEPT_BYTES, Cutter
from tickerkit.wire.header import apply_mask, make_frame, make_header, parse_header

KEY = b"\x3d\x5b\x9c\x11"


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return data cut at these positions."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:stop] for start, stop in pairwise(edges)]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_header_reads_what_websockets_writes(size: int, masked: bool) -> None:
    """Opcode, bits, length and how it is written are found in the bytes."""
    data = Frame(Opcode.TEXT, b"a" * size).serialize(mask=masked)
    header = parse_header(data)
    assert header is not None
    assert (header.opcode, header.fin, header.rsv, header.masked) == (1, True, 0, masked)
    assert header.length == size
    assert header.length_bits == (7 if size < 126 else 16 if size < 65_536 else 64)
    assert len(data) == header.size + size
    assert parse_header(data[: header.size - 1]) is None
    assert make_frame(1, b"a" * size, header.key) == data


def test_header_can_be_written_in_more_bytes_than_it_needs() -> None:
    """A wrong header is written as it is asked for."""
    header = parse_header(make_header(9, 5, KEY, fin=False, rsv=6, length_bits=64))
    assert header == (9, False, 6, True, KEY, 5, 64, 14)


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_mask_applied_twice_is_nothing(payload: bytes, key: bytes) -> None:
    """Each byte is combined with the byte of the key at its position."""
    masked = apply_mask(payload, key)
    assert masked == bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
    assert apply_mask(masked, key) == payload


SIZES = st.sampled_from([0, 1, 2, 13, 95, 125, 126, 127, 300, 65_600])


@given(
    st.lists(st.tuples(st.integers(0, 15), SIZES, st.booleans()), max_size=5),
    st.lists(st.integers(0, 2**20), max_size=12),
)
def test_frames_are_found_wherever_reads_end(
    frames: list[tuple[int, int, bool]], cuts: list[int]
) -> None:
    """The same frames come out of one read and of many, with where and in how many they came."""
    wires = [make_frame(code, b"x" * size, KEY if mask else b"") for code, size, mask in frames]
    cutter, found = Cutter(), []
    reads = pieces(b"".join(wires), cuts)
    for data in reads:
        for cut in cutter.feed(data):
            found.append(cut)
            assert b"".join(reads[: cutter.read])[: -(len(data) - cut.stop) or None].endswith(
                wires[len(found) - 1]
            )
    assert not cutter.is_within_frame
    assert len(found) == len(wires)
    for cut, wire in zip(found, wires, strict=True):
        assert (cut.header + cut.payload)[: len(wire)] == wire[: len(cut.header) + MAX_KEPT_BYTES]
        assert cut.length == len(wire) - len(cut.header)
        tail = b"".join(reads[cut.read - 1 : cut.read - 1 + cut.reads])[cut.offset :]
        assert tail.startswith(wire)


def test_cutter_takes_any_bytes() -> None:
    """Random bytes cut at random are frames, or a lost place; nothing is raised."""
    rng = random.Random(1)
    for _ in range(100):
        cutter, left = Cutter(), rng.randbytes(rng.randrange(2000))
        while left:
            size = rng.randrange(1, 60)
            cutter.feed(left[:size])
            left = left[size:]
        cutter.take_rest()


def test_large_frame_keeps_its_beginning() -> None:
    """Of a payload of 10 MB, 64 KiB and the length are kept."""
    data = make_frame(2, bytes(10_000_000))
    cutter, found = Cutter(), []
    for start in range(0, len(data), 100_000):
        found += cutter.feed(data[start : start + 100_000])
    assert [(cut.length, len(cut.payload), cut.reads) for cut in found] == [
        (10_000_000, MAX_KEPT_BYTES, 101)
    ]


def test_impossible_length_loses_the_place() -> None:
    """No frame is found after a length of more than 2 GiB."""
    cutter = Cutter()
    good = make_frame(1, b"a")
    assert len(cutter.feed(good + make_header(1, 2**31 + 1) + good)) == 1
    assert cutter.is_lost
    assert cutter.feed(good) == []
