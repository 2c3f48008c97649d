"""FaultProxy: a TCP proxy that breaks the connections through it on purpose."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit
from weakref import WeakSet

from tickerkit.classroom.faults import ENDING_KINDS, Fault, Kind, Plan
from tickerkit.classroom.link import Link
from tickerkit.errors import InvalidArgument, InvalidType, Stopped
from tickerkit.net.addresses import MAX_PORT
from tickerkit.net.listening import find_port, real_reasons, stop_accepting
from tickerkit.net.urls import HasUrl, hide_secrets
from tickerkit.runtime.cards import render_card
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.lifecycle import Lifecycle
from tickerkit.runtime.loop_task import LoopTask
from tickerkit.runtime.portal import portal
from tickerkit.runtime.rerun import cell_slot
from tickerkit.validation import check_number

__all__ = ["FaultProxy"]

HOST = "127.0.0.1"
BACKLOG = 1024


class FaultProxy(Lifecycle):
    """A TCP proxy in the background that breaks the connections through it.

    Break them by hand with `reset()`, `close()`, `stall()` and `refuse()`, or by a plan, which
    returns the faults of each connection. The plan's random numbers depend on the seed and the
    number of the connection only: the same seed gives the first connection the same faults each
    time, and so on. The proxy passes any bytes and doesn't know the protocol.

    It runs on the same event loop as servers and feeds. A slow receiver slows its sender, as
    without the proxy; nothing is queued beyond the buffers of the sockets and 64 KiB for each
    direction of a connection.

    Args:
        target: the server, or its URL (`ws://` or `http://`); path and query are kept.
        plan: returns the faults of one connection, given a `random.Random`; by default there are
            none. If it raises, the connection has no faults, and the card shows the error.
        seed: seed of the plan's random numbers.
        port: port to listen on; 0 for a free one.

    Attributes:
        plan: as given.
        seed: as given.
        port: the port it listens on, once started.
        accepted: how many connections there were so far.
        faults: how many faults of each kind have occurred.

    Raises:
        InvalidArgument: if `target` is not a server or a URL with a host and a port, or another
            argument is invalid.

    Example:
        >>> with FaultProxy(server.url) as proxy:
        ...     feed = tk.connect(proxy.url)
        ...     proxy.reset()
    """

    _kind, _how_to_restart = "proxy", "start a new one"

    def __init__(
        self, target: str | HasUrl, plan: Plan | None = None, seed: int = 0, port: int = 0
    ) -> None:
        super().__init__()
        self._target_parts, target_host, target_port = _parse_target(target)
        self._target = target_host, target_port
        if plan is not None and not callable(plan):
            expected = "a function that takes a random.Random and returns faults: random_faults"
            raise InvalidType("plan", plan, expected)
        check_number("seed", seed, 0, whole=True)
        check_number("port", port, 0, MAX_PORT, whole=True)
        self.plan = plan
        self.seed = seed
        self.port = port
        self.accepted = 0
        self.faults: Counter[str] = Counter()
        self._refuses = False
        self._errors = ErrorLog("fault proxy")
        self._task: LoopTask | None = None
        self._flowing = asyncio.Event()
        self._links: dict[Link, asyncio.Task[None]] = {}
        self._transports: WeakSet[asyncio.Transport] = WeakSet()
        self._server: asyncio.Server | None = None

    # --- faults by hand -----------------------------------------------------------------------

    def reset(self) -> int:
        """Reset every connection; both ends lose the data on the way.

        Returns:
            How many connections were reset.

        Raises:
            Stopped: if the proxy doesn't run. `close`, `stall` and `refuse` raise it too.
        """
        self._check_running()
        return portal.call(self._end_links, "reset")

    def close(self) -> int:
        """Close every TCP connection regularly, without a close frame of the websocket.

        Returns:
            How many connections were closed.
        """
        self._check_running()
        return portal.call(self._end_links, "close")

    def stall(self, stalled: bool = True) -> None:
        """Hold back all bytes in both directions; with False, pass them and resume."""
        self._check_running()
        portal.post(self._flowing.clear if stalled else self._flowing.set)

    def refuse(self, refuses: bool = True) -> None:
        """Close new connections at once, as if no server listened; with False, accept them."""
        self._check_running()
        self._refuses = refuses

    def _check_running(self) -> None:
        if self._phase != "running":
            raise Stopped(self._kind, self._how_to_restart)

    # --- state --------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """URL for clients: the server's URL with the proxy's host and port."""
        netloc = f"{HOST}:{self.port}"
        return urlunsplit((self._target_parts.scheme, netloc, *self._target_parts[2:]))

    @property
    def broken(self) -> int:
        """How many connections the proxy has ended."""
        return sum(self.faults[kind] for kind in ENDING_KINDS)

    @property
    def status(self) -> str:
        """One of "listening", "refusing", "stalled" and "stopped"."""
        if self._phase != "running":
            return "stopped"
        if self._refuses:
            return "refusing"
        return "listening" if self._flowing.is_set() else "stalled"

    def _summarize(self) -> dict[str, str]:
        return {
            "kind": "proxy",
            "address": f"{HOST}:{self.port}",
            "status": self.status,
            "about": self._describe(),
        }

    def _describe(self) -> str:
        return f"{len(self._links)} connected of {self.accepted:,} so far, {self.broken:,} broken"

    def __repr__(self) -> str:
        host, port = self._target
        return f"<FaultProxy {self.port} → {host}:{port} {self.status}, {self._describe()}>"

    def _repr_html_(self) -> str:
        host, port = self._target
        lines = {
            "server": f"{host}:{port}",
            "clients": self._describe(),
            "faults": ", ".join(f"{count:,} {kind}" for kind, count in self.faults.items()),
            "last error": self._errors.last,
        }
        return render_card("FaultProxy", self.status, lines)

    # --- start and stop -----------------------------------------------------------------------

    def start(self) -> FaultProxy:
        """Listen, and return the proxy; `with` does the same. Idempotent while it runs.

        When the same cell is run again, the new proxy replaces the old one, on the same port.

        Raises:
            Stopped: if the proxy was stopped before.
            OSError: if the port is in use.
        """
        if self._phase == "running":
            return self
        cell = cell_slot("proxy", *self._target)
        last: FaultProxy | None = cell.last()
        if last is not None and last.status != "stopped":
            self.port = self.port or last.port
            last.stop()
        self._start_service()
        cell.fill(self)
        return self

    def stop(self) -> None:
        """Reset all connections; the port is free when this returns. Idempotent.

        If it is interrupted, the port is freed in the background, and the proxy is listed in
        `tk.status()` until it is stopped again.
        """
        self._stop_service(self._release)

    def _acquire(self) -> None:
        self._task = LoopTask(self._run)
        self._task.start()

    def _release(self) -> None:
        if self._task is not None:
            self._task.stop()

    def __enter__(self) -> FaultProxy:
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
        self._flowing.set()
        loop = asyncio.get_running_loop()
        # Cancelled after it has begun to listen, create_server would leave the port open, and
        # return no server to close.
        with real_reasons():
            self._server = await loop.create_server(
                self._make_protocol, HOST, self.port, backlog=BACKLOG, start_serving=False
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
        await self._end_links("reset")
        if self._links:
            await asyncio.wait(self._links.values())
        # A connection accepted just now may have a transport, but no link yet.
        for transport in list(self._transports):
            transport.abort()

    async def _end_links(self, kind: Kind) -> int:
        links = list(self._links)
        for link in links:
            link.end(kind)
        return len(links)

    def _make_protocol(self) -> asyncio.StreamReaderProtocol:
        return _TrackedProtocol(asyncio.StreamReader(), self._accept, self._transports)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        faults = self._plan_faults(random.Random(f"{self.seed}/{self.accepted}"))
        link = Link(reader, writer, faults, self._flowing, self._note_fault)
        task = asyncio.current_task()
        assert task is not None
        self._links[link] = task
        try:
            if not self._refuses:
                await link.run(*self._target)
        finally:
            del self._links[link]
            writer.transport.abort()

    def _plan_faults(self, rng: random.Random) -> list[Fault]:
        try:
            return [] if self.plan is None else list(self.plan(rng))
        except Exception as error:  # the plan is the user's code
            self._errors.add(error)
            return []

    def _note_fault(self, kind: Kind) -> None:
        self.faults[kind] += 1


def _parse_target(target: object) -> tuple[SplitResult, str, int]:
    """Return the parts of the URL of a server, its host and its port."""
    url = getattr(target, "url", target)
    expected = "a server, or its URL with a port: server.url"
    if not isinstance(url, str):
        raise InvalidType("target", target, expected)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # a port beyond 65535, or brackets that don't close
        host = port = None
    if not host or not port:
        raise InvalidArgument("target", hide_secrets(url), expected)
    return parts, host, port


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
