"""The wire protocol, version 1: its messages, and the state machines of both ends, without I/O.

A state machine takes a message or the time, and returns what to send. It touches no socket and
reads no clock. So a test can join both ends in memory, and try every loss, restart and late
arrival without opening a port.

    server                          client
      ── hello ──────────────────────▶      epoch, range of seqs held, columns, the first symbols
      ◀────────────────── subscribe ──      symbols, resume (epoch, seq) or history
      ── gap ────────────────────────▶      only if the server no longer holds requested ticks
      ── at ─────────────────────────▶      the seq after which the ticks start
      ── ticks, ticks, … ────────────▶      gap, where the source has one; gap and hello again,
                                            if the log drops rows before the client gets them
      ── misfits ────────────────────▶      before ticks of which values were left out
      ── book ───────────────────────▶      the newest order book of a symbol, whole; at most ten
                                            rounds a second, and only if the client has every tick
      ── at ─────────────────────────▶      when idle, so that silence means a dead connection
      ── end, close 1000 ────────────▶      the source has ended

A hello has as many words (symbols, and texts of other columns) as fit into a short message. The
others follow in `ticks` messages of no ticks, before the first tick that may need them.

The log of a relay comes from elsewhere, see `Origin`, and may lag behind what its clients had from
other relays. Ticks that a client has come again, and the client drops them. A client of an epoch
that may yet come, and every client of a relay that has not caught up once, is closed with 1013 and
connects again. What another log has numbered, a `Taker` puts into a log.

An order book (`book`) is a state, not a tick: it has no position and is not resumed. Each one
replaces the symbol's book before, so a client misses none that counts. `Client` gives it as
`Received` without ticks. A client of an earlier version ignores the message, as any message of a
type that it doesn't know; a server of an earlier version sends none. So the version stays 1.

What the server sends next follows from a session's state. `tick_session.STATES` is the table of
states and messages; a test checks every message against it.

Clients without the subprotocol get JSON objects and no handshake: `PricesSession` on `/`,
`EveryTickSession` on `/ticks`, see `After` for where it goes on. They get no order books.
"""

from tickerkit.protocol.client import Client
from tickerkit.protocol.messages import (
    MAX_MESSAGE_BYTES,
    SUBPROTOCOL,
    At,
    BookState,
    End,
    Error,
    Hello,
    Subscribe,
    TextColumn,
    Ticks,
)
from tickerkit.protocol.origin import CaughtUp, Origin
from tickerkit.protocol.outbox import MAX_PENDING_BYTES, TOO_MANY
from tickerkit.protocol.plain import EveryTickSession
from tickerkit.protocol.plain_client import PlainClient
from tickerkit.protocol.prices import PricesSession
from tickerkit.protocol.publication import Publication
from tickerkit.protocol.segments import Segments
from tickerkit.protocol.sessions import Session, find_stream, session_for
from tickerkit.protocol.subscriber import Event, Received, Subscriber
from tickerkit.protocol.taker import Taken, Taker
from tickerkit.protocol.v1 import V1Session

__all__ = [
    "MAX_MESSAGE_BYTES",
    "MAX_PENDING_BYTES",
    "SUBPROTOCOL",
    "TOO_MANY",
    "At",
    "BookState",
    "CaughtUp",
    "Client",
    "V1Session",
    "End",
    "Error",
    "Event",
    "EveryTickSession",
    "Hello",
    "Origin",
    "PlainClient",
    "PricesSession",
    "Publication",
    "Received",
    "Segments",
    "Session",
    "Subscribe",
    "Subscriber",
    "Taken",
    "Taker",
    "TextColumn",
    "Ticks",
    "find_stream",
    "session_for",
]
