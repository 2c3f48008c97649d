"""Link: one client's connection through a proxy or a tap, in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from ssl import SSLContext
from typing import NamedTuple, TypeAlias

from tickerkit.wire import (
    DIRECTIONS,
    ENDING_KINDS,
    Conversation,
    Fault,
    Kind,
    Line,
    Toward,
    other_end,
)

__all__ = ["Link", "Target"]

READ_BYTES = 65_536
# SO_LINGER on, for zero seconds: closing the socket sends a reset, and discards unsent data.
LINGER_RESET = struct.pack("ii", 1, 0)

# Makes the conversation of a link, given what sends its bytes and a function that ends it.
Converse: TypeAlias = Callable[[Mapping[Toward, Line], Callable[[Kind], None]], Conversation]


class Target(NamedTuple):
    """Where the server is.

    Attributes:
        host: its host.
        port: its port.
        tls: the context of an encrypted connection; None for a plain one.
    """

    host: str
    port: int
    tls: SSLContext | None = None


class Link:
    """Passes bytes between a client and a server, and applies what breaks their connection.

    The bytes of each direction go through a `Line`, and first through a `Conversation`, if there is
    one, which reads the frames in them. When a line or a conversation is full, nothing more is read
    from that side, so a slow receiver slows its sender.

    Args:
        writer: writes to the client.
        note_fault: called with the kind of each fault that occurs.
        report: called with an error of what reads the frames; the bytes pass nonetheless.
        faults: the faults of this connection.
        converse: makes its conversation; None for a link that only passes bytes.
        max_bytes: how many bytes of each direction may wait in a line.

    Attributes:
        lines: what sends the bytes of each direction.
        conversation: reads the frames; None if there is no need.
        ended_by: who ended the connection: "client", "server" or "tap"; empty before.
        is_reset: whether the tap has reset it.
        error: why the server could not be reached; None if it could.
    """

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        note_fault: Callable[[Kind], None],
        report: Callable[[Exception], None],
        faults: Sequence[Fault] = (),
        converse: Converse | None = None,
        max_bytes: int = READ_BYTES,
    ) -> None:
        self._writers: dict[Toward, asyncio.StreamWriter] = {"client": writer}
        self._note_fault, self._report = note_fault, report
        self._ended = asyncio.Event()
        # Set when something that waited has been passed on.
        self._moved = asyncio.Event()
        self._timer: asyncio.Handle | None = None
        # Times are those of the wall clock, but never run backwards.
        self._clock_offset_ns = time.time_ns() - time.monotonic_ns()
        self.ended_by = ""
        self.is_reset = False
        self.error: Exception | None = None
        self.lines: dict[Toward, Line] = {
            toward: Line(
                partial(self._write, toward),
                self._take_fault,
                [fault for fault in faults if fault.toward == toward],
                max_bytes,
            )
            for toward in DIRECTIONS
        }
        self.conversation = None if converse is None else converse(self.lines, self.end)

    @property
    def now_ns(self) -> int:
        """The time, in nanoseconds since the epoch."""
        return self._clock_offset_ns + time.monotonic_ns()

    async def run(self, reader: asyncio.StreamReader, target: Target) -> None:
        """Connect to the server, and pass bytes until client, server or a fault ends the link.

        Return at once if the server refuses the connection.

        Args:
            reader: reads from the client.
            target: where the server is.
        """
        # `end` must not wait for a server that doesn't answer: that can take minutes.
        connecting = asyncio.create_task(
            asyncio.open_connection(target.host, target.port, ssl=target.tls)
        )
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait([connecting, ended], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not connecting.done():
            connecting.cancel()
            return
        try:
            server_reader, server_writer = connecting.result()
        except (OSError, ValueError) as error:  # ValueError: no host can have such a name
            self.error = error
            return
        self._writers["server"] = server_writer
        tasks = [
            asyncio.create_task(self._pump(reader, "server")),
            asyncio.create_task(self._pump(server_reader, "client")),
            asyncio.create_task(self._ended.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            if self._timer is not None:
                self._timer.cancel()
            self._ended.set()
            if self.conversation is not None:
                self.conversation.finish(self.now_ns)
            for writer in self._writers.values():
                writer.close()
            # A tap lists links that have ended: they must not hold the buffers of sockets.
            self._writers.clear()

    def end(self, kind: Kind) -> None:
        """End the connection as a fault of this kind does; idempotent."""
        if self._ended.is_set():
            return
        self._note_fault(kind)
        self.ended_by = self.ended_by or "tap"
        self._ended.set()
        if kind in ("reset", "stall"):
            self.is_reset = True
            for writer in self._writers.values():
                sock = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
                writer.transport.abort()

    def advance(self) -> None:
        """Pass what may pass by now, and set a timer for the next; call it after each order."""
        if self._ended.is_set():
            return
        now_ns = self.now_ns
        if self.conversation is not None:
            self.conversation.advance(now_ns)
            dues = [wire.due_ns for wire in self.conversation.wires.values()]
        else:
            for line in self.lines.values():
                line.advance(now_ns)
            dues = [line.due_ns for line in self.lines.values()]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ns = min((due for due in dues if due is not None), default=None)
        if due_ns is not None and not self._ended.is_set():
            loop = asyncio.get_running_loop()
            wait_s = (due_ns - now_ns) / 1e9
            # A timer of no time would wait for a millisecond.
            self._timer = (
                loop.call_later(wait_s, self.advance)
                if wait_s > 0
                else loop.call_soon(self.advance)
            )
        self._moved.set()

    def _write(self, toward: Toward, data: bytes) -> None:
        writer = self._writers[toward]
        # Of a connection that is lost, asyncio logs each write from the sixth on: what was held
        # back for a client that has left would be hundreds.
        if not writer.transport.is_closing():
            writer.write(data)

    def _take_fault(self, kind: Kind) -> None:
        if kind in ENDING_KINDS:
            self.end(kind)
        else:
            self._note_fault(kind)

    async def _pump(self, reader: asyncio.StreamReader, toward: Toward) -> None:
        """Pass bytes in one direction until the sender closes."""
        passage = (
            self.lines[toward] if self.conversation is None else self.conversation.wires[toward]
        )
        sender = other_end(toward)
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_BYTES):
                self._feed(toward, data)
                self.advance()
                await self._writers[toward].drain()
                while passage.is_full:
                    await self._wait_until_moved()
        if self.conversation is not None:
            self.conversation.wires[toward].end_input(self.now_ns)
            self.advance()
        while not (passage.is_empty or self._ended.is_set()):
            await self._wait_until_moved()
        is_closing = self.conversation is not None and self.conversation.is_closing
        self.ended_by = self.ended_by or ("tap" if is_closing else sender)

    def _feed(self, toward: Toward, data: bytes) -> None:
        if self.conversation is None:
            self.lines[toward].feed(data, self.now_ns)
            return
        wire = self.conversation.wires[toward]
        try:
            wire.feed(data, self.now_ns)
        except Exception as error:  # a fault of ours must not end a connection of the user's
            self._report(error)
            wire.read_as_bytes()

    async def _wait_until_moved(self) -> None:
        self._moved.clear()
        await self._moved.wait()
