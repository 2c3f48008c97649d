"""Packing: a file as a sequence of pieces, each compressed by itself, so that damage stays in one.

A compressed file is written as gzip members or zstd frames, one for each piece; programs that know
the format read them as one. What was torn off at the end, or hit by a wrong bit, is one piece: all
others are read.
"""

from __future__ import annotations

import gzip
import mmap
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

__all__ = ["COMPRESSIONS", "Damage", "compression_of", "compress", "read_members"]

COMPRESSIONS = {"gzip": ".gz", "zstd": ".zst"}
MAGIC = {"gzip": b"\x1f\x8b\x08", "zstd": b"\x28\xb5\x2f\xfd"}
# How the pieces that are written here begin: longer, so that nothing else looks like it.
BEGIN = {"gzip": MAGIC["gzip"] + bytes(5), "zstd": MAGIC["zstd"]}
LEVEL = {"gzip": 6, "zstd": 3}
STEP = 2**20
# Of a piece as large as a whole file that others have made, not all is held before it is proved.
MAX_HELD = 2**26


class Damage(NamedTuple):
    """Bytes of a file that can't be unpacked, from `start` to `stop`."""

    start: int
    stop: int


def compression_of(path: Path) -> str | None:
    """Return "gzip", "zstd" or None, by the name of a file that is to be written."""
    return next((name for name, end in COMPRESSIONS.items() if path.suffix == end), None)


def compress(piece: bytes, compression: str | None) -> bytes:
    """Return a piece as it stands in the file."""
    if compression == "gzip":
        # Without the time, so that the same ticks make the same file.
        return gzip.compress(piece, LEVEL["gzip"], mtime=0)
    if compression == "zstd":
        return zstandard.ZstdCompressor(level=LEVEL["zstd"], write_checksum=True).compress(piece)
    return piece


def read_members(
    path: Path, damaged: Callable[[Damage], object], most: int = STEP * 16
) -> Iterator[bytes]:
    """Yield what a file holds, unpacked, in parts of about `most` bytes at most.

    Args:
        path: the file; whether it is compressed is seen by its content, else by its name.
        damaged: called for each stretch that is left out, when all before it was yielded.
        most: bytes at once, of a file that is not compressed.

    Raises:
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        head = file.read(4)
        kind = next((name for name, magic in MAGIC.items() if head.startswith(magic)), None)
        # A wrong bit may stand in the very first byte.
        kind = kind or (compression_of(path) if head else None)
        file.seek(0)
        if kind is None:
            while piece := file.read(most):
                yield piece
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
            yield from _unpacked(memory, kind, damaged)


def _unpacked(memory: mmap.mmap, kind: str, damaged: Callable[[Damage], object]) -> Iterator[bytes]:
    magic, at, end = MAGIC[kind], 0, len(memory)
    while at < end:
        unpacker: Any = (
            zlib.decompressobj(31)
            if kind == "gzip"
            else zstandard.ZstdDecompressor().decompressobj()
        )
        held: list[bytes] = []
        size, start = 0, at
        try:
            if memory[at : at + len(magic)] != magic[: end - at]:
                raise ValueError
            while at < end and not unpacker.eof:
                chunk = memory[at : at + STEP]
                held.append(unpacker.decompress(chunk))
                at += len(chunk) - len(unpacker.unused_data)
                size += len(held[-1])
                if size > MAX_HELD:
                    yield b"".join(held)
                    held, size = [], 0
            # A wrong bit in a length has it wait for more than there is.
            if not unpacker.eof and memory.find(BEGIN[kind], start + 1) >= 0:
                raise ValueError
        except (ValueError, zlib.error, zstandard.ZstdError):
            found = memory.find(BEGIN[kind], start + 1)
            at = end if found < 0 else found
            damaged(Damage(start, at))
            continue
        # Also of a piece that was torn off: as far as it goes nothing in it is wrong.
        if size:
            yield b"".join(held)
        if not unpacker.eof:
            damaged(Damage(end, end))
