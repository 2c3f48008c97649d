"""TickServer: a log, the protocol, websockets and the page, on one port."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http
import os
import ssl as ssl_module
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, cast
from urllib.parse import quote

import pandas as pd
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as websockets_serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tickerkit.errors import PortalError, PortTaken, Stopped
from tickerkit.log import Gaps, TickLog
from tickerkit.net.addresses import network_address, port_holder
from tickerkit.net.listening import stop_accepting
from tickerkit.net.liveness import CHECK_S
from tickerkit.net.tls import CertificateFiles, server_context
from tickerkit.protocol import LARGEST_BYTES, SUBPROTOCOL, Publication, Session, session_for
from tickerkit.runtime.cards import card
from tickerkit.runtime.error_log import ErrorLog, wire_logger
from tickerkit.runtime.portal import portal
from tickerkit.runtime.registry import register, running, unregister
from tickerkit.runtime.rerun import cell_slot
from tickerkit.runtime.workers import Worker
from tickerkit.server.access import EVERYWHERE, Access
from tickerkit.server.admission import ConnectionLimiter, ServerSocket
from tickerkit.server.client_handler import ClientHandler
from tickerkit.server.http import answer, too_many
from tickerkit.server.intake import Intake
from tickerkit.sources import Source, as_source
from tickerkit.ticks import read_ticks
from tickerkit.validation import check_number

__all__ = ["TickServer", "serve"]

MESSAGE_BYTES = 256 * 1024
MAX_PORT = 65_535
MIN_BUFFER = 2**16
TLS_S = 3.0
CLOSE_S = 2.0
FAREWELL_S = 0.5


class TickServer:
    """A websocket server that pushes ticks, running in the background.

    Made by `tk.serve`. A client costs a position in the log: a slow one gets larger batches, one
    that falls off the log is told which ticks it missed, and neither holds up another.

    Attributes:
        host: the address it is bound to.
        port: the port it listens on.
        log: its `TickLog`.
    """

    def __init__(
        self,
        source: Source | None,
        host: str,
        port: int,
        *,
        history: int,
        token: str | bool | None,
        ssl: ssl_module.SSLContext | CertificateFiles | None,
        origins: Iterable[str],
        hosts: Iterable[str],
        max_clients: int,
        stall_timeout: float | None,
        write_buffer: int,
    ) -> None:
        self.source = source
        self.host = host
        self.port = port
        self.log = TickLog(history)
        self._stopped = True
        self._ssl = server_context(ssl)
        self._access = Access(host, token=token, hosts=hosts, origins=origins)
        self._faults = ErrorLog("server")
        self._turned_away = ErrorLog("server: turned away", repeat_s=1.0)
        self._cut_off = ErrorLog("server", repeat_s=1.0)
        self._gaps = Gaps(self.log, forget=True)
        self._publication = Publication(self.log, self._gaps)
        self._peers: set[ClientHandler] = set()
        self._door = ConnectionLimiter(max_clients, write_buffer)
        self._stall_timeout = stall_timeout
        self._connections = 0
        self._watch: asyncio.Task[None] | None = None
        self._outlet = Intake(self.log, self._gaps, self._faults, self._sessions, self._pump)
        self._server: Server | None = None
        self._worker: Worker | None = None

    # --- what a user sees ---------------------------------------------------------------------

    @property
    def status(self) -> str:
        """In one word: listening, ended (the source; history is still served) or stopped."""
        if self._stopped:
            return "stopped"
        return "ended" if self._publication.ended else "listening"

    @property
    def url(self) -> str:
        """Address of the websocket, with the token if there is one."""
        return self._plain_address("ws") + self._query()

    @property
    def page(self) -> str:
        """Address of the web page, on the same port, with the token if there is one."""
        if hub := os.environ.get("JUPYTERHUB_PUBLIC_URL"):
            # A browser reaches this machine only through jupyter-server-proxy.
            return f"{hub.rstrip('/')}/proxy/{self.port}/{self._query()}"
        return self._plain_address("http") + self._query()

    @property
    def page_for_others(self) -> str:
        """Address of the web page for other machines, if it is bound to all of this one's."""
        # What is bound to "::" has no address of the older kind.
        here = self._access.bound in EVERYWHERE - {"::"}
        if not here or not (address := network_address()):
            return ""
        scheme = "https" if self._ssl else "http"
        return f"{scheme}://{address}:{self.port}/{self._query()}"

    @property
    def clients(self) -> pd.DataFrame:
        """Who is connected.

        Returns:
            A DataFrame of `address`, `kind` ("v1", "ticks" or "prices": how it listens), `since`
            (UTC), `symbols`, `behind` (ticks that were not sent yet) and `status`: "live", or
            "stalled" if it takes nothing of what waits for it.
        """
        rows = [peer.row() for peer in list(self._peers)]
        columns = ["address", "kind", "since", "symbols", "behind", "status"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def gaps(self) -> pd.DataFrame:
        """Where the source said that ticks are missing, among the ticks that are held.

        Every reader that passes one is told of it. Those whose ticks are no longer held are let go.

        Returns:
            A DataFrame of `epoch`, `from`, `to` (Int64; missing where nobody can know how far it
            goes: then another epoch begins), `last_before` and `first_after` (UTC times of the
            ticks on both sides, missing where there is none or it is no longer held), `reason`.
        """
        return self._gaps.frame()

    @property
    def stats(self) -> Mapping[str, Any]:
        """What the server did so far.

        Returns:
            `ticks` (appended in all), `held` (in the log), `rate` (ticks per second, over the last
            5 s), `symbols`, `clients` (connected now), `stalled` (of these), `connections`
            (ever), `refused` (ticks that were none, and errors of the source), `last_error` (the
            newest, in words), `misfits` (values left out by column), `turned_away` (requests of
            those who may not come in, or for whom there is no room), `last_turned_away` (why the
            newest of them), `cut_off` (clients that were gone, or took nothing), `last_cut_off`
            (the newest of them, and why), `status`.
        """
        return {
            "ticks": self.log.stop,
            "held": len(self.log),
            "rate": self.log.rate(time.time_ns()),
            "symbols": len(self.log.symbols()),
            "clients": len(self._peers),
            "stalled": sum(peer.stalled for peer in list(self._peers)),
            "connections": self._connections,
            "refused": self._faults.count,
            "last_error": self._faults.last,
            "misfits": dict(self.log.misfits),
            "turned_away": self._turned_away.count,
            "last_turned_away": self._turned_away.last,
            "cut_off": self._cut_off.count,
            "last_cut_off": self._cut_off.last,
            "status": self.status,
        }

    def publish(self, ticks: object) -> None:
        """Push ticks by hand, beside what the source makes.

        Args:
            ticks: a dict, a list of dicts, a DataFrame, or JSON text.

        Raises:
            BadTick: if some are no ticks; the others were published.
            Stopped: if the server is stopped.
        """
        if self.status == "stopped":
            raise Stopped("server", "call tk.serve again")
        batch = read_ticks(ticks)
        portal.call(self._publish, batch)
        if batch.errors:
            raise batch.errors[0]

    def stop(self) -> None:
        """Stop: clients are told, the source ends, the port is free when this returns.

        A client that does not read is cut off after half a second, a source that blocks is left
        to end by itself after one; what it still makes goes nowhere.
        """
        self._stop(1001, "the server stops")

    def __enter__(self) -> TickServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        stats = self._told()
        error = f"; last error: {stats['last_error']}" if stats["last_error"] else ""
        about = self._about(stats)
        return f"<TickServer {self._plain_address('ws')} {stats['status']}, {about}{error}>"

    def _repr_html_(self) -> str:
        stats = self._told()
        lines = {
            "source": "by hand (server.publish)" if self.source is None else repr(self.source),
            "websocket": self._plain_address("ws"),
            "so far": self._about(stats),
            "last error": stats["last_error"],
            "turned away": stats["last_turned_away"],
        }
        links = {} if stats["status"] in ("stopped", "failed") else {"page": self.page}
        if links and (address := self.page_for_others):
            links["for others"] = address
        return card("TickServer", stats["status"], lines, links)

    def summary(self) -> dict[str, str]:
        """Return what `tk.status` shows of it."""
        stats = self._told()
        address, status = self._plain_address("ws"), stats["status"]
        return {"kind": "server", "address": address, "status": status, "about": self._about(stats)}

    def _about(self, stats: Mapping[str, Any]) -> str:
        return f"{stats['ticks']:,} ticks, {stats['clients']} clients"

    def _told(self) -> Mapping[str, Any]:
        """Return `stats` as far as they can be told at once."""
        return self.stats

    def _plain_address(self, scheme: str) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(self.host, self.host)
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"{scheme}{'s' if self._ssl else ''}://{host}:{self.port}/"

    def _query(self) -> str:
        token = self._access.token
        return f"?token={quote(token, safe='')}" if token else ""

    # --- its life -----------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, then start the source; once, `serve` does it."""
        if self._server is not None:
            raise Stopped("server", "call tk.serve again")
        for other in running():
            if isinstance(other, TickServer) and self.port and other.port == self.port:
                other._stop(1012, "the server restarts")
        portal.enter()
        try:
            portal.call(self._open)
        except OSError as error:
            portal.leave()
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(self.host, self.port, port_holder(self.port)) from None
            raise
        except BaseException:
            portal.leave()
            raise
        self._stopped = False
        self.log.on_append(self._outlet.noticed)
        self._start_source()
        register(self)

    def _start_source(self) -> None:
        if self.source is not None:
            self._worker = Worker(f"tickerkit {self.source!r}", self._run_source)

    def _stop(self, code: int, reason: str) -> None:
        if not unregister(self):
            return
        self._stopped = self._outlet.closed = True
        # An interrupt ends the waiting, here and in the worker's, but leaves nothing running.
        with contextlib.ExitStack() as ends:
            ends.callback(portal.leave)
            if self._worker is not None:
                ends.callback(self._worker.cancel, 0)
            portal.call(self._close, code, reason)
            if self._worker is not None:
                self._worker.cancel()

    def abandon_after_fork(self) -> None:
        """Count as stopped, in a forked child: it runs in the parent alone."""
        self._stopped = True

    async def _open(self) -> None:
        self._server = await websockets_serve(
            self._serve,
            self.host,
            self.port,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            select_subprotocol=_choose,
            process_request=self._answer,
            process_response=self._admit,
            create_connection=cast("type[ServerConnection]", self._door.guest),
            backlog=self._door.backlog,
            # Costs more than it saves on a LAN, and 50 KiB for each client.
            compression=None,
            server_header=None,
            max_size=MESSAGE_BYTES,
            # A message that just fits is added to it.
            write_limit=max(self._door.write_bytes - LARGEST_BYTES, 1),
            ping_interval=None,
            close_timeout=CLOSE_S,
            logger=wire_logger,
            ssl=self._ssl,
            # Until its TLS handshake is done, a connection is not the door's.
            ssl_handshake_timeout=TLS_S if self._ssl else None,
        )
        self._watch = asyncio.create_task(self._check())
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self, code: int, reason: str) -> None:
        assert self._server is not None
        assert self._watch is not None
        self._watch.cancel()
        try:
            await stop_accepting(self._server.sockets)
        finally:  # also when `stop` was interrupted, and was the last to need the loop
            self._server.close(code=code, reason=reason)
        closed = asyncio.ensure_future(self._server.wait_closed())
        # Who has asked for nothing yet, or reads nothing, would hold it up for many seconds.
        self._door.cut(guest for guest in self._door.everyone() if guest.request is None)
        try:
            await asyncio.wait([closed], timeout=FAREWELL_S)
        finally:
            self._door.cut(self._door.everyone())
        await asyncio.wait([closed], timeout=FAREWELL_S)

    async def _check(self) -> None:
        """See every second who is gone, and who takes nothing."""
        while True:
            await asyncio.sleep(CHECK_S)
            for peer in list(self._peers):
                try:
                    peer.check()
                except Exception as error:  # of one must not leave all others unwatched
                    self._faults.add(error)

    async def _publish(self, batch: Any) -> None:
        self._outlet.append(batch)
        self._pump()

    async def _run_source(self) -> None:
        assert self.source is not None
        try:
            await self.source.run(self._outlet)
        except BaseException as error:  # the source's code may raise SystemExit, or be cancelled
            if self._stopped:
                return
            self._faults.add(error)
        with contextlib.suppress(PortalError):  # stopped meanwhile
            await portal.call_async(self._end)

    async def _end(self) -> None:
        self._outlet.drain()
        self._publication.ended = True
        self._pump()

    def _sessions(self) -> list[Session]:
        return [peer.session for peer in self._peers]

    def _pump(self) -> None:
        # The news to everyone first, and then what else is to be done for each.
        peers = list(self._peers)
        for peer in peers:
            peer.send_next()
        for peer in peers:
            peer.pump()

    # --- one connection -----------------------------------------------------------------------

    def _answer(self, _: ServerConnection, request: Request) -> Response | None:
        page = self.page.partition("?")[0]
        response = answer(request, self._access, page, self._count_refusal)
        if response is not None and self._door.is_full:
            # No browser tells its page that a websocket was answered 503.
            response.headers["Tickerkit-Full"] = str(self._door.limit)
        return response

    def _admit(
        self, connection: ServerConnection, _: Request, response: Response
    ) -> Response | None:
        """Let in whose handshake is good, if there is room."""
        upgraded = response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS
        if upgraded and not self._door.let_in(cast("ServerSocket", connection)):
            return too_many(self._door.limit, self._count_refusal)
        return None

    def _count_refusal(self, reason: str) -> None:
        self._turned_away.add_message("refusal", reason)

    async def _serve(self, connection: ServerConnection) -> None:
        """Serve a websocket until either side ends it."""
        assert connection.request is not None
        now = asyncio.get_running_loop().time()
        path = connection.request.path.partition("?")[0]
        session = session_for(self._publication, connection.subprotocol, path, now)
        guest = cast("ServerSocket", connection)
        peer = ClientHandler(guest, session, self._faults, self._cut_off, self._stall_timeout)
        self._peers.add(peer)
        self._connections += 1
        try:
            await peer.run()
        finally:
            self._peers.discard(peer)


def serve(
    source: object = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    every: float = 10.0,
    history: int = 1_000_000,
    token: str | bool | None = None,
    ssl: ssl_module.SSLContext | CertificateFiles | None = None,
    origins: Iterable[str] = (),
    hosts: Iterable[str] = (),
    max_clients: int = 1000,
    stall_timeout: float | None = 30.0,
    write_buffer: int = 2**20,
    process: bool = False,
) -> TickServer:
    """Serve ticks over a websocket, and a page that shows them; returns once it listens.

    The server runs in a background thread, or in a process of its own. One that this process
    started on the same port is replaced.

    Args:
        source: a function called every `every` seconds (it may block, or be async) that returns a
            dict, a list of dicts, a frame or JSON text; an iterable or async iterable of ticks; a
            DataFrame; the path of a recording; text such as `"sim:AAPL,MSFT"`; or a `Source`.
            None serves only what `server.publish` is given.
        host: the address to bind. Loopback is open to this machine only; any other wants a token.
        port: the port; 0 takes a free one.
        every: seconds between two calls of a function.
        history: how many ticks are held, for those who join late or come back.
        token: what clients must show; made for a host other than loopback. False: really open.
        ssl: a context, or the paths of a certificate and its key.
        origins: web pages elsewhere that may connect, such as `"https://example.org"`.
        hosts: names under which the server may be reached, such as `"ticks.example.org"`.
        max_clients: how many websockets may be open at once, fewer where the process may open
            fewer files; who comes beyond is answered HTTP 503.
        stall_timeout: a client that takes nothing of what waits for it is cut off after so many
            seconds; None for never. A feed then connects again and resumes.
        write_buffer: how many bytes may wait in the server for one client.
        process: run the server, and its source, in a process of its own: whatever this one
            computes, clients are served without delay. The source travels there as it is now (a
            function of a cell does, a running generator does not); what it prints is not seen.
            `server.log` is then a mirror.

    Returns:
        The running server; also a context manager.

    Raises:
        PortTaken: if another program listens there.
        SourceError: if `source` can't be one, or can't travel to a process of its own.
        ServerFailed: if that process does not start.
        FileNotFoundError: if `ssl` names a file that is not there.
        ValueError: if those of `ssl` are no certificate and its key, or `token` can't be sent.

    Example:
        >>> server = tk.serve(fetch_stock_prices)
        >>> server.page
        'http://127.0.0.1:8000/'
    """
    check_number("port", port, 0, whole=True)
    if port > MAX_PORT:
        raise ValueError(f"port is {port}; give one of at most {MAX_PORT}, or 0 for a free one")
    check_number("history", history, 1, whole=True)
    check_number("max_clients", max_clients, 1, whole=True)
    check_number("stall_timeout", stall_timeout, CHECK_S, optional=True)
    check_number("write_buffer", write_buffer, MIN_BUFFER, whole=True)
    kind = TickServer
    if process:
        from tickerkit.server.process import ServerProcess

        kind = ServerProcess
    server = kind(
        as_source(source, every),
        host,
        port,
        history=history,
        token=token,
        ssl=ssl,
        origins=origins,
        hosts=hosts,
        max_clients=max_clients,
        stall_timeout=stall_timeout,
        write_buffer=write_buffer,
    )
    cell = cell_slot("server", host, port)
    last: TickServer | None = cell.last()
    if last is not None:
        server._access.go_on(last._access)
        if last.status != "stopped":
            server.port = last.port
    server.start()
    if server._access.made and "ipykernel" in sys.modules:
        print(f"Who has this link may come in: {server.page_for_others or server.page}")
    cell.fill(server)
    return server


def _choose(_: ServerConnection, offered: Any) -> Subprotocol | None:
    """Take ours where it is offered; a client that offers others may still speak plainly."""
    ours = Subprotocol(SUBPROTOCOL)
    return ours if ours in offered else None
