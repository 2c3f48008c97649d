"""TickServer: the interface of every server, whether it runs in a thread or in a process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from functools import partial
from typing import Any
from urllib.parse import quote

import pandas as pd

from tickerkit.errors import BadTick, InvalidArgument, PortTaken, Stopped, TickerkitError
from tickerkit.formatting import format_count
from tickerkit.log import Gaps, TickLog
from tickerkit.net.addresses import find_port_holder
from tickerkit.net.interfaces import find_network_address
from tickerkit.net.tls import make_server_context
from tickerkit.runtime.card_bundle import make_card_bundle
from tickerkit.runtime.cards import render_card
from tickerkit.runtime.lifecycle import Lifecycle
from tickerkit.runtime.loop_task import LoopTask
from tickerkit.runtime.portal import portal
from tickerkit.runtime.registry import running
from tickerkit.server.access import EVERYWHERE, Access
from tickerkit.server.intake import make_refusal
from tickerkit.server.notes import MAX_NOTE_CHARACTERS, clean_note
from tickerkit.server.options import ServerOptions
from tickerkit.server.publishing import Published
from tickerkit.sources import MappedSource, Source
from tickerkit.sources.units import check_units
from tickerkit.ticks import Batch, read_ticks
from tickerkit.validation import check_number, check_text

__all__ = ["CLIENT_COLUMNS", "TickServer"]

CLOSE_CODE, CLOSE_REASON = 1001, "the server is stopping"
# A feed connects again soon after it.
RESTART_CODE, RESTART_REASON = 1012, "the server is restarting"
MAX_DRAIN_S = 3600.0
# RFC 6455, sections 7.4.2 and 5.5.
MIN_CLOSE_CODE, MAX_CLOSE_CODE = 1000, 4999
MAX_REASON_BYTES = 123
CLIENT_COLUMNS = [
    "name",
    "address",
    "program",
    "kind",
    "since",
    "symbols",
    "behind",
    "status",
    "ping_ms",
    "messages",
]
# By address that means "all addresses of this machine": the address for a client to connect to.
CONNECT_TO = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}


class TickServer(Lifecycle):
    """A websocket server that pushes ticks, running in the background. Made by `tk.serve`.

    A client costs a position in the log: a slow client gets larger batches, a client that falls off
    the log gets a gap that names the ticks it missed, and no client delays another.

    There are two kinds: `ThreadServer` runs in this process's background thread, `ProcessServer` in
    a process of its own. This class has the parts that they share: the addresses, the card, and the
    order in which a server starts and stops. Each kind implements the abstract members.

    Attributes:
        source: the source of its ticks; None if ticks are only published by hand.
        host: the address it is bound to.
        port: the port it listens on.
        metrics_port: the port that serves its metrics alone; None without one.
        log: its `TickLog`.
        on_post: called on the event loop with each value that its extension posts.
    """

    _kind, _how_to_restart = "server", "call tk.serve again"

    def __init__(self, source: Source | None, host: str, port: int, options: ServerOptions) -> None:
        super().__init__()
        self.source = source
        self.host = host
        self.port = port
        self.metrics_port = options.metrics_port
        self.log = TickLog(options.history)
        if source is not None:
            self.log.units = check_units(source.units)
        self._ssl = make_server_context(options.ssl)
        self._access = Access(
            host, token=options.token, hosts=options.hosts, origins=options.origins
        )
        self._gaps = Gaps(self.log, forget=True)
        self.on_post: Callable[[Any], object] = _ignore
        self._task: LoopTask | None = None
        self._close_with = (CLOSE_CODE, CLOSE_REASON)

    # --- implemented by each kind -------------------------------------------------------------

    @property
    @abstractmethod
    def clients(self) -> pd.DataFrame:
        """The connected clients, in the order in which they came.

        Returns:
            A DataFrame with the columns `name` (as in `/ticks?name=ana`), `address`, `program`
            (such as "Chrome" or "websockets"; "?" if it does not say), `kind` ("v1", "ticks" or
            "prices": how the client listens), `since` (UTC), `symbols`, `behind` (ticks not sent
            yet), `status` ("live", or "stalled" if the client reads nothing although data waits
            for it), `ping_ms` (how long the newest ping took to be answered; NaN before the first,
            which a silent client gets after 3 s) and `messages` (how many it has sent).
        """

    @property
    @abstractmethod
    def journal(self) -> pd.DataFrame:
        """Who was refused, disconnected or lost; the newest 1,000, the newest last.

        The same event of the same client is listed once within ten seconds.

        Returns:
            A DataFrame with the columns `time` (UTC), `address`, `name`, `event`, `code` and
            `reason`. `event` is "refused" (the code is the HTTP status, or the code with which the
            websocket was closed at once), "cut off" (by the server: the client was gone, read
            nothing or sent too much), "fault" (against the websocket protocol, such as a frame
            without a mask) or "broken" (the connection ended without a close frame, which is code
            1006, or the client closed it with the code of an error).
        """

    @property
    @abstractmethod
    def stats(self) -> Mapping[str, Any]:
        """The server's counts and its state.

        Returns:
            `ticks` (appended in all), `held` (in the log), `rate` (ticks per second, over the last
            5 s), `symbols`, `clients` (connected now), `stalled` (of these), `connections`
            (ever), `sent_messages` (to clients), `refused` (refused ticks, and errors of the
            source), `last_error` (the newest, as text), `misfits` (values left out, by column),
            `turned_away` (requests refused: by access control, for a path without a stream, or for
            lack of room), `last_turned_away` (the newest, and why), `cut_off` (clients that the
            server has disconnected: they were gone, read nothing, sent too much or broke the
            protocol), `last_cut_off` (the newest, and why), `status`. A relay also has `lag_s` (how
            many seconds its log is behind the stream), `behind` (ticks in the stream, but not in
            the log, at the last look), `gap_ticks` (ticks known to be missing), `stream_resets`
            (how many times the stream was read again from a place that was looked for), `stream`
            ("live", or the newest problem).
        """

    @property
    @abstractmethod
    def published(self) -> Published | None:
        """How far the server has written its ticks to a stream; None if it publishes to none.

        See `Published` for its fields, which are also keys: `server.published["behind"]`.
        """

    @property
    @abstractmethod
    def _has_ended(self) -> bool:
        """Whether the source is finished."""

    @abstractmethod
    async def _open(self) -> None:
        """Listen, and set `port`; on the portal's loop. It may be cancelled where it waits."""

    @abstractmethod
    def _start_source(self) -> None:
        """Start the source, once the server listens."""

    @abstractmethod
    async def _close(self, code: int, reason: str) -> None:
        """Close every connection with a code and a reason, and free the port; on the loop.

        It is called after `_open`, also if that has failed or was cancelled.
        """

    @abstractmethod
    async def _drain(self, seconds: float, code: int, reason: str) -> None:
        """Admit no more clients, and close those there are, evenly over a time; on the loop.

        It returns early if the server is stopped meanwhile.
        """

    @abstractmethod
    async def _publish(self, batch: Batch) -> BadTick | None:
        """Append a batch to the log and send it; on the portal's loop.

        Returns:
            Why the first of its ticks was refused; None if none was.
        """

    @abstractmethod
    def _say(self, text: str) -> None:
        """Send a note to all clients."""

    @abstractmethod
    def execute(self, command: str, *args: Any) -> Any:
        """Call `execute` of the server's extension, where its connections are; return the result.

        Raises:
            Stopped: if the server is stopped.
        """

    # --- for users ----------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """One word: "listening", "ended" (the source; history is still served) or "stopped"."""
        if self._phase != "running":
            return "stopped"
        return "ended" if self._has_ended else "listening"

    @property
    def url(self) -> str:
        """Address of the websocket, with the token if there is one."""
        return self._make_address("ws") + self._make_query()

    @property
    def page(self) -> str:
        """Address of the web page, on the same port, with the token if there is one."""
        if hub := os.environ.get("JUPYTERHUB_PUBLIC_URL"):
            # A browser reaches this machine only through jupyter-server-proxy.
            return f"{hub.rstrip('/')}/proxy/{self.port}/{self._make_query()}"
        return self._make_address("http") + self._make_query()

    @property
    def metrics_url(self) -> str:
        """Address of the metrics on `metrics_port`; empty without one."""
        if self.metrics_port is None:
            return ""
        return self._make_address("http", port=self.metrics_port) + "metrics"

    @property
    def url_for_others(self) -> str:
        """Address of the websocket for other machines; empty if they can't reach the server.

        With `ticks` before its query, it is the address of every tick as plain JSON.
        """
        return self._make_address_for_others("ws")

    @property
    def page_for_others(self) -> str:
        """Address of the web page for other machines; empty if they can't reach the server."""
        return self._make_address_for_others("http")

    @property
    def gaps(self) -> pd.DataFrame:
        """Gaps that the source reported, among the ticks in the log.

        Every reader that passes a gap receives it. A gap is dropped once the ticks around it are
        no longer held.

        Returns:
            A DataFrame with the columns `epoch`, `from`, `to` (Int64; missing where the end is
            unknown: then another epoch begins), `last_before` and `first_after` (UTC times of the
            ticks on both sides; missing if there is none or it is no longer held) and `reason`.
        """
        return self._gaps.frame()

    def publish(self, ticks: object) -> None:
        """Push ticks by hand, in addition to those of the source.

        Args:
            ticks: a dict, a list of dicts, a DataFrame, or JSON text.

        Raises:
            SourceError: if this server is a relay; publish at the server that makes its ticks.
            BadTick: if some are not ticks, or have a symbol beyond the 65,536th; the others were
                published.
            Stopped: if the server is stopped.
        """
        if self.status == "stopped":
            raise Stopped(self._kind, self._how_to_restart)
        if self.source is not None and self.source.origin is not None:
            raise make_refusal(ticks)
        batch = read_ticks(ticks)
        error = portal.call(self._publish, batch)
        if batch.errors:
            raise batch.errors[0]
        if error is not None:  # the log has no room for its symbol
            raise error

    def say(self, text: str) -> None:
        """Show a line of text to everybody: the web page does, in a banner.

        Programs that read `/` or `/ticks` are sent `{"type": "note", "text": text}`; a feed of
        tickerkit leaves it out.

        Raises:
            InvalidArgument: if it is not a text of 1 to 500 characters.
            Stopped: if the server is stopped.
        """
        expected = f"text of 1 to {MAX_NOTE_CHARACTERS} characters"
        check_text("text", text, expected)
        line = clean_note(text)
        if not line or len(text) > MAX_NOTE_CHARACTERS:
            raise InvalidArgument("text", text, expected)
        if self.status == "stopped":
            raise Stopped(self._kind, self._how_to_restart)
        self._say(line)

    def stop(self, code: int = CLOSE_CODE, reason: str = CLOSE_REASON, drain: float = 0.0) -> None:
        """Stop: close every connection, end the source and free the port; idempotent.

        A client that does not read is disconnected after half a second. A source that blocks is
        abandoned after one second: it ends by itself, and its ticks are dropped. If another thread
        is stopping the server, this waits too, so that the port is free when it returns; only in
        the server's own source it returns at once.

        An interrupt ends the wait. The port is then freed in the background, and the server is
        listed in `tk.status()` until it is stopped again.

        Args:
            code: the websocket close code that clients receive (RFC 6455, section 7.4.1).
            reason: the close reason that clients receive.
            drain: seconds over which the clients are closed one after the other, with code 1012 by
                default, so that they don't all come to another server at once. Meanwhile the others
                get their ticks, new websockets are answered HTTP 503, and `/readyz` is 503 with the
                word `draining`. An interrupt ends the drain: the rest is closed at once.

        Raises:
            InvalidArgument: if a client can't receive this code and reason; nothing is stopped.
            PortalError: if called in tickerkit's own thread, such as by a hook of `server.log`;
                the server continues.
        """
        check_number("code", code, MIN_CLOSE_CODE, MAX_CLOSE_CODE, whole=True)
        expected = f"text of at most {MAX_REASON_BYTES} bytes"
        check_text("reason", reason, expected)
        if len(reason.encode("utf-8", "replace")) > MAX_REASON_BYTES:
            raise InvalidArgument("reason", reason, expected)
        check_number("drain", drain, 0, MAX_DRAIN_S)
        if drain and (code, reason) == (CLOSE_CODE, CLOSE_REASON):
            code, reason = RESTART_CODE, RESTART_REASON
        try:
            if drain and self._phase == "running":
                # Both errors mean that the server has ended meanwhile.
                with contextlib.suppress(TickerkitError, CancelledError):
                    portal.call(self._drain, drain, code, reason)
        finally:
            self._stop_service(partial(self._release, code, reason))

    def __enter__(self) -> TickServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        stats = self._fetch_stats_quickly()
        error = f"; last error: {stats['last_error']}" if stats["last_error"] else ""
        about = self._describe(stats)
        published = self._fetch_published_quickly()
        if published is not None and published.status != "writing":
            about += f", its stream is {published.status}"
        return f"<TickServer {self._make_address('ws')} {stats['status']}, {about}{error}>"

    def _repr_html_(self) -> str:
        return self._render_card(self._fetch_stats_quickly(), self._fetch_published_quickly())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Return a card that follows the server's state, where the notebook shows widgets."""
        return make_card_bundle(self, self._render_live_card, self._is_stopped)

    def _is_stopped(self) -> bool:
        return self.status == "stopped"

    def _render_live_card(self) -> str:
        """Return the card without waiting."""
        return self._repr_html_()

    def _render_card(self, stats: Mapping[str, Any], published: Published | None) -> str:
        lines = {
            "source": "by hand (server.publish)" if self.source is None else repr(self.source),
            "websocket": self._make_address("ws"),
            "fields": self.source.describe_guess() if isinstance(self.source, MappedSource) else "",
            "so far": self._describe(stats),
            "published": self._describe_published(published),
            "last error": stats["last_error"],
            "turned away": stats["last_turned_away"],
        }
        status = stats["status"]
        links = {} if status in ("stopped", "failed") else {"page": self.page}
        if links:
            links |= self.list_addresses_for_others()
        if status == "listening" and stats["refused"] and not stats["ticks"]:
            status = "failing, no tick so far"
        return render_card("TickServer", status, lines, links)

    def list_addresses_for_others(self) -> dict[str, str]:
        """Return the addresses for other machines, by stream; empty if none can connect."""
        if not (page := self.page_for_others):
            return {}
        return {
            "for others": page,
            "prices now": self.url_for_others,
            "every tick": self._make_address_for_others("ws", "ticks"),
        }

    def _summarize(self) -> dict[str, str]:
        stats = self._fetch_stats_quickly()
        address, status = self._make_address("ws"), stats["status"]
        return {
            "kind": "server",
            "address": address,
            "status": status,
            "about": self._describe(stats),
        }

    @property
    def last_error(self) -> str:
        """The newest error of `stats`, as text; empty without errors. It is never raised."""
        return str(self._fetch_stats_quickly()["last_error"])

    def _fetch_stats_quickly(self) -> Mapping[str, Any]:
        """Return `stats` for a repr or a card: without a long wait, and without an error."""
        return self.stats

    def _describe(self, stats: Mapping[str, Any]) -> str:
        return f"{format_count(stats['ticks'], 'tick')}, {format_count(stats['clients'], 'client')}"

    @staticmethod
    def _describe_published(published: Published | None) -> str:
        """Return how far the stream is, for a card; empty if the server publishes to none."""
        if published is None:
            return ""
        text = f"to {published.address}, {published.status}"
        if published.behind:
            text += f", {format_count(published.behind, 'tick')} behind"
        is_well = published.status not in ("waiting", "fenced")
        return text if is_well else f"{text}: {published.last_error}"

    def _fetch_published_quickly(self) -> Published | None:
        return self.published

    def _make_address(self, scheme: str, host: str | None = None, port: int | None = None) -> str:
        host = CONNECT_TO.get(self.host, self.host) if host is None else host
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"{scheme}{'s' if self._ssl else ''}://{host}:{port or self.port}/"

    def _make_address_for_others(self, scheme: str, path: str = "") -> str:
        """Return an address for other machines, empty without one. It is never a loopback one."""
        if self._access.loopback:
            return ""
        host: str | None = self.host
        if self._access.bound in EVERYWHERE:
            # asyncio binds "::" for IPv6 only.
            host = find_network_address(6 if self._access.bound == "::" else 4)
        return f"{self._make_address(scheme, host)}{path}{self._make_query()}" if host else ""

    def _make_query(self) -> str:
        token = self._access.token
        return f"?token={quote(token, safe='')}" if token else ""

    # --- start and replacement ----------------------------------------------------------------

    @property
    def has_generated_token(self) -> bool:
        """Whether the token was generated here, so that only this server's links contain it."""
        return self._access.is_generated

    def take_over(self, earlier: TickServer) -> None:
        """Take over the generated token and the port of the server that the cell made before."""
        self._access.keep_token(earlier._access)
        if earlier.status != "stopped":
            self.port = earlier.port

    def start(self) -> None:
        """Listen, then start the source; `serve` calls it, once.

        Raises:
            PortTaken: if another program listens on the port.
            Stopped: if the server was started before, or is stopped while it starts.
        """
        self._start_service()

    def _acquire(self) -> None:
        for other in running() if self.port else ():
            if isinstance(other, TickServer) and other is not self and other.port == self.port:
                self._access.keep_token(other._access)
                other.stop(RESTART_CODE, RESTART_REASON)
        self._task = LoopTask(self._run)
        try:
            self._task.start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(self.host, self.port, find_port_holder(self.port)) from None
            raise
        self._start_source()

    def _release(self, code: int = CLOSE_CODE, reason: str = CLOSE_REASON) -> None:
        self._close_with = (code, reason)
        if self._task is not None:
            self._task.stop()

    async def _run(self, set_ready: Callable[[], None]) -> None:
        try:
            await self._open()
            set_ready()
            await asyncio.Event().wait()
        finally:
            await self._close(*self._close_with)


def _ignore(_: object) -> None:
    """Take what an extension posts to an owner that expects nothing."""
