"""FakeVenue: a venue on this machine, for tests: it trades, knows the truth, and misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any, TypeVar

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tickerkit.errors import Stopped
from tickerkit.net.addresses import MAX_PORT
from tickerkit.net.listening import find_port
from tickerkit.presets import Venue
from tickerkit.presets.preset import Preset
from tickerkit.runtime.lifecycle import Lifecycle
from tickerkit.runtime.loop_task import LoopTask
from tickerkit.runtime.portal import portal
from tickerkit.sources.venue import VenueSource
from tickerkit.testing.desk import Client, Desk
from tickerkit.testing.market import Market, Trade
from tickerkit.testing.rest import serve_rest
from tickerkit.testing.rules import Rules, change_rules
from tickerkit.testing.session import Session, VenueConnection
from tickerkit.testing.venue_formats import make_format
from tickerkit.validation import check_number, parse_symbols

__all__ = ["FakeVenue"]

T = TypeVar("T")

HOST = "127.0.0.1"
STEP_S = 0.01
MAX_STEP_COUNT = 500


class FakeVenue(Lifecycle):
    """A simulated venue in the background: a websocket server and a REST server.

    It trades made-up or recorded trades, sends them in a venue's own format, and knows the truth:
    `trades`. It behaves as the rules say (see `Rules`): how it confirms subscriptions, its limits,
    when it ends a connection. Faults happen by chance (the rule `faults`), or when a method is
    called. The same seed gives the same trades.

    Args:
        venue: whose messages it sends: "kraken", "binance" or "alpaca"; "dense", "unique" and
            "random" are made-up venues, named by their trade ids: they count up by one, rise, or
            only differ.
        symbols: the symbols, as the venue spells them.
        seed: seed of the prices and of faults by chance.
        trades_per_s: how many trades of each symbol it makes per second; 0 for none but those of
            `trade`.
        ticks: recorded trades to play in place of made-up ones: dicts with `symbol`, `price`,
            `size` and `side`, or a DataFrame with these columns.
        messages: what to send first on each connection, for tests of a field map: texts, or what
            can be written as JSON.
        port: port of the websocket; 0 for a free one.
        **rules: the rules that differ from the venue's own.

    Raises:
        InvalidArgument: an argument or a rule is unknown or invalid.

    Example:
        >>> with FakeVenue("kraken", ["BTC/USD"], seed=1) as fake:
        ...     feed = tk.live(tk.venue("kraken", ["BTC/USD"], url=fake.url, rest=fake.rest))
        ...     fake.cut()
    """

    _kind, _how_to_restart = "fake venue", "make a new one"

    def __init__(
        self,
        venue: str = "dense",
        symbols: str | Sequence[str] = ("AAA",),
        *,
        seed: int = 0,
        trades_per_s: float = 20.0,
        ticks: Iterable[Mapping[str, Any]] | Any = None,
        messages: Iterable[object] = (),
        port: int = 0,
        **rules: Any,
    ) -> None:
        super().__init__()
        check_number("seed", seed, 0, whole=True)
        check_number("trades_per_s", trades_per_s, 0)
        check_number("port", port, 0, MAX_PORT, whole=True)
        self._format = make_format(venue)
        names = parse_symbols("symbols", symbols) or []
        rows = ticks.to_dict("records") if hasattr(ticks, "to_dict") else ticks
        market = Market(names, seed, ids=self._format.ids, ticks=rows)
        texts = [each if isinstance(each, str) else json.dumps(each) for each in messages]
        self.name = venue
        self.port = port
        self.rest_port = 0
        self.trades_per_s = trades_per_s
        self._desk = Desk(
            self._format, market, change_rules(self._format.rules, rules), texts, seed
        )
        self._task: LoopTask | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    # --- addresses, and a client ----------------------------------------------------------------

    @property
    def url(self) -> str:
        """The address of the websocket."""
        return f"ws://{HOST}:{self.port}/"

    @property
    def rest(self) -> str:
        """The address that REST paths follow."""
        return f"http://{HOST}:{self.rest_port}"

    @property
    def preset(self) -> Preset:
        """The preset by which a client understands the venue."""
        return self._format.preset(self.rules)

    def source(
        self,
        symbols: str | Sequence[str] | None = None,
        channels: Sequence[str] = ("trades", "quotes"),
        feeds: int = 1,
        **socket: Any,
    ) -> VenueSource:
        """Return a source of this venue's ticks, as `tk.venue` does.

        Args:
            symbols: the symbols; by default all.
            channels: "trades", "quotes" or both.
            feeds: how many connections to keep open at a time.
            **socket: what of the preset's socket shall differ, such as `life_s`.
        """
        names = list(self.trades) if symbols is None else parse_symbols("symbols", symbols) or []
        preset = self.preset
        sockets = tuple(replace(each, **socket) for each in preset.sockets)
        keys = dict.fromkeys(preset.keys, "key")
        venue = Venue(replace(preset, sockets=sockets), names, channels, keys)
        return VenueSource(venue, [self.url] * len(sockets), self.rest, feeds)

    # --- the truth ------------------------------------------------------------------------------

    @property
    def trades(self) -> dict[str, list[Trade]]:
        """All trades so far, by symbol."""
        return self._desk.market.trades

    @property
    def received(self) -> list[str | bytes]:
        """What clients sent."""
        return self._desk.received

    @property
    def requests(self) -> list[str]:
        """The REST requests, each a path with its query."""
        return self._desk.requests

    @property
    def violations(self) -> list[str]:
        """Which limits clients did not keep."""
        return self._desk.violations

    @property
    def faults(self) -> Counter[str]:
        """How often each fault happened."""
        return self._desk.faults

    @property
    def ended(self) -> Counter[str]:
        """How often connections were ended by the rules: "life" and "silence"."""
        return self._desk.ended

    @property
    def accepted(self) -> int:
        """How many connections there were so far."""
        return self._desk.accepted

    @property
    def subscribed(self) -> list[set[tuple[str, str]]]:
        """For each open connection, the symbols and channels that it is subscribed to."""
        sessions = list(self._desk.sessions)
        return [set(each.wishes) for each in sessions if not each.has_ended]

    # --- what happens -----------------------------------------------------------------------------

    @property
    def rules(self) -> Rules:
        """The rules; `change` changes them."""
        return self._desk.rules

    def change(self, **rules: Any) -> None:
        """Change rules; those of time hold for later connections."""
        self._desk.rules = change_rules(self.rules, rules)

    def trade(self, symbol: str, count: int = 1, fault: str | None = "") -> list[Trade]:
        """Trade, and send the trades in one message, or in one for each where the venue does that.

        Args:
            symbol: what is traded.
            count: how many trades.
            fault: what happens to them on their way, as in the rule `faults`; None for one by
                chance.

        Returns:
            The trades.

        Raises:
            Stopped: if the venue doesn't run. The methods below raise it too.
        """
        return self._call(lambda: self._desk.trade(symbol, count, fault))

    def quote(self, symbol: str) -> None:
        """Send a quote."""
        self._call(lambda: self._desk.quote(symbol))

    def send(self, message: object) -> None:
        """Send any message to all clients: text, bytes, or what can be written as JSON."""
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        self._for_each(lambda each: each.send(text))

    def mute(self, symbol: str) -> None:
        """Send nothing more of a symbol on the connections that are open now."""
        self._for_each(lambda each: each.muted.add(symbol))

    def announce_end(self) -> None:
        """Send the notice that the connections will end."""
        text = self._format.notice()
        if text is not None:
            self.send(text)

    def cut(self, count: int | None = None) -> int:
        """End connections without a close frame (1006): the oldest `count`, or all.

        Returns:
            How many were ended.
        """
        return self._for_each(lambda each: each.cut(), count)

    def close(self, code: int = 1001, reason: str = "") -> int:
        """End all connections with a close frame; return how many."""
        return self._for_each(lambda each: each.close(code, reason))

    def ban(self, seconds: float) -> None:
        """Answer each connection and request with HTTP 429 for some seconds."""
        desk = self._desk
        self._call(
            lambda: setattr(desk, "banned_until", asyncio.get_running_loop().time() + seconds)
        )

    def _for_each(self, function: Callable[[Client], object], count: int | None = None) -> int:
        """Call a function with the oldest `count` connections, or all; return how many."""

        def run() -> int:
            chosen = self._desk.sessions[:count]
            for each in chosen:
                function(each)
            return len(chosen)

        return self._call(run)

    def _call(self, function: Callable[[], T]) -> T:
        if self._phase != "running":
            raise Stopped(self._kind, self._how_to_restart)

        async def run() -> T:
            return function()

        return portal.call(run)

    # --- start and stop -------------------------------------------------------------------------

    def start(self) -> FakeVenue:
        """Listen, and return the venue; `with` does the same. Idempotent while it runs.

        Raises:
            Stopped: if the venue was stopped before.
            OSError: if the port is in use.
        """
        if self._phase != "running":
            self._start_service()
        return self

    def stop(self) -> None:
        """End all connections; the ports are free when this returns. Idempotent."""
        self._stop_service(self._release)

    def __enter__(self) -> FakeVenue:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<FakeVenue {self.name} {self.url} {self._describe()}>"

    def _describe(self) -> str:
        count = sum(len(each) for each in self.trades.values())
        return f"{len(self._desk.sessions)} connected, {count:,} trades"

    def _summarize(self) -> dict[str, str]:
        return {
            "kind": self._kind,
            "address": f"{HOST}:{self.port}",
            "status": "listening" if self._phase == "running" else "stopped",
            "about": self._describe(),
        }

    def _acquire(self) -> None:
        self._task = LoopTask(self._run)
        self._task.start()

    def _release(self) -> None:
        if self._task is not None:
            self._task.stop()

    # --- on the event loop ------------------------------------------------------------------------

    async def _run(self, set_ready: Callable[[], None]) -> None:
        rest = await asyncio.start_server(self._serve_rest, HOST, 0)
        try:
            self.rest_port = find_port(rest.sockets)
            async with serve(
                self._serve_client,
                HOST,
                self.port,
                process_request=self._admit,
                create_connection=VenueConnection,
                compression=None,
                ping_interval=20.0,
                ping_timeout=None,
                close_timeout=0.5,
            ) as server:
                self.port = find_port(server.sockets)
                set_ready()
                try:
                    await self._trade()
                finally:
                    for session in list(self._desk.sessions):
                        session.cut()
        finally:
            rest.close()
            for writer in list(self._writers):
                writer.transport.abort()

    async def _trade(self) -> None:
        """Trade until it is cancelled."""
        loop = asyncio.get_running_loop()
        due, began = 0.0, loop.time()
        while True:
            await asyncio.sleep(STEP_S)
            now = loop.time()
            due += min(now - began, 1.0) * self.trades_per_s
            began = now
            count, due = int(due), due % 1.0
            if not count:
                continue
            for symbol in self.trades:
                self._desk.quote(symbol)
                self._desk.trade(symbol, min(count, MAX_STEP_COUNT))

    async def _serve_client(self, connection: ServerConnection) -> None:
        assert isinstance(connection, VenueConnection)
        session = Session(self._desk, connection)
        self._desk.sessions.append(session)
        try:
            await session.run()
        finally:
            self._desk.sessions.remove(session)

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        wait_s = self._desk.admit()
        if not wait_s:
            return None
        response = connection.respond(429, "too many connections\n")
        response.headers["Retry-After"] = str(ceil(wait_s))
        return response

    async def _serve_rest(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await serve_rest(self._desk, reader, writer)
        finally:
            self._writers.discard(writer)
            with contextlib.suppress(Exception):
                writer.close()
