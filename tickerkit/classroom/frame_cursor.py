"""Cursor: a position in the frames of a tap, for readers that follow it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tickerkit.classroom.passage import Passage
from tickerkit.wire import Fields, FrameLog, Inflater, Toward, WireFrame

__all__ = ["Batch", "FrameCursor", "ReadFrame", "read_plain"]

Inflaters = dict[int, dict[Toward, Inflater]]


class Batch(NamedTuple):
    """The frames that are new to a cursor.

    Attributes:
        start: the number of the first of them that the log holds.
        first: the number of the first of `frames`; those before `start` are there since later ones
            refer to their content.
        frames: the fields of each.
        inflaters: copies for connections that the cursor doesn't know yet.
        links: the connections that the tap lists.
    """

    start: int
    first: int
    frames: list[Fields]
    inflaters: Inflaters
    links: set[int]

    @property
    def stop(self) -> int:
        """The number after the last frame."""
        return self.first + len(self.frames)


class ReadFrame(NamedTuple):
    """A frame with its content.

    Attributes:
        seq: its number.
        frame: the frame.
        content: its payload, inflated.
        problem: why the content is not inflated; empty if it is, or needn't be.
        is_inflated: whether the content differs from the payload.
    """

    seq: int
    frame: WireFrame
    content: bytes
    problem: str
    is_inflated: bool


def read_plain(first: int, frames: Iterable[Fields]) -> list[ReadFrame]:
    """Return frames of connections that don't deflate, numbered from `first`."""
    return [
        ReadFrame(seq, frame, frame.payload, "", False)
        for seq, frame in enumerate(map(WireFrame._make, frames), first)
    ]


class FrameCursor:
    """A position in the frames of a tap. It can't hold up the tap.

    `take` is called where the frames are written, `read` in one other thread. Frames that are
    deflated are inflated on copies of the tap's inflaters, in order.

    Args:
        log: the frames.
        passages: the connections, by their numbers.

    Attributes:
        next: the number of the next frame to read.
        lost: how many frames had left the log before they were read.
    """

    def __init__(self, log: FrameLog, passages: Mapping[int, Passage]) -> None:
        self.next = log.first
        self.lost = 0
        self._log, self._passages = log, passages
        self._inflaters: Inflaters = {}
        self._is_rewound = True

    def rewind(self, start: int) -> None:
        """Read from a frame on that was read before."""
        self.next = min(self.next, max(start, 1))
        self._is_rewound = True

    def take(self) -> Batch:
        """Return what is new."""
        log = self._log
        start = first = max(self.next, log.first)
        if self._is_rewound or self.next < log.first:
            # The tap's inflaters are in the state before the oldest frame that it holds.
            self._inflaters, self._is_rewound = {}, False
            first = log.first
        inflaters: Inflaters = {}
        for number, passage in self._passages.items():
            if number not in self._inflaters:
                copies = passage.conversation.copy_inflaters()
                if copies is not None:
                    inflaters[number] = copies
        if not inflaters:
            first = start
        frames = log.read_newest(log.stop - first)
        return Batch(start, first, frames, inflaters, set(self._passages))

    def read(self, batch: Batch, start: int = 0) -> Iterator[ReadFrame]:
        """Yield the frames of a batch, those from a number on; read all before the next `take`."""
        self.lost += batch.start - self.next
        self.next = batch.stop
        inflaters = self._inflaters
        for number in inflaters.keys() - batch.links:
            del inflaters[number]
        inflaters.update(batch.inflaters)
        start = max(start, batch.start)
        # Of the frames that are not wanted, only those that are deflated need be looked at.
        skipped = 0 if inflaters else max(start - batch.first, 0)
        for seq, fields in enumerate(batch.frames[skipped:], batch.first + skipped):
            content, problem = fields[4], ""
            is_inflated = False
            if fields[1] in inflaters and fields[8] >= 0:
                content, problem = inflaters[fields[1]][fields[2]].inflate(WireFrame._make(fields))
                is_inflated = not problem and content is not fields[4]
            if seq >= start:
                yield ReadFrame(seq, WireFrame._make(fields), content, problem, is_inflated)
