"""The child processes of `bench.frames`: the senders of ticks, and the holders of memory.

`python -m bench.frames_side serve|plain|hold|table|dicts`
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websocket_server

import tickerkit as tk
from bench.child import answer_orders
from tickerkit.log import TickLog
from tickerkit.sources import Outlet, Source
from tickerkit.ticks import UTC_NS, Batch, Text

SYMBOLS = ["AAPL", "MSFT", "SPY"]
POOL = 1_000_000
CHUNK = 4_000
BEHIND = 100_000
STEP_NS = 10**6
BEGIN_NS = 1_763_000_000 * 10**9


def pool() -> Batch:
    """Return a million ticks, the same in every process, to be sent repeatedly."""
    chance = np.random.default_rng(7)
    price = (18_000 + np.round(chance.standard_normal(POOL).cumsum())) / 100
    size = chance.integers(1, 500, POOL).astype(float)
    codes = chance.integers(0, len(SYMBOLS), POOL).astype(np.int32)
    time_ns = BEGIN_NS + np.arange(POOL) * STEP_NS
    return Batch(POOL, time_ns, {"symbol": Text(codes, SYMBOLS), "price": price, "size": size})


def part(ready: Batch, start: int, count: int) -> Batch:
    """Return the ticks from number `start`; their times continue from one pool to the next."""
    at = start % POOL
    some = ready.part(at, at + count)
    some.time = some.time + (start - at) * STEP_NS
    return some


class Steady(Source):
    """Sends a number of ticks, never far ahead of the reader."""

    def __init__(self) -> None:
        self.ready = pool()
        self.count = 0
        self.go = threading.Event()

    async def run(self, out: Outlet) -> None:
        while True:
            while not self.go.is_set():  # noqa: ASYNC110 - set from another thread
                await asyncio.sleep(0.01)
            self.go.clear()
            await out.wait_for_readers(1)
            for start in range(0, self.count, CHUNK):
                await out.wait_until_read(BEHIND)
                await out.send(part(self.ready, start, CHUNK))


def serve() -> None:
    """Run a tickerkit server; its source begins on request."""
    source = Steady()
    server = tk.serve(source, port=0)

    def send(count: int) -> int:
        source.count = count
        source.go.set()
        return count

    answer_orders(server.port, {"send": send})


# --- sender for alternatives ------------------------------------------------------------------


async def _plain() -> None:
    ready = pool()
    texts: dict[str, list[str]] = {}

    async def send(connection: ServerConnection) -> None:
        """Send the ready JSON that the path names, `/one/1000` or `/many/1000`, then close."""
        assert connection.request is not None
        _, kind, count = connection.request.path.split("/")
        for text in texts[kind][: int(count) // (1 if kind == "one" else 100)]:
            await connection.send(text)

    rows = ready.part(0, 200_000)
    codes: Any = rows.columns["symbol"]
    prices: Any = rows.columns["price"]
    sizes: Any = rows.columns["size"]
    one = [
        f'{{"symbol":"{SYMBOLS[code]}","price":{price},"size":{size},"time":{at},"seq":{seq}}}'
        for seq, (code, price, size, at) in enumerate(
            zip(codes.codes, prices, sizes, (rows.time // 10**6).tolist(), strict=True), 1
        )
    ]
    texts["one"] = one
    texts["many"] = [f"[{','.join(one[at : at + 100])}]" for at in range(0, len(one), 100)]
    async with websocket_server(send, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        await asyncio.to_thread(answer_orders, port, {})


# --- memory -----------------------------------------------------------------------------------


def rss() -> int:
    """Return this process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def hold(count: int, batch: int) -> dict[str, float]:
    """Append to a log until it has moved its newest ticks three times; measure memory and time."""
    ready = pool()
    log = TickLog(count)
    before = rss()
    sizes = {"full": 0, "rest": 0, "moving": 0}
    stall_s = stall_cpu_s = spent_s = 0.0
    arrays, moved, at = log.state.arrays["seq"], 0, 0
    while moved < 4:
        some = part(ready, at, batch)
        begin, cpu = time.perf_counter(), time.thread_time()
        log.append(some, received=at)
        took_s = time.perf_counter() - begin
        stall_cpu_s = max(stall_cpu_s, time.thread_time() - cpu)
        stall_s, spent_s = max(stall_s, took_s), spent_s + took_s
        at += batch
        if at > count and log.state.arrays["seq"] is not arrays:
            moved += 1
        arrays = log.state.arrays["seq"]
        if at % 20_000 == 0 and at >= count:
            when = "full" if at == count else "moving" if log._compaction.active else "rest"
            if when != "rest" or moved:
                sizes[when] = max(sizes[when], rss() - before)
    assert len(log) == count
    per_tick = {f"{when}_bytes": size / count for when, size in sizes.items()}
    return {
        **per_tick,
        "stall_ms": stall_s * 1e3,
        "stall_cpu_ms": stall_cpu_s * 1e3,
        "append_ns": spent_s / at * 1e9,
    }


def table(count: int) -> float:
    """Return the bytes for each tick of a DataFrame of the same columns."""
    before = rss()
    codes = np.arange(count, dtype=np.int8) % 3
    pd_columns: dict[str, Any] = {
        "seq": np.arange(count),
        "time": pd.array(np.arange(count), dtype=UTC_NS, copy=False),
        "symbol": pd.Categorical.from_codes(codes, SYMBOLS),
        "price": np.full(count, 1.0),
        "size": np.full(count, 1.0),
        "received": pd.array(np.arange(count), dtype=UTC_NS, copy=False),
        "epoch": pd.Categorical.from_codes(np.full(count, 0, dtype=np.int8), ["e"]),
    }
    del codes
    frame = pd.DataFrame(pd_columns, copy=False)
    size = rss() - before
    assert len(frame) == count
    return size / count


def dicts(count: int) -> float:
    """Return the bytes for each tick of a list of dicts with the same values."""
    before = rss()
    ticks = [
        {
            "seq": n + 10**6,
            "time": BEGIN_NS + n,
            "symbol": SYMBOLS[n % 3],
            "price": n / 100,
            "size": n / 4,
            "received": BEGIN_NS + n,
            "epoch": "e",
        }
        for n in range(count)
    ]
    size = rss() - before
    assert len(ticks) == count
    return size / count


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    elif sys.argv[1] == "plain":
        asyncio.run(_plain())
    else:
        answer_orders("ready", {"hold": hold, "table": table, "dicts": dicts})
