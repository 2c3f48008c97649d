"""Websocket: a source of the ticks of any websocket that sends JSON."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from ssl import SSLContext
from typing import Any, cast

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.fieldmaps import FieldMap, Machine, Talk, parse_fields, parse_talk
from tickerkit.net.tls import Trust, make_client_context
from tickerkit.net.urls import complete_websocket_url
from tickerkit.sources.base import Outlet
from tickerkit.sources.mapped import ReconnectingSource
from tickerkit.sources.messages import (
    CONNECT_OPTIONS,
    CountingClient,
    UnredirectedConnect,
    describe_close,
    describe_error,
    take_messages,
)
from tickerkit.validation import check_number, check_path, parse_symbols

__all__ = ["WebsocketSource", "load_fields", "websocket"]

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)


class WebsocketSource(ReconnectingSource):
    """The ticks of a websocket that sends JSON, read by a field map.

    It connects again whenever the connection ends, after a random delay of up to 0.25 s, doubled
    with each failed attempt up to 30 s. What was sent meanwhile is a gap of unknown size.

    Args:
        url: the address; keys in its query are never shown.
        fields: the field map; None to guess it from the first messages.
        talk: what to send to the server.
        symbols: only the ticks of these; None for all.
        ssl: certificates to trust; None for those of the system.
        headers: further headers of the request.
        silent_s: seconds without a message after which to connect again; None for never.
    """

    def __init__(
        self,
        url: str,
        fields: FieldMap | None,
        talk: Talk,
        symbols: list[str] | None = None,
        ssl: SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        silent_s: float | None = None,
    ) -> None:
        super().__init__(Machine(fields, talk, symbols), url, symbols, headers)
        self._silent_s = silent_s
        # Left out by default: `ssl=None` would turn TLS off.
        self._tls_options: dict[str, Any] = {} if ssl is None else {"ssl": ssl}

    def __repr__(self) -> str:
        return f"websocket {self.address}"

    async def _attempt(self, out: Outlet) -> str:
        """Connect, and receive until the connection ends; return why."""
        try:
            # A redirection would send them, such as a key, to another host.
            open_ = UnredirectedConnect if self._headers else connect
            async with open_(
                self._url,
                additional_headers=self._headers,
                create_connection=CountingClient,
                **CONNECT_OPTIONS,
                **self._tls_options,
            ) as connection:
                client = cast("CountingClient", connection)
                try:
                    return await self._receive(client, out)
                except ConnectionClosed:
                    return self.raw_events.redactor.cut(describe_close(client))
                finally:
                    now, reason = asyncio.get_running_loop().time(), client.close_reason or ""
                    self.raw_events.note_close(now, client.close_code, reason)
        except Exception as error:
            return describe_error(error)

    async def _receive(self, client: CountingClient, out: Outlet) -> str:
        """Receive until the server is silent for too long; return why the connection shall end."""
        machine, now = self.machine, asyncio.get_running_loop().time
        missed = await self._begin(out)
        at = now()
        self.raw_events.note_open(at, missed)
        await self._send(client, machine.start_connection(at), at)
        self._note_live()
        heard_at = now()
        while True:
            deadline = None if self._silent_s is None else heard_at + self._silent_s
            due = machine.due()
            wake_at = min((each for each in (deadline, due) if each is not None), default=None)
            try:
                async with asyncio.timeout_at(wake_at):
                    messages, received_ns = await take_messages(client)
                heard_at = at = now()
            except TimeoutError:
                messages, at, received_ns = [], now(), time.time_ns()
            self.raw_events.note_messages(messages, at, received_ns)
            received = machine.receive(messages, at)
            self._has_ticks |= await self._deliver(received, out, received_ns)
            await self._send(client, [*received.sends, *machine.take_pings(at)], at)
            if deadline is not None and heard_at + (self._silent_s or 0) <= now():
                return f"no message for {self._silent_s:g} s"

    async def _send(self, client: CountingClient, texts: Sequence[str], at: float) -> None:
        for text in texts:
            self.raw_events.note_sent(text, at)
            await client.send(text)


def load_fields(fields: object) -> FieldMap:
    """Return a field map: of a dict, a list of dicts, or the path of a TOML file.

    Raises:
        FieldMapError: an entry can't be understood, or the file is not TOML.
        FileNotFoundError: there is no such file.
    """
    import tomllib

    if not isinstance(fields, str | Path):
        return parse_fields(fields)
    check_path("fields", fields)
    try:
        table = tomllib.loads(Path(fields).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("fields", fields, f"a TOML file ({error})") from None
    return parse_fields(table.get("reads", table))


def check_headers(headers: object) -> None:
    """Check further headers of a request.

    Raises:
        InvalidType: they are not a mapping from text to text.
        InvalidArgument: one can't be sent (RFC 9110, section 5.5); the error does not show values.
    """
    expected = 'names and values as text, as in {"X-Api-Key": "…"}'
    if headers is None:
        return
    if not isinstance(headers, Mapping):
        raise InvalidType("headers", type(headers).__name__, expected)
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidType("headers", [name], expected)
        if not HEADER_NAME.fullmatch(name) or not value.isprintable() or not value.isascii():
            raise InvalidArgument("headers", [name], expected)


def websocket(
    url: str,
    subscribe: object = None,
    fields: object = None,
    *,
    symbols: str | Sequence[str] | None = None,
    ping: object = None,
    ping_every_s: float = 20.0,
    wait_for: object = None,
    ignore: object = None,
    headers: Mapping[str, str] | None = None,
    silent_s: float | None = None,
    ssl: Trust | None = None,
) -> WebsocketSource:
    """Return a source of the ticks of any websocket that sends JSON.

    A field map says which messages are rows, and where in them the fields of a tick are. An entry
    of the map is a path: `"data.p"`; `"[1]"` is a position in a list; `"/topic"` starts at the
    message instead of the row. A unit follows after a colon: `"T:ms"`.

    Args:
        url: the address of the websocket, `ws://` or `wss://`.
        subscribe: what to send on each connection: one message (a dict or text), or a list.
        fields: the field map: a dict, a list of dicts for several kinds of messages, or the path of
            a TOML file. By default it is guessed from the first messages; `source.fields` and
            `feed.fields` show it. Its own words are `rows` (the path to the rows, `"data[]"`),
            `when` (path to wanted value, for messages to be read), `old` (likewise, for rows from
            before the subscription), `merge` and `units` (column to unit, `{"temperature": "°C"}`);
            `symbol price size time side bid ask bid_size ask_size trade_id` are the fields of a
            tick, and any other key is a column of that name.
        symbols: only the ticks of these; by default all that come.
        ping: a message to send every `ping_every_s` seconds, for servers that demand one.
        ping_every_s: seconds from one `ping` to the next.
        wait_for: `subscribe` is sent after a message that has these values at these paths.
        ignore: messages that have these values at these paths are not ticks, and are not counted as
            unknown.
        headers: further headers of the HTTP request, such as a key. With headers, a redirection is
            not followed.
        silent_s: seconds without a message after which to connect again; None for never.
        ssl: a certificate to trust, or a context.

    Returns:
        The source, for `tk.serve`, `tk.live` and `tk.record`.

    Raises:
        FieldMapError: the map has a wrong entry; the error names it and the nearest known one.
        InvalidArgument: another argument is invalid.

    Example:
        >>> source = tk.websocket(
        ...     "wss://ws.kraken.com/v2",
        ...     {"method": "subscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"]}},
        ...     {"rows": "data[]", "symbol": "symbol", "price": "price", "size": "qty"},
        ... )
        >>> feed = tk.live(source)
    """
    address = complete_websocket_url(url)
    check_number("silent_s", silent_s, 1, optional=True)
    check_headers(headers)
    talk = parse_talk(
        subscribe, ping=ping, ping_every_s=ping_every_s, wait_for=wait_for, ignore=ignore
    )
    return WebsocketSource(
        address,
        None if fields is None else load_fields(fields),
        talk,
        parse_symbols("symbols", symbols),
        make_client_context(ssl),
        headers,
        silent_s,
    )
