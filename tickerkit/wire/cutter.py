"""Cutter: finds where frames end in the bytes of one direction, however they were read."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MAX_DEFLATED_BYTES", "MAX_KEPT_BYTES", "Cut", "Cutter"]

# Of a larger payload, only the beginning is kept. A deflated one is needed whole: the later ones
# refer to it.
MAX_KEPT_BYTES = 65_536
MAX_DEFLATED_BYTES = 2**20
MAX_LENGTH = 2**31


class Cut(NamedTuple):
    """A frame that was found.

    Attributes:
        header: the whole header.
        payload: the payload as on the wire: masked, if the frame is; of a large one the beginning.
        length: the length of the whole payload.
        stop: where the frame ends in the data of the last read.
        read: the number of the read in which it begins.
        offset: where it begins in that read.
        reads: how many reads it took.
    """

    header: bytes
    payload: bytes
    length: int
    stop: int
    read: int
    offset: int
    reads: int


class Cutter:
    """Cuts a stream of bytes into frames; it judges nothing.

    Its time is linear in the bytes and in the number of reads. It holds one payload at most.

    Attributes:
        max_kept: how many bytes of a payload are kept.
        read: how many reads it was given.
        is_lost: whether a length was impossible, so that no later frame can be found.
    """

    def __init__(self) -> None:
        self.max_kept = MAX_KEPT_BYTES
        self.read = 0
        self.is_lost = False
        # Of the frame in progress: the bytes of a header that is not whole; else the header, the
        # parts of the payload that are kept, and how many bytes of it are missing.
        self._head = b""
        self._header = b""
        self._parts: list[bytes] = []
        self._kept_bytes = 0
        self._length = self._missing = 0
        self._began = (0, 0)

    @property
    def is_within_frame(self) -> bool:
        """Whether a frame has begun, and has not ended."""
        return self._header != b"" or self._head != b""

    def skip(self, data: bytes) -> bool:
        """Take the data of one read if no frame begins or ends in it; return whether that is so.

        For reads of a few bytes it is faster than `feed`.
        """
        size = len(data)
        if size >= self._missing or self._kept_bytes + size > self.max_kept:
            return False
        self.read += 1
        self._missing -= size
        self._kept_bytes += size
        self._parts.append(data)
        return True

    def feed(self, data: bytes, start: int = 0) -> list[Cut]:
        """Take the data of one read, from `start` on; return the frames that end in it."""
        self.read += 1
        cuts: list[Cut] = []
        if self.is_lost:
            return cuts
        position = start
        if self._header:
            position = self._continue_payload(data, start, cuts)
            if position < 0:
                return cuts
        before = len(self._head)
        if before:
            # At most 13 bytes and one read are copied.
            data = self._head + data[position:]
            shift, position = position - before, 0
        else:
            shift = 0
        self._cut(data, position, shift, before, cuts)
        return cuts

    def take_rest(self) -> Cut | None:
        """Return the frame in progress, with what has come of it; None without one."""
        if not self.is_within_frame:
            return None
        read, offset = self._began
        payload = b"".join(self._parts)
        return Cut(
            self._header or self._head, payload, self._length, 0, read, offset, self.read - read + 1
        )

    def _continue_payload(self, data: bytes, start: int, cuts: list[Cut]) -> int:
        """Take data of the frame in progress; return where it ends, or -1 if it doesn't."""
        size = len(data) - start
        stop = start + min(size, self._missing)
        room = self.max_kept - self._kept_bytes
        if room > 0:
            part = data[start : min(stop, start + room)]
            self._parts.append(part)
            self._kept_bytes += len(part)
        if size < self._missing:
            self._missing -= size
            return -1
        read, offset = self._began
        payload = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        reads = self.read - read + 1
        cuts.append(Cut(self._header, payload, self._length, stop, read, offset, reads))
        self._header, self._parts, self._kept_bytes, self._missing = b"", [], 0, 0
        return stop

    def _cut(self, data: bytes, position: int, shift: int, before: int, cuts: list[Cut]) -> None:
        """Cut data from a position on.

        Args:
            data: the bytes of a header that was not whole, then the data of this read.
            position: where to begin in it.
            shift: what to add to a position in it to have that in the data of the read.
            before: how many of its bytes came with earlier reads.
            cuts: the frames found are appended to it.
        """
        size, read, max_kept = len(data), self.read, self.max_kept
        new, append = tuple.__new__, cuts.append
        while size - position >= 2:
            length = data[position + 1]
            begin = position + 2
            if length > 127:
                length -= 128
                begin += 4
            if length > 125:
                width = 2 if length == 126 else 8
                begin += width
                if begin > size:
                    break
                length = int.from_bytes(data[position + 2 : position + 2 + width], "big")
                if length > MAX_LENGTH:
                    self.is_lost = True
                    break
            elif begin > size:
                break
            stop = begin + length
            if before:  # only the first frame can have begun in an earlier read
                first_read, offset = self._began
                reads = read - first_read + 1
            else:
                first_read, offset, reads = read, position + shift, 1
            if stop > size:
                self._header, self._length = data[position:begin], length
                self._missing = stop - size
                kept = data[begin : begin + max_kept]
                self._parts, self._kept_bytes = [kept], len(kept)
                self._began, self._head = (first_read, offset), b""
                return
            payload = data[begin : min(stop, begin + max_kept)]
            append(
                new(
                    Cut,
                    (
                        data[position:begin],
                        payload,
                        length,
                        stop + shift,
                        first_read,
                        offset,
                        reads,
                    ),
                )
            )
            position = stop
            before = 0
        self._head = data[position:] if not self.is_lost else data[position : position + 14]
        if self._head and not before:
            self._began = read, position + shift
