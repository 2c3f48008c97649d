"""Venue source: the trades and quotes of a venue, by a preset, over as many sockets as it needs."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tickerkit.errors import BadTick, InvalidArgument, InvalidType, SourceError
from tickerkit.formatting import format_choices, format_line
from tickerkit.net.redaction import Redactor
from tickerkit.net.urls import check_http_url, complete_websocket_url
from tickerkit.presets import Fallback, Fetch, Missing, Reconnect, Venue, VenueEvent
from tickerkit.presets.files import load_preset
from tickerkit.presets.preset import CHANNELS, Socket
from tickerkit.presets.saving import write_preset
from tickerkit.presets.spelling import spell
from tickerkit.sources.base import Outlet, Source
from tickerkit.sources.ccxt_venue import CCXT_PREFIX, CcxtSource, ccxt_venue
from tickerkit.sources.delays import pick_delay_s
from tickerkit.sources.past_trades import PastTrades, fill_address
from tickerkit.sources.raw_events import RawEvent, RawEvents
from tickerkit.sources.venue_connection import VenueConnection
from tickerkit.sources.venue_tables import freshness_frame
from tickerkit.ticks import Batch
from tickerkit.validation import check_choice, check_number, check_text, parse_symbols

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["VenueSource", "venue"]

# Connections to a venue at a time: a further one brings nothing, and venues limit them.
MAX_FEEDS = 4
# How long the next connection has to be ready before the one it replaces is closed, and how long
# both are kept then: what the old one has sent may still be on its way.
OVERLAP_S = 30.0
LINGER_S = 1.0
# After a next connection that failed, the shortest time until another one is tried.
AGAIN_S = 0.25
LOOK_S = 0.02
STEP_S = 1.0
MINUTE_S = 60.0
# Venues also limit the connections of a second, down to three.
SPACING_S = 0.35


class VenueSource(Source):
    """The trades and quotes of a venue. Made by `tk.venue`.

    A connection that ends is opened again, and what was missed is fetched by REST where the venue
    has that; what can't be fetched is a gap. Where an end is announced, or comes after a known
    time, the next connection is opened first, and there is no gap. If it is proved that trades do
    not come, and the preset has a fallback, the fallback is used from then on: a gap and the newest
    error say so, and `venue.preset` is the fallback.

    Args:
        venue: the venue, its symbols and channels.
        urls: the address of each socket, in place of the preset's; empty for those of the preset.
        rest: the address that REST paths follow, in place of the preset's.
        feeds: how many connections to keep open at a time.

    Attributes:
        venue: what is known of each symbol.
        status: "connecting", "live" or "reconnecting".
        status_reason: why the newest connection ended, or was not made; empty while live.
        retry_in_s: seconds until the next attempt.
        reconnects: how many connections were opened after the first; -1 before it.
        raw_events: what happens on its connections, for recorders of raw frames.
    """

    def __init__(
        self,
        venue: Venue,
        urls: Sequence[str] = (),
        rest: str | None = None,
        feeds: int = 1,
    ) -> None:
        self.venue = venue
        self.status = "connecting"
        self.status_reason = ""
        self.retry_in_s = 0.0
        self.reconnects = -1
        self._urls = list(urls)
        self._rest = rest
        self._feeds = feeds
        self._connections: list[VenueConnection] = []
        self._connection_count = 0
        redactor = Redactor(venue.keys.values())
        self.raw_events = RawEvents(self._describe, redactor)
        # Known before the first message of a recording that begins in the middle.
        for url in urls:
            redactor.cut_url(url)
        # Sockets of which no connection was ready for a while: trades may have been missed.
        self._broken: set[int] = set()
        self._connects: deque[float] = deque()

    def __repr__(self) -> str:
        return f"venue {self.address}"

    @property
    def address(self) -> str:
        """The venue's name and the symbols."""
        symbols = self.venue.symbols
        more = "" if len(symbols) <= 3 else f" and {len(symbols) - 3} more"
        return f"{self.venue.preset.name}:{','.join(symbols[:3])}{more}"

    @property
    def unknown(self) -> Mapping[str, int]:
        """How many messages the preset does not name, by their shape."""
        return self.venue.shapes.counts

    def freshness(self) -> pd.DataFrame:
        """Return what is known of each subscription.

        Returns:
            A DataFrame with a row for each symbol and channel: `status` ("asked", "acked", "live",
            "quiet", "mute" or "refused"), `last` (UTC; when its newest row came), `pace_s` (its
            usual seconds from one row to the next), `lag_s` (how long after its time the newest
            row came), `rows`, `gaps`, `missing` (trades that are known to be missing), `repaired`
            (trades that were fetched by REST) and `refusal` (why the venue refused it).
        """
        return freshness_frame(self.venue.freshness(time.monotonic()))

    def on_sent_to_process(self) -> None:
        self.raw_events.runs_elsewhere = True

    async def run(self, out: Outlet) -> None:
        """Connect and receive until it is cancelled."""
        while True:
            fallback = await self._run(out)
            before, name = self.venue, fallback.preset
            problem = f"trades {fallback.problem}: those of {name!r} are taken instead"
            reason = f"{fallback.symbol}: {before.preset.name!r} {problem}"
            await out.gap(None, reason)
            out.report(BadTick("trades", fallback.symbol, fallback.problem, f"see {name!r}"))
            symbols, channels = before.symbols, before.channels
            self.venue = Venue(load_preset(name), symbols, channels, before.keys)
            more = len(self.venue.sockets()) - len(self._urls)
            self._urls += self._urls[-1:] * more
            self._broken = set()
            if self.raw_events.is_wanted:
                now = asyncio.get_running_loop().time()
                self.raw_events.note(now, source=self._describe_source(), reason=reason)

    async def _run(self, out: Outlet) -> Fallback:
        """Connect and receive until another preset shall be used."""
        async with PastTrades(self.venue.preset, self._rest, self.venue.keys) as rest:
            work = _Work(self, out, rest)
            try:
                async with asyncio.TaskGroup() as group:
                    jobs = [
                        self._keep(number, socket, work)
                        for number, socket in enumerate(self.venue.sockets())
                        for _ in range(self._feeds)
                    ]
                    tasks = [group.create_task(each) for each in (*jobs, work.watch())]
                    fallback = await work.fallback
                    for task in tasks:
                        task.cancel()
            finally:
                # Ended before the HTTP client is closed: a request would keep its socket.
                for task in (fetches := list(work.fetches)):
                    task.cancel()
                ends = [each.stop() for each in self._connections]
                await asyncio.gather(*fetches, *ends, return_exceptions=True)
        return fallback

    def replace_connections(self, wish: Reconnect) -> None:
        """Have the connections replaced that bring trades."""
        for each in self._connections:
            if not each.has_ended and any(read.channel == "trades" for read in each.socket.reads):
                each.replace(wish)

    # --- connections --------------------------------------------------------------------------

    async def _keep(self, number: int, socket: Socket, work: _Work) -> None:
        """Keep a connection open."""
        failed = 0
        current = await self._connect(number, socket, work)
        while True:
            await current.changed.wait()
            current.changed.clear()
            if not current.has_ended:
                current = await self._replace(current, number, work)
                continue
            if not any(each.is_ready and each.socket is socket for each in self._connections):
                self._broken.add(number)
            failed = 0 if current.has_rows else failed + 1
            if current.link is None:
                problem = self.raw_events.redactor.cut(f"can't connect: {current.reason}")
                work.out.report(SourceError(self.address, problem))
            delay_s = max(pick_delay_s(failed), current.retry_after_s)
            if not any(each.is_ready for each in self._connections):
                self.status_reason, self.retry_in_s = format_line(current.reason), delay_s
                self.status = "connecting" if self.reconnects < 0 else "reconnecting"
            await asyncio.sleep(delay_s)
            current = await self._connect(number, socket, work)

    async def _connect(self, number: int, socket: Socket, work: _Work) -> VenueConnection:
        """Begin a connection, as soon as the venue's limit allows."""
        await self._wait_for_turn(socket)
        url = self._urls[number] if number < len(self._urls) else socket.url

        def note_open() -> None:
            self.reconnects += 1
            self.status, self.status_reason, self.retry_in_s = "live", "", 0.0

        self._connection_count += 1
        connection = VenueConnection(
            self.venue,
            socket,
            fill_address(url, self.venue.keys),
            self._connection_count,
            self.raw_events,
            work.handle,
            note_open,
        )
        connection.start(resumes=number in self._broken)
        self._broken.discard(number)
        self._connections = [each for each in self._connections if not each.has_ended]
        self._connections.append(connection)
        return connection

    async def _wait_for_turn(self, socket: Socket) -> None:
        """Wait until the venue's limit of connections allows another one, of any socket."""
        if socket.connects_per_minute is None:
            return
        times, loop = self._connects, asyncio.get_running_loop()
        while True:
            now = loop.time()
            while times and times[0] <= now - MINUTE_S:
                times.popleft()
            is_full = len(times) >= max(int(socket.connects_per_minute), 1)
            due = times[0] + MINUTE_S if is_full else times[-1] + SPACING_S if times else now
            if due <= now:
                times.append(now)
                return
            await asyncio.sleep(due - now)

    async def _replace(self, current: VenueConnection, number: int, work: _Work) -> VenueConnection:
        """Open the next connection before this one ends; return the one to keep.

        Where the venue takes one at a time, this one is closed first.
        """
        if current.socket.connections == 1:
            await current.stop()
            self._broken.add(number)
            return await self._connect(number, current.socket, work)
        following = await self._connect(number, current.socket, work)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + OVERLAP_S
        while not (following.is_ready or following.has_ended or current.has_ended):
            if loop.time() > deadline:
                break
            await asyncio.sleep(LOOK_S)
        if following.has_ended:
            if not current.has_ended:
                await asyncio.sleep(random.uniform(AGAIN_S, 4 * AGAIN_S))
            current.changed.set()  # it is tried again, or it has ended too
            return current
        is_sure = following.is_ready and not current.has_ended
        if is_sure:
            await asyncio.sleep(LINGER_S)
        if not is_sure or current.has_ended:
            at = loop.time()
            if self.raw_events.is_wanted:
                self.raw_events.note(at, resumed=True)
            await work.handle(self.venue.resume(at))
        await current.stop()
        self._broken.discard(number)
        return following

    def _describe(self, now: float) -> list[RawEvent]:
        """Return the events that a recording begins with."""
        source = self._describe_source()
        events = [RawEvent(time.time_ns(), now, 0, {"source": source})]
        # In the order in which they were opened: of quotes the newest connection's are taken.
        for link in self.venue.links:
            for each in self._connections:
                events += each.describe(now) if each.link is link else []
        return events

    def _describe_source(self) -> dict[str, Any]:
        """Return what the machine is made of."""
        venue = self.venue
        return {
            "kind": "venue",
            "name": venue.preset.name,
            "preset": write_preset(venue.preset),
            "symbols": venue.symbols,
            "channels": venue.channels,
            "feeds": self._feeds,
            "known": venue.save(),
        }


class _Work:
    """What the connections of a venue source share while it runs.

    Args:
        source: the source.
        out: where ticks are sent.
        rest: the venue's past trades.
    """

    def __init__(self, source: VenueSource, out: Outlet, rest: PastTrades) -> None:
        self._source = source
        self.out = out
        self._rest = rest
        self._lock = asyncio.Lock()
        self.fetches: set[asyncio.Task[None]] = set()
        self.fallback: asyncio.Future[Fallback] = asyncio.get_running_loop().create_future()

    async def handle(self, events: Sequence[VenueEvent]) -> Reconnect | None:
        """Send what was received, in order; return a wish for another connection."""
        wish: Reconnect | None = None
        async with self._lock:
            for event in events:
                match event:
                    case Batch():
                        await self.out.send(event)
                    case Missing():
                        await self.out.gap(event.count, event.reason)
                    case Fetch():
                        task = asyncio.create_task(self._fetch(event))
                        self.fetches.add(task)
                        task.add_done_callback(self.fetches.discard)
                    case Reconnect():
                        wish = event
                    case Fallback():
                        if not self.fallback.done():
                            self.fallback.set_result(event)
                    case BadTick():
                        self.out.report(event)
        return wish

    async def watch(self) -> None:
        """Give up what has not come by its deadline, and look after silent subscriptions."""
        venue, loop = self._source.venue, asyncio.get_running_loop()
        raw_events = self._source.raw_events
        while True:
            at = loop.time()
            if raw_events.is_wanted and (due := venue.due(at)) is not None and due <= at:
                raw_events.note(at, due=True)
            await self.handle(venue.tick(at))
            due = venue.due(loop.time())
            await asyncio.sleep(
                STEP_S if due is None else min(max(due - loop.time(), 0.01), STEP_S)
            )

    async def _fetch(self, fetch: Fetch) -> None:
        """Ask for past trades."""
        answer = await self._rest.get(fetch, self._source.venue.wants)
        now = asyncio.get_running_loop().time()
        if (raw_events := self._source.raw_events).is_wanted:
            redactor, data = raw_events.redactor, answer.content if answer.status else None
            request = f"{answer.method} {redactor.cut_request(answer.url)}".strip()
            sent = redactor.cut_value(answer.sent)
            facts = {"request": request, "body": sent, "status": answer.status}
            raw_events.note(now, data=data, fetch=list(fetch), **facts)
        messages = None if answer.trades is None else [answer.trades]
        wish = await self.handle(self._source.venue.backfilled(fetch, messages, now))
        if wish is not None:
            self._source.replace_connections(wish)


def venue(
    name: str,
    symbols: str | Sequence[str],
    channels: str | Sequence[str] = ("trades", "quotes"),
    url: str | Sequence[str] | None = None,
    rest: str | None = None,
    feeds: int = 1,
    **keys: str,
) -> VenueSource | CcxtSource:
    """Return a source of the trades and quotes of a venue.

    Nothing of its trades is missing in silence: what was missed in a break is fetched by REST
    (column `origin`: `backfill`), and what the venue has no more is a gap. Trades from before the
    subscription come first, with `origin` `snapshot`. The column `side` is always the taker's.

    None of this holds for `"ccxt:mexc"` and the like, the trades of an exchange through ccxt
    (`pip install 'tickerkit[ccxt]'`): there are no quotes, each break is a gap of unknown size, and
    trades from before the subscription are not marked.

    Args:
        name: the venue; `tk.venues()` lists them. `"ccxt:…"` for one that it does not list.
        symbols: one symbol or several, in any spelling that is certain: `BTC-USD`, `BTC/USD`.
        channels: some of "trades", "quotes" and "book", or one of them. "book" brings the order
            book of each symbol, for `feed.book`; and where "quotes" is not asked for, a quote at
            each change of its best bid or ask.
        url: the address of its websocket, in place of the preset's; a list where it has several.
        rest: the address that its REST paths follow, in place of the preset's.
        feeds: how many connections to keep open at a time; with two, an end of one is no break.
        **keys: the keys that the venue asks for; by default from the environment.

    Returns:
        The source; its `freshness()` says what is known of each subscription.

    Raises:
        SourceError: the package ccxt is needed, and not installed.
        InvalidArgument: an argument is invalid; the error proposes the nearest name or symbol.

    Example:
        >>> tk.live(tk.venue("kraken", ["BTC/USD", "ETH/USD"]))
    """
    check_text("name", name, "the name of a venue, such as 'kraken'")
    names = [channels] if isinstance(channels, str) else channels
    if not isinstance(names, list | tuple) or not names:
        raise InvalidType("channels", channels, f"{format_choices(CHANNELS)}, or a list of them")
    for each in names:
        check_choice("channels", each, CHANNELS)
    if name.startswith(CCXT_PREFIX):
        return ccxt_venue(name, symbols, names, keys, url=url, rest=rest, feeds=feeds)
    try:
        preset = load_preset(name)
    except InvalidArgument as error:  # which the command line calls a venue
        raise InvalidArgument("name", error.value, error.expected) from None
    wanted = parse_symbols("symbols", symbols) or []
    if not wanted:
        example = ", ".join(preset.symbols.examples) or "BTC/USD"
        raise InvalidArgument("symbols", symbols, f"symbols of {name}, such as {example!r}")
    most_feeds = min(each.connections or MAX_FEEDS for each in preset.sockets)
    check_number("feeds", feeds, 1, min(most_feeds, MAX_FEEDS), whole=True)
    given = list(url) if isinstance(url, list | tuple) else [url]
    urls = [complete_websocket_url(each) for each in given if each is not None]
    if rest is not None:
        check_http_url("rest", rest)
    found = {key: keys.pop(key, os.environ.get(variable)) for key, variable in preset.keys.items()}
    missing = [preset.keys[key] for key, value in found.items() if not value]
    if missing:
        wanted_keys = " and ".join(f"{key}=" for key, value in found.items() if not value)
        expected = f"{wanted_keys} for {name}, or {' and '.join(missing)} in the environment"
        raise InvalidArgument("keys", None, expected)
    if keys:
        raise InvalidArgument("keys", sorted(keys), f"one of {sorted(preset.keys)}")
    spelled = list(dict.fromkeys(spell(name, preset.symbols, each) for each in wanted))
    most = min(socket.symbols_per_socket or len(spelled) for socket in preset.sockets)
    if len(spelled) > most:
        expected = f"at most {most} symbols of {name} in one source"
        raise InvalidArgument("symbols", f"{len(spelled)} symbols", expected)
    if lacking := [each for each in names if each not in preset.channels]:
        expected = f"{format_choices(preset.channels)}: {name} has no other channel here"
        raise InvalidArgument("channels", lacking[0], expected)
    machine = Venue(preset, spelled, names, {key: str(value) for key, value in found.items()})
    return VenueSource(machine, urls, rest, feeds)
