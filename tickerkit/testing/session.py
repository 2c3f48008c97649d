"""Session: one client's connection to a simulated venue: its subscriptions and its limits."""

from __future__ import annotations

import asyncio
import contextlib
import json

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed, InvalidState
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import Event

from tickerkit.presets.preset import CHANNELS
from tickerkit.testing.desk import Desk
from tickerkit.testing.formats import Ask, Wish
from tickerkit.testing.rules import Window

__all__ = ["Session", "VenueConnection"]

COUNTED = frozenset((*DATA_OPCODES, Opcode.PING, Opcode.PONG))


class VenueConnection(ServerConnection):
    """A connection that counts the frames that the client sends, pings and pongs included."""

    session: Session | None = None

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.opcode in COUNTED and self.session is not None:
            self.session.count_frame()
        super().process_event(event)


class Session:
    """One client's connection.

    Everything is sent without waiting, so that an answer and what follows it keep their order.

    Args:
        desk: the venue.
        connection: the connection.

    Attributes:
        wishes: the channels of each symbol that the client is subscribed to.
        muted: symbols of which nothing is sent, although they are subscribed.
        has_ended: whether the venue has ended it.
    """

    def __init__(self, desk: Desk, connection: VenueConnection) -> None:
        self.desk = desk
        self.connection = connection
        self.wishes: set[Wish] = set()
        self.muted: set[str] = set()
        self.has_ended = False
        self._frames = Window(1.0)
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        connection.session = self

    async def run(self) -> None:
        """Answer the client until the connection ends."""
        tasks = [asyncio.create_task(each) for each in (self._watch_age(), self._watch_silence())]
        tasks.append(asyncio.create_task(self._send_heartbeats()))
        try:
            if (hello := self.desk.format.hello()) is not None:
                self.send(hello)
            for text in self.desk.messages:
                self.send(text)
            async for message in self.connection:
                self._heard_at = self._loop.time()
                self.desk.received.append(message)
                self._answer(message)
        except ConnectionClosed:
            pass
        finally:
            for task in tasks:
                task.cancel()

    def send(self, text: str | bytes) -> None:
        """Send a message without waiting."""
        if not self.has_ended:
            broadcast([self.connection], text)

    def send_half(self, text: str) -> None:
        """Send half of a message's frame, and end the connection."""
        if self.has_ended:
            return
        self.has_ended = True
        data = Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
        self.connection.transport.write(data[: len(data) // 2])
        self.connection.transport.close()

    def cut(self) -> None:
        """End the connection without a close frame: the client sees the code 1006."""
        self.has_ended = True
        self.connection.transport.abort()

    def close(self, code: int = 1001, reason: str = "") -> None:
        """End the connection with a close frame."""
        if self.has_ended:
            return
        self.has_ended = True
        with contextlib.suppress(InvalidState):
            self.connection.protocol.send_close(code, reason)
            self.connection.send_data()

    def wants(self, symbol: str, channel: str) -> bool:
        """Return whether the client shall get a message."""
        return (symbol, channel) in self.wishes and symbol not in self.muted

    def count_frame(self) -> None:
        """Count a frame of the client against the limit."""
        limit = self.desk.rules.messages_per_s
        count = self._frames.add(self._loop.time())
        if limit is not None and count > limit:
            self.desk.note_violation(f"{count} messages within 1 s; the limit is {limit:g}")
            self.cut()

    def _answer(self, message: str | bytes) -> None:
        venue = self.desk.format
        try:
            decoded = json.loads(message)
        except ValueError:
            return
        ask = venue.read(decoded)
        match ask.kind:
            case "ping":
                if (pong := venue.pong(ask)) is not None:
                    self.send(pong)
            case "unsubscribe":
                self.wishes -= {
                    (self.desk.find_symbol(each) or "", channel) for each, channel in ask.wishes
                }
            case "subscribe":
                self._subscribe(ask)

    def _subscribe(self, ask: Ask) -> None:
        rules, venue = self.desk.rules, self.desk.format
        known = [each for each in ask.wishes if self._knows(each)]
        unknown = [each for each in ask.wishes if not self._knows(each)]
        if unknown and rules.unknown == "close":
            self.cut()
            return
        confirmed = known if rules.unknown == "refuse" else list(ask.wishes)
        if confirmed and rules.acks != "never":
            for text in venue.acks(ask, confirmed, each=rules.acks == "each"):
                self.send(text)
        if rules.unknown == "refuse":
            for each in unknown:
                self.send(venue.refusal(ask, each))
        for text, channel in known:
            symbol = self.desk.find_symbol(text)
            assert symbol is not None
            self.wishes.add((symbol, channel))
            self.muted.discard(symbol)
            old = self.desk.market.trades[symbol][-rules.snapshot :] if rules.snapshot else []
            if channel == "trades" and old:
                for message in venue.trades(symbol, old, old=True):
                    self.send(message)

    def _knows(self, wish: Wish) -> bool:
        return wish[1] in CHANNELS and self.desk.find_symbol(wish[0]) is not None

    # --- what time brings ---------------------------------------------------------------------

    async def _watch_age(self) -> None:
        rules = self.desk.rules
        if rules.life_s is None:
            return
        notice_s = min(rules.notice_s or 0.0, rules.life_s)
        await asyncio.sleep(rules.life_s - notice_s)
        if rules.notice_s is not None and (notice := self.desk.format.notice()) is not None:
            self.send(notice)
        await asyncio.sleep(notice_s)
        self.desk.ended["life"] += 1
        self.cut()

    async def _watch_silence(self) -> None:
        limit = self.desk.rules.ping_within_s
        if limit is None:
            return
        # Each message moves the end.
        while (left := self._heard_at + limit - self._loop.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)
        self.desk.ended["silence"] += 1
        self.cut()

    async def _send_heartbeats(self) -> None:
        every_s, text = self.desk.rules.heartbeat_s, self.desk.format.heartbeat()
        while every_s is not None and text is not None:
            await asyncio.sleep(every_s)
            if self.wishes:
                self.send(text)
