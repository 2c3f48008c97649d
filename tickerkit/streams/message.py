"""StreamMessage: one message of a stream: a piece of a log that can be read by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Kind", "StreamMessage"]

Kind: TypeAlias = Literal["ticks", "gap", "epoch", "end"]


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """One message of a stream.

    Attributes:
        kind: what its body is: `ticks` (a `ticks` message of the protocol that has all words it
            needs), `gap` (a `gap` message), `epoch` (a `hello`: from here on comes this epoch) or
            `end` (the source has ended).
        epoch: the epoch that it belongs to.
        seq: seq of the first tick, or of the first missing one; for `epoch` and `end` the seq
            that the next tick will get.
        count: how many ticks, or how many are missing; 0 if that is not known, and for `epoch` and
            `end`.
        body: the message of the protocol, as JSON; at most 512 KiB.
    """

    kind: Kind
    epoch: str
    seq: int
    count: int
    body: bytes

    @property
    def last(self) -> int:
        """The seq up to which a reader has, or knows to be missing, all ticks of the epoch."""
        return self.seq + self.count - 1
