"""FaultProxy: stands between a client and a server, and breaks their connections on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakSet

from tickerkit.errors import Stopped
from tickerkit.net.listening import stop_accepting
from tickerkit.net.urls import HasUrl
from tickerkit.runtime.cards import card
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.portal import portal
from tickerkit.runtime.registry import register, unregister
from tickerkit.runtime.rerun import cell_slot

__all__ = ["Fault", "FaultProxy", "random_faults"]

Kind: TypeAlias = Literal["reset", "truncate", "close", "stall", "delay", "trickle"]
Toward: TypeAlias = Literal["client", "server"]
Plan: TypeAlias = Callable[[random.Random], Sequence["Fault"]]

KINDS = get_args(Kind)
BACKLOG = 1024
BOTH: tuple[Toward, ...] = ("client", "server")
HANDSHAKE_BYTES = 200
FAR_BYTES = 20_000
READ_BYTES = 65536
TRICKLE_BYTES = 500
ENDING = ("reset", "truncate", "close")
LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls one direction of a connection, once.

    Attributes:
        kind: "reset" (both ends get a TCP reset, what is on its way is lost), "truncate" (closed in
            the middle of a message), "close" (closed between two reads), "stall" (nothing passes
            for a while), "delay" (as stall, but then what waited comes at once), "trickle" (the
            next bytes come one by one).
        after: how many bytes pass in this direction before it.
        toward: in which direction.
        duration_s: of a stall or a delay, for how many seconds; a stall ends in a reset.
    """

    kind: Kind
    after: int = 0
    toward: Toward = "client"
    duration_s: float = math.inf

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.toward not in BOTH:
            raise ValueError(
                f"{self} is no fault: kind is one of {', '.join(KINDS)}; toward is client or server"
            )


def random_faults(chance: random.Random) -> list[Fault]:
    """Return the faults of one connection: up to two that it survives, then one that ends it.

    One in ten befalls the handshake, in either direction; the others the first 20,000 bytes toward
    the client.
    """
    mild: list[Kind] = ["delay", "trickle"]
    final: list[Kind] = ["reset", "reset", "truncate", "truncate", "close", "stall"]
    kinds = [chance.choice(mild) for _ in range(chance.choice([0, 0, 0, 1, 2]))]
    faults = []
    for kind in (*kinds, chance.choice(final)):
        early = chance.random() < 0.1
        toward = chance.choice(BOTH) if early else "client"
        after = chance.randrange(HANDSHAKE_BYTES if early else FAR_BYTES)
        faults.append(Fault(kind, after, toward, duration_s=chance.uniform(0, 0.05)))
    return faults


class FaultProxy:
    """A TCP proxy in the background that breaks what goes through it.

    By hand (`reset()`, `close()`, `stall()`, `refuse()`), or by a plan that is drawn anew for each
    connection: the same seed gives the same faults to the first connection, the second, and so on.
    It knows nothing of what it carries.

    Args:
        target: the server, or its address, `ws://` or `http://`; what follows the port is kept.
        plan: given a `random.Random`, returns the faults of one connection; none by default.
        seed: of the plan.
        port: the port to listen on; 0 takes a free one.

    Attributes:
        url: where clients connect to.
        accepted: how many connections there were.
        faults: how many faults of each kind befell.

    Example:
        >>> with FaultProxy(server.url) as proxy:
        ...     feed = tk.connect(proxy.url)
        ...     proxy.reset()
    """

    def __init__(
        self, target: str | HasUrl, plan: Plan | None = None, seed: int = 0, port: int = 0
    ) -> None:
        parts = urlsplit(target if isinstance(target, str) else target.url)
        if not (parts.hostname and parts.port):
            raise ValueError(f"{target!r} is no server's address: give server.url")
        if plan is not None and not callable(plan):
            raise TypeError(
                "plan is a function of a random.Random that returns faults: random_faults"
            )
        self._target = parts.hostname, parts.port
        self._parts = parts
        self.plan = plan
        self.seed = seed
        self.port = port
        self.accepted = 0
        self.faults: Counter[str] = Counter()
        self._refuses = False
        self._errors = ErrorLog("fault proxy")
        self._stopped = True
        self._flows = asyncio.Event()
        self._links: dict[_Link, asyncio.Task[None]] = {}
        self._transports: WeakSet[asyncio.Transport] = WeakSet()
        self._server: asyncio.Server | None = None

    # --- by hand ------------------------------------------------------------------------------

    def reset(self) -> int:
        """Reset every connection: both ends lose what is on its way; return how many."""
        self._must_run()
        return portal.call(self._break, "reset")

    def close(self) -> int:
        """Close every connection in good order of TCP; the websocket knows nothing of it."""
        self._must_run()
        return portal.call(self._break, "close")

    def stall(self, stalled: bool = True) -> None:
        """Let nothing pass, in both directions, from here on; False lets what waits pass."""
        self._must_run()
        portal.post(self._flows.clear if stalled else self._flows.set)

    def refuse(self, refuses: bool = True) -> None:
        """Hang up on whoever connects from here on, as if nothing listened behind."""
        self._must_run()
        self._refuses = refuses

    def _must_run(self) -> None:
        if self._stopped:
            raise Stopped("proxy", "start a new one")

    @property
    def url(self) -> str:
        """Address for clients: that of the server, by way of the proxy."""
        netloc = f"127.0.0.1:{self.port}"
        return urlunsplit((self._parts.scheme, netloc, *self._parts[2:]))

    @property
    def broken(self) -> int:
        """How many connections it has ended."""
        return sum(self.faults[kind] for kind in (*ENDING, "stall"))

    # --- its life -----------------------------------------------------------------------------

    def start(self) -> FaultProxy:
        """Listen; `with` does it. A run of the same cell replaces the proxy, on the same port."""
        if not self._stopped:
            return self
        if self._server is not None:
            raise Stopped("proxy", "start a new one")
        cell = cell_slot("proxy", *self._target)
        last: FaultProxy | None = cell.last()
        if last is not None and last.status != "stopped":
            self.port = self.port or last.port
            last.stop()
        portal.enter()
        try:
            portal.call(self._open)
        except BaseException:
            portal.leave()
            raise
        self._stopped = False
        register(self)
        cell.fill(self)
        return self

    def abandon_after_fork(self) -> None:
        """Count as stopped, in a forked child: it runs in the parent alone."""
        self._stopped = True

    def stop(self) -> None:
        """Reset what is connected; the port is free when this returns."""
        if unregister(self):
            self._stopped = True
            try:
                portal.call(self._shut)
            finally:
                portal.leave()

    def __enter__(self) -> FaultProxy:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def status(self) -> str:
        """In one word: listening, refusing, stalled or stopped."""
        if self._stopped:
            return "stopped"
        if self._refuses:
            return "refusing"
        return "listening" if self._flows.is_set() else "stalled"

    def _about(self) -> str:
        return f"{len(self._links)} connected of {self.accepted:,} so far, {self.broken:,} broken"

    def __repr__(self) -> str:
        host, port = self._target
        return f"<FaultProxy {self.port} → {host}:{port} {self.status}, {self._about()}>"

    def _repr_html_(self) -> str:
        host, port = self._target
        lines = {
            "server": f"{host}:{port}",
            "clients": self._about(),
            "faults": ", ".join(f"{count:,} {kind}" for kind, count in self.faults.items()),
            "last error": self._errors.last,
        }
        return card("FaultProxy", self.status, lines)

    def summary(self) -> dict[str, str]:
        """Return what `tk.status` shows of it."""
        address = f"127.0.0.1:{self.port}"
        about = self._about()
        return {"kind": "proxy", "address": address, "status": self.status, "about": about}

    async def _open(self) -> None:
        self._flows.set()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._protocol, "127.0.0.1", self.port, backlog=BACKLOG
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        assert self._server is not None
        try:
            await stop_accepting(self._server.sockets)
        finally:  # also when `stop` was interrupted, and was the last to need the loop
            self._server.close()
        await self._break("reset")
        if self._links:
            await asyncio.wait(self._links.values())
        # Of one that came just now the link may not have begun.
        for transport in list(self._transports):
            transport.abort()

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        return _Knock(asyncio.StreamReader(), self._accept, self._transports)

    async def _break(self, kind: Kind) -> int:
        links = list(self._links)
        for link in links:
            link.end(kind)
        return len(links)

    def _drawn(self, chance: random.Random) -> list[Fault]:
        try:
            return [] if self.plan is None else list(self.plan(chance))
        except Exception as error:  # of the user's plan
            self._errors.add(error)
            return []

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        faults = self._drawn(random.Random(f"{self.seed}/{self.accepted}"))
        link = _Link(self, reader, writer, faults)
        task = asyncio.current_task()
        assert task is not None
        self._links[link] = task
        try:
            if not self._refuses:
                await link.run(*self._target)
        finally:
            del self._links[link]
            writer.transport.abort()


class _Knock(asyncio.StreamReaderProtocol):
    """A client's stream, of which the transport is known from the first moment."""

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


class _Link:
    """One client's way to the server, in both directions."""

    def __init__(
        self,
        proxy: FaultProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        faults: list[Fault],
    ) -> None:
        self._proxy = proxy
        self._client = reader, writer
        self._faults = faults
        self._writers = [writer]
        self._ended = asyncio.Event()

    async def run(self, host: str, port: int) -> None:
        """Carry bytes to and fro until an end closes or a fault ends it."""
        # A target that does not answer must not hold up who ends this.
        opening = asyncio.create_task(asyncio.open_connection(host, port))
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait([opening, ended], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not opening.done():
            opening.cancel()
            return
        try:
            server = opening.result()
        except OSError:
            return
        self._writers.append(server[1])
        pumps = [
            asyncio.create_task(self._pump(self._client[0], server[1], "server")),
            asyncio.create_task(self._pump(server[0], self._client[1], "client")),
            asyncio.create_task(self._ended.wait()),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)
            for writer in self._writers:
                writer.close()

    def end(self, kind: Kind) -> None:
        """End it as a fault of this kind does."""
        if self._ended.is_set():
            return
        self._proxy.faults[kind] += 1
        self._ended.set()
        if kind in ("reset", "stall"):
            for writer in self._writers:
                sock = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
                writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, toward: Toward
    ) -> None:
        waiting = sorted(
            (fault for fault in self._faults if fault.toward == toward),
            key=lambda fault: fault.after,
        )
        passed, slow_until = 0, 0
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_BYTES):
                await self._proxy._flows.wait()
                while waiting and waiting[0].after < passed + len(data):
                    fault = waiting.pop(0)
                    # A close lets through what was read, and so mostly falls between two messages.
                    head = len(data) if fault.kind == "close" else max(fault.after - passed, 0)
                    await self._write(writer, data[:head], slow_until - passed)
                    data, passed = data[head:], passed + head
                    if fault.kind in ENDING:
                        self.end(fault.kind)
                        return
                    if fault.kind == "trickle":
                        slow_until = passed + TRICKLE_BYTES
                        self._proxy.faults["trickle"] += 1
                        continue
                    await asyncio.sleep(fault.duration_s)
                    if fault.kind == "stall":
                        self.end("stall")
                        return
                    self._proxy.faults["delay"] += 1
                await self._write(writer, data, slow_until - passed)
                passed += len(data)

    @staticmethod
    async def _write(writer: asyncio.StreamWriter, data: bytes, slowly: int) -> None:
        """Write, the first `slowly` bytes one by one."""
        slowly = min(max(slowly, 0), len(data))
        for at in range(slowly):
            writer.write(data[at : at + 1])
            await asyncio.sleep(0)
        if slowly < len(data):
            writer.write(data[slowly:])
        await writer.drain()
