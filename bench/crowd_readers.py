"""A crowd in a separate process: thousands of readers of v1, each as cheap as Python allows.

A reader looks only at the first bytes of a message, and checks that the ticks come in order. When
its server closes the connection, it resumes at the server that it was told to move to.
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
import time
from collections import Counter
from typing import Any

from bench.child import answer_orders

HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: tickerkit.v1\r\n\r\n"
)
TICKS = re.compile(rb'\{"type":"ticks","seq":(\d+),"count":(\d+),')
HELLO = re.compile(rb'\{"type":"hello","epoch":"(\w+)"')
GAP = re.compile(rb'\{"type":"gap"')
TEXT, CLOSE, PING = 0x81, 0x88, 0x89
# As a feed waits at most after its server has announced a restart.
MAX_RETRY_S = 0.5


class CrowdReader(asyncio.Protocol):
    """One reader, over all its connections.

    Attributes:
        seq: seq of its newest tick; None before the first.
    """

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.epoch = b""
        self.seq: int | None = None
        self.is_open = self.is_live = False
        self._held = b""

    async def connect(self) -> None:
        """Connect, until a server admits it."""
        loop = asyncio.get_running_loop()
        while True:
            self.is_open = self.is_live = False
            self._held = b""
            self._answer = loop.create_future()
            try:
                await loop.create_connection(lambda: self, "127.0.0.1", self.crowd.port)
                if await self._answer:
                    return
            except OSError:
                pass
            self.crowd.counts["retries"] += 1
            await asyncio.sleep(random.uniform(0, MAX_RETRY_S))

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(HANDSHAKE.format(port=self.crowd.port).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_result(False)
        elif self.is_open:
            self.crowd.lose(self)

    def data_received(self, data: bytes) -> None:
        if self._held:
            data, self._held = self._held + data, b""
        at, size = 0, len(data)
        if not self.is_open:
            if (end := data.find(b"\r\n\r\n")) < 0:
                self._held = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                self.transport.abort()
                return
            at, self.is_open = end + 4, True
        while size - at >= 2:
            opcode, length, begin = data[at], data[at + 1], at + 2
            if length == 126:
                begin, length = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
            elif length == 127:
                begin, length = at + 10, int.from_bytes(data[at + 2 : at + 10], "big")
            end = begin + length
            if size < end:
                break
            if opcode == TEXT:
                self._take(data, begin)
            elif opcode == PING:
                self._send(0x8A, data[begin:end])
            elif opcode == CLOSE:
                self.crowd.counts[f"closed {int.from_bytes(data[begin : begin + 2], 'big')}"] += 1
                self._send(CLOSE, data[begin : begin + 2])
            at = end
        self._held = data[at:]

    def _take(self, data: bytes, begin: int) -> None:
        counts = self.crowd.counts
        counts["messages"] += 1
        if found := TICKS.match(data, begin):
            first, count = int(found[1]), int(found[2])
            if count and self.seq is not None and first != self.seq + 1:
                counts["breaks"] += 1
            if count:
                self.seq = first + count - 1
                counts["ticks"] += count
        elif found := HELLO.match(data, begin):
            if not self.is_live:
                self._subscribe(found[1])
            return
        elif GAP.match(data, begin):
            counts["gaps"] += 1
        if not self.is_live:
            self.is_live = True
            self.crowd.live_at = time.monotonic()
            self._answer.set_result(True)

    def _subscribe(self, epoch: bytes) -> None:
        resume = b"null"
        if self.seq is not None:
            resume = b'{"epoch":"%s","seq":%d}' % (self.epoch, self.seq)
        else:
            self.epoch = epoch
        self._send(
            TEXT,
            b'{"type":"subscribe","symbols":null,"resume":%s,"history":0}' % resume,
        )

    def _send(self, opcode: int, payload: bytes) -> None:
        """Send a short frame, masked with zeros, which leaves the bytes as they are."""
        assert len(payload) < 126
        self.transport.write(bytes([opcode, 0x80 | len(payload)]) + bytes(4) + payload)


class Crowd:
    """Readers in a separate thread, and the orders that their process obeys."""

    def __init__(self) -> None:
        self.port = 0
        self.readers: list[CrowdReader] = []
        self.counts: Counter[str] = Counter()
        self.live_at = 0.0
        self._moves: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def connect(self, port: int, count: int, at_once: int) -> float:
        """Connect readers, `at_once` at the same time; return the seconds that it took."""
        self.port = port
        return asyncio.run_coroutine_threadsafe(self._connect(count, at_once), self._loop).result()

    async def _connect(self, count: int, at_once: int) -> float:
        began, left = time.monotonic(), iter(range(count))

        async def work() -> None:
            for _ in left:
                reader = CrowdReader(self)
                self.readers.append(reader)
                await reader.connect()

        await asyncio.gather(*(work() for _ in range(at_once)))
        return time.monotonic() - began

    def move(self, port: int) -> None:
        """From now on, connect to another server, which readers do when theirs closes."""
        self.port = port

    def lose(self, reader: CrowdReader) -> None:
        """Have a reader connect again at once, as a feed does."""
        self.counts["lost"] += 1
        task = self._loop.create_task(reader.connect())
        self._moves.add(task)
        task.add_done_callback(self._moves.discard)

    def state(self) -> dict[str, Any]:
        """Return the counts of all readers, and the time at which the last one was live."""
        seqs = [reader.seq or 0 for reader in self.readers]
        return {
            "live": sum(reader.is_live for reader in self.readers),
            "seqs": [min(seqs, default=0), max(seqs, default=0)],
            "live_at": self.live_at,
            **dict.fromkeys(("messages", "ticks", "breaks", "gaps", "lost", "retries"), 0),
            **self.counts,
        }


if __name__ == "__main__":
    crowd = Crowd()
    orders = (crowd.connect, crowd.move, crowd.state)
    answer_orders("reading", {order.__name__: order for order in orders})
