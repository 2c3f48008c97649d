"""Readers of a benchmark: many websockets in one process, as cheap as Python allows.

A benchmark of servers must not measure its clients: these parse frames in place and decode each
message at once, with msgspec into typed objects, or with tickerkit's own client. As a process,
`python -m bench.reader`, they keep reading between two orders, so that no server disconnects them.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import threading
import time
import zlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np

from bench.child import answer_orders
from tickerkit.protocol import Client, Received
from tickerkit.ticks import Text

T = TypeVar("T")

Take = Callable[["Reader", bytes], None]

WHOLE_TEXT = 0x81
COMPRESSED = 0x40
QUIET_S = 0.05
# Otherwise a thousand of them would read for seconds what the system has buffered.
RECEIVE_BYTES = 2**16


class Tick(msgspec.Struct, gc=False):
    """A tick as an object on the wire; `price` carries what a benchmark wants to know."""

    symbol: str
    price: float
    size: float | None = None
    time: Any = None
    seq: int = 0


_one = msgspec.json.Decoder(Tick).decode
_many = msgspec.json.Decoder(list[Tick]).decode


def one(reader: Reader, message: bytes) -> None:
    """Decode a message of one tick."""
    reader.newest = newest = _one(message)
    reader.message = (newest,)
    reader.count(newest.seq, newest.seq, 1)


def many(reader: Reader, message: bytes) -> None:
    """Decode a message of an array of ticks."""
    reader.message = ticks = _many(message)
    reader.newest = newest = ticks[-1]
    reader.count(ticks[0].seq, newest.seq, len(ticks))


def columns(reader: Reader, message: bytes) -> None:
    """Decode a message of tickerkit.v1, as a feed does."""
    for event in reader.client.receive(message):
        if isinstance(event, Received):
            reader.newest = event
            reader.count(int(event.seq[0]), int(event.seq[-1]), event.batch.count)
    for reply in reader.client.take_replies():
        reader.send(reply)


KINDS: dict[str, Take] = {"one": one, "deflated": one, "many": many, "v1": columns}
HEADERS = {
    # As the clients of the websockets library offer it.
    "deflated": "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
    "v1": "Sec-WebSocket-Protocol: tickerkit.v1\r\n",
}


class Reader(asyncio.Protocol):
    """A websocket that reads.

    Attributes:
        ticks: how many ticks it decoded.
        messages: how many messages came.
        newest: the newest decoded tick.
        message: the ticks of the newest message; not for v1.
        seq: the number of the newest tick.
        breaks: how many messages did not continue where the previous one ended.
    """

    def __init__(self, kind: str, port: int, path: str, took: Callable[[Reader], None] | None):
        self.take = KINDS[kind]
        self.kind = kind
        self.port, self.path = port, path
        self.took = took
        self.client = Client()
        self.ticks = self.messages = self.bytes = 0
        self.newest: Any = None
        self.message: Sequence[Tick] = ()
        self.seq = self.breaks = 0
        self.open = asyncio.get_running_loop().create_future()
        self._held = b""
        self._parts = b""
        self._inflate = zlib.decompressobj(wbits=-15).decompress

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"{HEADERS.get(self.kind, '')}\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.open.done():
            self.open.set_exception(ConnectionError(self._held[:200]))

    def send(self, text: bytes) -> None:
        """Send a short text frame, masked with zeros, which leaves the bytes as they are."""
        assert len(text) < 2**16
        head = bytes([0x81, 0x80 | len(text)] if len(text) < 126 else [0x81, 0xFE])
        size = b"" if len(text) < 126 else len(text).to_bytes(2, "big")
        self.transport.write(head + size + bytes(4) + text)

    def count(self, first: int, last: int, ticks: int) -> None:
        """Count ticks with these numbers, and detect missing ticks before and among them."""
        if last - first + 1 != ticks or (first != self.seq + 1 and self.ticks):
            self.breaks += 1
        self.seq = last
        self.ticks += ticks

    def data_received(self, data: bytes) -> None:
        if self._held:
            data = self._held + data
        at, size = 0, len(data)
        if not self.open.done():
            self._held = data
            if (at := data.find(b"\r\n\r\n") + 4) < 4:
                return
            if not data.startswith(b"HTTP/1.1 101"):
                self.open.set_exception(ConnectionError(data[:200]))
                return
            self.client.start_connection()
            self.open.set_result(None)
        begun, take, took = at, self.take, self.took
        while size - at >= 2:
            head, length, begin = data[at], data[at + 1], at + 2
            if length == 126:
                begin, length = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
            elif length == 127:
                begin, length = at + 10, int.from_bytes(data[at + 2 : at + 10], "big")
            end = begin + length
            if size < end:
                break
            # All other kinds are rare.
            whole = data[begin:end] if head == WHOLE_TEXT else self._whole(head, data[begin:end])
            if whole is not None:
                self.messages += 1
                take(self, whole)
                if took is not None:
                    took(self)
            at = end
        self.bytes += at - begun
        self._held = data[at:]

    def _whole(self, head: int, payload: bytes) -> bytes | None:
        """Return the message that ends with this frame; None if it does not end one."""
        opcode = head & 0x0F
        if opcode == 9:
            self.transport.write(bytes([0x8A, 0x80 | len(payload)]) + bytes(4) + payload)
        if opcode > 2:
            return None
        if head & COMPRESSED:
            self._parts = b""
            return self._inflate(payload + b"\0\0\xff\xff")
        self._parts += payload
        if not head & 0x80:
            return None
        whole, self._parts = self._parts, b""
        return whole


async def connect(
    kind: str, port: int, path: str, count: int, took: Callable[[Reader], None] | None = None
) -> list[Reader]:
    """Connect `count` readers, and return them when all are connected."""
    loop = asyncio.get_running_loop()
    readers: list[Reader] = []
    for _ in range(count):
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        _, reader = await loop.create_connection(lambda: Reader(kind, port, path, took), sock=sock)
        await reader.open
        readers.append(reader)
    return readers


async def counted(readers: list[Reader], seconds: float, warm_s: float) -> dict[str, float]:
    """Count the ticks that readers decode in a time, and the process's share of a processor."""
    await asyncio.sleep(warm_s)

    def sums() -> tuple[float, ...]:
        every = (time.perf_counter(), time.process_time())
        return every + tuple(
            sum(getattr(each, name) for each in readers) for name in ("ticks", "messages", "bytes")
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


def count(kind: str, port: int, path: str, clients: int, seconds: float, warm_s: float) -> Any:
    """Connect readers, and count the ticks that they decode in a time."""

    async def main() -> dict[str, float]:
        return await counted(await connect(kind, port, path, clients), seconds, warm_s)

    return asyncio.run(main())


class Readers:
    """Readers in a separate thread, and the orders that their process obeys."""

    def __init__(self) -> None:
        self.readers: list[Reader] = []
        self.waits_s: list[float] = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def connect(self, kind: str, port: int, path: str, count: int, timed: bool = False) -> None:
        """Connect readers; `timed` readers read a tick's time from its price."""
        took = self._took if timed else None
        self.readers = self._run(connect(kind, port, path, count, took))

    def _took(self, reader: Reader) -> None:
        now = time.monotonic()
        self.waits_s += [now - tick.price for tick in reader.message]

    def waits(self) -> dict[str, float]:
        """Return the delays between making and decoding of all ticks since the last call."""
        waits_s, self.waits_s = self.waits_s, []
        p50, p99 = np.percentile(np.array(waits_s or [np.nan]) * 1000, [50, 99])
        return {"count": len(waits_s), "p50_ms": float(p50), "p99_ms": float(p99)}

    def count(self, seconds: float, warm_s: float) -> dict[str, float]:
        return self._run(counted(self.readers, seconds, warm_s))

    def quiet(self) -> dict[str, Any]:
        """Wait until no more comes; return the last tick and the breaks of each reader.

        For v1, the last tick of the last batch.
        """
        self._run(self._quiet())
        return {
            "breaks": sum(reader.breaks for reader in self.readers),
            "newest": [_newest(reader) for reader in self.readers],
        }

    async def _quiet(self) -> None:
        before, now = -1, 0
        while before != now:
            before = now
            await asyncio.sleep(QUIET_S)
            now = sum(reader.ticks for reader in self.readers)

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()


def _newest(reader: Reader) -> tuple[int, str, float, float | None]:
    """Return seq, symbol, price and size of the newest tick."""
    tick = reader.newest
    if isinstance(tick, Received):
        symbol, price, size = (tick.batch.columns[name] for name in ("symbol", "price", "size"))
        assert isinstance(symbol, Text)
        return (reader.seq, symbol.words[symbol.codes[-1]], float(price[-1]), float(size[-1]))
    return (tick.seq, tick.symbol, tick.price, tick.size)


if __name__ == "__main__":
    every = Readers()
    orders = (every.connect, every.count, every.quiet, every.waits)
    answer_orders("reading", {order.__name__: order for order in orders})
