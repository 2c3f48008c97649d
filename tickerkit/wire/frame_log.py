"""FrameLog: the newest frames that passed, numbered from 1, in a bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from tickerkit.wire.header import Header, Toward, apply_mask, parse_header
from tickerkit.wire.notes import describe_notes

__all__ = ["MAX_FRAMES", "Fields", "FrameLog", "WireFrame"]

MAX_FRAMES = 100_000
# A frame's tuple, numbers, header and slot, without the bytes of its payload: 263 measured.
FRAME_BYTES = 268
# Where a frame's bytes and text are in its fields.
PAYLOAD: Final = 4
ABOUT: Final = 7
CAME: Final = 11


# The fields of a `WireFrame`, in its order.
Fields: TypeAlias = tuple[
    int, int, Toward, bytes, bytes, int, tuple[str, ...], str, int, int, int, bytes, int
]


class WireFrame(NamedTuple):
    """A frame as it was passed on.

    Attributes:
        time_ns: when its last byte was read, in nanoseconds since the epoch.
        link: the number of its connection.
        toward: the peer that it went to.
        header: the header's bytes.
        payload: the payload, unmasked; of more than 64 KiB, the beginning.
        length: the length of the whole payload in bytes.
        notes: the names of its notes.
        about: what else there is to say: what the tap did to it, or which ping it answers.
        read: the number of the read in which it begins, in its direction; -1 if the tap made it.
        offset: where it begins in that read.
        reads: how many reads it took.
        came: the bytes that the tap replaced by this frame; empty if it passed as it came.
        late_ns: how long the tap kept it, as far as known when it was passed on.
    """

    time_ns: int
    link: int
    toward: Toward
    header: bytes
    payload: bytes
    length: int
    notes: tuple[str, ...]
    about: str
    read: int
    offset: int
    reads: int
    came: bytes
    late_ns: int

    @property
    def head(self) -> Header:
        """The header, parsed; one that was cut off has zeros for what is missing."""
        return parse_header(self.header) or parse_header(self.header.ljust(14, b"\0")) or NO_HEADER

    @property
    def note(self) -> str:
        """The notes and what else there is to say, as text."""
        return "; ".join(filter(None, (describe_notes(self.notes), self.about)))

    @property
    def wire(self) -> bytes:
        """The frame's bytes on the wire; of a payload of more than 64 KiB, the beginning."""
        key = self.head.key
        return self.header + (apply_mask(self.payload, key) if key else self.payload)


NO_HEADER = Header(0, False, 0, False, b"", 0, 7, 2)


class FrameLog:
    """The newest frames of all connections of a tap.

    It holds at most `keep_bytes`, and at most 100,000 frames; then the oldest are dropped. It has
    no lock: read it in the thread that writes it.

    It holds plain tuples. Python's garbage collector leaves those alone, but walks through objects
    of other classes, and a log may hold 100,000 frames.

    Args:
        keep_bytes: how many bytes of memory the frames may take.
        on_drop: called with the fields of each frame that is dropped.

    Attributes:
        keep_bytes: as given.
        first: the number of the oldest frame held.
        bytes: about how many bytes of memory the frames take.
    """

    def __init__(
        self, keep_bytes: int, on_drop: Callable[[Fields], object] = lambda fields: None
    ) -> None:
        self.keep_bytes = keep_bytes
        self.first = 1
        self.bytes = 0
        self._frames: deque[Fields] = deque()
        self._on_drop = on_drop

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def stop(self) -> int:
        """The number that the next frame will have."""
        return self.first + len(self._frames)

    def append(self, fields: Fields) -> None:
        """Append a frame."""
        frames = self._frames
        frames.append(fields)
        self.bytes += FRAME_BYTES + len(fields[PAYLOAD]) + len(fields[ABOUT]) + len(fields[CAME])
        while self.bytes > self.keep_bytes or len(frames) > MAX_FRAMES:
            oldest = frames.popleft()
            self.first += 1
            size = len(oldest[PAYLOAD]) + len(oldest[ABOUT]) + len(oldest[CAME])
            self.bytes -= FRAME_BYTES + size
            self._on_drop(oldest)

    def read(self, start: int = 1) -> tuple[int, list[Fields]]:
        """Return the number of the first frame from a number on, and the fields of the frames.

        Dropped frames are left out: the number returned is then larger than `start`.
        """
        start = max(start, self.first)
        return start, list(islice(self._frames, start - self.first, None))

    def read_newest(self, count: int) -> list[Fields]:
        """Return the fields of the newest frames, the oldest first, in a time linear in `count`."""
        newest = list(islice(reversed(self._frames), max(count, 0)))
        newest.reverse()
        return newest
