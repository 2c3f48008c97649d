"""Readers of a benchmark: many websockets in one process, at the least cost that Python allows.

A benchmark of servers must not measure its clients: these parse frames in place and decode each
message at once, with msgspec into typed objects, or with tickerkit's own client.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable
from typing import Any

import msgspec

from tickerkit.protocol import Client, Received

Take = Callable[["Reader", memoryview], None]


class Tick(msgspec.Struct, gc=False):
    """A tick as an object on the wire; `price` carries what a benchmark wants to know."""

    symbol: str
    price: float
    size: float | None = None
    time: Any = None
    seq: int = 0


_one = msgspec.json.Decoder(Tick).decode
_many = msgspec.json.Decoder(list[Tick]).decode


def one(reader: Reader, message: memoryview) -> None:
    """Take a message of one tick."""
    reader.newest = _one(message)
    reader.ticks += 1


def many(reader: Reader, message: memoryview) -> None:
    """Take a message of an array of ticks."""
    ticks = _many(message)
    reader.newest = ticks[-1]
    reader.ticks += len(ticks)


def columns(reader: Reader, message: memoryview) -> None:
    """Take a message of tickerkit.v1, as a feed does."""
    for event in reader.client.receive(bytes(message)):
        if isinstance(event, Received):
            reader.ticks += event.batch.count
            reader.newest = event
    for reply in reader.client.replies():
        reader.send(reply)


KINDS: dict[str, Take] = {"one": one, "many": many, "v1": columns}


class Reader(asyncio.Protocol):
    """One websocket that reads.

    Attributes:
        ticks: how many ticks it decoded.
        messages: how many messages came.
        newest: the newest of what was decoded.
    """

    def __init__(self, kind: str, port: int, path: str, took: Callable[[Reader], None] | None):
        self.take = KINDS[kind]
        self.kind = kind
        self.port, self.path = port, path
        self.took = took
        self.client = Client()
        self.ticks = self.messages = self.bytes = 0
        self.newest: Any = None
        self.open = asyncio.get_running_loop().create_future()
        self._held = bytearray()
        self._parts = bytearray()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        wanted = "Sec-WebSocket-Protocol: tickerkit.v1\r\n" if self.kind == "v1" else ""
        transport.write(
            f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"{wanted}\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.open.done():
            self.open.set_exception(ConnectionError(bytes(self._held[:200])))

    def send(self, text: bytes) -> None:
        """Send a short text frame, masked with zeros, which changes nothing."""
        assert len(text) < 2**16
        head = bytes([0x81, 0x80 | len(text)] if len(text) < 126 else [0x81, 0xFE])
        size = b"" if len(text) < 126 else len(text).to_bytes(2, "big")
        self.transport.write(head + size + bytes(4) + text)

    def data_received(self, data: bytes) -> None:
        held = self._held
        held += data
        if not self.open.done():
            if (end := held.find(b"\r\n\r\n")) < 0:
                return
            if not held.startswith(b"HTTP/1.1 101"):
                self.open.set_exception(ConnectionError(bytes(held[:200])))
                return
            del held[: end + 4]
            self.client.connected()
            self.open.set_result(None)
        at, size = 0, len(held)
        view = memoryview(held)
        while size - at >= 2:
            begin, length = at + 2, held[at + 1]
            if length == 126:
                begin, length = at + 4, int.from_bytes(held[at + 2 : at + 4], "big")
            elif length == 127:
                begin, length = at + 10, int.from_bytes(held[at + 2 : at + 10], "big")
            if size < begin + length:
                break
            self._frame(held[at], view[begin : begin + length])
            at = begin + length
        view.release()
        self.bytes += at
        del held[:at]

    def _frame(self, head: int, payload: memoryview) -> None:
        opcode = head & 0x0F
        if opcode == 9:
            self.transport.write(bytes([0x8A, 0x80 | len(payload)]) + bytes(4) + bytes(payload))
        elif opcode in (0, 1, 2):
            if head & 0x80 and not self._parts:
                whole: memoryview = payload
            else:
                self._parts += payload
                if not head & 0x80:
                    return
                whole, self._parts = memoryview(self._parts), bytearray()
            self.messages += 1
            self.take(self, whole)
            if self.took is not None:
                self.took(self)
        payload.release()


async def connect(
    kind: str, port: int, path: str, count: int, took: Callable[[Reader], None] | None = None
) -> list[Reader]:
    """Connect `count` readers, and return them when all are in."""
    loop = asyncio.get_running_loop()
    readers = []
    for _ in range(count):
        _, reader = await loop.create_connection(
            lambda: Reader(kind, port, path, took), "127.0.0.1", port
        )
        await reader.open
        readers.append(reader)
    return readers


def count(kind: str, port: int, path: str, clients: int, seconds: float, warm_s: float) -> Any:
    """Count what so many readers decode in so many seconds."""

    async def main() -> dict[str, float]:
        readers = await connect(kind, port, path, clients)
        await asyncio.sleep(warm_s)

        def sums() -> tuple[float, ...]:
            every = (time.perf_counter(), time.process_time())
            return every + tuple(
                sum(getattr(each, name) for each in readers)
                for name in ("ticks", "messages", "bytes")
            )

        before = sums()
        await asyncio.sleep(seconds)
        took, cpu, ticks, messages, size = (b - a for a, b in zip(before, sums(), strict=True))
        return {
            "ticks_s": ticks / took,
            "messages_s": messages / took,
            "bytes_s": size / took,
            "cpu": cpu / took,
        }

    return asyncio.run(main())
