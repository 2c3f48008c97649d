"""Liveness: detects peers that are gone, and suspends of this machine.

TCP alone may need minutes to notice a pulled cable, so each end pings a peer that is silent.
Silence is counted in *checks*, not in seconds. A computing kernel can block every thread of the
process, and a laptop can be suspended: a timeout in seconds would then expire for every peer at
once. After such a pause the loop first reads all data that arrived meanwhile and then makes a
single check, so no peer counts as gone because this process was blocked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.frames import CTRL_OPCODES, Frame, Opcode
from websockets.protocol import Event, State

from tickerkit.net.pacing import PacedConnection
from tickerkit.net.round_trips import RoundTrips

__all__ = [
    "CHECK_S",
    "MAX_QUIET_CHECKS",
    "MAX_SILENT_CHECKS",
    "MonitoredClient",
    "MonitoredServer",
    "SuspendDetector",
]

CHECK_S = 1.0
# Ping after every third silent check; after eight, the peer counts as gone.
PING_CHECKS = 3
MAX_SILENT_CHECKS = 8
# Checks without a message from a server that promises one every five seconds.
MAX_QUIET_CHECKS = 13
# Bytes of a message per check that count as progress: a message of 1 MiB may take minutes.
MIN_PROGRESS_BYTES = 2**12
# Checks after which a connection must have closed.
MAX_CLOSING_CHECKS = 2
CONTROL_HEADER_BYTES = 2
# Checks that a peer has left to answer after a suspend.
SHORT_CHECKS = 3
MIN_SUSPEND_S = 2.0
MAX_UNSENT_BYTES = 2**22


class _MonitoredConnection(PacedConnection):
    """A websocket connection that counts for how many checks its peer has been silent.

    Attributes:
        silent_checks: number of checks since the last byte was received.
    """

    silent_checks = 0

    def data_received(self, data: bytes) -> None:
        self.silent_checks = 0
        super().data_received(data)

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait in this process because the peer does not read."""
        return self.transport.get_write_buffer_size()

    def check(self) -> bool:
        """Count a check; return whether the peer is gone. Call it every `CHECK_S` seconds."""
        self.silent_checks += 1
        # A ping behind unsent data would not reach the peer either.
        if self.silent_checks % PING_CHECKS == 0 and not self.unsent_bytes:
            self._ping()
        return self.silent_checks >= MAX_SILENT_CHECKS

    def shorten_deadline(self) -> None:
        """Ping the peer, and give it three checks to answer; for use after a suspend."""
        self.silent_checks = max(self.silent_checks, MAX_SILENT_CHECKS - SHORT_CHECKS)
        self._ping()

    def keep_alive(self) -> None:
        """Count the peer as alive, and ping it; for use while this end reads nothing on purpose."""
        self.silent_checks = 0
        self._ping()

    def _ping(self) -> None:
        # Connection.ping() may wait for room to write or for a closing handshake, but the task that
        # checks all connections must not wait for one. Any byte counts as an answer.
        if self.state is State.OPEN:
            self.protocol.send_ping(self._make_ping())
            self.send_data()

    def _make_ping(self) -> bytes:
        """Return the payload of the next ping."""
        return b""


class MonitoredClient(_MonitoredConnection, ClientConnection):
    """The client's end of a connection.

    Attributes:
        expects_messages: whether the server promises a message every few seconds. A proxy between
            the two may answer pings for a server that hangs, so then only whole messages, and
            large messages that make progress, show that the server is alive.
        quiet_checks: number of checks since the last message, or since the last progress of one.
    """

    expects_messages = False
    quiet_checks = 0
    _closing_checks = 0
    _message_bytes = 0

    def check(self) -> bool:
        is_gone = super().check()
        # A server that reads no close frame would keep the connection open for ever.
        self._closing_checks += self.state is State.CLOSING
        progress, self._message_bytes = self._message_bytes, 0
        self.quiet_checks = 0 if progress >= MIN_PROGRESS_BYTES else self.quiet_checks + 1
        is_quiet = self.expects_messages and self.quiet_checks >= MAX_QUIET_CHECKS
        return is_gone or is_quiet or self._closing_checks > MAX_CLOSING_CHECKS

    def keep_alive(self) -> None:
        self.quiet_checks = 0
        super().keep_alive()

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame):
            if event.opcode in CTRL_OPCODES:
                self._message_bytes -= CONTROL_HEADER_BYTES + len(event.data)
            elif event.fin:
                self.quiet_checks = 0
        super().process_event(event)

    def receive_step(self, data: bytes) -> None:
        self._message_bytes += len(data)
        super().receive_step(data)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # A client that connects to a local port on which nothing listens may get that port as its
        # own, and is then connected to itself (RFC 9293, section 3.5, simultaneous open).
        if transport.get_extra_info("sockname") == transport.get_extra_info("peername"):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        # websockets answers every ping, whether or not the server reads the pongs.
        if self.unsent_bytes > MAX_UNSENT_BYTES:
            self.transport.abort()
            return
        super().data_received(data)


class MonitoredServer(_MonitoredConnection, ServerConnection):
    """The server's end of a connection; it measures how long its pings take to be answered.

    Attributes:
        round_trips: the pings that it has sent.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.round_trips = RoundTrips()

    def ping_now(self) -> None:
        """Send a ping, also to a peer that is not silent; `round_trips` then has its time."""
        self._ping()

    def _make_ping(self) -> bytes:
        return self.round_trips.send(self.loop.time())

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PONG:
            self.round_trips.receive(bytes(event.data), self.loop.time())
        super().process_event(event)


class SuspendDetector:
    """Detects suspends of the machine: the time of day advances, the monotonic clock doesn't.

    Args:
        wall: returns the time of day, in seconds.
        steady: returns the time of the clock that timers use, in seconds.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._offset = wall() - steady()

    def was_suspended(self) -> bool:
        """Return whether the machine was suspended since the last call."""
        before, self._offset = self._offset, self._wall() - self._steady()
        return self._offset - before > MIN_SUSPEND_S
