"""Subscriber: the client's end of a protocol, and the events that it makes of messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from tickerkit.log import Gap
from tickerkit.protocol.messages import At, End, Error, Hello
from tickerkit.ticks import Batch

__all__ = ["Event", "Received", "Subscriber"]


@dataclass(frozen=True, slots=True)
class Received:
    """Ticks for the log: each exactly once, in order; or order books, without any tick.

    Attributes:
        batch: the ticks, and the order books that came with them.
        epoch: the epoch of all of them.
        seq: their seqs, int64, shape `(batch.count,)`.
    """

    batch: Batch
    epoch: str
    seq: npt.NDArray[np.int64]


Event: TypeAlias = Received | Hello | At | Gap | End | Error


class Subscriber(Protocol):
    """The client's end of a protocol, over all connections of a feed.

    Attributes:
        epoch: the epoch of the newest tick; None before the first position is known.
        seq: the seq up to which the client has every tick, or knows that it will never come.
        duplicates: how many ticks arrived again and were left out.
    """

    epoch: str | None
    seq: int
    duplicates: int

    def start_connection(self) -> list[Event]:
        """Reset for a new connection; return the events that this alone causes, such as a gap."""

    def receive(self, data: str | bytes) -> Iterable[Event]:
        """Return the events of a message from the server.

        A large message of a plain server is read in pieces, while the events are iterated over, so
        that the caller can do other work between two of them.

        Raises:
            ProtocolError: the message is invalid; close with the error's `close_code`.
        """

    def take_replies(self) -> list[bytes]:
        """Return the messages to send to the server, each only once."""

    def known_symbols(self) -> list[str]:
        """Return the symbols of the server, as far as it has named them on this connection."""
