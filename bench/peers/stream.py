"""The ticks that every server of a benchmark sends, and the orders that it takes."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from bench.child import answer_orders

SYMBOLS = ("AAPL", "MSFT", "GOOG", "AMZN", "NVDA", "TSLA", "META", "ORCL")
SIZE = 4096


def _pool() -> list[dict[str, Any]]:
    dice = random.Random(5)
    prices = {symbol: dice.uniform(100, 400) for symbol in SYMBOLS}
    when, pool = datetime(2026, 11, 23, 15), []
    for _ in range(SIZE):
        symbol = dice.choice(SYMBOLS)
        prices[symbol] *= 1 + dice.gauss(0, 0.0002)
        when += timedelta(microseconds=dice.randrange(1, 400))
        pool.append(
            {
                "symbol": symbol,
                "price": round(prices[symbol], 2),
                "size": float(dice.randrange(1, 500)),
                "time": f"{when.isoformat(timespec='microseconds')}{dice.randrange(1000):03}Z",
            }
        )
    return pool


POOL = _pool()


def tick(seq: int) -> dict[str, Any]:
    """Return tick `seq`, counted from 1."""
    return {**POOL[(seq - 1) % SIZE], "seq": seq}


class Stream:
    """Endless ticks on demand, while they are switched on."""

    def __init__(self) -> None:
        self._on = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        seq = 0
        while True:
            await self._on.wait()
            seq += 1
            yield tick(seq)
            # A send that finds room never waits: without this no other task would run.
            await asyncio.sleep(0)

    def obey(self, port: int) -> None:
        """Obey orders in a separate thread: `go` and `stop`."""

        def switch(set_or_clear: str) -> None:
            self._loop.call_soon_threadsafe(getattr(self._on, set_or_clear))

        does = {"go": lambda: switch("set"), "stop": lambda: switch("clear")}
        threading.Thread(target=answer_orders, args=(port, does), daemon=True).start()


def port_of(server: Any) -> int:
    """Return the port of an asyncio server."""
    port: int = server.sockets[0].getsockname()[1]
    return port
