"""WebsocketRelay: the source of a relay whose log is that of another tickerkit server."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tickerkit.brokers import STREAM_SCHEMES, stream
from tickerkit.errors import InvalidArgument, ProtocolError, StreamError
from tickerkit.feed.connection import Connection, choose_proxy
from tickerkit.feed.rotation import Address, Rotation, read_addresses
from tickerkit.log import Position
from tickerkit.net.tls import Trust, make_client_context
from tickerkit.net.urls import Urls
from tickerkit.protocol import (
    SUBPROTOCOL,
    CaughtUp,
    Client,
    Event,
    Hello,
    PlainClient,
    Subscribe,
    Taken,
)
from tickerkit.protocol.messages import encode
from tickerkit.runtime.error_log import ErrorLog, wire_logger
from tickerkit.sources import Outlet, RelaySource, StreamRelay

__all__ = ["WebsocketRelay", "relay"]

# Events that wait for the log; each has at most 4,096 ticks.
MAX_PENDING_EVENTS = 64
# How long the other server may take to answer a question, and how soon it is asked again.
ANSWER_S = 5.0
ASK_AGAIN_S = 0.5
MAX_TARGETS = 64
MAX_FORMER_EPOCHS = 1000
# How often the status is looked at while nothing comes.
STATUS_S = 0.25


class WebsocketRelay(RelaySource):
    """Fills a server's log from another tickerkit server, a maker or a relay.

    Args:
        url: address of the other server, or of several, tried in turn.
        token: its token; it may also be in the address.
        ssl: for a `wss://` address: path of a certificate to trust, or an `ssl.SSLContext`.
        wait_s: as for `RelaySource`.
    """

    def __init__(
        self,
        url: Urls,
        token: str | None = None,
        ssl: Trust | None = None,
        wait_s: float | None = 10.0,
    ) -> None:
        addresses = read_addresses(url, token)
        super().__init__(Rotation(addresses).name, wait_s)
        self._addresses = addresses
        # A context can't be sent to a server in a process of its own; a path can.
        self._ssl = ssl
        is_tls = all(each.url.startswith("wss:") for each in addresses)
        if make_client_context(ssl) is not None and not is_tls:
            expected = "None, or addresses that begin with wss:// or https://"
            raise InvalidArgument("ssl", ssl, expected)
        self._client: Client | None = None
        # The epoch that the log is in, and those that it has left.
        self._epoch = ""
        self._former: dict[str, None] = {}
        self._answered = 0
        # What the log must hold before it has caught up, and the questions asked before that look.
        self._targets: list[tuple[Position, int]] = []

    async def _follow(self, out: Outlet) -> None:
        wake, asked = asyncio.Event(), asyncio.Event()
        events: list[Event] = []
        client = self._client = self._client or Client(None, out.keep)
        began = time.monotonic()

        def take(event: Event, received_ns: int) -> None:
            if isinstance(event, Hello) and connection.status != "live":
                # The first of a connection: what the other server holds now. It is no answer to a
                # question: that server may be a relay that lags.
                self._targets = [(Position(event.epoch, event.next - 1), 0)]
                self.resets = max(connection.reconnects, 0)
                asked.set()
            self._note_epoch(client.epoch or "")
            events.append(event)
            wake.set()

        rotation = Rotation(self._addresses)
        connection = Connection(
            rotation,
            client,
            _NoPlainClient(),
            take,
            ErrorLog("relay"),
            is_full=lambda: len(events) >= MAX_PENDING_EVENTS,
            ssl=make_client_context(self._ssl),
        )
        self._call_on_question(asked)
        running = asyncio.create_task(connection.run())
        running.add_done_callback(lambda _: wake.set())
        asking = asyncio.create_task(self._answer_questions(rotation, asked, wake))
        try:
            while not (running.done() and not events):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STATUS_S):
                        await wake.wait()
                wake.clear()
                await self._pass_on(events, client, out)
                self._note_status(connection)
                if self.status and not self.origin.is_ready and self._is_late(began):
                    raise StreamError(self.address, self.status)
            await running  # raises a fault of tickerkit's own
        finally:
            for task in (running, asking):
                task.cancel()
            await asyncio.gather(running, asking, return_exceptions=True)
        if connection.failure is not None:
            raise StreamError(self.address, connection.failure.reason, is_final=True)

    async def _pass_on(self, events: list[Event], client: Client, out: Outlet) -> None:
        """Pass events to the log, and report the looks that it has caught up with."""
        taken: list[Taken] = [*events]
        events.clear()
        # No `await` since: the client's position is that after these events.
        holds = Position(client.epoch or "", client.seq)
        reached = [each for each in self._targets if self._is_reached(each[0], holds)]
        if reached:
            self._targets = [each for each in self._targets if each not in reached]
            self._answered = max(self._answered, *(questions for _, questions in reached))
            taken.append(CaughtUp(self._answered))
        self._count_gaps(taken)
        await out.take(taken)

    def _is_reached(self, target: Position, holds: Position) -> bool:
        """Return whether a log at `holds` has all that the other server held at a look."""
        if holds.epoch == target.epoch:
            return holds.seq >= target.seq
        return target.epoch in self._former

    def _note_epoch(self, epoch: str) -> None:
        """Note that the log is in an epoch; those before it are over."""
        if epoch == self._epoch:
            return
        self._former[self._epoch] = None
        if len(self._former) > MAX_FORMER_EPOCHS:
            del self._former[next(iter(self._former))]
        self._former.pop(epoch, None)
        self._epoch = epoch

    def _is_late(self, began_s: float) -> bool:
        return self.wait_s is not None and time.monotonic() - began_s >= self.wait_s

    def _note_status(self, connection: Connection) -> None:
        if connection.status in ("live", "ended"):
            self._note_contact()
        else:
            self.status = connection.status_reason

    async def _answer_questions(
        self, rotation: Rotation, asked: asyncio.Event, wake: asyncio.Event
    ) -> None:
        """Find, after readers' questions, what the log must hold before their epochs are foreign.

        The other server is asked about an epoch that there can't be, so it has to look at its own
        stream. About a reader's epoch it may answer without, if it knows that one; and the answer
        is to be proof for all that readers have asked about.
        """
        while True:
            await asked.wait()
            asked.clear()
            questions, epoch = self.origin.questions, secrets.token_hex(8)
            while self._answered < questions:
                end = await self._ask(rotation.current, epoch)
                if end is None:
                    # Not sooner, for further questions: they would have to wait, too.
                    await asyncio.sleep(ASK_AGAIN_S)
                    continue
                # Newer ones would come too late for a log that always lags a little.
                self._targets = [*self._targets, (end, questions)][-MAX_TARGETS:]
                wake.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ANSWER_S):
                        await asked.wait()
                        break

    async def _ask(self, address: Address, epoch: str) -> Position | None:
        """Return what the other server holds after it has answered whether it knows an epoch.

        A relay that does not know the epoch, and may be behind, closes the connection instead of
        an answer. So the question is passed on up to the maker. The hello of a connection comes
        before its question: what the server held when it answered is in the hello of the next one.

        Returns:
            None if the server can't be asked, or lags itself.
        """
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._read_end(address, epoch)
                return await self._read_end(address, epoch)
        except Exception:  # whatever a hostile server sends, readers go on asking
            return None

    async def _read_end(self, address: Address, epoch: str) -> Position:
        """Return what the other server held before it answered."""
        headers = {"Authorization": f"Bearer {address.token}"} if address.token else {}
        trust = make_client_context(self._ssl)
        options: dict[str, Any] = {} if trust is None else {"ssl": trust}
        async with connect(
            address.url,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            additional_headers=headers,
            user_agent_header="tickerkit",
            proxy=choose_proxy(urlsplit(address.url).hostname or ""),
            logger=wire_logger,
            **options,
        ) as websocket:
            hello = msgspec.json.decode(await websocket.recv(decode=False), type=Hello)
            question = Subscribe(symbols=[], resume=Position(epoch, 0), history=0)
            await websocket.send(encode(question), text=True)
            await websocket.recv(decode=False)
            return Position(hello.epoch, hello.next - 1)


class _NoPlainClient(PlainClient):
    """Refuses a peer that does not speak `tickerkit.v1`: its ticks have no seqs to pass on."""

    def start_connection(self) -> list[Event]:
        problem = "it does not speak tickerkit.v1, so a relay could not resume there"
        raise ProtocolError(1002, problem, final=True)


def relay(
    url: Urls,
    token: str | None = None,
    ssl: Trust | None = None,
    *,
    creds: str | Path | None = None,
    ca: str | Path | None = None,
    cert: str | Path | None = None,
    key: str | Path | None = None,
    wait_s: float | None = 10.0,
) -> RelaySource:
    """Return a source whose ticks keep the numbering of the server that made them.

    `tk.serve` makes a relay of it: a server that serves the same ticks with the same seqs, so that
    a feed that was cut off resumes at any relay, each tick once and in order. A relay listens once
    it has caught up. While it can't reach its stream it serves what it has, and tries again without
    end; `server.stats` has `lag_s` and `stream`.

    Args:
        url: a stream on NATS JetStream, such as `"nats://n1:4222,n2:4222/crypto"` (this needs
            `tickerkit[scale]`); or another tickerkit server, such as `"wss://ticks.example.org/"`,
            or a list of several with the same ticks, tried in turn.
        token: the token of the other tickerkit server; it may also be in the address.
        ssl: for `wss://`: path of a certificate to trust, or an `ssl.SSLContext`.
        creds: for a stream: path of a credentials file, as for `tk.stream`, like `ca`, `cert` and
            `key`.
        ca: path of the certificates to trust.
        cert: path of this client's own certificate.
        key: path of its key.
        wait_s: how many seconds the start may take while the stream can't be reached or holds
            nothing; None for no limit.

    Raises:
        InvalidArgument: an argument is invalid.

    Example:
        >>> server = tk.serve(tk.relay("wss://ticks.example.org/", token="…"), port=8001)
    """
    if isinstance(url, str) and url.startswith(STREAM_SCHEMES):
        for name, value in (("token", token), ("ssl", ssl)):
            if value is not None:
                expected = "None for a stream; pass creds=, or ca= for a certificate to trust"
                raise InvalidArgument(name, "…" if name == "token" else value, expected)
        found = stream(url, creds=creds, ca=ca, cert=cert, key=key)
        return StreamRelay(found.address, wait_s)
    for name, value in (("creds", creds), ("ca", ca), ("cert", cert), ("key", key)):
        if value is not None:
            expected = "None for a websocket; pass token=, or ssl= for a certificate to trust"
            raise InvalidArgument(name, value, expected)
    return WebsocketRelay(url, token, ssl, wait_s)
