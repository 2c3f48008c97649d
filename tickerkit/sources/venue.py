"""Venue source: the trades and quotes of a venue, by a preset, over as many sockets as it needs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tickerkit.errors import BadTick, InvalidArgument
from tickerkit.formatting import format_line, format_value
from tickerkit.net.urls import check_websocket_url
from tickerkit.sources.base import Outlet, Source
from tickerkit.sources.messages import (
    CONNECT_OPTIONS,
    OPEN_TIMEOUT_S,
    CountingClient,
    take_messages,
)
from tickerkit.ticks import Batch
from tickerkit.validation import check_choice, check_number, check_text, parse_symbols
from tickerkit.venues import Fetch, Link, Missing, Reconnect, Venue, VenueEvent
from tickerkit.venues.preset import CHANNELS, Preset, Socket, fill
from tickerkit.venues.presets import list_presets, load_preset
from tickerkit.venues.spelling import spell, symbol_values

if TYPE_CHECKING:
    import httpx
    import pandas as pd

__all__ = ["VenueSource", "venue", "venues"]

FIRST_DELAY_S = 0.25
MAX_DELAY_S = 30.0
# How long the next connection has to bring rows before the one it replaces is closed.
OVERLAP_S = 30.0
REST_TIMEOUT_S = 4.0
STEP_S = 1.0


class VenueSource(Source):
    """The trades and quotes of a venue. Made by `tk.venue`.

    A connection that ends is opened again, and what was missed is fetched by REST where the venue
    has that; what can't be fetched is a gap. Where an end is announced, or comes after a known
    time, the next connection is opened first, and there is no gap.

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
        reconnects: how many times a connection was opened again.
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
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._http: httpx.AsyncClient | None = None
        self._asked_at = 0.0

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

    async def run(self, out: Outlet) -> None:
        """Connect and receive until it is cancelled."""
        import httpx

        self._lock, self._wake = asyncio.Lock(), asyncio.Event()
        async with httpx.AsyncClient(
            timeout=REST_TIMEOUT_S, headers={"User-Agent": "tickerkit"}, follow_redirects=True
        ) as self._http:
            try:
                async with asyncio.TaskGroup() as group:
                    for number, socket in enumerate(self.venue.sockets()):
                        for _ in range(self._feeds):
                            group.create_task(self._keep(number, socket, out))
                    group.create_task(self._watch(out))
            finally:
                for task in self._tasks:
                    task.cancel()

    # --- connections --------------------------------------------------------------------------

    async def _keep(self, number: int, socket: Socket, out: Outlet) -> None:
        """Keep a connection open."""
        failed = 0
        resumes = False
        current = _Connection(self, number, socket, out)
        while True:
            current.start(resumes=resumes)
            await current.wait()
            while current.is_open and await self._replace(current, number, socket, out):
                current = current.successor
                await current.wait()
            reason = current.reason
            failed = 0 if current.has_rows else failed + 1
            delay_s = random.uniform(0, min(MAX_DELAY_S, FIRST_DELAY_S * 2 ** min(failed, 10)))
            delay_s = max(delay_s, current.retry_after_s)
            self.status_reason, self.retry_in_s = format_line(reason), delay_s
            self.status = "connecting" if self.reconnects < 0 else "reconnecting"
            await asyncio.sleep(delay_s)
            resumes = not any(link.socket is socket and link.has_rows for link in self.venue.links)
            current = _Connection(self, number, socket, out)

    async def _replace(
        self, current: _Connection, number: int, socket: Socket, out: Outlet
    ) -> bool:
        """Open the next connection before this one ends; return whether that succeeded."""
        following = _Connection(self, number, socket, out)
        following.start(resumes=False)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + OVERLAP_S
        while following.is_open and not following.has_rows and loop.time() < deadline:
            if not current.is_open:
                await self.handle(self.venue.resume(loop.time()), out)
                break
            await asyncio.sleep(0.05)
        if not following.is_open:
            await current.wait_for_end()
            return False
        current.stop()
        current.successor = following
        return True

    def url_of(self, number: int, socket: Socket) -> str:
        """Return the address of a socket; it may have a key."""
        url = self._urls[number] if number < len(self._urls) else socket.url
        return str(fill(url, self.venue.keys))

    # --- events -------------------------------------------------------------------------------

    async def handle(self, events: Sequence[VenueEvent], out: Outlet) -> Reconnect | None:
        """Send what was received, in order; return a wish for another connection."""
        wish: Reconnect | None = None
        async with self._lock:
            for event in events:
                match event:
                    case Batch():
                        await out.send(event)
                    case Missing():
                        await out.gap(event.count, event.reason)
                    case Fetch():
                        task = asyncio.create_task(self._fetch(event, out))
                        self._tasks.add(task)
                        task.add_done_callback(self._tasks.discard)
                    case Reconnect():
                        wish = event
                    case BadTick():
                        out.report(event)
        self._wake.set()
        return wish

    async def _watch(self, out: Outlet) -> None:
        """Give up what has not come by its deadline."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            now = loop.time()
            if await self.handle(self.venue.tick(now), out) is not None:
                pass
            due = self.venue.due(loop.time())
            wait_s = STEP_S if due is None else min(max(due - loop.time(), 0.01), STEP_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await asyncio.sleep(wait_s + 1)

    async def _fetch(self, fetch: Fetch, out: Outlet) -> None:
        """Ask for past trades."""
        loop = asyncio.get_running_loop()
        backfill = self.venue.preset.backfill
        assert backfill is not None
        at = max(fetch.at, self._asked_at + 1.0 / backfill.requests_per_s)
        self._asked_at = max(at, loop.time())
        if at > loop.time():
            await asyncio.sleep(at - loop.time())
        text = await self._request(fetch)
        events = self.venue.backfilled(fetch, None if text is None else [text], loop.time())
        wish = await self.handle(events, out)
        if wish is not None:
            self.venue.end_links(wish.reason)

    async def _request(self, fetch: Fetch) -> bytes | None:
        """Return the answer to a request for past trades; None if there is none."""
        backfill = self.venue.preset.backfill
        assert backfill is not None
        assert self._http is not None
        page = fetch.before if backfill.by == "before" else fetch.after
        values = {
            **symbol_values(self.venue.preset.symbols, fetch.symbol),
            "id": page,
            "next_id": None if page is None else page + 1,
            "after_s": fetch.after_ns // 10**9,
            "after_ms": fetch.after_ns // 10**6,
            "after_ns": fetch.after_ns,
            **self.venue.keys,
        }
        url = _fill_url((self._rest or backfill.base).rstrip("/") + backfill.get, values)
        try:
            if backfill.post is None:
                response = await self._http.get(url)
            else:
                response = await self._http.post(url, json=fill(backfill.post, values))
        except Exception:
            return None
        return response.content if response.status_code == 200 else None


class _Connection:
    """One connection of a venue source, received in a task of its own."""

    successor: _Connection

    def __init__(self, source: VenueSource, number: int, socket: Socket, out: Outlet) -> None:
        self._source = source
        self._number = number
        self._socket = socket
        self._out = out
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._wish: Reconnect | None = None
        self._link: Link | None = None
        self.reason = ""
        self.retry_after_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether its task runs."""
        return self._task is not None and not self._task.done()

    @property
    def has_rows(self) -> bool:
        """Whether it has brought rows."""
        return self._link is not None and self._link.has_rows

    def start(self, *, resumes: bool) -> None:
        """Connect, and receive in a task."""
        self._task = asyncio.create_task(self._run(resumes=resumes))

    def stop(self) -> None:
        """Close the connection."""
        if self._task is not None:
            self._task.cancel()

    async def wait(self) -> None:
        """Wait until it has ended, or should be replaced before it ends."""
        await self._wait(planned=True)

    async def wait_for_end(self) -> None:
        """Wait until it has ended."""
        await self._wait(planned=False)

    async def _wait(self, *, planned: bool) -> None:
        assert self._task is not None
        try:
            while not self._task.done() and not (planned and self._wish is not None):
                changed = asyncio.ensure_future(self._changed.wait())
                await asyncio.wait({self._task, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                self._changed.clear()
        except asyncio.CancelledError:
            self._task.cancel()
            raise

    async def _run(self, *, resumes: bool) -> None:
        source = self._source
        try:
            async with connect(
                source.url_of(self._number, self._socket),
                create_connection=CountingClient,
                **CONNECT_OPTIONS,
            ) as websocket:
                client = cast("CountingClient", websocket)
                now = asyncio.get_running_loop().time()
                self._link, events = source.venue.open(self._socket, now, resumes=resumes)
                source.reconnects += 1
                source.status, source.status_reason, source.retry_in_s = "live", "", 0.0
                try:
                    await source.handle(events, self._out)
                    self.reason = await self._receive(client, self._link)
                except ConnectionClosed:
                    reason = f", {client.close_reason}" if client.close_reason else ""
                    self.reason = f"the connection closed ({client.close_code}{reason})"
                finally:
                    source.venue.close(self._link)
        except TimeoutError:
            self.reason = f"no answer within {OPEN_TIMEOUT_S:g} s"
        except InvalidStatus as error:
            status = error.response.status_code
            self.retry_after_s = _retry_after(error)
            region = "; the venue may not serve your region" if status in (403, 451) else ""
            self.reason = f"the venue answered HTTP {status}{region}"
        except Exception as error:
            self.reason = f"{type(error).__name__}: {format_value(error)}"

    async def _receive(self, client: CountingClient, link: Link) -> str:
        """Receive until the connection shall end; return why."""
        now = asyncio.get_running_loop().time
        while True:
            for text in link.take_sends(now()):
                await client.send(text)
            wake_at = link.due()
            try:
                async with asyncio.timeout_at(wake_at):
                    messages, received_ns = await take_messages(client)
            except TimeoutError:
                events = link.tick(now())
            else:
                events = [*link.receive(messages, now(), received_ns), *link.tick(now())]
            wish = await self._source.handle(events, self._out)
            if wish is not None or (wish := link.ending) is not None:
                if not wish.is_planned:
                    return wish.reason
                self._wish = wish
                self._changed.set()


def _retry_after(error: InvalidStatus) -> float:
    """Return how many seconds a server asks to wait."""
    with contextlib.suppress(ValueError, KeyError):
        return min(float(error.response.headers["Retry-After"]), 600.0)
    return 60.0 if error.response.status_code == 429 else 0.0


def _fill_url(template: str, values: Mapping[str, Any]) -> str:
    """Return an address; a part of the query whose value is None is left out."""
    parts = urlsplit(template)
    query = []
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        filled = fill(value, values)
        if filled is not None:
            query.append((name, str(filled)))
    path = fill(parts.path, values)
    return urlunsplit((parts.scheme, parts.netloc, str(path), urlencode(query, safe="/:,"), ""))


def venue(
    name: str,
    symbols: str | Sequence[str],
    channels: str | Sequence[str] = ("trades", "quotes"),
    url: str | Sequence[str] | None = None,
    rest: str | None = None,
    feeds: int = 1,
    **keys: str,
) -> VenueSource:
    """Return a source of the trades and quotes of a venue.

    Nothing of its trades is missing in silence: what was missed in a break is fetched by REST
    (column `origin`: `backfill`), and what the venue has no more is a gap. Trades from before the
    subscription come first, with `origin` `snapshot`. The column `side` is always the taker's.

    Args:
        name: the venue; `tk.venues()` lists them.
        symbols: one symbol or several, in any spelling that is certain: `BTC-USD`, `BTC/USD`.
        channels: "trades", "quotes" or both.
        url: the address of its websocket, in place of the preset's; a list where it has several.
        rest: the address that its REST paths follow, in place of the preset's.
        feeds: how many connections to keep open at a time; with two, an end of one is no break.
        **keys: the keys that the venue asks for; by default from the environment.

    Raises:
        InvalidArgument: an argument is invalid; the error proposes the nearest name or symbol.

    Example:
        >>> tk.live(tk.venue("kraken", ["BTC/USD", "ETH/USD"]))
    """
    check_text("name", name, "the name of a venue, such as 'kraken'")
    preset = load_preset(name)
    wanted = parse_symbols("symbols", symbols) or []
    if not wanted:
        example = ", ".join(preset.symbols.examples) or "BTC/USD"
        raise InvalidArgument("symbols", symbols, f"symbols of {name}, such as {example!r}")
    names = [channels] if isinstance(channels, str) else list(channels)
    for each in names:
        check_choice("channels", each, CHANNELS)
    check_number("feeds", feeds, 1, whole=True)
    urls = [] if url is None else [url] if isinstance(url, str) else list(url)
    for address in urls:
        check_websocket_url(address)
    found = {key: keys.pop(key, os.environ.get(variable)) for key, variable in preset.keys.items()}
    missing = [preset.keys[key] for key, value in found.items() if not value]
    if missing:
        expected = f"{name} needs a key: pass it, or set {' and '.join(missing)}"
        raise InvalidArgument("keys", None, expected)
    if keys:
        raise InvalidArgument("keys", sorted(keys), f"one of {sorted(preset.keys)}")
    spelled = list(dict.fromkeys(spell(name, preset.symbols, each) for each in wanted))
    most = min(socket.symbols_per_socket or len(spelled) for socket in preset.sockets)
    if len(spelled) > most:
        expected = f"at most {most} symbols of {name} in one source"
        raise InvalidArgument("symbols", f"{len(spelled)} symbols", expected)
    machine = Venue(preset, spelled, names, {key: str(value) for key, value in found.items()})
    return VenueSource(machine, urls, rest, feeds)


def venues() -> pd.DataFrame:
    """Return the venues that tickerkit knows, with what each can do.

    Example:
        >>> tk.venues().loc["kraken", "quotes"]
    """
    import pandas as pd

    presets = [load_preset(name) for name in list_presets()]
    table = {
        "title": [each.title for each in presets],
        "example": [", ".join(each.symbols.examples[:2]) for each in presets],
        "quotes": [each.quotes for each in presets],
        "gaps": [_proof(each) for each in presets],
        "backfill": ["" if each.backfill is None else each.backfill.reach for each in presets],
        "keys": [", ".join(each.keys.values()) for each in presets],
        "checked": [each.checked for each in presets],
        "about": [each.about for each in presets],
    }
    return pd.DataFrame(table, index=pd.Index(list_presets(), name="venue"))


def _proof(preset: Preset) -> str:
    """Return how exactly missing trades are known."""
    ids = {
        read.ids for socket in preset.sockets for read in socket.reads if read.channel == "trades"
    }
    if ids == {"dense"}:
        return "by trade id"
    return "by overlap" if ids == {"unique"} and preset.backfill is not None else "unknown"
