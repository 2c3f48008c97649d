"""SocketWire: what a tap does, around the transport of one connection of a server."""

from __future__ import annotations

import asyncio
import contextlib
import socket as sockets
import time
from collections.abc import Callable, Iterable
from typing import Any

from tickerkit.classroom.link import LINGER_RESET
from tickerkit.server.admission import ServerSocket
from tickerkit.wire import (
    ENDING_KINDS,
    Conversation,
    FrameLog,
    Gate,
    Head,
    Kind,
    Line,
    Toward,
)

__all__ = ["SocketWire"]

# What may wait toward the client; the server then sends nothing more, as to any slow reader.
MAX_WAITING_BYTES = 65_536
SWITCHED = Head(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")


class SocketWire:
    """Reads, delays and breaks what passes between a server and one of its clients.

    It takes the place of the connection's transport, above TLS, once the handshake is done. Until
    it is asked for something, bytes pass as they come, and are read afterwards. It stays until the
    connection ends. Used on the event loop only.

    Args:
        socket: the connection; its transport and protocol are replaced.
        link: the number of the connection in the log.
        log: where its frames go.
        request: the request of its handshake.
        report: called with an error of what reads the frames; the bytes pass nonetheless.

    Attributes:
        conversation: reads the frames.
        ended_by: "room" once the wire has ended the connection; empty before.
    """

    def __init__(
        self,
        socket: ServerSocket,
        link: int,
        log: FrameLog,
        request: Head,
        report: Callable[[Exception], object],
    ) -> None:
        self._socket = socket
        self._transport: Any = socket.transport
        self._report = report
        self._clock_offset_ns = time.time_ns() - time.monotonic_ns()
        self._timer: asyncio.Handle | None = None
        self._arrived: list[bytes] = []
        self._is_delivering = False
        self._transport_paused = bool(socket.paused)
        self._has_eof = self._is_closing = self._has_ended = False
        self.ended_by = ""
        lines: dict[Toward, Line] = {
            "client": Line(self._transport.write, self._take_fault),
            "server": Line(self._arrived.append, self._take_fault),
        }
        self.conversation = Conversation(link, log, lines, Gate(), self.end)
        self.conversation.take_head("server", request, self.now_ns)
        self.conversation.take_head("client", SWITCHED, self.now_ns)
        socket.transport = _Transport(self, self._transport)  # type: ignore[assignment]
        self._transport.set_protocol(_Protocol(self))

    @property
    def now_ns(self) -> int:
        """The time in nanoseconds since the epoch; it never runs backwards."""
        return self._clock_offset_ns + time.monotonic_ns()

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait in it toward the client."""
        return self.conversation.wires["client"].waiting_bytes

    @property
    def is_stalled(self) -> bool:
        """Whether nothing passes for now."""
        return not self._has_ended and any(line.is_stalled for line in self._lines)

    @property
    def is_delayed(self) -> bool:
        """Whether everything passes later."""
        return not self._has_ended and any(line.is_delayed for line in self._lines)

    @property
    def _lines(self) -> Iterable[Line]:
        return (wire.line for wire in self.conversation.wires.values())

    # --- orders -------------------------------------------------------------------------------

    def end(self, kind: Kind) -> None:
        """End the connection as a fault of this kind does; idempotent."""
        if self._has_ended:
            return
        self._has_ended, self.ended_by = True, "room"
        if kind in ("reset", "stall"):
            sock = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, LINGER_RESET)
            self._transport.abort()
        else:
            self._transport.close()

    def stall(self, seconds: float) -> None:
        """Let nothing pass for so long, then all of it at once; 0 ends a stall."""
        until_ns = self.now_ns + int(seconds * 1e9)
        for line in self._lines:
            line.stall_until(until_ns)
        self.advance()

    def resume(self) -> None:
        """Let everything pass at once again."""
        for line in self._lines:
            line.resume()
        self.conversation.gate.run()
        self.advance()

    def delay(self, seconds: float, jitter: float) -> None:
        """Let everything pass later by so much, and by up to `jitter` seconds more."""
        for line in self._lines:
            line.delay(seconds, jitter)
        self.advance()

    # --- bytes --------------------------------------------------------------------------------

    def feed(self, toward: Toward, data: bytes) -> None:
        """Take bytes of the server toward the client, or of the client."""
        if self._has_ended:
            return
        wire = self.conversation.wires[toward]
        try:
            wire.feed(bytes(data), self.now_ns)
        except Exception as error:  # a fault of ours must not end a connection
            self._report(error)
            wire.read_as_bytes()
        self.advance()

    def advance(self) -> None:
        """Pass what may pass by now, and set a timer for the next."""
        if self._has_ended:
            return
        now_ns = self.now_ns
        self.conversation.advance(now_ns)
        self._deliver()
        dues = [wire.due_ns for wire in self.conversation.wires.values()]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ns = min((due for due in dues if due is not None), default=None)
        if due_ns is not None and not self._has_ended:
            wait_s = max((due_ns - now_ns) / 1e9, 0.0)
            self._timer = self._socket.loop.call_later(wait_s, self.advance)
        self._update_flow()

    def _deliver(self) -> None:
        """Give the server what has arrived: after its frames are read, since it may answer."""
        if self._is_delivering:
            return
        self._is_delivering = True
        try:
            while self._arrived and not self._has_ended:
                self._socket.data_received(self._arrived.pop(0))
        finally:
            self._is_delivering = False

    def _update_flow(self) -> None:
        """Stop the side whose bytes wait, and complete an end that has waited for them."""
        socket, wires = self._socket, self.conversation.wires
        must_wait = self._transport_paused or self.waiting_bytes > MAX_WAITING_BYTES
        if must_wait and not socket.paused:
            socket.pause_writing()
        elif not must_wait and socket.paused:
            socket.resume_writing()
        if wires["server"].is_full:
            self._transport.pause_reading()
        elif not self._has_eof:
            socket._resume_reading()
        if self._has_eof and wires["server"].is_empty:
            self._has_eof = False
            socket.eof_received()
            self._is_closing = True
        if self._is_closing and wires["client"].is_empty:
            self._transport.close()

    def _take_fault(self, kind: Kind) -> None:
        if kind in ENDING_KINDS:
            self.end(kind)

    # --- called by what stands in for the transport and the protocol --------------------------

    def close(self) -> None:
        """Close the connection once everything has passed."""
        self._is_closing = True
        self._update_flow()

    @property
    def is_closing(self) -> bool:
        """Whether the connection closes, or has ended."""
        return self._is_closing or bool(self._transport.is_closing())

    def set_paused(self, is_paused: bool) -> None:
        """Note whether the transport's buffer is full."""
        self._transport_paused = is_paused
        self._update_flow()

    def take_eof(self) -> bool:
        """Take the end of what the client sends; return whether the transport stays open."""
        self.conversation.wires["server"].end_input(self.now_ns)
        self._has_eof = True
        self.advance()
        return not self._transport.is_closing()

    def lose(self, error: Exception | None) -> None:
        """Take the end of the connection."""
        self._has_ended = True
        if self._timer is not None:
            self._timer.cancel()
        self.conversation.finish(self.now_ns)
        self._socket.connection_lost(error)


class _Transport:
    """Stands in for the transport of a connection: what the server writes goes to the wire."""

    def __init__(self, wire: SocketWire, transport: Any) -> None:
        self._wire, self._transport = wire, transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        self._wire.feed("client", data)

    def can_write_eof(self) -> bool:
        return False  # the end of what is sent waits for what is sent before

    def get_write_buffer_size(self) -> int:
        return int(self._transport.get_write_buffer_size()) + self._wire.waiting_bytes

    def is_closing(self) -> bool:
        return self._wire.is_closing

    def close(self) -> None:
        self._wire.close()


class _Protocol(asyncio.Protocol):
    """Stands in for the connection: what the client sends goes to the wire."""

    def __init__(self, wire: SocketWire) -> None:
        self._wire = wire

    def data_received(self, data: bytes) -> None:
        self._wire.feed("server", data)

    def eof_received(self) -> bool:
        return self._wire.take_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.lose(exc)

    def pause_writing(self) -> None:
        self._wire.set_paused(True)

    def resume_writing(self) -> None:
        self._wire.set_paused(False)
