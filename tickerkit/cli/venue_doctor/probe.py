"""Probe: connects to a venue, subscribes, and writes down what comes; it judges nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, cast
from urllib.parse import urlsplit

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from tickerkit.errors import BadTick
from tickerkit.fieldmaps import FieldMap, Machine, Talk, matches
from tickerkit.fieldmaps.talk import encode_message
from tickerkit.presets import Link, Venue
from tickerkit.presets.preset import Socket, fill
from tickerkit.sources.messages import CONNECT_OPTIONS, CountingClient, take_messages
from tickerkit.ticks import NO_TIME, Batch, Text

__all__ = [
    "ENOUGH_TRADES",
    "PING_NUMBER",
    "Arrivals",
    "SocketReport",
    "Trade",
    "answers_ping",
    "probe_socket",
    "read_trades",
]

# Live trades after which there is no need to wait for more.
ENOUGH_TRADES = 20
TURN_S = 0.1
# The number of the venue's own ping, far from those of subscriptions.
PING_NUMBER = 990_001
# When pings are sent, though nothing has come.
PING_AFTER_S = 2.0
MAX_ERRORS = 20


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade, and the quote that was the newest when it came: NaN for none.

    Attributes:
        time_ns: when it happened; `NO_TIME` if the venue did not say.
        received_ns: when it came.
        is_live: whether it is not one from before the subscription.
    """

    symbol: str
    time_ns: int
    received_ns: int
    price: float
    size: float
    side: str
    trade_id: int
    is_live: bool
    bid: float = float("nan")
    ask: float = float("nan")


@dataclass(slots=True)
class Arrivals:
    """What came over all sockets of a venue.

    Attributes:
        trades: the trades, in the order in which they came.
        first_s: for each channel, seconds from the subscription to its first live row.
        quotes: how many quotes came.
        crossed: how many of these had a bid above the ask.
        errors: rows and messages that could not be read.
        refused: number of rows and messages that could not be read; `errors` has the first ones.
        unknown: messages that the preset does not name, by their shape.
    """

    trades: list[Trade] = field(default_factory=list)
    first_s: dict[str, float] = field(default_factory=dict)
    quotes: int = 0
    crossed: int = 0
    errors: list[BadTick] = field(default_factory=list)
    refused: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    bid: float = float("nan")
    ask: float = float("nan")

    @property
    def live(self) -> list[Trade]:
        """The trades that came live."""
        return [each for each in self.trades if each.is_live]


@dataclass(slots=True)
class SocketReport:
    """What became of one socket; times are in seconds, None for what did not happen.

    Attributes:
        number: which socket of the preset.
        url: its address, without keys.
        addresses: the addresses that its name stands for.
        name_error: why there are none.
        proxy: the proxy that the connection goes through; empty for none.
        tls: the version and end of the certificate; empty without TLS.
        error: why the websocket did not open.
        open_s: how long it took to open.
        asked_s: when the first message was sent, on the clock of the event loop.
        ack_s: from that to the first confirmation.
        refusal: which subscription the venue refused, and why.
        protocol_ping_s: how long the answer to a ping of the protocol took.
        own_ping_s: the same for the venue's own ping.
        has_pinged: whether both pings were sent.
        end: how the venue ended the connection; empty if it did not.
        messages: how many messages came.
    """

    number: int
    url: str
    addresses: list[str] = field(default_factory=list)
    name_error: OSError | None = None
    proxy: str = ""
    tls: str = ""
    error: Exception | None = None
    open_s: float | None = None
    asked_s: float | None = None
    ack_s: float | None = None
    refusal: BadTick | None = None
    protocol_ping_s: float | None = None
    own_ping_s: float | None = None
    has_pinged: bool = False
    end: str = ""
    messages: int = 0


async def probe_socket(
    venue: Venue, number: int, socket: Socket, url: str, arrivals: Arrivals, listen_s: float
) -> SocketReport:
    """Connect, subscribe, and receive until all is known or `listen_s` is over.

    Args:
        venue: the venue, and its symbol.
        number: which socket of the preset.
        socket: the socket.
        url: its address, which may have a key.
        arrivals: gets what comes.
        listen_s: how long to receive at most.
    """
    parts = urlsplit(url)
    report = SocketReport(number, f"{parts.scheme}://{parts.netloc}{parts.path}")
    loop = asyncio.get_running_loop()
    with contextlib.suppress(Exception):
        proxy = get_proxy(parse_uri(url))
        report.proxy = urlsplit(proxy).hostname or "" if proxy else ""
    try:
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        found = await loop.getaddrinfo(parts.hostname, port)
        report.addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    except OSError as error:
        report.name_error = error
        if not report.proxy:
            return report
    began = perf_counter()
    try:
        async with connect(url, create_connection=CountingClient, **CONNECT_OPTIONS) as websocket:
            report.open_s = perf_counter() - began
            client = cast("CountingClient", websocket)
            report.tls = _describe_tls(client.transport.get_extra_info("ssl_object"))
            listener = _Listener(venue, socket, arrivals, report)
            try:
                await listener.run(client, listen_s)
            except ConnectionClosed:
                reason = f", {client.close_reason}" if client.close_reason else ""
                report.end = f"code {client.close_code}{reason}"
    except Exception as error:
        report.error = error
    return report


def _describe_tls(found: ssl.SSLObject | None) -> str:
    if found is None:
        return ""
    until = (found.getpeercert() or {}).get("notAfter")
    return f"{found.version()}, certificate valid until {until}" if until else str(found.version())


class _Listener:
    """Receives from one socket."""

    def __init__(
        self, venue: Venue, socket: Socket, arrivals: Arrivals, report: SocketReport
    ) -> None:
        self._venue = venue
        self._socket = socket
        self._arrivals = arrivals
        self._report = report
        self._now = asyncio.get_running_loop().time
        self._link: Link = venue.open(socket, self._now())[0]
        self._channels = {
            read.channel for read in socket.reads if read.channel in set(venue.channels)
        }
        readings = [read.reading for read in socket.reads if read.channel in self._channels]
        talk = Talk(ignore=socket.ignore)
        self._machine = Machine(FieldMap(tuple(readings), None), talk, on_other=self._take_other)
        self._pong: asyncio.Future[float] | None = None
        self._pinged_s = 0.0

    async def run(self, client: CountingClient, listen_s: float) -> None:
        """Send what the venue's preset sends, and receive."""
        report, now = self._report, self._now
        began = now()
        self._machine.start_connection(began)
        while now() - began < listen_s and not self._is_complete():
            for text in self._link.take_sends(now()):
                report.asked_s = report.asked_s or now()
                await client.send(text)
            is_time = report.messages or now() - began >= PING_AFTER_S
            if is_time and not report.has_pinged:
                await self._ping(client)
            try:
                async with asyncio.timeout(TURN_S):
                    messages, received_ns = await take_messages(client)
            except TimeoutError:
                continue
            finally:
                self._take_pong()
            report.messages += len(messages)
            self._take(messages, received_ns)

    def _is_complete(self) -> bool:
        report, arrivals = self._report, self._arrivals
        has_pong = report.protocol_ping_s is not None
        has_own = report.own_ping_s is not None or self._socket.ping is None
        has_ack = report.ack_s is not None or not self._socket.acks
        has_trades = "trades" not in self._channels or len(arrivals.live) >= ENOUGH_TRADES
        has_quotes = "quotes" not in self._channels or "quotes" in arrivals.first_s
        is_all = has_pong and has_own and has_ack and has_trades and has_quotes
        return is_all or (report.refusal is not None and has_pong and has_own)

    async def _ping(self, client: CountingClient) -> None:
        self._report.has_pinged = True
        self._pinged_s = self._now()
        self._pong = cast("asyncio.Future[float]", await client.ping())
        if self._socket.ping is not None:
            values = {"id": PING_NUMBER, "id_text": str(PING_NUMBER), **self._venue.keys}
            await client.send(encode_message("send", fill(self._socket.ping, values)))

    def _take_pong(self) -> None:
        pong = self._pong
        if pong is not None and pong.done() and not pong.cancelled() and pong.exception() is None:
            self._report.protocol_ping_s = pong.result()

    def _take(self, messages: Sequence[str | bytes], received_ns: int) -> None:
        report, arrivals = self._report, self._arrivals
        waits = report.has_pinged and report.own_ping_s is None and self._socket.ping is not None
        if waits and any(answers_ping(self._socket.ping, each) for each in messages):
            report.own_ping_s = self._now() - self._pinged_s
        for event in self._venue.receive(self._link, messages, self._now(), received_ns):
            if isinstance(event, BadTick) and event.field == "subscribe":
                report.refusal = event
        received = self._machine.receive(messages, self._now())
        arrivals.refused += received.refused
        arrivals.errors += received.errors[: MAX_ERRORS - len(arrivals.errors)]
        for shape, count in self._machine.shapes.counts.items():
            arrivals.unknown[shape] = arrivals.unknown.get(shape, 0) + count
        self._machine.shapes.counts.clear()
        for batch in received.batches:
            arrivals.refused += batch.refused
            arrivals.errors += batch.errors[: MAX_ERRORS - len(arrivals.errors)]
            self._take_rows(batch, received_ns)

    def _take_rows(self, batch: Batch, received_ns: int) -> None:
        arrivals = self._arrivals
        since = self._report.asked_s or self._now()
        for row in _rows_of(batch):
            is_live = row["origin"] != "snapshot"
            if not np.isnan(row["price"]):
                arrivals.trades.append(_make_trade(row, received_ns, arrivals.bid, arrivals.ask))
                if is_live:
                    arrivals.first_s.setdefault("trades", self._now() - since)
                continue
            arrivals.bid, arrivals.ask = row["bid"], row["ask"]
            arrivals.quotes += 1
            arrivals.crossed += arrivals.bid > arrivals.ask
            arrivals.first_s.setdefault("quotes", self._now() - since)

    def _take_other(self, message: Any) -> bool:
        """Note a message without rows; return whether the preset names it."""
        socket, report = self._socket, self._report
        if any(matches(each.when, message) for each in socket.errors):
            return True
        if any(matches(each.when, message) for each in socket.acks):
            if report.ack_s is None and report.asked_s is not None:
                report.ack_s = self._now() - report.asked_s
            return True
        steps = [each.wait_for for each in socket.begin if each.wait_for is not None]
        known = [*steps, *(each.when for each in socket.newest), *socket.planned_end]
        return any(matches(each, message) for each in known)


def answers_ping(ping: Any, data: str | bytes) -> bool:
    """Return whether a message is the answer to the venue's own ping.

    Venues answer with its number, with "pong", or with what the ping itself says.

    Args:
        ping: the ping of the preset.
        data: the message.
    """
    try:
        message = json.loads(data)
    except ValueError:
        return data in ("pong", "PONG", b"pong", b"PONG")
    if not isinstance(message, dict):
        return False
    own = ping.values() if isinstance(ping, dict) else ()
    words = {"pong", str(PING_NUMBER), *(str(each).lower() for each in own)}
    said = {str(value).lower() for value in message.values() if isinstance(value, str | int)}
    return not words.isdisjoint(said) or message == {"status": "UP"}


def _rows_of(batch: Batch) -> Iterator[dict[str, Any]]:
    """Yield the rows of a batch, with an empty text or NaN for what is missing."""
    ids = batch.columns.get("trade_id")
    for index in range(batch.count):
        row: dict[str, Any] = {"time": int(batch.time[index])}
        for name in ("symbol", "side", "origin"):
            column = batch.columns.get(name)
            code = int(column.codes[index]) if isinstance(column, Text) else -1
            row[name] = column.words[code] if isinstance(column, Text) and code >= 0 else ""
        for name in ("price", "size", "bid", "ask"):
            column = batch.columns.get(name)
            row[name] = float(column[index]) if isinstance(column, np.ndarray) else float("nan")
        row["trade_id"] = int(ids[index]) if isinstance(ids, np.ndarray) else 0
        yield row


def _make_trade(row: dict[str, Any], received_ns: int, bid: float, ask: float) -> Trade:
    return Trade(
        row["symbol"],
        row["time"],
        received_ns,
        row["price"],
        row["size"],
        row["side"],
        row["trade_id"],
        row["origin"] != "snapshot",
        bid,
        ask,
    )


def read_trades(batch: Batch) -> list[Trade]:
    """Return the trades of a batch that REST has brought."""
    return [_make_trade(row, NO_TIME, float("nan"), float("nan")) for row in _rows_of(batch)]
