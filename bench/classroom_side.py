"""The students of a class in a separate process: each a page's request, and a program that reads.

The price of each tick is the moment at which it was made, by the clock that all processes share.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
from typing import Any

import numpy as np

from bench.child import answer_orders

PAGE = "GET /{code} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
HANDSHAKE = (
    "GET /ticks?token={code}&name={name} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SENT_AT = re.compile(rb'"price":([0-9.]+)')
SUBSCRIBE = b'{"type":"subscribe","symbols":["A"]}'
PING = 0x89
MAX_RETRY_S = 1.0


class Student(asyncio.Protocol):
    """One student: it loads the page, then connects, and comes back after each break."""

    def __init__(self, side: Side, name: str) -> None:
        self.side, self.name = side, name
        self.transport: Any = None
        self.latencies: list[float] = []
        self.is_live = self.has_ended = False

    async def load_page(self) -> None:
        """Request the page as a phone does."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.side.port)
        writer.write(PAGE.format(code=self.side.code, port=self.side.port).encode())
        self.side.pages.append(len(await reader.read()))
        writer.close()

    async def connect(self) -> None:
        """Connect, again and again until it is done."""
        loop = asyncio.get_running_loop()
        while not self.has_ended:
            try:
                await loop.create_connection(lambda: self, "127.0.0.1", self.side.port)
                return
            except OSError:
                self.side.retries += 1
                await asyncio.sleep(random.uniform(0, MAX_RETRY_S))

    def connection_made(self, transport: Any) -> None:
        side = self.side
        self.transport, self.is_live = transport, False
        text = HANDSHAKE.format(code=side.code, port=side.port, name=self.name)
        transport.write(text.encode())

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if data.startswith(b"HTTP/1.1 101"):
            self.is_live = True
            if self.side.subscribes:
                mask = b"\x81" + bytes([0x80 | len(SUBSCRIBE)]) + b"\0\0\0\0"
                self.transport.write(mask + SUBSCRIBE)
        elif data.startswith(b"HTTP/1.1"):
            self.side.refused += 1
        if data[0] == PING:
            size = data[1] & 0x7F
            self.transport.write(bytes([0x8A, 0x80 | size]) + b"\0\0\0\0" + data[2 : 2 + size])
        self.latencies += [now - float(sent) for sent in SENT_AT.findall(data)]

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_live = False
        if not self.has_ended:
            self.side.breaks += 1
            self.side.spawn(self.come_back())

    async def come_back(self) -> None:
        await asyncio.sleep(random.uniform(0, MAX_RETRY_S))
        await self.connect()


class Side:
    """All students of this process."""

    def __init__(self) -> None:
        self.port, self.code = 0, ""
        self.students: list[Student] = []
        self.pages: list[int] = []
        self.retries = self.refused = self.breaks = 0
        self.subscribes = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.loop = asyncio.new_event_loop()

    def spawn(self, what: Any) -> None:
        task = self.loop.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- orders -------------------------------------------------------------------------------

    def run(self, what: Any) -> Any:
        return self.loop.run_until_complete(what)

    def join(self, port: int, code: str, first: int, count: int, subscribes: bool) -> float:
        """Have students join; return after how many seconds the last was live."""
        self.port, self.code, self.subscribes = port, code, subscribes

        async def join() -> float:
            began = time.monotonic()
            new = [Student(self, f"student-{number}") for number in range(first, first + count)]
            self.students += new
            await asyncio.gather(*(each.load_page() for each in new))
            await asyncio.gather(*(each.connect() for each in new))
            while not all(each.is_live for each in new):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            return time.monotonic() - began

        return float(self.run(join()))

    def listen(self, seconds: float, without: str = "") -> dict[str, Any]:
        """Read for some seconds; return how late ticks came to all students but one, in ms."""

        async def listen() -> None:
            await asyncio.sleep(0.3)  # what came while nothing was read
            for each in self.students:
                each.latencies.clear()
            await asyncio.sleep(seconds)

        self.run(listen())
        late = [x for each in self.students if each.name != without for x in each.latencies]
        p50, p99 = np.percentile(np.array(late) * 1000, [50, 99]) if late else (0, 0)
        return {"ticks": len(late), "p50": float(p50), "p99": float(p99)}

    def await_all(self, within_s: float) -> float:
        """Return after how many seconds all students are live."""

        async def wait() -> float:
            began = time.monotonic()
            while not all(each.is_live for each in self.students):
                if time.monotonic() - began > within_s:
                    return float("inf")
                await asyncio.sleep(0.01)
            return time.monotonic() - began

        return float(self.run(wait()))

    def counts(self) -> dict[str, Any]:
        """Return how many pages, refusals, breaks and retries there were."""
        return {
            "pages": len(self.pages),
            "page_bytes": max(self.pages, default=0),
            "refused": self.refused,
            "breaks": self.breaks,
            "retries": self.retries,
        }

    def leave(self) -> bool:
        """Have all students leave."""

        async def leave() -> None:
            for each in self.students:
                each.has_ended = True
                with contextlib.suppress(AttributeError):
                    each.transport.abort()
            await asyncio.sleep(0.2)

        self.run(leave())
        self.students.clear()
        return True


if __name__ == "__main__":
    side = Side()
    orders = (side.join, side.listen, side.await_all, side.counts, side.leave)
    answer_orders(True, {each.__name__: each for each in orders})
