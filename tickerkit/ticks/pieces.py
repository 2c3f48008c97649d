"""Pieces: cuts a long JSON array into short ones, without decoding it.

A websocket's message of many megabytes takes seconds to read. In pieces, the reader can serve
others in between, and needs the memory of one piece only.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tickerkit.errors import BadTick
from tickerkit.ticks.batch import Array

__all__ = ["PIECE_BYTES", "cut_array"]

PIECE_BYTES = 2**14
# A tick that is larger is refused: to decode it would take too long.
MAX_TICK_BYTES = 2**18

QUOTE, OPEN, CLOSE, COMMA = b'"[],'
OPEN_OBJECT, CLOSE_OBJECT = b"{}"


def cut_array(text: bytes) -> Iterator[bytes]:
    """Yield JSON arrays of about 16 KiB, which together have the elements of one array.

    Text that is short, or not an array, is yielded whole. Invalid JSON is found by the decoder, in
    the piece that has it.

    Args:
        text: JSON text in UTF-8.

    Raises:
        BadTick: an element, or text that is not an array, is larger than 256 KiB.
    """
    if len(text) <= PIECE_BYTES:
        yield text
        return
    head = text[:PIECE_BYTES].lstrip()
    if not head.startswith(b"["):
        _check_size(len(text))
        yield text
        return
    # `start` is the first byte of the next piece, `at` of the next block to look at.
    start = at = PIECE_BYTES - len(head) + 1
    depth, in_string = 1, False
    while at < len(text):
        block = _block(text, at)
        commas, depth, in_string = _scan(block, depth, in_string)
        if len(commas):
            cut = at + int(commas[-1])
            yield b"[" + text[start:cut] + b"]"
            start = cut + 1
        at += len(block)
        _check_size(at - start)
    yield b"[" + text[start:]


def _block(text: bytes, at: int) -> bytes:
    """Return the bytes from `at` on, up to a place between two characters of a string."""
    block = text[at : at + PIECE_BYTES]
    # An odd number of backslashes at the end: the last one belongs to the next byte.
    if (len(block) - len(block.rstrip(b"\\"))) % 2:
        block = text[at : at + PIECE_BYTES + 1]
    return block


def _scan(block: bytes, depth: int, in_string: bool) -> tuple[Array, int, bool]:
    """Return the commas between the array's elements, and the state at the end of the block."""
    # Same length: escaped characters can't be mistaken for the end of a string.
    plain = block.replace(b"\\\\", b"  ").replace(b'\\"', b"  ")
    byte = np.frombuffer(plain, np.uint8)  # (N,), as each array below
    quotes = np.cumsum(byte == QUOTE) + in_string
    outside = quotes % 2 == 0
    opening = (byte == OPEN) | (byte == OPEN_OBJECT)
    closing = (byte == CLOSE) | (byte == CLOSE_OBJECT)
    depths = depth + np.cumsum(np.where(outside, opening.astype(np.int8) - closing, 0))
    commas = np.flatnonzero(outside & (depths == 1) & (byte == COMMA))
    return commas, int(depths[-1]), bool(quotes[-1] % 2)


def _check_size(size: int) -> None:
    if size > MAX_TICK_BYTES:
        problem = f"is larger than {MAX_TICK_BYTES // 1024} KiB"
        raise BadTick("message", f"<{size} bytes>", problem, "send an array of small objects")
