"""Broker: the four verbs with which a stream is written and read, whatever engine keeps it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

from tickerkit.streams.message import StreamMessage

__all__ = ["Broker", "Stored"]


class Stored(NamedTuple):
    """A message as the broker holds it.

    Attributes:
        number: the broker's own number of the message: larger than those before it, not always by
            one. After the broker has lost messages, others get the same numbers.
        message: the message; None if the broker holds none at this number (any more), or one that
            tickerkit didn't write.
        stored_ns: when the broker stored it, in epoch ns by the broker's clock; 0 if not known.
    """

    number: int
    message: StreamMessage | None
    stored_ns: int = 0


class Broker(Protocol):
    """One stream of a broker. Each verb raises `StreamError` when it fails."""

    async def tail(self) -> Stored:
        """Return the newest message, as the replica that decides about writing knows it.

        An empty stream has the number that the next `put` must name in `after`: 0 if it is new.
        """
        ...

    async def put(self, message: StreamMessage, after: int) -> int:
        """Append a message if the newest one has the number `after`; return its number.

        Raises:
            StreamError: it was refused, or it is not known whether it was stored: no answer came.
        """
        ...

    def read(self, start: int, count: int | None = None) -> AsyncIterator[Stored]:
        """Yield the messages from number `start` on, or from the oldest that is held after it.

        Args:
            start: the first number.
            count: how many to yield at most, of those that are held now; None: also those that
                come later, without end. Then `StreamError` is raised if the broker is silent.
                It is also raised once the stream has gone back behind what was yielded, as the
                numbers that follow are used for other messages then.
        """
        ...

    async def first(self) -> int:
        """Return the number of the oldest message held; of an empty stream, of the next one."""
        ...
