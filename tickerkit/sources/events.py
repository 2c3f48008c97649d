"""events: a source of the Server-Sent Events of a web address."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from http import HTTPStatus
from ssl import SSLContext, create_default_context
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from tickerkit.errors import BadTick
from tickerkit.fieldmaps import FieldMap, Machine
from tickerkit.formatting import format_line
from tickerkit.net.redaction import MIN_SECRET_LENGTH
from tickerkit.net.tls import Trust, make_client_context
from tickerkit.net.urls import check_http_url
from tickerkit.sources.base import Outlet
from tickerkit.sources.event_stream import MAX_EVENT_BYTES, MAX_RETRY_S, EventParser
from tickerkit.sources.http_log import HidesKeys
from tickerkit.sources.mapped import ReconnectingSource
from tickerkit.sources.messages import OPEN_TIMEOUT_S, describe_error
from tickerkit.sources.websocket import check_headers, load_fields
from tickerkit.validation import check_number, parse_symbols

if TYPE_CHECKING:
    import httpx

__all__ = ["EVENTS_SCHEME", "EventsSource", "events"]

# In text that names a source, as in "events:https://host/stream".
EVENTS_SCHEME = "events:"
# A server may send the head of its answer only with the first event.
ANSWER_TIMEOUT_S = 30.0
MEDIA_TYPE = "text/event-stream"
FIX = "check that the address is that of an event stream"


class EventsSource(ReconnectingSource):
    """The ticks of Server-Sent Events, read by a field map; made by `tk.events`.

    It connects again whenever the connection ends, after a random delay of up to 0.25 s, doubled
    with each failed attempt up to 30 s, but not sooner than the server asks for. It sends the id of
    the last event, so that the server may continue there. Whether it did is not known: each break
    is a gap of unknown size.

    Args:
        url: the address; keys in its query are never shown.
        fields: the field map; None to guess it from the first events.
        symbols: only the ticks of these; None for all.
        ssl: certificates to trust; None for those of the system.
        headers: further headers of the request.
        silent_s: seconds without a byte after which to connect again; None for never.
    """

    def __init__(
        self,
        url: str,
        fields: FieldMap | None,
        symbols: list[str] | None = None,
        ssl: SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        silent_s: float | None = None,
    ) -> None:
        super().__init__(Machine(fields, symbols=symbols), url, symbols, headers)
        self._ssl = ssl
        self._silent_s = silent_s
        self._parser = EventParser()

    def __repr__(self) -> str:
        return f"events of {self.address}"

    async def _attempt(self, out: Outlet) -> str | None:
        import httpx

        self._min_delay_s = self._parser.retry_s or 0.0
        parts = urlsplit(self._url)
        # The server may send on to an address with the same key among other values.
        values = [value for _, value in parse_qsl(parts.query) if len(value) >= MIN_SECRET_LENGTH]
        with HidesKeys([parts.query, parts.password or "", *values]):
            try:
                async with self._open() as response:
                    if response.status_code == HTTPStatus.NO_CONTENT:
                        return None
                    reason = self._check(response)
                    if not reason:
                        return await self._receive(response, out)
            except httpx.HTTPError as error:
                reason = _describe(error)
            except Exception as error:
                reason = describe_error(error)
        return reason

    @contextlib.asynccontextmanager
    async def _open(self) -> AsyncIterator[httpx.Response]:
        """Send the request; yield the answer when its head has come."""
        import httpx

        headers = httpx.Headers(
            {"User-Agent": "tickerkit", "Accept": MEDIA_TYPE, "Cache-Control": "no-store"}
        )
        if self._parser.last_id:
            # As bytes: an id may have bytes that are not ASCII.
            headers.update([(b"Last-Event-ID", self._parser.last_id)])
        headers.update(self._headers)
        async with (
            httpx.AsyncClient(
                verify=self._ssl or create_default_context(),
                timeout=httpx.Timeout(OPEN_TIMEOUT_S, read=None),
                # httpx would send the headers of the user, such as keys, to another host.
                follow_redirects=not self._headers,
            ) as client,
            contextlib.AsyncExitStack() as stack,
        ):
            stream = client.stream("GET", self._url, headers=headers)
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    response = await stack.enter_async_context(stream)
            except TimeoutError:
                raise httpx.ReadTimeout(f"no answer within {ANSWER_TIMEOUT_S:g} s") from None
            yield response

    def _check(self, response: httpx.Response) -> str:
        """Return why an answer is not an event stream; empty if it is one."""
        status = response.status_code
        if status != HTTPStatus.OK:
            with contextlib.suppress(KeyError, ValueError):
                asked_s = float(response.headers["Retry-After"])
                self._min_delay_s = min(max(asked_s, self._min_delay_s), MAX_RETRY_S)
            if response.is_redirect:
                return (
                    f"the server answered HTTP {status}, a redirection; pass the address it names"
                )
            return f"the server answered HTTP {status}"
        found = response.headers.get("Content-Type", "")
        if found.partition(";")[0].strip().lower() != MEDIA_TYPE:
            return f"the server sends {format_line(found) or 'no media type'}, not {MEDIA_TYPE}"
        return ""

    async def _receive(self, response: httpx.Response, out: Outlet) -> str:
        """Receive until the stream ends; return why."""
        machine, now = self.machine, asyncio.get_running_loop().time
        asked = "reconnected, asked to continue after the last event"
        missed = await self._begin(out, asked if self._parser.last_id else "reconnected")
        self._parser.start_connection()
        at = now()
        self.raw_events.note_open(at, missed)
        machine.start_connection(at)
        self._note_live()
        chunks = response.aiter_bytes()
        heard_at = now()
        # Not cancelled when the wait times out: a cancelled read would end the iterator.
        reading: asyncio.Future[bytes] | None = None
        try:
            while True:
                reading = reading or asyncio.ensure_future(anext(chunks))
                deadline = None if self._silent_s is None else heard_at + self._silent_s
                wake_ats = [at for at in (deadline, machine.due()) if at is not None]
                wait_s = max(min(wake_ats) - now(), 0.0) if wake_ats else None
                await asyncio.wait({reading}, timeout=wait_s)
                texts: list[bytes] = []
                if reading.done():
                    done, reading, heard_at = reading, None, now()
                    texts = self._parser.read(done.result())
                    for error in self._take_errors():
                        out.report(error)
                at, time_ns = now(), time.time_ns()
                self.raw_events.note_messages(texts, at, time_ns)
                self._has_ticks |= await self._deliver(machine.receive(texts, at), out, time_ns)
                self._min_delay_s = self._parser.retry_s or 0.0
                if deadline is not None and heard_at + (self._silent_s or 0) <= now():
                    return f"nothing came for {self._silent_s:g} s"
        except StopAsyncIteration:
            return "the stream ended"
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.wait({reading})

    def _take_errors(self) -> Iterator[BadTick]:
        """Yield an error for each event that was too long."""
        while self._parser.too_long:
            self._parser.too_long -= 1
            problem = f"is an event of more than {MAX_EVENT_BYTES // 2**20} MiB"
            yield BadTick("message", "", problem, FIX)


def _describe(error: httpx.HTTPError) -> str:
    """Return why a request failed, in words and without an address, which may have a key."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return str(error) or f"no answer within {OPEN_TIMEOUT_S:g} s"
    if isinstance(error, httpx.RemoteProtocolError):
        return format_line(str(error))
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno:
            return describe_error(cause)
        cause = cause.__cause__ or cause.__context__
    return describe_error(error)


def events(
    url: str,
    fields: object = None,
    *,
    symbols: str | Sequence[str] | None = None,
    headers: Mapping[str, str] | None = None,
    silent_s: float | None = None,
    ssl: Trust | None = None,
) -> EventsSource:
    """Return a source of the ticks in the Server-Sent Events of a web address.

    The data of each event is JSON: a message, which a field map reads as in `tk.websocket`. After
    a break the source connects again, not sooner than the server's `retry` says, and sends the id
    of the last event; the server may continue there. Whether it did is not known, so each break is
    a gap of unknown size. The source is finished when the server answers 204 (No Content).

    At most 16 MiB of an event are held; a larger one is refused and counted in `server.stats`.

    Args:
        url: the address, `http://` or `https://`.
        fields: the field map: a dict, a list of dicts, or the path of a TOML file, as for
            `tk.websocket`. By default it is guessed from the first events; `source.fields` shows
            it.
        symbols: only the ticks of these; by default all that come.
        headers: further headers of the request, such as a key. With headers, a redirection is not
            followed.
        silent_s: seconds without a byte after which to connect again; None for never.
        ssl: a certificate to trust, or a context.

    Returns:
        The source, for `tk.serve` and `tk.live`. `source.status` is "connecting", "live" or
        "reconnecting", and `source.status_reason` says why.

    Raises:
        FieldMapError: the map has a wrong entry; the error names it and the nearest known one.
        InvalidArgument: another argument is invalid.

    Example:
        >>> source = tk.events(
        ...     "https://stream.wikimedia.org/v2/stream/recentchange",
        ...     {"symbol": "wiki", "bytes": "length.new", "time": "timestamp:s"},
        ... )
        >>> feed = tk.live(source)
    """
    check_http_url("url", url)
    check_number("silent_s", silent_s, 1, optional=True)
    check_headers(headers)
    return EventsSource(
        url,
        None if fields is None else load_fields(fields),
        parse_symbols("symbols", symbols),
        make_client_context(ssl),
        headers,
        silent_s,
    )
