"""Readers that look only at the head and the tail of each message: hundreds fit on one core.

Hundreds of readers that decode everything would need more cores than the server and hide its limit.
These copy and decode nothing, but still detect missing ticks: a message has its first seq in its
first bytes, and the count there or in its last bytes.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

from tickerkit.protocol.messages import Subscribe, encode

BUFFER_BYTES = 2**18
LOOK_BYTES = 192

V1 = re.compile(rb'\{"type":"ticks","seq":(\d+),"count":(\d+),')
FIRST = re.compile(rb'\[\{[^}]*?"seq":(\d+)[,}]')
LAST = re.compile(rb'.*"seq":(\d+)[,}]', re.DOTALL)


class Skimmer(asyncio.BufferedProtocol):
    """A websocket that receives everything and looks at little of it.

    Args:
        kind: "v1", or "many" for `/ticks`.
        took: called with the seq of the newest tick of each message, and the time in ns.

    Attributes:
        last: seq of the newest tick; 0 before the first.
        missed: how many ticks are missing.
        unread: messages that are neither ticks nor about ticks, as text.
    """

    buffer = memoryview(bytearray(BUFFER_BYTES))  # what has come is read before more does

    def __init__(self, kind: str, port: int, took: Callable[[int, int], object]) -> None:
        self.kind, self.port, self.took = kind, port, took
        self.last = self.ticks = self.messages = self.bytes = self.missed = 0
        self.unread: list[bytes] = []
        self.lost = False
        self.open = asyncio.get_running_loop().create_future()
        self._held = b""
        self._left = 0
        self._opcode = 0
        self._head = self._tail = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        v1 = self.kind == "v1"
        transport.write(
            f"GET {'/' if v1 else '/ticks'} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"{'Sec-WebSocket-Protocol: tickerkit.v1' if v1 else 'X-Plain: yes'}\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.open.done():
            self.open.set_exception(ConnectionError(self._held[:200]))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.bytes += nbytes
        data = self.buffer[:nbytes]
        if self._held:
            data, self._held = memoryview(self._held + data), b""
        if not self.open.done():
            answer = bytes(data)
            if (end := answer.find(b"\r\n\r\n")) < 0:
                self._held = answer
                return
            if not answer.startswith(b"HTTP/1.1 101"):
                self.open.set_exception(ConnectionError(answer[:200]))
                return
            data = data[end + 4 :]
            if self.kind == "v1":
                self._send(0x1, encode(Subscribe()))
            self.open.set_result(None)
        at, size = 0, len(data)
        while at < size:
            if not self._left:
                begin, length = at + 2, data[at + 1] if size - at > 1 else 127
                if length == 126:
                    begin, length = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
                elif length == 127:
                    begin, length = at + 10, int.from_bytes(data[at + 2 : at + 10], "big")
                if begin > size:
                    self._held = bytes(data[at:])
                    return
                self._opcode, self._left, at = data[at], length, begin
                self._head = self._tail = b""
            stop = min(at + self._left, size)
            if len(self._head) < LOOK_BYTES:
                self._head += data[at : min(at + LOOK_BYTES, stop)]
            self._tail = (self._tail + bytes(data[max(at, stop - LOOK_BYTES) : stop]))[-LOOK_BYTES:]
            self._left -= stop - at
            at = stop
            if not self._left:
                self._message()

    def _message(self) -> None:
        if self._opcode != 0x81:
            if self._opcode == 0x89:
                self._send(0xA, self._head)
            return
        self.messages += 1
        if self.kind == "v1":
            if (found := V1.match(self._head)) is None:
                if not self._head.startswith((b'{"type":"at"', b'{"type":"hello"')):
                    self.unread.append(self._head)
                return
            first, count = int(found[1]), int(found[2])
        else:
            found, end = FIRST.match(self._head), LAST.match(self._tail)
            if found is None or end is None:
                self.unread.append(self._head)
                return
            first = int(found[1])
            count = int(end[1]) - first + 1
        if self.last and first != self.last + 1:
            self.missed += first - self.last - 1
        self.last = first + count - 1
        self.ticks += count
        if count:
            self.took(self.last, time.time_ns())

    def _send(self, opcode: int, payload: bytes) -> None:
        """Send a short frame, masked with zeros, which leaves the bytes as they are."""
        assert len(payload) < 126
        self.transport.write(bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload)


async def connect(
    kind: str, port: int, count: int, took: Callable[[int, int], object]
) -> list[Skimmer]:
    """Connect `count` of them, and return them when all are connected."""
    loop = asyncio.get_running_loop()
    skimmers = []
    for _ in range(count):
        _, skimmer = await loop.create_connection(
            lambda: Skimmer(kind, port, took), "127.0.0.1", port
        )
        await skimmer.open
        skimmers.append(skimmer)
    return skimmers
