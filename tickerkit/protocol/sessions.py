"""Sessions: the server's end of the protocol, one for each connection: a position in the log."""

from __future__ import annotations

from typing import Protocol

from tickerkit.protocol.codec import Symbols
from tickerkit.protocol.messages import SUBPROTOCOL
from tickerkit.protocol.plain import EveryTickSession, PricesSession
from tickerkit.protocol.publication import Publication
from tickerkit.protocol.v1 import V1Session

__all__ = ["Session", "session_for"]


class Session(Protocol):
    """The server's end of one connection.

    Attributes:
        kind: how the peer listens: "v1", "ticks" or "prices".
        symbols: what it subscribed to; None for all.
        close: the code and reason to close with, once `next` gives None.
    """

    kind: str
    symbols: Symbols
    close: tuple[int, str] | None

    def receive(self, data: str | bytes, now: float) -> None:
        """Take a message of the peer's."""

    def next_message(self, now: float) -> bytes | None:
        """Return the next message to send, None where there is nothing to send now."""

    def due(self) -> float | None:
        """Return when `next` may have something although nothing was appended."""

    @property
    def behind(self) -> int:
        """Return how many ticks were not sent yet."""


def session_for(
    publication: Publication, subprotocol: str | None, path: str, now: float
) -> Session:
    """Return the session for a connection, by how the peer asked."""
    if subprotocol == SUBPROTOCOL:
        return V1Session(publication, now)
    if path.partition("?")[0].rstrip("/").endswith("/ticks"):
        return EveryTickSession(publication)
    return PricesSession(publication)
