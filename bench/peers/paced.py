"""A server that sends each tick by itself, when it is due: `ours` or `broadcast`.

The price of a tick is the time at which it was made, by the clock that all processes share; its
size is how much later that was than due.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast, serve

import tickerkit as tk
from bench.child import answer_orders
from bench.peers.stream import port_of
from tickerkit.sources import Outlet, Source

LOOK_S = 0.01
# A server that is this many times too slow is not asked for more.
PATIENCE = 1.5


class Pace:
    """Ticks at a rate, for the ordered time."""

    def __init__(self) -> None:
        self._order: tuple[float, int] | None = None
        self._made = 0
        self._done = threading.Event()

    def pace(self, rate: float, count: int) -> int:
        """Make a number of ticks, and return how many were made in the given time."""
        self._done.clear()
        self._order = rate, count
        self._done.wait()
        return self._made

    async def ticks(self) -> AsyncIterator[dict[str, Any]]:
        """Yield each tick when it is due."""
        while True:
            while self._order is None:  # noqa: ASYNC110 - the order comes from another thread
                await asyncio.sleep(LOOK_S)
            (rate, count), self._order = self._order, None
            start = time.monotonic()
            for number in range(count):
                self._made = number
                due = start + number / rate
                if time.monotonic() > start + PATIENCE * count / rate:
                    break
                await asyncio.sleep(max(due - time.monotonic(), 0))
                now = time.monotonic()
                yield {"symbol": "AAPL", "price": now, "size": now - due}
            else:
                self._made = count
            self._done.set()


class Paced(Source):
    def __init__(self, pace: Pace) -> None:
        self.pace = pace

    async def run(self, out: Outlet) -> None:
        async for tick in self.pace.ticks():
            await out.send(tick)


def ours(pace: Pace) -> None:
    server = tk.serve(Paced(pace), port=0)
    answer_orders(server.port, {"pace": pace.pace})
    server.stop()


async def theirs(pace: Pace) -> None:
    async def handler(websocket: ServerConnection) -> None:
        await websocket.wait_closed()

    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        orders = (port_of(server), {"pace": pace.pace})
        threading.Thread(target=answer_orders, args=orders, daemon=True).start()
        async for tick in pace.ticks():
            broadcast(server.connections, json.dumps(tick))


if __name__ == "__main__":
    if sys.argv[1] == "ours":
        ours(Pace())
    else:
        asyncio.run(theirs(Pace()))
