"""NatsClient: one connection of nats-py, without its faults; Inbox: what arrives at a subject.

This is the only module that imports nats.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from tickerkit.brokers.address import StreamAddress
from tickerkit.errors import StreamError
from tickerkit.formatting import format_line

__all__ = [
    "LOGIN_FIX",
    "Inbox",
    "Msg",
    "NatsClient",
    "close_client",
    "keep_cancelling",
    "nats_errors",
]

T = TypeVar("T")

CLOSE_S = 1
LOGIN_FIX = "pass the credentials of a user that may use the stream"


class Inbox:
    """What arrives at a subject of this connection, in order.

    Attributes:
        subject: the subject.
    """

    def __init__(self, address: StreamAddress, subject: str, client: NatsClient) -> None:
        self.subject = subject
        self._address = str(address)
        self._client = client
        # Not bounded: by flow control the server sends 32 MiB at most before it gets an answer.
        self._messages: asyncio.Queue[Msg | None] = asyncio.Queue()

    async def add(self, message: Msg | None) -> None:
        """Take a message; None for the end of the connection."""
        self._messages.put_nowait(message)

    async def get(self, timeout_s: float) -> Msg:
        """Return the next message.

        Raises:
            StreamError: none came in time, or the connection ended.
        """
        try:
            message = self._messages.get_nowait()
        except asyncio.QueueEmpty:
            try:
                async with asyncio.timeout(timeout_s):
                    message = await self._messages.get()
            except TimeoutError:
                problem = f"the broker sent nothing for {timeout_s:g} s"
                raise self._client.explain(self._address, problem) from None
        if message is None:
            raise StreamError(self._address, "the connection to the broker ended")
        return message

    async def answer(self, subject: str) -> None:
        """Answer a request of the server, such as whether it may send more."""
        try:
            await keep_cancelling(self._client.publish(subject))
        except (nats_errors.Error, OSError):
            raise StreamError(self._address, "the connection to the broker ended") from None


class NatsClient(Client):
    """A client of nats-py that has one connection, and never makes another by itself.

    nats-py's own reconnecting leaves the sockets of failed attempts open, waits for ever for a
    server that refuses, and does not report what its subscriptions missed.

    Attributes:
        must_use_tls: whether to refuse a server without TLS before anything secret is sent.
        is_encrypted: whether the server uses TLS.
        has_connected: whether it was connected, so that an error is no longer that of an attempt.
        is_aborted: whether an attempt to connect was given up.
        denied: the server's newest message about a missing right; empty without one.
        inboxes: the inboxes that end with this connection.
    """

    def __init__(self, *, must_use_tls: bool) -> None:
        super().__init__()
        self.must_use_tls = must_use_tls
        self.is_encrypted = False
        self.has_connected = False
        self.is_aborted = False
        self.denied = ""
        self.inboxes: set[Inbox] = set()

    def _connect_command(self) -> bytes:
        # nats-py sends name and password without TLS if the server doesn't ask for TLS, whatever
        # the address says.
        self.is_encrypted = bool(self._server_info.get("tls_required"))
        if self.must_use_tls and not self.is_encrypted:
            raise nats_errors.SecureConnWantedError
        return super()._connect_command()

    async def on_error(self, error: Exception) -> None:
        """End an attempt to connect at its first error; later, remember a missing right."""
        if not self.has_connected:
            raise error
        if type(error) is nats_errors.Error:
            self.denied = format_line(str(error))

    async def on_closed(self) -> None:
        """End what waits for this connection: nats-py lets it wait until its timeout."""
        for answer in list(self._resp_map.values()):
            if not answer.done():
                answer.set_exception(nats_errors.ConnectionClosedError())
        for inbox in self.inboxes:
            await inbox.add(None)

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        # Anyone who may write to a stream chooses the headers of a message. An error in here ends
        # nats-py's reading without an error, and each further connection would meet it again.
        try:
            found: dict[str, str] | None = await super()._process_headers(headers)
        except Exception:
            return None
        return found

    async def _process_connect_init(self) -> None:
        if self.is_aborted:
            raise nats_errors.ConnectionClosedError
        await super()._process_connect_init()

    def abort(self) -> None:
        """Close the socket without waiting for the server; an attempt to connect ends."""
        self.is_aborted = True
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    def is_denied(self, subject: str) -> bool:
        """Return whether the right that the server has refused last is to publish to a subject."""
        return f'publish to "{subject}"'.lower() in self.denied.lower()

    def explain(self, address: str, problem: str, subject: str = "") -> StreamError:
        """Return an error; if the server has refused a right, it is the reason.

        Args:
            address: the stream.
            problem: what happened.
            subject: where a request was sent. The right to send another one, which was under way at
                the same time, is then no reason.
        """
        is_other = subject and "publish to" in self.denied.lower() and not self.is_denied(subject)
        if not self.denied or is_other:
            return StreamError(address, problem)
        return StreamError(address, f"{problem} ({self.denied})", LOGIN_FIX, is_final=True)


async def keep_cancelling(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of nats-py's code; raise CancelledError if the task was cancelled.

    Before Python 3.12 `asyncio.wait_for`, which nats-py uses, returns a result that came in the
    same moment, and the task would go on for ever.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    try:
        return await work
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError


async def close_client(client: NatsClient) -> None:
    """Close a client, even if the caller is being cancelled."""
    try:
        # nats-py would wait without end for a connection that was not completed, and 30 s for one
        # with TLS whose server is silent.
        if client.is_connected:
            with contextlib.suppress(nats_errors.Error, OSError, TimeoutError):
                await asyncio.shield(asyncio.wait_for(client.close(), CLOSE_S))
    finally:
        client.abort()
