"""Zstandard frames: where the blocks of a compressed frame end (RFC 8878, section 3.1.1).

The blocks bound how much a piece of a frame unpacks to, at most 128 KiB each. zstandard itself has
no such bound: 20 KB may become a gigabyte in one call.
"""

from __future__ import annotations

import mmap

__all__ = ["MAX_BLOCK_BYTES", "ZstdCuts"]

MAX_BLOCK_BYTES = 2**17
# By the flags in a frame's header.
DICTIONARY_ID_BYTES = (0, 1, 2, 4)
CONTENT_SIZE_BYTES = (0, 2, 4, 8)
RLE_BLOCK, RESERVED_BLOCK = 1, 3


class ZstdCuts:
    """Finds where to cut a frame into pieces of a few blocks.

    Args:
        memory: the file.
        start: where the frame begins.

    Raises:
        ValueError: the frame is damaged.
    """

    def __init__(self, memory: mmap.mmap, start: int) -> None:
        self._memory = memory
        flags = memory[start + 4] if start + 4 < len(memory) else 0
        is_single = flags >> 5 & 1
        size = CONTENT_SIZE_BYTES[flags >> 6] or is_single
        self._checksum_bytes = 4 * (flags >> 2 & 1)
        self._at = start + 5 + (not is_single) + DICTIONARY_ID_BYTES[flags & 3] + size

    def next_cut(self, blocks: int) -> int:
        """Return where the next piece ends: after some more blocks, or at the end of the frame."""
        memory = self._memory
        for _ in range(blocks):
            if self._at + 3 > len(memory):
                return len(memory)
            header = int.from_bytes(memory[self._at : self._at + 3], "little")
            is_last, kind, size = header & 1, header >> 1 & 3, header >> 3
            if kind == RESERVED_BLOCK or size > MAX_BLOCK_BYTES:
                raise ValueError("the header of a block is damaged")
            self._at += 3 + (1 if kind == RLE_BLOCK else size)
            if is_last:
                self._at += self._checksum_bytes
                break
        return min(self._at, len(memory))
