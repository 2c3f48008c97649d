"""A venue on a simulated clock: it keeps its limits, ends connections, and knows what it traded."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import numpy as np
from venue_answers import Answer, Wish
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.http11 import Response

__all__ = ["Dialect", "SimulatedVenue"]

BEGAN_NS = 1_790_000_000 * 10**9
LATENCY_S = 0.1
FRAMES_EVERY_S = 20.0
BAN_S = 300.0


@dataclass(frozen=True)
class Dialect:
    """How a venue speaks, and what it allows.

    Attributes:
        ask: returns what a decoded message subscribes to, and the answers to it.
        trade: the message of a trade: of its symbol, id and time in epoch ns.
        quote: the message of a quote: of its symbol and time.
        past: the answer of REST, of a symbol and its trades (id and time), the oldest first.
        greeting: what is sent first.
        notice: what announces the end of a connection; None for nothing.
        notice_s: how long after that the connection ends.
        heartbeat: what is sent every `heartbeat_s`, of the subscriptions.
        life_s: age at which connections are cut.
        ping_within_s: a client that sends nothing for so long is cut.
        messages: how many messages a client may send within how many seconds; None where only the
            preset says that.
        connects: how many connections a client may open within how many seconds.
        at_a_time: how many connections a client may have.
        rows_per_page: how many trades an answer of REST has at most.
        counts_frames: whether pings and pongs of the websocket count as messages.
    """

    ask: Callable[[Any], Answer]
    trade: Callable[[str, int, int], Any]
    quote: Callable[[str, int], Any] | None
    past: Callable[[str, list[tuple[int, int]]], Any] | None = None
    greeting: tuple[Any, ...] = ()
    notice: Any = None
    notice_s: float = 0.0
    heartbeat: Callable[[set[Wish], int], list[Any]] = field(default=lambda _, __: [])
    heartbeat_s: float | None = None
    life_s: float | None = None
    ping_within_s: float | None = None
    messages: tuple[int, float] | None = None
    connects: tuple[int, float] = (300, 300.0)
    at_a_time: int = 1000
    rows_per_page: int = 100
    counts_frames: bool = False


def read_time(text: str) -> int:
    """Return a time in epoch ns; it is text."""
    return int(np.datetime64(text.rstrip("Z"), "ns").astype(np.int64))


class Window:
    """Counts what comes within a time."""

    def __init__(self, limit: float, length_s: float) -> None:
        self.limit, self.length_s = limit, length_s
        self.times: deque[float] = deque()

    def is_exceeded(self, now: float) -> bool:
        """Add an event; return whether there are too many."""
        self.times.append(now)
        while self.times[0] <= now - self.length_s:
            self.times.popleft()
        return len(self.times) > self.limit


class Client:
    """A client's connection, as `connect` of websockets returns it."""

    close_code = 1006
    close_reason = ""

    def __init__(self, venue: SimulatedVenue) -> None:
        self.venue = venue
        self.wishes: set[Wish] = set()
        self.waiting = 0
        self.has_ended = False
        self.began = self.heard_at = venue.loop.time()
        self._inbox: deque[str] = deque()
        self._changed = asyncio.Event()
        self._messages = Window(*(venue.dialect.messages or (venue.messages_per_s, 1.0)))

    async def send(self, text: str) -> None:
        """Take a message of the client, and answer it."""
        if self.has_ended:
            raise ConnectionClosedError(None, None)
        self.heard_at = self.venue.loop.time()
        self.count("messages")
        try:
            message = json.loads(text)
        except ValueError:
            message = text
        wishes, answers = self.venue.dialect.ask(message)
        for answer in answers:
            self.give(answer)
        self.wishes.update(wishes)

    async def recv(self) -> str:
        """Return the next message to the client."""
        while not self._inbox:
            if self.has_ended:
                raise ConnectionClosedError(None, None)
            self._changed.clear()
            await self._changed.wait()
        return self._inbox.popleft()

    def give(self, message: Any) -> None:
        """Send a message to the client."""
        if not self.has_ended:
            self._inbox.append(message if isinstance(message, str) else json.dumps(message))
            self.waiting += 1
            self._changed.set()

    def cut(self) -> None:
        """End the connection without a close frame."""
        self.venue.cuts += not self.has_ended
        self.has_ended = True
        self._changed.set()

    def count(self, what: str) -> None:
        """Count a frame of the client."""
        if self._messages.is_exceeded(self.venue.loop.time()):
            self.venue.punish(f"too many {what}")
            self.cut()


class SimulatedVenue:
    """A venue.

    Args:
        dialect: how it speaks, and what it allows.
        symbols: its symbols.
        is_dense: whether the trade ids of a symbol count up by one.
        messages_per_s: how many messages a client may send, where the dialect does not say it.
        requests_per_s: how many requests REST allows.

    Attributes:
        trades: the id and the time of each trade, by symbol.
        violations: which limits clients did not keep.
        cuts: how many connections it has ended.
        accepted: how many it has accepted.
        is_down: whether it refuses connections.
    """

    def __init__(
        self,
        dialect: Dialect,
        symbols: Sequence[str],
        *,
        is_dense: bool,
        messages_per_s: float,
        requests_per_s: float,
    ) -> None:
        self.dialect = dialect
        self.messages_per_s = messages_per_s
        self.loop = asyncio.get_running_loop()
        self.trades: dict[str, list[tuple[int, int]]] = {symbol: [] for symbol in symbols}
        self.violations: list[str] = []
        self.clients: list[Client] = []
        self.accepted = self.cuts = 0
        self.is_down = False
        self._banned_until = 0.0
        self._is_dense = is_dense
        self._rng = random.Random(7)
        self._number = 10**6
        self._connects = Window(*dialect.connects)
        self._requests = Window(10 * requests_per_s + 1, 10.0)

    def punish(self, why: str) -> None:
        """Note that a limit was not kept, and ban the client for a while."""
        self.violations.append(f"{why} at {self.loop.time():.1f} s")
        self._banned_until = self.loop.time() + BAN_S

    # --- connections --------------------------------------------------------------------------

    @asynccontextmanager
    async def connect(self, *_: Any, **__: Any) -> AsyncIterator[Client]:
        """Open a connection, as `connect` of websockets does."""
        await asyncio.sleep(LATENCY_S)
        if self._connects.is_exceeded(self.loop.time()):
            self.punish("too many connections")
        if self.loop.time() < self._banned_until:
            headers = Headers({"Retry-After": f"{BAN_S:.0f}"})
            raise InvalidStatus(Response(429, "Too Many Requests", headers))
        if self.is_down:
            raise ConnectionRefusedError(111, "Connection refused")
        client = Client(self)
        self.clients.append(client)
        self.accepted += 1
        if len(self.clients) > self.dialect.at_a_time:
            self.punish(f"{len(self.clients)} connections at a time")
        for each in self.dialect.greeting:
            client.give(each)
        tasks = [asyncio.create_task(each) for each in (self._watch(client), self._beat(client))]
        try:
            yield client
        finally:
            client.has_ended = True
            self.clients.remove(client)
            for task in tasks:
                task.cancel()

    async def _watch(self, client: Client) -> None:
        """End a connection at its age, or when nothing is heard of it."""
        dialect, never = self.dialect, float("inf")
        frames_at = client.began + FRAMES_EVERY_S if dialect.counts_frames else never
        while not client.has_ended:
            ends = client.began + (dialect.life_s or never)
            silent = client.heard_at + (dialect.ping_within_s or never)
            due = min(ends, silent, frames_at)
            if due == never:
                return
            await asyncio.sleep(due - self.loop.time())
            now = self.loop.time()
            if now >= frames_at:  # a ping of the client, and the answer to the venue's
                client.count("frames")
                client.count("frames")
                frames_at += FRAMES_EVERY_S
            if now >= client.heard_at + (dialect.ping_within_s or never):
                self.punish("no ping")
            if now >= min(ends, client.heard_at + (dialect.ping_within_s or never)):
                client.cut()

    async def _beat(self, client: Client) -> None:
        while self.dialect.heartbeat_s is not None:
            await asyncio.sleep(self.dialect.heartbeat_s)
            for message in self.dialect.heartbeat(client.wishes, self._now_ns()):
                client.give(message)

    def cut(self) -> None:
        """End all connections."""
        for each in self.clients:
            each.cut()

    async def announce_end(self) -> None:
        """Say that the connections will end, and end them."""
        clients = list(self.clients)
        for each in clients:
            each.give(self.dialect.notice)
        await asyncio.sleep(self.dialect.notice_s)
        for each in clients:
            each.cut()

    # --- trades -------------------------------------------------------------------------------

    def _now_ns(self) -> int:
        return BEGAN_NS + int(self.loop.time() * 1e9)

    async def trade(self, every_s: float) -> None:
        """Trade, and quote, until it is cancelled."""
        symbols = list(self.trades)
        while True:
            await asyncio.sleep(self._rng.expovariate(1 / every_s) + 0.001)
            self.trade_once(self._rng.choice(symbols), self._rng.choice(symbols))

    async def trade_at(self, symbol: str, times_s: Iterable[float]) -> None:
        """Trade and quote a symbol at these times."""
        for each in times_s:
            await asyncio.sleep(each - self.loop.time())
            self.trade_once(symbol, symbol)

    def mute(self, symbol: str) -> None:
        """Send nothing more of a symbol on the connections that are open now."""
        for each in self.clients:
            each.wishes -= {(symbol, "trades"), (symbol, "quotes")}

    def trade_once(self, symbol: str, quoted: str) -> None:
        """Trade one symbol, and quote one."""
        now_ns = self._now_ns()
        if self._is_dense:
            self._number = len(self.trades[symbol]) + 10**6
        else:
            self._number += self._rng.choice((1, 2, 5))
        self.trades[symbol].append((self._number, now_ns))
        for each in self.clients:
            if (symbol, "trades") in each.wishes:
                each.give(self.dialect.trade(symbol, self._number, now_ns))
            if (quoted, "quotes") in each.wishes and self.dialect.quote is not None:
                each.give(self.dialect.quote(quoted, now_ns))

    # --- REST ---------------------------------------------------------------------------------

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a request for past trades."""
        await asyncio.sleep(LATENCY_S)
        if self._requests.is_exceeded(self.loop.time()):
            self.punish("too many requests")
            return httpx.Response(429, headers={"Retry-After": "60"})
        text = unquote(str(request.url)) + request.content.decode()
        [symbol] = [
            each
            for each in self.trades
            if re.search(rf"(?<!\w)({re.escape(each)}|{re.sub(r'[^A-Za-z0-9]', '', each)})\b", text)
        ]
        query = dict(parse_qsl(urlsplit(str(request.url)).query))
        assert self.dialect.past is not None
        return httpx.Response(200, json=self.dialect.past(symbol, self._select(symbol, query)))

    def _select(self, symbol: str, query: dict[str, str]) -> list[tuple[int, int]]:
        """Return the trades that a request asks for; each venue has its own word for where."""
        trades, rows = self.trades[symbol], self.dialect.rows_per_page
        match query:
            case {"fromId": first}:
                return [each for each in trades if each[0] >= int(first)][:rows]
            case {"since_tid": last}:
                return [each for each in trades if each[0] > int(last)][:rows]
            case {"start": first} if "T" in first:
                return [each for each in trades if each[1] >= read_time(first)][:rows]
            case {"start": first_ms}:
                return [each for each in trades if each[1] // 10**6 >= int(first_ms)][:rows]
            case {"since": after_ns}:
                return [each for each in trades if each[1] > int(after_ns)][:rows]
            case {"after": before} | {"cursor": before}:
                return [each for each in trades if each[0] < int(before)][-rows:]
        return trades[-rows:]
