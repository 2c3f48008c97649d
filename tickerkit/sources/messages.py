"""Messages: how a source takes messages from a websocket: those that came together, together."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    SecurityError,
)
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import Event

from tickerkit.formatting import format_line

__all__ = [
    "CONNECT_OPTIONS",
    "OPEN_TIMEOUT_S",
    "CountingClient",
    "UnredirectedConnect",
    "describe_close",
    "describe_error",
    "take_messages",
]

OPEN_TIMEOUT_S = 10.0
# Messages that arrived together are read together: reading 40 at once takes a third of the time.
MAX_MESSAGES_AT_ONCE = 256
MAX_BYTES_AT_ONCE = 2**20

CONNECT_OPTIONS: dict[str, Any] = {
    "user_agent_header": "tickerkit",
    "open_timeout": OPEN_TIMEOUT_S,
    "close_timeout": 0.5,
    # A server that does not answer pings of the protocol is not disconnected for that: several
    # venues answer only their own.
    "ping_interval": 20.0,
    "ping_timeout": None,
    "max_size": 16 * 2**20,
    "max_queue": MAX_MESSAGES_AT_ONCE,
    # Log messages of websockets contain data that peers sent, keys included.
    "logger": logging.getLogger("tickerkit.websockets"),
}


class CountingClient(ClientConnection):
    """A connection that counts the whole messages that wait to be taken."""

    waiting = 0

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.fin and event.opcode in DATA_OPCODES:
            self.waiting += 1
        super().process_event(event)


class UnredirectedConnect(connect):
    """Connects, and follows no redirection: it would send the user's headers to another host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def describe_close(client: ClientConnection) -> str:
    """Return how a connection was closed, in words."""
    reason = f", {client.close_reason}" if client.close_reason else ""
    return f"the connection closed ({client.close_code}{reason})"


def describe_error(error: Exception) -> str:
    """Return why no connection was made, in words and without an address, which may have a key."""
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        region = "; it may not serve your region" if status in (403, 451) else ""
        moved = ", a redirection; pass the address it names" if 300 <= status < 400 else ""
        return f"the server answered HTTP {status}{region}{moved}"
    if isinstance(error, TimeoutError):
        return f"no answer within {OPEN_TIMEOUT_S:g} s"
    if isinstance(error, OSError) and error.errno:
        text = error.strerror or os.strerror(error.errno)
        # asyncio's own texts name the address: "Connect call failed ('127.0.0.1', 80)".
        return (os.strerror(error.errno) if "Connect call" in text else text).lower()
    # The texts of other errors, such as of an invalid address or redirection, may have the key.
    is_known = isinstance(error, InvalidHandshake) and not isinstance(error, SecurityError)
    return format_line(str(error)) if is_known else f"an error of type {type(error).__name__}"


async def take_messages(client: CountingClient) -> tuple[list[str | bytes], int]:
    """Return the next message and those that have arrived with it, and when, in epoch ns."""
    messages = [await client.recv()]
    received_ns = time.time_ns()
    client.waiting -= 1
    size = len(messages[0])
    while client.waiting > 0 and len(messages) < MAX_MESSAGES_AT_ONCE and size < MAX_BYTES_AT_ONCE:
        # What has arrived is returned at once. The next call raises if the connection has ended.
        with contextlib.suppress(ConnectionClosed):
            messages.append(await client.recv())
            size += len(messages[-1])
        client.waiting -= 1
    return messages, received_ns
