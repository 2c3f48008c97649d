"""A feed's connection: receives in the background, reconnects by itself, tells how it is."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import math
import random
import re
import time
from collections.abc import Callable
from ssl import SSLContext, SSLEOFError
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from tickerkit.errors import FeedFailed, ProtocolError
from tickerkit.feed.frame_buffer import FrameBuffer
from tickerkit.formatting import one_line
from tickerkit.net.liveness import CHECK_S, MAX_SILENT_CHECKS, MonitoredClient, SuspendDetector
from tickerkit.net.tls import permanent_problem
from tickerkit.net.urls import hide_secrets
from tickerkit.protocol import SUBPROTOCOL, Client, End, Error, Event, PlainClient, Subscriber
from tickerkit.runtime.error_log import ErrorLog, describe, wire_logger

__all__ = ["Connection"]

MESSAGE_BYTES = 64 * 2**20
OPEN_S = 10.0
MIN_OPEN_S = 1.0
CLOSE_S = 0.5
FIRST_DELAY_S = 0.25
MAX_DELAY_S = 10.0
STEADY_S = 1.0
RESTART_S = 10.0
RESTART_DELAY_S = 0.5
FINAL_STATUS = {
    400: "it is no websocket",
    401: "it wants a token: pass token=",
    403: "it refused",
    404: "there is nothing at this path",
    405: "it is no websocket",
    426: "it is no websocket, or one of another kind",
}
# How some balancers answer, in an HTTP too old for a websocket, while what is behind them restarts.
BUSY = re.compile(r"HTTP/1\.0 5\d\d")


class Connection:
    """Keeps one websocket open; its coroutine `run` lives in the portal's thread.

    The first retry is made at once, each further one after a random wait of up to 0.25 s, doubled
    every time, 10 s at most (half a second while a server that said so restarts), for ever unless
    bounded: a server that comes up later is found. A connection that brought no tick further and
    was over within a second counts as a try that failed. A peer of which nothing is heard for 8 s,
    although it was asked, is given up; when the machine has slept, after 3 s.

    Args:
        url: where to, with `ws` or `wss`.
        token: sent as `Authorization: Bearer`.
        client: what is had so far of `tickerkit.v1`; on a new connection it resumes there.
        plain: the same for a peer that just sends JSON.
        take: called with each event.
        faults: where errors are counted.
        ssl: of `wss`: what to trust; by default what the system does.
        retry_for: fails after so many seconds without a connection; None for never.
        sleep: tells that the machine slept.

    Attributes:
        status: "connecting", "live", "reconnecting", "ended" or "failed".
        status_reason: the problem of the newest attempt, or why it ended or failed; empty while
            live and before the first attempt has failed.
        retry_in_s: how long the wait before the next attempt is; 0 where there is none.
        reconnects: how many times it was connected again.
        failure: why it failed, if it did.
        received_ns: when the newest message came, in epoch ns.
        taps: what keeps each message as it came.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        client: Client,
        plain: PlainClient,
        take: Callable[[Event], None],
        faults: ErrorLog,
        ssl: SSLContext | None = None,
        retry_for: float | None = None,
        sleep: SuspendDetector | None = None,
    ) -> None:
        self.url = url
        self.client = client
        self.plain = plain
        self.status = "connecting"
        self.status_reason = ""
        self.retry_in_s = 0.0
        self.reconnects = -1
        self.failure: FeedFailed | None = None
        self._token = token
        self._take = take
        self._faults = faults
        self._ended = False
        # None would say that there is to be no TLS.
        self._is_tls = url.startswith("wss:")
        self._tls: dict[str, Any] = {} if ssl is None else {"ssl": ssl}
        self._retry_for = retry_for
        self._sleep = sleep or SuspendDetector()
        self.received_ns = 0
        self.taps: list[FrameBuffer] = []
        self._heard: Subscriber | None = None
        self._websocket: MonitoredClient | None = None
        self._gone = False
        self._lost_at: float | None = None
        self._restarts_until = -math.inf
        self._hurry = asyncio.Event()

    async def run(self) -> None:
        """Connect, receive, and connect again, until the source ends or the server refuses."""
        watch = asyncio.create_task(self._watch())
        try:
            await self._run()
        finally:
            watch.cancel()

    async def _run(self) -> None:
        attempt = 0
        now = asyncio.get_running_loop().time
        self._lost_at = now()
        while True:
            try:
                patience = self._patience(now())
                headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
                async with connect(
                    self.url,
                    subprotocols=[Subprotocol(SUBPROTOCOL)],
                    compression=None,
                    additional_headers=headers,
                    user_agent_header="tickerkit",
                    proxy=_proxy(urlsplit(self.url).hostname or ""),
                    open_timeout=patience,
                    close_timeout=CLOSE_S,
                    ping_interval=None,
                    max_size=MESSAGE_BYTES,
                    create_connection=MonitoredClient,
                    logger=wire_logger,
                    **self._tls,
                ) as websocket:
                    self.reconnects += 1
                    began, had = now(), (self.client.epoch, self.client.seq)
                    problem = await self._receive(cast("MonitoredClient", websocket))
                    further = had != (self.client.epoch, self.client.seq)
                    if further or now() - began > STEADY_S:
                        attempt = 0
            except InvalidStatus as error:
                code = error.response.status_code
                said = bytes(error.response.body or b"").decode("utf-8", "replace").strip()
                if code in FINAL_STATUS or 200 <= code < 400:
                    why = FINAL_STATUS.get(code, "it is no websocket")
                    words = _first_line(said)
                    self._fail(f"{why} (HTTP {code})" + (f": {words}" if words else ""))
                    return
                words = _first_line(said)
                problem = f"the server answers HTTP {code}" + (f": {words}" if words else "")
            except InvalidURI as error:
                self._fail(f"that is no address of a websocket: {error.msg}")
                return
            except InvalidHandshake as error:
                problem = describe(error.__cause__ or error)
                if isinstance(error.__cause__, EOFError):
                    problem = "what listens there hung up in the handshake"
                    if not self._is_tls:
                        problem += " (if it speaks TLS: wss://)"
                elif not isinstance(error, ProxyError) and not BUSY.search(problem):
                    self._fail(f"what listens there is no websocket ({problem})")
                    return
            except TimeoutError:
                problem = f"no answer within {patience:.3g} s"
            except (OSError, ConnectionClosed) as error:
                if (lasting := permanent_problem(error)) is not None:
                    self._fail(lasting)
                    return
                problem = _refusal(error)
                if isinstance(error, ConnectionResetError | SSLEOFError) and self._is_tls:
                    problem += " (if it does not speak TLS: ws://)"
            except Exception as error:  # a port of 99999, a proxy that is none, ours
                self._fail(describe(error))
                return
            if self._ended:
                self._set("ended", "the source is finished")
            if self._ended or self.failure is not None or self._is_late(problem):
                return
            await self._pause(problem, attempt)
            attempt += 1

    async def _watch(self) -> None:
        """See every second whether the peer is gone, or whether the machine slept."""
        while True:
            await asyncio.sleep(CHECK_S)
            slept, websocket = self._sleep.was_suspended(), self._websocket
            if slept:
                self._hurry.set()
            if websocket is None:
                continue
            if slept:
                websocket.shorten_deadline()
            if websocket.check():
                self._gone = True
                websocket.transport.abort()

    async def _receive(self, websocket: MonitoredClient) -> str:
        """Take what comes until the connection ends; return why it did."""
        self._websocket, self._gone = websocket, False
        try:
            return await self._receive_from(websocket)
        finally:
            self._websocket = self._heard = None
            if websocket.unsent_bytes:  # the closing handshake could wait forever
                websocket.transport.abort()

    async def _receive_from(self, websocket: MonitoredClient) -> str:
        ours = websocket.subprotocol == SUBPROTOCOL
        subscriber: Subscriber = self.client if ours else self.plain
        self._hand_on(subscriber.connected())
        self._heard = subscriber
        for tap in self.taps:
            tap.connected(time.time_ns(), *self._spoken(subscriber))
        if not ours:
            self._live()
        try:
            while True:
                # That ours is text of UTF-8 is found out by who reads the JSON.
                data = await websocket.recv(decode=False if ours else None)
                self.received_ns = time.time_ns()
                for tap in self.taps:
                    tap.take(self.received_ns, data)
                self._hand_on(subscriber.receive(data))
                for reply in subscriber.replies():
                    await websocket.send(reply, text=True)
                if self.status != "live":
                    self._live()
        except ProtocolError as error:
            self._faults.add(error)
            if not websocket.unsent_bytes:
                await websocket.close(error.close_code)
            if error.final:
                self._fail(describe(error))
            return describe(error)
        except ConnectionClosed:
            pass
        if self._gone:
            return f"nothing was heard for {MAX_SILENT_CHECKS * CHECK_S:g} s"
        code, said = websocket.close_code, websocket.protocol.close_rcvd
        if said is not None and said.code == CloseCode.MESSAGE_TOO_BIG:
            self._fail("the list of symbols is longer than the server takes: name fewer, or None")
        if code == CloseCode.SERVICE_RESTART:
            self._restarts_until = asyncio.get_running_loop().time() + RESTART_S
        # A plain server has no other way to say that it has no more than to close in good order.
        self._ended = self._ended or (code == 1000 and not ours)
        reason = websocket.close_reason
        return f"the connection closed ({code}{f', {reason}' if reason else ''})"

    def tap(self, tap: FrameBuffer) -> None:
        """Have each message kept from now on, as it comes; in this one's thread."""
        if self._heard is not None:
            tap.join(*self._spoken(self._heard))
        self.taps.append(tap)

    def _spoken(self, subscriber: Subscriber) -> tuple[str, str, Subscriber]:
        protocol = SUBPROTOCOL if subscriber is self.client else ""
        return hide_secrets(self.url), protocol, subscriber

    def _hand_on(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, End):
                self._ended = True
            elif isinstance(event, Error):
                text = f"the server says: {event.message}; {event.hint}"
                self._faults.add_message("error of the server", text)
            self._take(event)

    def _patience(self, now: float) -> float:
        """Return for how many seconds to wait for an answer."""
        if self._retry_for is None or self._lost_at is None:
            return OPEN_S
        return min(OPEN_S, max(self._lost_at + self._retry_for - now, MIN_OPEN_S))

    def _is_late(self, problem: str) -> bool:
        """Return whether there was no connection for as long as that may be, and then fail."""
        now = asyncio.get_running_loop().time()
        self._lost_at = now if self._lost_at is None else self._lost_at
        if self._retry_for is None or now - self._lost_at < self._retry_for:
            return False
        self._fail(f"no connection for {self._retry_for:g} s: {problem}")
        return True

    async def _pause(self, problem: str, attempt: int) -> None:
        """Wait before trying again; not before the first time."""
        delay = self._delay(attempt, asyncio.get_running_loop().time())
        self._set("connecting" if self.reconnects < 0 else "reconnecting", problem, delay)
        self._hurry.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._hurry.wait()

    def _delay(self, attempt: int, now: float) -> float:
        """Return how long to wait before an attempt: random, so that many don't come at once."""
        cap = RESTART_DELAY_S if now < self._restarts_until else MAX_DELAY_S
        most = min(cap, FIRST_DELAY_S * 2 ** min(attempt - 1, 10)) if attempt else 0.0
        delay = random.uniform(0, most)
        if self._retry_for is None or self._lost_at is None:
            return delay
        return min(delay, max(self._lost_at + self._retry_for - now, 0.0))

    def _live(self) -> None:
        self._lost_at = None
        self._set("live")

    def _fail(self, reason: str) -> None:
        self.failure = FeedFailed(hide_secrets(self.url), one_line(reason))
        self._set("failed", reason)
        self._faults.add(self.failure)

    def _set(self, status: str, reason: str = "", retry_in_s: float = 0.0) -> None:
        self.status_reason, self.retry_in_s = one_line(reason), retry_in_s
        self.status = status

    @property
    def status_detail(self) -> str:
        """The status in a sentence: with the address, the reason, and the next attempt."""
        status, reason, url = self.status, self.status_reason, hide_secrets(self.url)
        match status:
            case "live":
                return f"live from {url}"
            case "ended" | "failed":
                return f"{status}: {reason}"
        if not reason:
            return f"{status} to {url}"
        wait = f" in {self.retry_in_s:.1f} s" if self.retry_in_s >= 0.1 else ""
        return f"{status} to {url}: {reason}; trying again{wait}"


def _first_line(said: str) -> str:
    """Return what a server said beside its status, if it is meant to be read as it is."""
    return said.splitlines()[0][:200] if said and "<" not in said else ""


def _proxy(host: str) -> Literal[True] | None:
    """Return whether to go by the proxy of the environment: not to this machine or its network."""
    try:
        return None if ipaddress.ip_address(host).is_private else True
    except ValueError:
        return None if host == "localhost" else True


def _refusal(error: Exception) -> str:
    """Return why a connection could not be made, in words rather than numbers."""
    # Where a name has several addresses, asyncio tells the errors of all in one text.
    if isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return "nothing listens there yet"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}".lower()
    return describe(error)
