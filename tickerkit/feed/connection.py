"""Connection: receives from a websocket in the background, and reconnects by itself."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import Callable
from ssl import SSLContext
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.protocol import State
from websockets.typing import Subprotocol

from tickerkit.errors import FeedFailed, ProtocolError
from tickerkit.feed.failures import explain_failure
from tickerkit.feed.frame_buffer import FrameBuffers
from tickerkit.feed.handshake import FeedClient
from tickerkit.feed.rotation import LEFT_OUT_S, Rotation
from tickerkit.formatting import format_line, format_size
from tickerkit.net.liveness import (
    CHECK_S,
    MAX_QUIET_CHECKS,
    MAX_SILENT_CHECKS,
    MonitoredClient,
    SuspendDetector,
)
from tickerkit.net.pacing import MAX_STEP_S
from tickerkit.protocol import (
    MAX_MESSAGE_BYTES,
    SUBPROTOCOL,
    Client,
    End,
    Error,
    Event,
    PlainClient,
    Received,
    Subscriber,
)
from tickerkit.runtime.error_log import ErrorLog, describe, wire_logger

__all__ = ["Connection", "choose_proxy", "describe_problem", "describe_status"]

# Of a server that is not tickerkit's; one of `tickerkit.v1` sends at most `MAX_MESSAGE_BYTES`.
MAX_PLAIN_MESSAGE_BYTES = 16 * 2**20
# Messages that wait to be taken; a plain server's may have 16 MiB each.
MAX_QUEUED_MESSAGES = 4
# Connections in a row that ended with a message too large, without a tick in between.
MAX_OVERSIZED = 3
OPEN_TIMEOUT_S = 10.0
MIN_OPEN_TIMEOUT_S = 1.0
CLOSE_TIMEOUT_S = 0.5
# How soon a feed that waits for its recorder reads on.
FULL_STEP_S = 0.01
# A connection that ended sooner, without a tick, counts as a failed attempt.
STABLE_S = 1.0


class Connection:
    """Keeps one websocket open; its coroutine `run` runs in the portal's thread.

    The first retry is immediate. Before each further retry it waits a random time of up to 0.25 s,
    doubled each time up to 10 s (1 s for a server on this machine; 0.5 s for 10 s after a server
    announced its restart). Of several addresses the next one is tried at once; it waits only after
    all of them failed. It retries without end unless `retry_for` is given, so it finds a server
    that comes up later. An attempt counts as failed if the connection brought no tick and ended
    within a second. If the peer sends nothing for 8 s, not even an answer to a ping, the connection
    is closed; after the machine slept, 3 s are enough. A server of `tickerkit.v1` sends a message
    every 5 s: if none arrives for 13 s, or less than 4 KiB/s of one, the connection is closed, too,
    even if pings are answered.

    A peer can't hold up the other connections of the process: what it sends is taken in steps of
    about 10 ms, and a message may have 1 MiB (16 MiB from a plain server). The connection fails
    after it has ended three times in a row because of a larger message.

    Args:
        rotation: the addresses, tried in turn; tokens are sent as `Authorization: Bearer`.
        client: state machine of `tickerkit.v1`; a new connection resumes from its position.
        plain_client: state machine for a peer that only sends JSON.
        take: called with each event, and the time at which its message arrived, in epoch ns.
        faults: log of the errors.
        frame_buffers: buffers that keep each message as it arrived.
        is_full: whether to read nothing for now, since ticks wait to be written.
        ssl: certificates to trust, for `wss`; by default those of the system.
        retry_for: seconds without a connection after which it fails; None for never.
        suspend_detector: detects that the machine slept.

    Attributes:
        status: "connecting", "live", "reconnecting", "ended" or "failed".
        status_since_ns: when the status became what it is, in epoch ns.
        status_reason: the problem of the newest attempt, or why it ended or failed; empty while
            live and before the first attempt has failed.
        retry_in_s: seconds to wait before the next attempt; 0 if it is immediate or not planned.
        reconnects: how many times it connected again; -1 before the first connection.
        failure: the error if it has failed, otherwise None.
    """

    def __init__(
        self,
        rotation: Rotation,
        client: Client,
        plain_client: PlainClient,
        take: Callable[[Event, int], None],
        faults: ErrorLog,
        *,
        frame_buffers: FrameBuffers | None = None,
        is_full: Callable[[], bool] = lambda: False,
        ssl: SSLContext | None = None,
        retry_for: float | None = None,
        suspend_detector: SuspendDetector | None = None,
    ) -> None:
        self.status = "connecting"
        self.status_since_ns = time.time_ns()
        self.status_reason = ""
        self.retry_in_s = 0.0
        self.reconnects = -1
        self.failure: FeedFailed | None = None
        self._rotation = rotation
        self._client = client
        self._plain_client = plain_client
        self._take = take
        self._faults = faults
        self._frame_buffers = frame_buffers or FrameBuffers()
        self._is_full = is_full
        self._ssl = ssl
        self._retry_for = retry_for
        self._suspend_detector = suspend_detector or SuspendDetector()
        self._websocket: MonitoredClient | None = None
        self._ended = False
        self._peer_is_dead = False
        self._oversized = 0
        self._lost_at: float | None = None
        self._retry_now = asyncio.Event()

    @property
    def url(self) -> str:
        """The address that it is connected to, or tries next, without secrets."""
        return self._rotation.current.shown

    @property
    def status_detail(self) -> str:
        """The status as a sentence: with the address, the reason, and the next attempt."""
        return describe_status(self.status, self.url, self.problem)

    @property
    def problem(self) -> str:
        """The reason, with the time of the next attempt if there is one."""
        return describe_problem(self.status, self.status_reason, self.retry_in_s)

    async def run(self) -> None:
        """Connect, receive, and connect again, until the source ends or the server refuses."""
        watchdog = asyncio.create_task(self._watch())
        try:
            self._lost_at = asyncio.get_running_loop().time()
            while True:
                problem = await self._attempt()
                if self._ended:
                    self._set_status("ended", "the source is finished")
                if self._ended or self.failure is not None or self._is_out_of_time(problem):
                    return
                await self._wait_to_retry(problem)
        finally:
            watchdog.cancel()

    async def _attempt(self) -> str:
        """Connect, and receive until the connection ends; return why it ended or did not open."""
        now = asyncio.get_running_loop().time
        timeout_s = self._open_timeout_s(now())
        url, token = self._rotation.current
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        is_tls = url.startswith("wss:")
        # Left out by default: `ssl=None` would turn TLS off.
        tls_options: dict[str, Any] = {"ssl": self._ssl} if is_tls and self._ssl else {}
        try:
            async with connect(
                url,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                compression=None,
                additional_headers=headers,
                user_agent_header="tickerkit",
                proxy=choose_proxy(urlsplit(url).hostname or ""),
                open_timeout=timeout_s,
                close_timeout=CLOSE_TIMEOUT_S,
                ping_interval=None,
                max_size=MAX_PLAIN_MESSAGE_BYTES,
                max_queue=MAX_QUEUED_MESSAGES,
                create_connection=FeedClient,
                logger=wire_logger,
                **tls_options,
            ) as websocket:
                self.reconnects += 1
                began, position = now(), (self._client.epoch, self._client.seq)
                try:
                    problem = await self._receive(cast("MonitoredClient", websocket))
                except asyncio.CancelledError:  # by `stop`, which is no error of this end
                    await websocket.close(CloseCode.NORMAL_CLOSURE)
                    raise
                advanced = position != (self._client.epoch, self._client.seq)
                if advanced or now() - began > STABLE_S:
                    self._rotation.succeed()
                return problem
        # Any Exception: a port of 99999, an invalid proxy and a fault of tickerkit's own must be
        # shown in the status, too.
        except Exception as error:
            problem, is_final = explain_failure(error, timeout_s, is_tls=is_tls)
            if is_final:
                self._refuse(problem)
            return problem

    async def _watch(self) -> None:
        """Check every second whether the peer is dead, and whether the machine slept."""
        while True:
            await asyncio.sleep(CHECK_S)
            slept, websocket = self._suspend_detector.was_suspended(), self._websocket
            if slept:
                self._retry_now.set()
            if websocket is None:
                continue
            if slept:
                websocket.shorten_deadline()
            if websocket.check():
                self._peer_is_dead = websocket.state is State.OPEN
                websocket.transport.abort()

    async def _receive(self, websocket: MonitoredClient) -> str:
        """Take messages until the connection ends; return why it ended."""
        self._websocket, self._peer_is_dead = websocket, False
        try:
            return await self._receive_from(websocket)
        finally:
            self._websocket = None
            self._frame_buffers.end_connection()
            # A peer that reads nothing would make the closing handshake wait for its timeout.
            if websocket.unsent_bytes:
                websocket.transport.abort()

    async def _receive_from(self, websocket: MonitoredClient) -> str:
        is_v1 = websocket.subprotocol == SUBPROTOCOL
        websocket.expects_messages = is_v1
        if not is_v1 and self._rotation.has_several:
            # No other server could resume there: each change would be a gap.
            problem = "this is not a server of tickerkit, as each of several addresses must be"
            self._refuse(problem)
            return problem
        subscriber: Subscriber = self._client if is_v1 else self._plain_client
        for event in subscriber.start_connection():
            self._report(event, time.time_ns())
        self._frame_buffers.begin_connection(
            time.time_ns(), self.url, SUBPROTOCOL if is_v1 else "", subscriber
        )
        if not is_v1:
            self._set_live()
        has_received = False
        # CPU time of this thread: time that other threads of a busy process use doesn't count.
        yielded = time.thread_time()
        try:
            while True:
                if self._is_full():
                    await self._wait_for_room(websocket)
                # v1 skips UTF-8 decoding: the JSON decoder validates it.
                data = await websocket.recv(decode=False if is_v1 else None)
                received_ns = time.time_ns()
                has_received = True
                if is_v1 and len(data) > MAX_MESSAGE_BYTES:
                    raise ProtocolError(CloseCode.MESSAGE_TOO_BIG, _too_large(MAX_MESSAGE_BYTES))
                self._frame_buffers.add_frame(received_ns, data)
                for event in subscriber.receive(data):
                    self._report(event, received_ns)
                    # While messages are queued, `recv` returns without serving the loop.
                    if time.thread_time() - yielded > MAX_STEP_S:
                        await asyncio.sleep(0)
                        yielded = time.thread_time()
                for reply in subscriber.take_replies():
                    await websocket.send(reply, text=True)
                if self.status != "live":
                    self._set_live()
        except ProtocolError as error:
            self._faults.add(error)
            if not websocket.unsent_bytes:
                await websocket.close(error.close_code)
            if error.close_code == CloseCode.MESSAGE_TOO_BIG:
                self._count_oversized(describe(error))
            if error.final:
                self._refuse(describe(error))
            return describe(error)
        except ConnectionClosed:
            return self._explain_close(websocket, is_v1=is_v1, has_received=has_received)

    async def _wait_for_room(self, websocket: MonitoredClient) -> None:
        """Read nothing until there is room: the server then keeps the ticks in its log.

        A server disconnects a client that reads nothing for long; the feed then resumes.
        """
        alive_until = 0.0
        while self._is_full():
            if (now := asyncio.get_running_loop().time()) >= alive_until:
                websocket.keep_alive()
                alive_until = now + CHECK_S
            await asyncio.sleep(FULL_STEP_S)

    def _explain_close(self, websocket: MonitoredClient, *, is_v1: bool, has_received: bool) -> str:
        """Return why a connection was closed, and note whether the feed has ended or failed."""
        if self._peer_is_dead:
            if websocket.silent_checks < MAX_SILENT_CHECKS:
                return f"the server sent no message for {MAX_QUIET_CHECKS * CHECK_S:g} s"
            return f"the server sent nothing for {MAX_SILENT_CHECKS * CHECK_S:g} s"
        code, received_close = websocket.close_code, websocket.protocol.close_rcvd
        sent_close = None if received_close else websocket.protocol.close_sent
        if sent_close is not None and sent_close.code == CloseCode.MESSAGE_TOO_BIG:
            too_large = _too_large(MAX_PLAIN_MESSAGE_BYTES)
            self._faults.add_message("message too large", too_large)
            self._count_oversized(too_large)
            return too_large
        if received_close is not None and received_close.code == CloseCode.MESSAGE_TOO_BIG:
            self._refuse(
                "the list of symbols is too long for the server; name fewer, or pass symbols=None"
            )
        if code == CloseCode.SERVICE_RESTART:
            self._rotation.expect_restart(asyncio.get_running_loop().time())
        # A plain server can announce its end only by closing with code 1000.
        self._ended = self._ended or (code == CloseCode.NORMAL_CLOSURE and not is_v1)
        reason = f", {websocket.close_reason}" if websocket.close_reason else ""
        if code == CloseCode.POLICY_VIOLATION and received_close is not None and not has_received:
            # Servers refuse in this way because most clients hide the body of an HTTP error.
            self._refuse(f"the server refused the connection ({code}{reason})")
        return f"the connection closed ({code}{reason})"

    def _count_oversized(self, reason: str) -> None:
        """Refuse the address after several connections in a row ended with a message too large.

        Each connection would end with the same message: the server sends it again.
        """
        self._oversized += 1
        if self._oversized >= MAX_OVERSIZED:
            self._refuse(reason)

    def _report(self, event: Event, received_ns: int) -> None:
        match event:
            case End():
                self._ended = True
            case Error():
                text = f"the server reports: {event.message}; {event.hint}"
                self._faults.add_message("error of the server", text)
            case Received() if event.batch.count:
                self._oversized = 0
            case _:
                pass
        self._take(event, received_ns)

    # --- retries ------------------------------------------------------------------------------

    def _open_timeout_s(self, now: float) -> float:
        """Return how many seconds a connection may take to open."""
        if self._retry_for is None or self._lost_at is None:
            return OPEN_TIMEOUT_S
        return min(OPEN_TIMEOUT_S, max(self._lost_at + self._retry_for - now, MIN_OPEN_TIMEOUT_S))

    def _is_out_of_time(self, problem: str) -> bool:
        """Fail, and return True, after `retry_for` seconds without a connection."""
        now = asyncio.get_running_loop().time()
        self._lost_at = now if self._lost_at is None else self._lost_at
        if self._retry_for is None or now - self._lost_at < self._retry_for:
            return False
        self._fail(f"no connection for {self._retry_for:g} s: {problem}")
        return True

    async def _wait_to_retry(self, problem: str) -> None:
        """Choose the next address, and wait before the attempt; the first retry is immediate."""
        if self._rotation.has_several:
            problem = f"{self.url}: {problem}"
        delay_s = self._choose_delay_s(asyncio.get_running_loop().time())
        self._set_status("connecting" if self.reconnects < 0 else "reconnecting", problem, delay_s)
        self._retry_now.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._retry_now.wait()

    def _choose_delay_s(self, now: float) -> float:
        """Choose the next address; return the seconds to wait, which end within `retry_for`."""
        delay_s = self._rotation.advance(now)
        if self._retry_for is None or self._lost_at is None:
            return delay_s
        return min(delay_s, max(self._lost_at + self._retry_for - now, 0.0))

    def _refuse(self, reason: str) -> None:
        """Leave this address out, since each attempt would end like this; fail without another."""
        failure = self._rotation.leave_out(format_line(reason), asyncio.get_running_loop().time())
        if failure:
            self._fail(failure)
            return
        text = f"{self.url} is left out for {LEFT_OUT_S:g} s: {reason}"
        self._faults.add_message("address left out", text, 0)

    # --- status -------------------------------------------------------------------------------

    def _set_live(self) -> None:
        self._lost_at = None
        self._set_status("live")

    def _fail(self, reason: str) -> None:
        self.failure = FeedFailed(self._rotation.name, format_line(reason))
        self._set_status("failed", reason)
        self._faults.add(self.failure)

    def _set_status(self, status: str, reason: str = "", retry_in_s: float = 0.0) -> None:
        self.status_reason, self.retry_in_s = format_line(reason), retry_in_s
        if status != self.status:
            self.status_since_ns = time.time_ns()
        self.status = status


def describe_status(status: str, address: str, problem: str) -> str:
    """Return a connection's status as a sentence: with the address, and what is wrong."""
    if status == "live":
        return f"live from {address}"
    if status in ("ended", "failed"):
        return f"{status}: {problem}"
    return f"{status} to {address}: {problem}" if problem else f"{status} to {address}"


def describe_problem(status: str, reason: str, retry_in_s: float) -> str:
    """Return why a connection is not live, with the time of the next attempt if there is one."""
    if not reason or status not in ("connecting", "reconnecting"):
        return reason
    wait = f" in {retry_in_s:.1f} s" if retry_in_s >= 0.1 else ""
    return f"{reason}; trying again{wait}"


def _too_large(max_bytes: int) -> str:
    size = format_size(max_bytes)
    return f"the server sent a message larger than {size}; have it send fewer ticks in a message"


def choose_proxy(host: str) -> Literal[True] | None:
    """Return True to use the environment's proxy; None for this machine and its network."""
    try:
        return None if ipaddress.ip_address(host).is_private else True
    except ValueError:
        return None if host == "localhost" else True
