"""ThreadServer: a server in this process's background thread, with websockets and the page."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import http
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import pandas as pd
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as websockets_serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tickerkit.errors import BadTick, PortalError, PortTaken, Stopped
from tickerkit.limits import MAX_SEGMENT_BYTES
from tickerkit.net.listening import find_port, real_reasons, set_backlog, stop_accepting
from tickerkit.net.liveness import CHECK_S
from tickerkit.net.pacing import MAX_STEP_S
from tickerkit.protocol import (
    MAX_PENDING_BYTES,
    SUBPROTOCOL,
    Publication,
    Session,
    Taker,
    V1Session,
    session_for,
)
from tickerkit.protocol.messages import Note, encode
from tickerkit.protocol.messages import Notes as NotesMessage
from tickerkit.runtime.error_log import ErrorLog, wire_logger
from tickerkit.runtime.portal import portal
from tickerkit.runtime.workers import Worker
from tickerkit.server.access import Refusal
from tickerkit.server.admission import MAX_QUEUED, ConnectionLimiter, ServerSocket
from tickerkit.server.client_facts import read_name
from tickerkit.server.client_handler import ClientHandler
from tickerkit.server.extension import Extension
from tickerkit.server.http import (
    respond,
    respond_on_metrics_port,
    respond_to_probe,
    respond_unavailable,
)
from tickerkit.server.intake import Intake
from tickerkit.server.journal import Journal
from tickerkit.server.metrics import render_metrics
from tickerkit.server.notes import Notes
from tickerkit.server.options import ServerOptions
from tickerkit.server.own_page import OwnPage
from tickerkit.server.page import Asset, find_asset
from tickerkit.server.publishing import Published, Publishing
from tickerkit.server.rounds import Rounds
from tickerkit.server.server import CLIENT_COLUMNS, CLOSE_CODE, CLOSE_REASON, TickServer
from tickerkit.server.stats import ServerStats
from tickerkit.sources import RelaySource, Source
from tickerkit.ticks import Batch

__all__ = ["ThreadServer"]

# How long a relay may be cut off from its stream, and still take further readers. Brokers without a
# leader answer nothing for up to 9 s, to no relay: then another one would not know more.
MAX_READY_LAG_S = 15.0
MAX_CLIENT_MESSAGE_BYTES = 256 * 1024
CLOSE_S = 2.0
# How long `stop` waits for closing handshakes, and then again for aborted connections.
STOP_WAIT_S = 0.5

T = TypeVar("T")


class ThreadServer(TickServer):
    """A server in the background thread, which it shares with this process's other services.

    The thread only receives, appends and sends; the source runs in a worker thread of its own.
    """

    def __init__(self, source: Source | None, host: str, port: int, options: ServerOptions) -> None:
        super().__init__(source, host, port, options)
        self._errors = ErrorLog("server")
        self._journal = Journal()
        origin = None if source is None else source.origin
        self._taker = Taker(self.log, self._gaps, origin)
        self._publication = Publication(self.log, self._gaps, origin)
        # A dict as an ordered set: clients are listed in the order in which they came.
        self._handlers: dict[ClientHandler, None] = {}
        self._limiter = ConnectionLimiter(options.max_clients, options.write_buffer, self._ssl)
        self._limiter.on_malformed = self._note_malformed
        self._stall_timeout_s = options.stall_timeout
        self._connections = 0
        self._rounds = Rounds(self._publication, self._handlers, self._on_round)
        self._is_draining = False
        self._checking: asyncio.Task[None] | None = None
        self._intake = Intake(
            self.log, self._gaps, self._errors, self._list_sessions, self._note_drain, self._taker
        )
        # The server of the websockets and the page, and perhaps one of the metrics alone.
        self._servers: list[Server] = []
        self._worker: Worker | None = None
        # Of a relay: set once its log has caught up with the stream, or its source has failed.
        self._caught_up = asyncio.Event()
        self._failure: BaseException | None = None
        self._publishing: Publishing | None = None
        self._extension = options.extension or Extension()
        self._notes = Notes() if options.notes else None
        self._find_asset: Callable[[str], Asset | None] = find_asset
        if options.page is not None:
            self._find_asset = OwnPage(Path(options.page)).find
        if options.publish is not None:
            self._publishing = Publishing(self._publication, options.publish)

    @property
    def clients(self) -> pd.DataFrame:
        rows = [handler.to_row() for handler in list(self._handlers)]
        frame = pd.DataFrame(rows, columns=CLIENT_COLUMNS)
        return frame.astype({"ping_ms": float, "messages": int})

    @property
    def journal(self) -> pd.DataFrame:
        return self._journal.frame()

    @property
    def stats(self) -> Mapping[str, Any]:
        stats = ServerStats(
            ticks=self.log.stop,
            held=len(self.log),
            rate=self.log.rate(time.time_ns()),
            symbols=len(self.log.symbols()),
            clients=len(self._handlers),
            stalled=sum(handler.is_stalled for handler in list(self._handlers)),
            connections=self._connections,
            sent_messages=self._limiter.sent_messages,
            refused=self._errors.count,
            last_error=self._errors.last,
            misfits=dict(self.log.misfits),
            turned_away=self._journal.turned_away.count,
            last_turned_away=self._journal.turned_away.last,
            cut_off=self._journal.cut_off.count,
            last_cut_off=self._journal.cut_off.last,
            status=self.status,
        )
        about_stream = self.source.stats if isinstance(self.source, RelaySource) else {}
        return dataclasses.asdict(stats) | about_stream

    @property
    def published(self) -> Published | None:
        return None if self._publishing is None else self._publishing.published

    @property
    def handlers(self) -> Collection[ClientHandler]:
        """The clients that are connected."""
        return self._handlers

    def post(self, value: object) -> None:
        """Pass on a value that the extension posts; on the loop."""
        self.on_post(value)

    def execute(self, command: str, *args: Any) -> Any:
        if self.status == "stopped":
            raise Stopped(self._kind, self._how_to_restart)
        return portal.call(self._execute, command, *args)

    async def _execute(self, command: str, *args: Any) -> Any:
        return self._extension.execute(command, *args)

    def _say(self, text: str) -> None:
        portal.call(self._send_note, Note(text))

    async def _send_note(self, note: Note) -> None:
        self._send_to_all(note)

    def _send_to_all(self, note: Note) -> None:
        message = encode(note)
        for handler in list(self._handlers):
            handler.send_aside(message)

    # --- start and stop -----------------------------------------------------------------------

    @property
    def _has_ended(self) -> bool:
        return self._publication.ended

    async def _open(self) -> None:
        if (origin := self._publication.origin) is not None:
            self._start_source()
            await self._caught_up.wait()
            if self._failure is not None and not origin.is_ready:
                raise self._failure
        self._extension.begin(self)
        self.port = await self._listen(
            self.port, process_request=self._respond, process_response=self._admit
        )
        if self.metrics_port is not None:
            try:
                self.metrics_port = await self._listen(
                    self.metrics_port, process_request=self._respond_on_metrics_port
                )
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise PortTaken(self.host, self.metrics_port, None, "metrics_port") from None
                raise
        self._checking = asyncio.create_task(self._check_clients())
        if self._publishing is not None:
            await self._publishing.start()

    async def _listen(self, port: int, **callbacks: Any) -> int:
        """Listen on a port of the host; return the port, which is another if it is 0."""
        with real_reasons():
            server = await websockets_serve(
                self._serve,
                self.host,
                port,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                select_subprotocol=_select_subprotocol,
                create_connection=cast("type[ServerConnection]", self._limiter.make_connection),
                # For asyncio, this is also how many to accept in one iteration of the loop.
                # `set_backlog` then makes the queue of the system longer.
                backlog=self._limiter.accepts,
                # On a LAN compression costs more than it saves, and 50 KiB for each client.
                compression=None,
                server_header=None,
                max_size=MAX_CLIENT_MESSAGE_BYTES,
                # A message is written as soon as the buffer is below this limit, whatever its
                # size; and further messages may wait in the session.
                write_limit=max(
                    self._limiter.write_buffer_bytes - MAX_SEGMENT_BYTES - MAX_PENDING_BYTES, 1
                ),
                ping_interval=None,
                close_timeout=CLOSE_S,
                logger=wire_logger,
                # Cancelled after it has begun to listen, asyncio's create_server would leave the
                # port open, and return no server to close.
                start_serving=False,
                **callbacks,
            )
        self._servers.append(server)
        port = find_port(server.sockets)
        await server.start_serving()
        set_backlog(server.sockets, MAX_QUEUED)
        return port

    def _start_source(self) -> None:
        if self._worker is not None:  # a relay's source has filled the log before
            return
        self.log.on_append(self._intake.on_log_append)
        if self.source is not None:
            self._worker = Worker(f"tickerkit {self.source!r}", self._run_source)

    def _release(self, code: int = CLOSE_CODE, reason: str = CLOSE_REASON) -> None:
        self._intake.closed = True
        try:
            super()._release(code, reason)
            if self._worker is not None:
                self._worker.cancel()
        finally:  # also after an interrupt, then without waiting
            if self._worker is not None:
                self._worker.cancel(0)

    async def _drain(self, seconds: float, code: int, reason: str) -> None:
        self._is_draining = True
        now = asyncio.get_running_loop().time
        began, handlers = now(), list(self._handlers)
        for index, handler in enumerate(handlers):
            await asyncio.sleep(max(began + seconds * index / len(handlers) - now(), 0))
            if self._stopped:
                return
            handler.close(code, reason)

    async def _close(self, code: int, reason: str) -> None:
        try:
            await self._disconnect(code, reason)
        finally:
            self._extend(self._extension.end)
            if self._publishing is not None:
                await self._publishing.stop()

    async def _disconnect(self, code: int, reason: str) -> None:
        """Close every connection, and free the port."""
        if not self._servers:
            return
        if self._checking is not None:
            self._checking.cancel()
        self._rounds.stop()
        try:
            await stop_accepting(sock for server in self._servers for sock in server.sockets)
        finally:  # also if the loop is about to end
            for server in self._servers:
                server.close(code=code, reason=reason)
        closed = [asyncio.ensure_future(server.wait_closed()) for server in self._servers]
        # websockets would wait many seconds for connections that have not sent a request.
        self._limiter.abort(
            each for each in self._limiter.list_connections() if each.request is None
        )
        try:
            await asyncio.wait(closed, timeout=STOP_WAIT_S)
        finally:
            self._limiter.abort(self._limiter.list_connections())
        await asyncio.wait(closed, timeout=STOP_WAIT_S)

    # --- ticks --------------------------------------------------------------------------------

    async def _run_source(self) -> None:
        assert self.source is not None
        try:
            await self.source.run(self._intake)
        except BaseException as error:  # a source may raise SystemExit, or be cancelled
            if self._stopped:
                return
            self._errors.add(error)
            self._failure = error
        with contextlib.suppress(PortalError):  # the server has stopped
            await portal.call_async(self._end)

    async def _end(self) -> None:
        self._intake.drain()
        # A relay that fails is not the end of the stream: its clients must go on elsewhere.
        if (origin := self._publication.origin) is None:
            self._publication.ended = True
        else:
            origin.close(has_all=self._failure is None)
        self._caught_up.set()
        self._send_to_clients()

    async def _publish(self, batch: Batch) -> BadTick | None:
        error = self._intake.append(batch)
        self._send_to_clients()
        return error

    def _note_drain(self) -> None:
        if (origin := self._publication.origin) is not None:
            self._publication.ended = self._taker.ended
            if origin.is_ready:
                self._caught_up.set()
        self._send_to_clients()

    def _list_sessions(self) -> list[Session]:
        return [handler.session for handler in self._handlers]

    def _send_to_clients(self) -> None:
        if self._publishing is not None:
            self._publishing.send_pending()
        self._rounds.send()

    def _on_round(self) -> None:
        """Called when sessions may send what is new in the log."""

    async def _check_clients(self) -> None:
        """Disconnect clients that are gone or read nothing; checks every second."""
        while True:
            await asyncio.sleep(CHECK_S)
            self._extend(self._extension.check)
            began = time.thread_time()
            for handler in list(self._handlers):
                try:
                    handler.check()
                except Exception as error:  # a fault in one check must not end all of them
                    self._errors.add(error)
                if time.thread_time() - began > MAX_STEP_S:
                    await asyncio.sleep(0)
                    began = time.thread_time()

    # --- one connection -----------------------------------------------------------------------

    def _respond(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a plain HTTP request, or refuse a request; None continues the handshake."""
        if (probe := respond_to_probe(request, self._find_unready_reason)) is not None:
            return probe
        page = self.page.partition("?")[0]
        socket = cast("ServerSocket", connection)
        response = respond(
            request,
            self._access,
            page,
            partial(self._note_refusal, socket, request),
            self._render_metrics,
            partial(self._extend, self._extension.respond),
            address=str(socket.remote_address[0]),
            find=self._find_asset,
        )
        if isinstance(response, Refusal):
            assert response.close_code is not None
            socket.refuse(response.close_code, response.reason)
            return None
        if response is not None and self._limiter.is_full:
            # Browsers hide the status of a failed websocket handshake from the page, so the page
            # asks by plain HTTP whether the server is full.
            response.headers["Tickerkit-Full"] = str(self._limiter.limit)
        return response

    def _extend(self, method: Callable[..., T], *args: Any) -> T | None:
        """Call a method of the extension; an error in it must not harm a client."""
        try:
            return method(*args)
        except Exception as error:
            self._errors.add(error)
            return None

    def _respond_on_metrics_port(self, connection: ServerConnection, request: Request) -> Response:
        page = self.page.partition("?")[0]
        note_refusal = partial(self._note_refusal, cast("ServerSocket", connection), request)
        return respond_on_metrics_port(
            request, self._access, page, note_refusal, self._render_metrics
        )

    def _render_metrics(self) -> bytes:
        return render_metrics(self.stats, self.published or {})

    def _find_unready_reason(self) -> str:
        """Return one word, why no further client should come here; empty if the server is ready."""
        if self._is_draining:
            return "draining"
        if self.status == "stopped":
            return "stopped"
        if self._failure is not None and self._publication.origin is not None:
            return "failed"
        if isinstance(self.source, RelaySource) and self.source.lag_s > MAX_READY_LAG_S:
            return "behind"
        if self.published is not None and self.published.fenced:
            return "fenced"
        return "full" if self._limiter.is_full else ""

    def _admit(
        self, connection: ServerConnection, request: Request, response: Response
    ) -> Response | None:
        """Admit a connection with a valid handshake, if there is room."""
        socket = cast("ServerSocket", connection)
        upgraded = response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS
        if upgraded and not socket.refusal and self._is_draining:
            return respond_unavailable("This server is stopping; connect again, or to another.")
        if upgraded and not socket.refusal and not self._limiter.admit(socket):
            limit = self._limiter.limit
            reason = f"This server is full: {limit:,} clients are connected; try again later."
            self._note_refusal(socket, request, http.HTTPStatus.SERVICE_UNAVAILABLE, reason)
            return respond_unavailable(reason)
        if socket.protocol.accept_called and not upgraded:
            reason = str(socket.protocol.handshake_exc)
            self._note_refusal(socket, request, response.status_code, reason)
        return None

    def _note_refusal(self, socket: ServerSocket, request: Request, code: int, reason: str) -> None:
        name = read_name(request.path)
        is_new = self._journal.note_refusal(socket.address, name, code, reason)
        if is_new:
            self._extend(self._extension.refuse, socket.address, name, code, reason)

    def _note_malformed(self, socket: ServerSocket) -> None:
        reason = "It sent no valid HTTP request."
        self._journal.note_refusal(socket.address, "", http.HTTPStatus.BAD_REQUEST, reason)

    async def _serve(self, connection: ServerConnection) -> None:
        """Serve a websocket until either side ends it."""
        assert connection.request is not None
        socket = cast("ServerSocket", connection)
        if socket.refusal:
            await socket.close(*socket.refusal)
            return
        now = asyncio.get_running_loop().time()
        path = connection.request.path
        session = session_for(self._publication, connection.subprotocol, path, now)
        handler = ClientHandler(socket, session, self._errors, self._journal, self._stall_timeout_s)
        self._handlers[handler] = None
        self._connections += 1
        handler.receive_first = partial(self._receive_first, handler)
        if self._notes is not None and isinstance(session, V1Session):
            handler.send_aside(encode(NotesMessage()))
        self._extend(self._extension.admit, handler, connection.request)
        # Of the 19 kB of a connection, these take 3, and nothing reads them again.
        connection.request.headers.clear()
        if connection.response is not None:
            connection.response.headers.clear()
        try:
            await handler.run()
        finally:
            del self._handlers[handler]
            if self._notes is not None:
                self._notes.forget(handler)
            self._extend(self._extension.remove, handler)

    def _receive_first(self, handler: ClientHandler, data: str | bytes) -> bool:
        """Take a message that is not for the client's session; return whether it was taken."""
        if self._extend(self._extension.receive, handler, data):
            return True
        if self._notes is None or (note := self._notes.read(handler, data)) is None:
            return False
        if isinstance(note, Note):
            self._send_to_all(note)
        else:
            handler.send_aside(encode(note))
        return True


def _select_subprotocol(_: ServerConnection, offered: Any) -> Subprotocol | None:
    """Select `tickerkit.v1` if it is offered; a client that offers others may use plain JSON."""
    ours = Subprotocol(SUBPROTOCOL)
    return ours if ours in offered else None
