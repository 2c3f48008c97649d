"""Sessions: the server's end of the protocol, one for each connection."""

from __future__ import annotations

import re
from typing import Literal, Protocol

from tickerkit.protocol.after import read_after, refuse_after
from tickerkit.protocol.messages import SUBPROTOCOL
from tickerkit.protocol.plain import EveryTickSession
from tickerkit.protocol.prices import PricesSession
from tickerkit.protocol.publication import Publication
from tickerkit.protocol.symbols import Symbols
from tickerkit.protocol.v1 import V1Session

__all__ = ["Session", "find_stream", "session_for"]

# The paths of the plain streams, also below the path of a proxy that does not remove its prefix,
# such as /user/me/proxy/8000/ticks of JupyterHub.
PLAIN_PATH = re.compile(r"(?:(?:/.*)?/proxy/(?:absolute/)?[^/]+)?(?:/?|(?P<ticks>/ticks/?))")


class Session(Protocol):
    """The server's end of one connection.

    Attributes:
        kind: what the client reads: "v1", "ticks" or "prices".
        symbols: what the client subscribed to; None for all.
        close: the code and reason to close with, once `next_message` returns None.
    """

    kind: str
    symbols: Symbols
    close: tuple[int, str] | None

    def receive(self, data: str | bytes, now: float) -> None:
        """Handle a message from the client, received at `now`."""

    def next_message(self, now: float) -> bytes | None:
        """Return the next message to send, None if there is nothing to send at `now`."""

    def due(self) -> float | None:
        """Return when `next_message` may have a message without an append; None for never."""

    @property
    def behind(self) -> int:
        """How many rows were not sent yet."""


def find_stream(path: str) -> Literal["prices", "ticks"] | None:
    """Return the plain stream at a path without its query; None for another path."""
    found = PLAIN_PATH.fullmatch(path)
    if found is None:
        return None
    return "ticks" if found["ticks"] else "prices"


def session_for(
    publication: Publication, subprotocol: str | None, path: str, now: float
) -> Session:
    """Return the session for a connection, by its subprotocol or else its path.

    The server refuses a plain connection to a path without a stream.
    """
    if subprotocol == SUBPROTOCOL:
        return V1Session(publication, now)
    after = read_after(path)
    if find_stream(path.partition("?")[0]) == "ticks":
        return EveryTickSession(publication, after)
    return PricesSession(publication, None if after is None else refuse_after())
