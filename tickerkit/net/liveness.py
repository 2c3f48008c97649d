"""Liveness: a peer that is gone is told from one that is quiet, and from our own being held up.

TCP alone may need minutes to notice a pulled cable, so each end makes sure that something is heard
every few seconds. It counts *checks* since it last heard anything, not seconds: a process that was
held up (a kernel that sorts holds every thread in it, a laptop sleeps) makes one check when it
comes to, after its loop has read what came meanwhile, and declares nobody dead for its own absence.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

__all__ = ["CHECK_S", "DEAD_CHECKS", "AttentiveClient", "AttentiveServer", "SuspendDetector"]

CHECK_S = 1.0
PING_CHECKS = 3
DEAD_CHECKS = 8
HURRY_CHECKS = 3
SLEPT_S = 2.0
MAX_UNSENT = 2**22


class _Attentive(Connection):
    """A websocket that knows for how many checks it has heard nothing.

    Attributes:
        silent: how many checks in a row found that not one byte had come.
    """

    silent = 0

    def data_received(self, data: bytes) -> None:
        self.silent = 0
        super().data_received(data)

    @property
    def unsent(self) -> int:
        """How many bytes wait in this process because the peer does not take them."""
        return self.transport.get_write_buffer_size()

    def check(self) -> bool:
        """Count a check; return whether the peer is gone. To be called every `CHECK_S`."""
        self.silent += 1
        # A ping that waits behind what the peer does not take would not reach it either.
        if self.silent % PING_CHECKS == 0 and not self.unsent:
            self._ask()
        return self.silent >= DEAD_CHECKS

    def hurry(self) -> None:
        """Doubt the peer: it has a few checks to say something."""
        self.silent = max(self.silent, DEAD_CHECKS - HURRY_CHECKS)
        self._ask()

    def _ask(self) -> None:
        # Connection.ping() may wait, for room to write or for the end of closing; who watches all
        # connections must wait for none. Any byte is answer enough.
        if self.state is State.OPEN:
            self.protocol.send_ping(b"")
            self.send_data()


class AttentiveClient(_Attentive, ClientConnection):
    """The client's end."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # Who tries a local port on which nothing listens may be given that port as its own, and is
        # then connected to itself (RFC 9293, section 3.5, simultaneous open).
        if transport.get_extra_info("sockname") == transport.get_extra_info("peername"):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        # Pings are answered by websockets, whether or not the server reads the answers.
        if self.unsent > MAX_UNSENT:
            self.transport.abort()
            return
        super().data_received(data)


class AttentiveServer(_Attentive, ServerConnection):
    """The server's end."""


class SuspendDetector:
    """Notices that the machine slept: its clocks went on, the one that programs wait by did not.

    Args:
        wall: the time of day, in seconds.
        steady: the clock that timers use, in seconds.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._apart = wall() - steady()

    def slept(self) -> bool:
        """Return whether the machine slept since this was last asked."""
        before, self._apart = self._apart, self._wall() - self._steady()
        return self._apart - before > SLEPT_S
