"""Pacing: parses what a peer sends in short steps, so that no peer holds up the event loop.

One read of a socket may bring 256 KiB, which may be 130,000 empty frames: most of a second's work,
during which no other connection of the process would be served.
"""

from __future__ import annotations

import time
from typing import Any

from websockets.asyncio.connection import Connection

__all__ = ["MAX_STEP_S", "PacedConnection"]

# How long one peer may use the loop before the others are served, in CPU time of the loop's thread.
MAX_STEP_S = 0.01
# Bytes parsed at once: at most 2,000 frames, which take some 10 ms. After a quick step, as inside
# of a large frame, the next is twice as long: in short ones, ticks took 7 % more CPU time.
STEP_BYTES = 4096
MAX_STEP_BYTES = 4 * STEP_BYTES
QUICK_S = 0.0005
# CPU time for what is left to parse when a connection ends: some 20,000 frames.
MAX_END_S = 0.1


class PacedConnection(Connection):
    """A websocket connection that parses a large read in steps, and serves the loop in between.

    While a part of a read waits to be parsed, nothing more is read from the peer. With TLS, the end
    of the connection may come in the same read. Nothing can wait then: what takes too long is
    dropped, as if the connection had broken.
    """

    _unparsed = b""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # websockets resumes reading when its queue of messages is short enough, also while a part
        # of the last read waits here.
        self.recv_messages.resume = self._resume_reading

    def data_received(self, data: bytes) -> None:
        if self._unparsed:
            self._unparsed += data
        else:
            self._parse(data)

    def eof_received(self) -> None:
        data, self._unparsed = self._unparsed, b""
        began = time.thread_time()
        for start in range(0, len(data), STEP_BYTES):
            if self.transport.is_closing() or time.thread_time() - began > MAX_END_S:
                break
            self.receive_step(data[start : start + STEP_BYTES])
        super().eof_received()

    def receive_step(self, data: bytes) -> None:
        """Parse bytes, and process the frames that they complete."""
        super().data_received(data)

    def _parse(self, data: bytes) -> None:
        if len(data) <= STEP_BYTES:
            self.receive_step(data)
            return
        began = now = time.thread_time()
        start, step = 0, STEP_BYTES
        while start < len(data):
            self.receive_step(data[start : start + step])
            if self.transport.is_closing():
                return
            start, before, now = start + step, now, time.thread_time()
            step = min(2 * step, MAX_STEP_BYTES) if now - before < QUICK_S else STEP_BYTES
            if start < len(data) and now - began > MAX_STEP_S:
                self._unparsed = data[start:]
                self.transport.pause_reading()
                self.loop.call_soon(self._continue)
                return

    def _continue(self) -> None:
        data, self._unparsed = self._unparsed, b""
        # No data is left if the connection has ended meanwhile.
        if not data or self.transport.is_closing():
            return
        self._parse(data)
        self._resume_reading()

    def _resume_reading(self) -> None:
        if not (self._unparsed or self.recv_messages.paused or self.transport.is_closing()):
            self.transport.resume_reading()
