"""A client that holds ticks as columns and the time at which it had each: `ours` or `lists`."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from websockets.asyncio.client import connect

import tickerkit as tk
from bench.child import answer_orders

LAST_S = 2.0
LOOK_S = 0.01


def told(price: Any, size: Any, had_at: Any, count: int, rate: float) -> dict[str, float]:
    """Return the figures of the ticks of one run; `count` ticks were sent."""
    price, size, had_at = (np.asarray(each, dtype=float) for each in (price, size, had_at))
    if not len(price):
        raise RuntimeError(f"of {count} ticks none came")
    p50, p99 = np.percentile((had_at - price) * 1000, [50, 99])
    return {
        "came": len(price) / count,
        "rate": len(price) / (had_at[-1] - had_at[0] + 1 / rate) / rate,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "late_p99_ms": float(np.percentile(size * 1000, 99)),
    }


def wait_for(had: Callable[[], int], count: int) -> None:
    """Wait until `count` ticks came, or until no more come."""
    before, end = had(), time.monotonic() + LAST_S
    while had() < count and time.monotonic() < end:
        time.sleep(LOOK_S)
        if had() != before:
            before, end = had(), time.monotonic() + LAST_S


def ours(port: int) -> None:
    """Tickerkit's feed: a tick counts once the log has it, and so the next `frame()`."""
    feed = tk.connect(f"ws://127.0.0.1:{port}", history=0)
    log, marks = feed.log, list[tuple[float, int]]()
    log.on_append(lambda: marks.append((time.monotonic(), log.stop)))
    while feed.status != "live":
        time.sleep(LOOK_S)
    begin = log.stop

    def result(count: int, rate: float) -> dict[str, float]:
        nonlocal begin
        wait_for(lambda: log.stop - begin, count)
        rows = log.rows(begin)
        now, stops = zip(*marks, strict=True) if marks else ((), ())
        had_at = np.repeat(now, np.diff(stops, prepend=begin)) if marks else []
        begin = log.stop
        marks.clear()
        return told(rows.array("price"), rows.array("size"), had_at, count, rate)

    answer_orders("live", {"result": result})
    feed.stop()


async def lists(port: int) -> None:
    """Columns as lists, the cheapest way: a DataFrame is made of them on request."""
    columns: dict[str, list[Any]] = {"symbol": [], "price": [], "size": []}
    had_at: list[float] = []

    def result(count: int, rate: float) -> dict[str, float]:
        wait_for(lambda: len(had_at), count)
        answer = told(columns["price"], columns["size"], had_at, count, rate)
        for column in (*columns.values(), had_at):
            column.clear()
        return answer

    async with connect(f"ws://127.0.0.1:{port}", compression=None) as websocket:
        orders = ("live", {"result": result})
        threading.Thread(target=answer_orders, args=orders, daemon=True).start()
        async for message in websocket:
            for name, value in json.loads(message).items():
                columns[name].append(value)
            had_at.append(time.monotonic())


if __name__ == "__main__":
    if sys.argv[1] == "ours":
        ours(int(sys.argv[2]))
    else:
        asyncio.run(lists(int(sys.argv[2])))
