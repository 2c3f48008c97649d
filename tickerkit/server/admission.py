"""The door of a server: how many may be inside, how many may knock at once, how much each may say.

Whatever a stranger opens costs a file descriptor, an idle TCP connection and half a handshake too,
and a process that has none left can't even say no. So those who have not asked for anything, or
have their answer and linger, make room for those who come, the oldest first: one that asks promptly
always gets its answer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import Any

from websockets.frames import Frame, Opcode

from tickerkit.net.liveness import MonitoredServer

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

__all__ = ["ConnectionLimiter", "ServerSocket"]

MAX_KNOCKING = 256
MAX_AT_ONCE = 1024
# A loop that has much to do may need several turns to read what a new connection says.
ROUND_S = 0.1
ROUNDS = 5
HEARD_BYTES = 2**20
MAX_UNSENT = 4
RESERVED = 64


class ServerSocket(MonitoredServer):
    """One connection of a server, from its first byte to its last.

    Attributes:
        has_room: called when more may be written again after `paused`.
    """

    door: ConnectionLimiter
    heard = 0
    rounds = 0
    has_room: Callable[[], None] = staticmethod(lambda: None)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.door.knocked(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.door.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.heard += len(data)
        # Pings are answered by websockets, whether or not their sender reads the answers.
        if self.heard > HEARD_BYTES or self.unsent_bytes > MAX_UNSENT * self.door.write_bytes:
            self.transport.abort()
            return
        super().data_received(data)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.has_room()

    def push(self, text: bytes) -> None:
        """Write a text message at once, to one that is open; `paused` tells whether there is room.

        Frames of a server are unmasked (RFC 6455, section 5.1): of a message that goes to many,
        one and the same is written to each.
        """
        door = self.door
        if text is not door.last_text:
            door.last_text = text
            door.last_frame = Frame(Opcode.TEXT, text).serialize(mask=False)
        self.transport.write(door.last_frame)


class ConnectionLimiter:
    """All connections of one server.

    Args:
        limit: how many websockets may be open; fewer where the process may open fewer files.
        write_bytes: so many may wait for one peer.

    Attributes:
        limit: how many websockets may be open.
        most_knocking: how many others.
        backlog: how many of these may come at the same moment.
        inside: those that are let in.
        last_text: the message that was written last to any of them.
        last_frame: its frame.
    """

    def __init__(self, limit: int, write_bytes: int) -> None:
        files = _files_left()
        self.most_knocking = min(MAX_KNOCKING, max(files // 8, 1))
        self.backlog = min(MAX_AT_ONCE, max(files // 4, 1))
        self.limit = max(min(limit, files - self.most_knocking - self.backlog), 1)
        self.write_bytes = write_bytes
        self.inside: set[ServerSocket] = set()
        self.last_text = self.last_frame = b""
        self._knocking: dict[ServerSocket, None] = {}
        self._clearing = False

    def guest(self, *args: Any, **options: Any) -> ServerSocket:
        """Make a connection; for `create_connection` of websockets."""
        guest = ServerSocket(*args, **options)
        guest.door = self
        return guest

    def knocked(self, guest: ServerSocket) -> None:
        """Take note of one that has opened a connection."""
        self._knocking[guest] = None
        if len(self._knocking) > self.most_knocking + self.backlog:
            self._show_out([next(iter(self._knocking))])
        elif len(self._knocking) > self.most_knocking and not self._clearing:
            self._clearing = True
            guest.loop.call_later(ROUND_S, self._clear, guest.loop)

    def _clear(self, loop: asyncio.AbstractEventLoop) -> None:
        """Show the oldest out, but none that had no moment yet to say what it wants."""
        idle = [each for each in self._knocking if each.request is None or each.response]
        for guest in idle:
            guest.rounds += 1
        late = [guest for guest in idle if guest.rounds >= ROUNDS]
        self._show_out(late[: max(len(self._knocking) - self.most_knocking, 0)])
        self._clearing = len(self._knocking) > self.most_knocking
        if self._clearing:
            loop.call_later(ROUND_S, self._clear, loop)

    def _show_out(self, guests: list[ServerSocket]) -> None:
        for guest in guests:
            del self._knocking[guest]
        self.cut(guests)

    @property
    def is_full(self) -> bool:
        """Whether as many are inside as may be."""
        return len(self.inside) >= self.limit

    def let_in(self, guest: ServerSocket) -> bool:
        """Let one in, unless the house is full."""
        # One that was shown out a moment ago may have been read before; it has left already.
        if self.is_full or guest not in self._knocking:
            return False
        del self._knocking[guest]
        self.inside.add(guest)
        return True

    def left(self, guest: ServerSocket) -> None:
        """Take note that a connection has ended."""
        self._knocking.pop(guest, None)
        self.inside.discard(guest)

    def everyone(self) -> list[ServerSocket]:
        """Return every connection there is."""
        return [*self._knocking, *self.inside]

    @staticmethod
    def cut(guests: Iterable[ServerSocket]) -> None:
        """End connections at once."""
        for guest in guests:
            guest.transport.abort()


def _files_left() -> int:
    """Return how many more files this process may open, less some for the user's own."""
    if resource is None:
        return 10_000
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return 1_000_000
    try:
        opened = len(os.listdir("/dev/fd"))
    except OSError:
        opened = RESERVED
    return max(most - opened - RESERVED, 2)
