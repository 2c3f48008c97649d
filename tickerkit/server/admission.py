"""Admission: limits the number of open and of pending connections, and the data that each sends.

Every connection costs a file descriptor, even an idle TCP connection or half a handshake, and a
process without free descriptors can't even refuse a connection. So when there are too many pending
connections, those that have sent no request, or stay open after their response, are closed, the
oldest first. A client that sends its request promptly always gets a response.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from ssl import SSLContext
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.protocol import Event

from tickerkit.net.liveness import MonitoredServer
from tickerkit.server.tls_handshake import TlsHandshake

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

__all__ = ["MAX_QUEUED", "ConnectionLimiter", "ServerSocket"]

MAX_PENDING_CONNECTIONS = 256
MAX_BACKLOG = 1024
# Connections accepted in one iteration of the loop. A handshake takes some eight iterations, more
# with TLS. With more accepted in each, pending connections would take all places before the first
# of them is answered. Each would be closed to make room for the next, and try again, without end.
MAX_ACCEPTS = 32
# Connections that wait in the system to be accepted, where they cost this process no file. Linux
# drops further ones, which try again after a second.
MAX_QUEUED = 4096
HANDSHAKE_ITERATIONS = 16
# A busy loop may need several iterations to read the request of a new connection.
IDLE_CHECK_S = 0.1
MAX_IDLE_CHECKS = 5
# Bytes that a client may send between two checks of `ClientHandler`, one second apart. A frame
# counts as 64 at least: to answer an empty ping takes as long as to read them.
MAX_RECEIVED_BYTES = 2**20
MIN_FRAME_BYTES = 64
# Bytes of a refused client that are read after its request; its answer to the close frame fits in.
MAX_REFUSED_BYTES = 4096
# Unsent data, in write buffers, beyond which a client is disconnected.
MAX_UNSENT_BUFFERS = 4
RESERVED_FILES = 64


class ServerSocket(MonitoredServer):
    """One connection of a server, from its first byte to its last.

    Attributes:
        limiter: the limiter of its server.
        received_bytes: bytes received since `ClientHandler` last checked, at least 64 for a frame.
        idle_checks: how many checks of the limiter found it idle: without a request, or still open
            after its response.
        refusal: the code and the reason with which the websocket is closed right after its
            handshake; None if it is not. Such a connection stays pending.
        abort_reason: why it was ended here without a close frame; empty if it was not.
        on_writable: called when there is room to write again after `paused`.
    """

    limiter: ConnectionLimiter
    abort_reason = ""
    received_bytes = 0
    refusal: tuple[int, str] | None = None
    idle_checks = 0
    on_writable: Callable[[], None] = staticmethod(lambda: None)
    _handshake: TlsHandshake | None = None

    def connection_made(self, transport: Any) -> None:
        tls = self.limiter.tls
        if tls is None or self._handshake is not None:
            super().connection_made(transport)
        else:
            # This is called again with the encrypted transport.
            self.transport = transport
            self._handshake = TlsHandshake(transport, tls, self, lambda: self.limiter.remove(self))
        self.limiter.add_pending(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.limiter.remove(self)
        fault = self.protocol.handshake_exc
        # Browsers open connections in advance, and close those that they don't need.
        if self.request is None and fault and not isinstance(fault.__cause__, EOFError):
            self.limiter.on_malformed(self)
        super().connection_lost(exc)

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame):
            self.received_bytes += max(MIN_FRAME_BYTES - len(event.data), 0)
        super().process_event(event)

    def receive_step(self, data: bytes) -> None:
        self.received_bytes += len(data)
        max_unsent = MAX_UNSENT_BUFFERS * self.limiter.write_buffer_bytes
        # websockets answers every ping, whether or not the client reads the pongs.
        if self.received_bytes > MAX_RECEIVED_BYTES:
            self.abort_reason = f"sent more than {MAX_RECEIVED_BYTES:,} bytes within a second"
        elif self.unsent_bytes > max_unsent:
            self.abort_reason = f"sent pings and read no pongs: {self.unsent_bytes:,} bytes wait"
        if self.abort_reason:
            self.transport.abort()
            return
        if self.refusal and self.received_bytes > MAX_REFUSED_BYTES:
            return  # keep nothing that it sends, and give it time to read the reason
        super().receive_step(data)

    @property
    def address(self) -> str:
        """The address and port of the client."""
        return ":".join(str(part) for part in self.remote_address[:2])

    def refuse(self, code: int, reason: str) -> None:
        """Don't admit the connection: close it with a reason once its handshake is done."""
        self.refusal = code, reason
        self.received_bytes = 0

    def resume_writing(self) -> None:
        super().resume_writing()
        self.on_writable()

    def write_text(self, text: bytes) -> None:
        """Write a text message at once to an open connection; check `paused` before.

        A server's frames are unmasked (RFC 6455, section 5.1), so one frame serves all clients: it
        is serialised once for a message that goes to many of them in a row.
        """
        limiter = self.limiter
        if text is not limiter.last_text:
            limiter.last_text = text
            limiter.last_frame = Frame(Opcode.TEXT, text).serialize(mask=False)
        limiter.sent_messages += 1
        self.transport.write(limiter.last_frame)


class ConnectionLimiter:
    """All connections of one server: those admitted, and those still pending.

    Args:
        limit: maximum number of open websockets; fewer if the limit of open files requires it.
        write_buffer_bytes: maximum number of bytes that wait for one client.
        tls: the certificate, if connections are encrypted; None otherwise.

    Attributes:
        limit: maximum number of admitted connections.
        max_pending: maximum number of pending connections, except during a burst.
        backlog: size of a burst: how many more may be pending for a moment.
        accepts: how many connections to accept in one iteration of the loop.
        admitted: the admitted connections.
        sent_messages: how many messages were written to connections.
        last_text: the message that was last written to a connection.
        last_frame: the websocket frame of that message.
        on_malformed: called with a connection that has ended without a valid HTTP request.
    """

    def __init__(self, limit: int, write_buffer_bytes: int, tls: SSLContext | None = None) -> None:
        files = _count_free_files()
        self.max_pending = min(MAX_PENDING_CONNECTIONS, max(files // 8, 1))
        self.backlog = min(MAX_BACKLOG, max(files // 4, 1))
        self.accepts = min(
            MAX_ACCEPTS, max((self.max_pending + self.backlog) // HANDSHAKE_ITERATIONS, 1)
        )
        self.limit = max(min(limit, files - self.max_pending - self.backlog), 1)
        self.write_buffer_bytes = write_buffer_bytes
        self.tls = tls
        self.admitted: set[ServerSocket] = set()
        self.sent_messages = 0
        self.last_text = self.last_frame = b""
        self.on_malformed: Callable[[ServerSocket], object] = lambda _: None
        # A dict as an ordered set: the oldest connection comes first.
        self._pending: dict[ServerSocket, None] = {}
        self._is_closing_pending = False

    def make_connection(self, *args: Any, **options: Any) -> ServerSocket:
        """Make a connection; passed to websockets as `create_connection`."""
        connection = ServerSocket(*args, **options)
        connection.limiter = self
        return connection

    def add_pending(self, connection: ServerSocket) -> None:
        """Add a new connection, and make room if there are too many pending ones.

        An encrypted connection is added again after its TLS handshake, and keeps its age.
        """
        self._pending[connection] = None
        if len(self._pending) > self.max_pending + self.backlog:
            self._close_pending([next(iter(self._pending))])
        elif len(self._pending) > self.max_pending and not self._is_closing_pending:
            self._is_closing_pending = True
            connection.loop.call_later(IDLE_CHECK_S, self._close_oldest_pending, connection.loop)

    def _close_oldest_pending(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close the oldest pending connections, sparing those that had no time for a request.

        Checks again a moment later while there are still too many.
        """
        idle = [each for each in self._pending if each.request is None or each.response]
        for connection in idle:
            connection.idle_checks += 1
        late = [connection for connection in idle if connection.idle_checks >= MAX_IDLE_CHECKS]
        self._close_pending(late[: max(len(self._pending) - self.max_pending, 0)])
        self._is_closing_pending = len(self._pending) > self.max_pending
        if self._is_closing_pending:
            loop.call_later(IDLE_CHECK_S, self._close_oldest_pending, loop)

    def _close_pending(self, connections: list[ServerSocket]) -> None:
        for connection in connections:
            del self._pending[connection]
        self.abort(connections)

    @property
    def is_full(self) -> bool:
        """Whether the limit of admitted connections is reached."""
        return len(self.admitted) >= self.limit

    def admit(self, connection: ServerSocket) -> bool:
        """Admit a pending connection; return False if the server is full."""
        # The request may have been read before this limiter closed the connection.
        if self.is_full or connection not in self._pending:
            return False
        del self._pending[connection]
        self.admitted.add(connection)
        return True

    def remove(self, connection: ServerSocket) -> None:
        """Remove a connection that has ended."""
        self._pending.pop(connection, None)
        self.admitted.discard(connection)

    def list_connections(self) -> list[ServerSocket]:
        """Return all connections, pending and admitted."""
        return [*self._pending, *self.admitted]

    @staticmethod
    def abort(connections: Iterable[ServerSocket]) -> None:
        """End connections at once, without a closing handshake."""
        for connection in connections:
            connection.transport.abort()


def _count_free_files() -> int:
    """Return how many more files this process may open, minus a reserve for the user's files."""
    if resource is None:
        return 10_000
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return 1_000_000
    try:
        opened = len(os.listdir("/dev/fd"))
    except OSError:
        opened = RESERVED_FILES
    return max(limit - opened - RESERVED_FILES, 2)
