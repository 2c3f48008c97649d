"""TickServer: a log, the protocol, websockets and the page, on one port."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import ssl as ssl_module
import time
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

import pandas as pd
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as websockets_serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tickerkit.access import Access
from tickerkit.cards import card
from tickerkit.cells import slot
from tickerkit.errors import PortalError, PortTaken, Stopped
from tickerkit.faults import Faults, wire_logger
from tickerkit.log import TickLog
from tickerkit.network import port_holder
from tickerkit.outlet import LogOutlet
from tickerkit.portal import Worker, portal
from tickerkit.protocol import SUBPROTOCOL, Publication, Session, session_for
from tickerkit.registry import register, running, unregister
from tickerkit.sources import Source, as_source
from tickerkit.ticks import read_ticks
from tickerkit.web import answer

__all__ = ["TickServer", "serve"]

MESSAGE_BYTES = 64 * 1024
WRITE_BYTES = 1024 * 1024
CLOSE_S = 2.0
FAREWELL_S = 0.5


@dataclass(slots=True, eq=False)
class Peer:
    """One connection: who, and how far."""

    address: str
    session: Session
    since: pd.Timestamp
    wake: asyncio.Event


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
        ssl: ssl_module.SSLContext | tuple[str, str] | None,
        origins: Iterable[str],
        hosts: Iterable[str],
    ) -> None:
        self.source = source
        self.host = host
        self.port = port
        self.log = TickLog(history)
        self._stopped = True
        self._ssl = _ssl_context(ssl)
        self._access = Access(host, token=token, hosts=hosts, origins=origins)
        self._faults = Faults("server")
        self._publication = Publication(self.log)
        self._peers: set[Peer] = set()
        self._accepted: weakref.WeakSet[ServerConnection] = weakref.WeakSet()
        self._connections = 0
        self._outlet = LogOutlet(self.log, self._faults, self._sessions)
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
    def clients(self) -> pd.DataFrame:
        """Who is connected: `address`, `kind`, `since` (UTC), `symbols`, `behind` (ticks)."""
        rows = [
            {
                "address": peer.address,
                "kind": peer.session.kind,
                "since": peer.since,
                "symbols": "all"
                if peer.session.symbols is None
                else ", ".join(sorted(peer.session.symbols)),
                "behind": peer.session.behind(),
            }
            for peer in list(self._peers)
        ]
        return pd.DataFrame(rows, columns=["address", "kind", "since", "symbols", "behind"])

    @property
    def stats(self) -> Mapping[str, Any]:
        """What the server did so far.

        Returns:
            `ticks` (appended in all), `held` (in the log), `rate` (ticks per second, over the last
            5 s), `symbols`, `clients` (connected now), `connections` (ever), `refused` (ticks
            that were none, and errors of the source), `last_error` (the newest, in words),
            `misfits` (values left out by column), `status`.
        """
        return {
            "ticks": self.log.next,
            "held": len(self.log),
            "rate": self.log.rate(time.time_ns()),
            "symbols": len(self.log.symbols()),
            "clients": len(self._peers),
            "connections": self._connections,
            "refused": self._faults.count,
            "last_error": self._faults.last,
            "misfits": dict(self.log.misfits),
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
        about = f"{self.log.next:,} ticks, {len(self._peers)} clients"
        error = f"; last error: {self._faults.last}" if self._faults.last else ""
        return f"<TickServer {self._plain_address('ws')} {self.status}, {about}{error}>"

    def _repr_html_(self) -> str:
        lines = {
            "source": "by hand (server.publish)" if self.source is None else repr(self.source),
            "websocket": self._plain_address("ws"),
            "ticks": f"{self.log.next:,}, {len(self._peers)} clients",
            "last error": self._faults.last,
        }
        links = {} if self.status == "stopped" else {"page": self.page}
        return card("TickServer", self.status, lines, links)

    def summary(self) -> dict[str, str]:
        """Return what `tk.status` shows of it."""
        about = f"{self.log.next:,} ticks, {len(self._peers)} clients"
        address = self._plain_address("ws")
        return {"kind": "server", "address": address, "status": self.status, "about": about}

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
        if self.source is not None:
            self._worker = Worker(f"tickerkit {self.source!r}", self._run_source)
        register(self)

    def _stop(self, code: int, reason: str) -> None:
        if not unregister(self):
            return
        self._stopped = self._outlet.closed = True
        try:
            portal.call(self._close, code, reason)
        finally:
            if self._worker is not None:
                self._worker.cancel()
            portal.leave()

    async def _open(self) -> None:
        self.log.on_append(self._wake)
        self._server = await websockets_serve(
            self._serve,
            self.host,
            self.port,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            select_subprotocol=_choose,
            process_request=self._answer,
            create_connection=cast("type[ServerConnection]", self._accept),
            # Costs more than it saves on a LAN, and 50 KiB for each client.
            compression=None,
            server_header=None,
            max_size=MESSAGE_BYTES,
            write_limit=WRITE_BYTES,
            close_timeout=CLOSE_S,
            logger=wire_logger,
            ssl=self._ssl,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self, code: int, reason: str) -> None:
        assert self._server is not None
        self._server.close(code=code, reason=reason)
        closed = asyncio.ensure_future(self._server.wait_closed())
        # Who has asked for nothing yet, or reads nothing, would hold it up for many seconds.
        self._cut(connection for connection in self._accepted if connection.request is None)
        await asyncio.wait([closed], timeout=FAREWELL_S)
        self._cut(self._accepted)
        await asyncio.wait([closed], timeout=FAREWELL_S)

    def _accept(self, *args: Any, **options: Any) -> ServerConnection:
        """Make a connection that is known from its first byte on, so that it can be cut."""
        connection = ServerConnection(*args, **options)
        self._accepted.add(connection)
        return connection

    @staticmethod
    def _cut(connections: Iterable[ServerConnection]) -> None:
        for connection in list(connections):
            if hasattr(connection, "transport"):  # not before its first moment
                connection.transport.abort()

    async def _publish(self, batch: Any) -> None:
        self._outlet.append(batch)

    async def _run_source(self) -> None:
        assert self.source is not None
        try:
            await self.source.run(self._outlet)
        except BaseException as error:  # the source's code may raise SystemExit, or be cancelled
            if self._stopped:
                return
            self._faults.add(error)
        with contextlib.suppress(PortalError):  # stopped meanwhile
            await portal.ask(self._end)

    async def _end(self) -> None:
        self._outlet.drain()
        self._publication.ended = True
        self._wake()

    def _sessions(self) -> list[Session]:
        return [peer.session for peer in self._peers]

    def _wake(self) -> None:
        for peer in self._peers:
            peer.wake.set()

    # --- one connection -----------------------------------------------------------------------

    def _answer(self, _: ServerConnection, request: Request) -> Response | None:
        return answer(request, self._access)

    async def _serve(self, connection: ServerConnection) -> None:
        """Send what the session has to send, until either side ends it."""
        now = asyncio.get_running_loop().time
        assert connection.request is not None
        path = connection.request.path.partition("?")[0]
        session = session_for(self._publication, connection.subprotocol, path, now())
        address = ":".join(str(part) for part in connection.remote_address[:2])
        peer = Peer(address, session, pd.Timestamp.now("UTC"), asyncio.Event())
        self._peers.add(peer)
        self._connections += 1
        listener = asyncio.create_task(self._listen(connection, peer))
        try:
            while not listener.done():
                while (message := session.next(now())) is not None:
                    await connection.send(message, text=True)
                if session.close is not None:
                    await connection.close(*session.close)
                    return
                await _wait(peer.wake, session.due())
        except ConnectionClosed:
            pass
        except Exception as error:
            self._faults.add(error)
            raise
        finally:
            self._peers.discard(peer)
            listener.cancel()

    async def _listen(self, connection: ServerConnection, peer: Peer) -> None:
        now = asyncio.get_running_loop().time
        try:
            async for data in connection:
                peer.session.receive(data, now())
                peer.wake.set()
        except ConnectionClosed:
            pass
        except Exception as error:
            self._faults.add(error)
            await connection.close(1011, "an error in the server")
        finally:
            peer.wake.set()


def serve(
    source: object = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    every: float = 10.0,
    history: int = 1_000_000,
    token: str | bool | None = None,
    ssl: ssl_module.SSLContext | tuple[str, str] | None = None,
    origins: Iterable[str] = (),
    hosts: Iterable[str] = (),
) -> TickServer:
    """Serve ticks over a websocket, and a page that shows them; returns once it listens.

    The server runs in a background thread. A server of this process on the same port is replaced.

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

    Returns:
        The running server; also a context manager.

    Raises:
        PortTaken: if another program listens there.
        SourceError: if `source` can't be one.

    Example:
        >>> server = tk.serve(fetch_stock_prices)
        >>> server.page
        'http://127.0.0.1:8000/'
    """
    server = TickServer(
        as_source(source, every),
        host,
        port,
        history=history,
        token=token,
        ssl=ssl,
        origins=origins,
        hosts=hosts,
    )
    cell = slot("server", host, port)
    last: TickServer | None = cell.last()
    if last is not None and last.status != "stopped":
        server.port = last.port
    server.start()
    cell.fill(server)
    return server


async def _wait(wake: asyncio.Event, due: float | None) -> None:
    """Wait until woken, or until `due` by the loop's clock."""
    timer = None if due is None else asyncio.get_running_loop().call_at(due, wake.set)
    await wake.wait()
    wake.clear()
    if timer is not None:
        timer.cancel()


def _choose(_: ServerConnection, offered: Any) -> Subprotocol | None:
    """Take ours where it is offered; a client that offers others may still speak plainly."""
    ours = Subprotocol(SUBPROTOCOL)
    return ours if ours in offered else None


def _ssl_context(
    given: ssl_module.SSLContext | tuple[str, str] | None,
) -> ssl_module.SSLContext | None:
    if given is None or isinstance(given, ssl_module.SSLContext):
        return given
    context = ssl_module.SSLContext(ssl_module.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*given)
    return context
