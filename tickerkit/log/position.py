"""Position and Gap: the place of a tick in its epoch, and ticks that will never come.

Both are sent over the wire, and written to the files beside recordings. So they are msgspec
structs: decoding a message or a file checks their values.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from tickerkit.limits import MAX_EPOCH_LENGTH, MAX_INT64

__all__ = ["MAX_SEQ", "Epoch", "Gap", "Position", "Seq", "TimeNs"]

MAX_SEQ = MAX_INT64

Epoch: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_EPOCH_LENGTH)]
Seq: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]
# The smallest int64 stands for no time.
TimeNs: TypeAlias = Annotated[int, msgspec.Meta(ge=-MAX_INT64, le=MAX_INT64)]


class Position(msgspec.Struct, frozen=True):
    """The identity of a tick, and the place in a log right after it.

    Attributes:
        epoch: id of one unbroken run of numbering.
        seq: number of the tick in the epoch, counted from 1 over all symbols; 0 is the place
            before the first tick.

    Example:
        >>> tk.connect(server.url, resume=Position("a1b2", 1_000))
    """

    epoch: Epoch
    seq: Seq


class Gap(msgspec.Struct, tag="gap", frozen=True, omit_defaults=True):
    """A range of ticks that will never come.

    Attributes:
        epoch: the epoch of the missing ticks.
        first: seq of the first missing tick (`from` on the wire and in a frame of gaps).
        last: seq of the last missing tick (`to`); None if it can't be known, as in an epoch that
            ended with its server.
        reason: why they are missing.
        last_before: time of the tick before the gap, in epoch ns; None if it isn't known. Not sent
            over the wire, since the receiver's log may hold other ticks.
        first_after: time of the tick after the gap, likewise.
    """

    epoch: Epoch
    first: Seq = msgspec.field(name="from")
    last: Seq | None = msgspec.field(name="to")
    reason: str
    last_before: TimeNs | None = None
    first_after: TimeNs | None = None

    @property
    def count(self) -> int | None:
        """How many ticks are missing; None if that can't be known."""
        return None if self.last is None else max(self.last - self.first + 1, 0)
