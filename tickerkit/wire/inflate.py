"""Inflater: the content of deflated frames, for display only (RFC 7692)."""

from __future__ import annotations

import zlib

from tickerkit.wire.frame_log import WireFrame
from tickerkit.wire.header import CLOSE, CONTINUATION
from tickerkit.wire.heads import MAX_WINDOW_BITS

__all__ = ["MAX_INFLATED_BYTES", "Inflater"]

MAX_INFLATED_BYTES = 2**20
# What a sender leaves out at the end of each message (RFC 7692, section 7.2.1).
TAIL = b"\x00\x00\xff\xff"
RSV1 = 4
TOO_LARGE = "more than 1 MiB when inflated"
LOST = "deflated; the frames that it depends on are not known"


class Inflater:
    """Inflates the frames of one direction, in order. It works on copies, and passes nothing on.

    A message may refer to what came before it. So every deflated frame must be taken. After one
    that can't be inflated, the later ones can't be inflated either, unless `resets` is true.

    Args:
        bits: the size of the sender's window, as a power of two.
        resets: whether each message begins with an empty window.
    """

    def __init__(self, bits: int = MAX_WINDOW_BITS, resets: bool = False) -> None:
        self._bits, self._resets = bits, resets
        self._is_within = self._is_lost = False
        self._decoder = zlib.decompressobj(-bits)

    def copy(self) -> Inflater:
        """Return an inflater in the same state."""
        other = Inflater(self._bits, self._resets)
        other._is_within, other._is_lost = self._is_within, self._is_lost
        other._decoder = self._decoder.copy()
        return other

    def inflate(self, frame: WireFrame) -> tuple[bytes, str]:
        """Take the next frame; return its content, and why it is not whole, if it isn't.

        A message of more than 1 MiB is not inflated further.
        """
        first = frame.header[0]
        opcode, fin = first & 0x0F, first >= 0x80
        payload = frame.payload
        if opcode >= CLOSE or len(frame.header) < 2:
            return payload, ""
        if opcode == CONTINUATION:
            if not self._is_within:
                return payload, ""
        elif not first >> 4 & RSV1:
            return payload, ""
        elif self._resets:
            self._decoder = zlib.decompressobj(-self._bits)
            self._is_lost = False
        self._is_within = not fin
        if self._is_lost or len(payload) < frame.length:
            self._is_lost = True
            return payload, LOST
        try:
            content = self._decoder.decompress(payload, MAX_INFLATED_BYTES)
            rest = self._decoder.unconsumed_tail
            if fin and not rest:
                room = MAX_INFLATED_BYTES - len(content)
                content += self._decoder.decompress(TAIL, max(room, 1))
                rest = self._decoder.unconsumed_tail
        except zlib.error:
            self._is_lost = True
            return payload, LOST
        if rest:
            self._is_lost = True
            return content[:MAX_INFLATED_BYTES], TOO_LARGE
        return content, ""
