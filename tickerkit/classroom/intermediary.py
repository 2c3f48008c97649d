"""Intermediary: a background service that passes connections between clients and a server."""

from __future__ import annotations

import asyncio
import errno
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, TypeVar
from urllib.parse import SplitResult, urlunsplit
from weakref import WeakSet

from tickerkit.classroom.link import Link, Target
from tickerkit.errors import PortTaken, Stopped
from tickerkit.net.addresses import find_port_holder
from tickerkit.net.listening import find_port, real_reasons, stop_accepting
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.lifecycle import Lifecycle
from tickerkit.runtime.loop_task import LoopTask
from tickerkit.runtime.portal import portal
from tickerkit.runtime.rerun import cell_slot
from tickerkit.wire import Kind

__all__ = ["Intermediary"]

BACKLOG = 1024
Self = TypeVar("Self", bound="Intermediary")
T = TypeVar("T")


class Intermediary(Lifecycle):
    """Accepts clients on a port, and makes a `Link` to the server for each.

    It runs on the event loop of servers and feeds. Subclasses implement `_make_link`, `_summarize`
    and `status`.

    Args:
        parts: the URL of the server.
        target: where the server is.
        host: the address to listen on.
        port: the port to listen on; 0 for a free one.

    Attributes:
        port: the port it listens on, once started.
        accepted: how many connections there were so far.
    """

    _kind: ClassVar[str]
    _how_to_restart = "start a new one"

    def __init__(self, parts: SplitResult, target: Target, host: str, port: int) -> None:
        super().__init__()
        self.port = port
        self.accepted = 0
        self._parts, self._target, self._host = parts, target, host
        self._errors = ErrorLog(self._kind)
        self._task: LoopTask | None = None
        self._links: dict[Link, asyncio.Task[None]] = {}
        self._transports: WeakSet[asyncio.Transport] = WeakSet()
        self._server: asyncio.Server | None = None

    @abstractmethod
    def _make_link(self, writer: asyncio.StreamWriter) -> Link | None:
        """Return the link of a client; None to refuse it. Called on the event loop."""

    def _take_end(self, link: Link) -> None:
        """Take a link that has ended. Called on the event loop."""

    @property
    @abstractmethod
    def status(self) -> str:
        """The status; "stopped" unless it runs."""

    @property
    def url(self) -> str:
        """URL for clients: the server's URL with this one's host and port."""
        return self._make_url(self._parts.scheme)

    @property
    def last_error(self) -> str:
        """The newest error, as text; empty without errors."""
        return self._errors.last

    def _make_url(self, scheme: str) -> str:
        # At the address that means all of a machine's, no client can connect everywhere.
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        host = f"[{host}]" if ":" in host else host
        return urlunsplit((scheme, f"{host}:{self.port}", *self._parts[2:]))

    def _check_running(self) -> None:
        if self._phase != "running":
            raise Stopped(self._kind, self._how_to_restart)

    # --- start and stop -----------------------------------------------------------------------

    def start(self: Self) -> Self:
        """Listen, and return the service; `with` does the same. Idempotent while it runs.

        When the same cell is run again, the new one replaces the old one, on the same port.

        Raises:
            Stopped: if it was stopped before.
            PortTaken: if another program listens on the port.
        """
        if self._phase == "running":
            return self
        cell = cell_slot(self._kind, self._target.host, self._target.port)
        last: Intermediary | None = cell.last()
        if last is not None and last.status != "stopped":
            self._replace(last)
            last.stop()
        self._start_service()
        cell.fill(self)
        return self

    def _replace(self, last: Intermediary) -> None:
        """Take over what the service of the cell's last run has, before that is stopped."""
        self.port = self.port or last.port

    def stop(self) -> None:
        """Reset all connections; the port is free when this returns. Idempotent.

        If it is interrupted, the port is freed in the background, and the service is listed in
        `tk.status()` until it is stopped again.
        """
        self._stop_service(self._release)

    def _acquire(self) -> None:
        self._task = LoopTask(self._run)
        try:
            self._task.start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(self._host, self.port, find_port_holder(self.port)) from None
            raise

    def _release(self) -> None:
        if self._task is not None:
            self._task.stop()

    def __enter__(self: Self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- on the event loop --------------------------------------------------------------------

    async def _run(self, set_ready: Callable[[], None]) -> None:
        try:
            await self._listen()
            set_ready()
            await asyncio.Event().wait()
        finally:
            await self._shut_down()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        # Cancelled after it has begun to listen, create_server would leave the port open, and
        # return no server to close.
        with real_reasons():
            self._server = await loop.create_server(
                self._make_protocol, self._host, self.port, backlog=BACKLOG, start_serving=False
            )
        self.port = find_port(self._server.sockets)
        await self._server.start_serving()

    async def _shut_down(self) -> None:
        if self._server is None:
            return
        try:
            await stop_accepting(self._server.sockets)
        finally:  # also if the loop is about to end
            self._server.close()
        await self._end_links(self._links, "reset")
        if self._links:
            await asyncio.wait(self._links.values())
        # A connection accepted just now may have a transport, but no link yet.
        for transport in list(self._transports):
            transport.abort()

    async def _end_links(self, links: Iterable[Link], kind: Kind) -> int:
        links = list(links)
        for link in links:
            link.end(kind)
        return len(links)

    def _make_protocol(self) -> asyncio.StreamReaderProtocol:
        return _TrackedProtocol(asyncio.StreamReader(), self._accept, self._transports)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        link = self._make_link(writer)
        if link is None:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._links[link] = task
        try:
            await link.run(reader, self._target)
        finally:
            del self._links[link]
            self._take_end(link)
            writer.transport.abort()

    def _call(self, function: Callable[..., T], *args: Any) -> T:
        """Call a plain function on the event loop, and return its result."""

        async def call() -> T:
            return function(*args)

        return portal.call(call)


class _TrackedProtocol(asyncio.StreamReaderProtocol):
    """The protocol of a client's stream; it registers its transport when the client connects."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        accept: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        transports: WeakSet[asyncio.Transport],
    ) -> None:
        super().__init__(reader, accept)
        self._transports = transports

    def connection_made(self, transport: Any) -> None:
        self._transports.add(transport)
        super().connection_made(transport)
