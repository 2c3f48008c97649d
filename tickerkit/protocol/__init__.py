"""The wire protocol, version 1: its messages, and the state machines of both ends, without I/O.

A machine takes what came and the time, and gives what to send; it touches no socket and reads no
clock. So two of them can be joined by an imaginary wire, and every loss, restart and late arrival
is tried without opening a port.

    server                          client
      ── hello ──────────────────────▶      epoch, what is held, columns, symbols
      ◀────────────────── subscribe ──      symbols, resume (epoch, seq) or history
      ── gap ────────────────────────▶      only if what the client wants is gone
      ── at ─────────────────────────▶      the seq it starts after
      ── ticks, ticks, … ────────────▶      gap, where the source has one; gap and hello again,
                                            if it falls off the log
      ── at ─────────────────────────▶      when there is nothing, so that silence means death
      ── end, close 1000 ────────────▶      the source is finished

Plain peers get JSON objects and no handshake: `PricesSession` on `/`, `EveryTickSession` on
`/ticks`.
"""

from tickerkit.protocol.client import Client, Event, PlainClient, Received, Subscriber
from tickerkit.protocol.messages import (
    SUBPROTOCOL,
    At,
    End,
    Error,
    Hello,
    Subscribe,
    TextColumn,
    Ticks,
)
from tickerkit.protocol.plain import EveryTickSession, PricesSession
from tickerkit.protocol.publication import TOO_MANY, Publication
from tickerkit.protocol.segments import LARGEST_BYTES, Segments
from tickerkit.protocol.sessions import Session, session_for
from tickerkit.protocol.v1 import V1Session

__all__ = [
    "LARGEST_BYTES",
    "SUBPROTOCOL",
    "TOO_MANY",
    "At",
    "Client",
    "V1Session",
    "End",
    "Error",
    "Event",
    "EveryTickSession",
    "Hello",
    "PlainClient",
    "PricesSession",
    "Publication",
    "Received",
    "Segments",
    "Session",
    "Subscribe",
    "Subscriber",
    "TextColumn",
    "Ticks",
    "session_for",
]
