"""A connection in memory, which joins the two ends of the protocol without a network.

It delivers messages one by one. A test can make it deliver a message twice, and can cut it after
any message: what was under way is lost then, as on a real connection.
"""

from __future__ import annotations

import json
from typing import Any

from tickerkit.log import Gap, TickLog
from tickerkit.protocol import (
    SUBPROTOCOL,
    Client,
    Event,
    PlainClient,
    Publication,
    Received,
    Session,
    session_for,
)
from tickerkit.ticks import read_ticks


def publish(log: TickLog, count: int = 1, symbols: str = "A", **more: object) -> None:
    """Append ticks to a log, of the symbols in turn. The price of each tick is its row number."""
    rows = range(log.stop, log.stop + count)
    batch = read_ticks(
        [
            {"symbol": symbols[n % len(symbols)], "price": n, "time": n, "size": 1, **more}
            for n in rows
        ]
    )
    log.append(batch, received=0)


class Wire:
    """Joins a client and the server's publication of a log.

    Attributes:
        now: the time, which changes only if a test sets it.
        events: the events that the client has returned, over all connections.
        messages: the messages that the client got on this connection, decoded.
        replies: the client's replies that the server has not received yet.
    """

    def __init__(
        self,
        log: TickLog,
        symbols: list[str] | None = None,
        history: int | None = None,
        client: Client | PlainClient | None = None,
    ) -> None:
        self.client = client or Client(symbols, history)
        self.now = 100.0
        self.events: list[Event] = []
        self.serve(log)

    def serve(self, log: TickLog, publication: Publication | None = None) -> None:
        """Cut the connection; from now on the server publishes this log."""
        self.publication = publication or Publication(log)
        self.session: Session | None = None
        self.replies: list[bytes] = []

    def connect(self) -> Session:
        """Open a connection, and deliver nothing yet."""
        protocol = SUBPROTOCOL if isinstance(self.client, Client) else None
        self.session = session_for(self.publication, protocol, "/ticks", self.now)
        self.messages: list[dict[str, Any]] = []
        self.last = b""
        self.replies = []
        self.events += self.client.start_connection()
        return self.session

    def cut(self) -> None:
        """Break the connection; what either end had yet to send is lost."""
        self.session = None
        self.replies = []

    def step(self) -> bool:
        """Deliver the client's replies, then the server's next message; False if none."""
        assert self.session is not None
        for reply in self.replies:
            self.session.receive(reply.decode(), self.now)
        self.replies = []
        message = self.session.next_message(self.now)
        if message is None:
            return False
        self.last = message
        self.messages.append(json.loads(message))
        self.events += self.client.receive(message)
        self.replies = self.client.take_replies()
        return True

    def repeat(self) -> None:
        """Deliver the last message once more."""
        self.events += self.client.receive(self.last)

    def run(self, most: int | None = None) -> None:
        """Connect if there is no connection, and deliver all messages, or at most so many."""
        if self.session is None:
            self.connect()
        while most is None or most > 0:
            if not self.step():
                break
            most = None if most is None else most - 1

    def types(self) -> list[str]:
        """Return the types of the messages that the client got on this connection."""
        return [message["type"] for message in self.messages]

    def events_of(self, kind: type[Any]) -> list[Any]:
        """Return the events of one type."""
        return [event for event in self.events if isinstance(event, kind)]

    def gaps(self) -> list[tuple[str, int, int | None]]:
        """Return the gaps that the client has reported."""
        return [(gap.epoch, gap.first, gap.last) for gap in self.events_of(Gap)]

    def seqs(self) -> list[int]:
        """Return the seqs of the ticks that the client has received."""
        return [seq for received in self.events_of(Received) for seq in received.seq.tolist()]

    def log(self) -> TickLog:
        """Return a log of the ticks that the client has received, as a feed would hold them."""
        log = TickLog(10**6)
        for received in self.events_of(Received):
            log.append(received.batch, received=0, epoch=received.epoch, seq=received.seq)
        return log
