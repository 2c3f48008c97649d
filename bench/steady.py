"""A tickerkit server in a separate process, with a source that keeps a rate by the clock."""

from __future__ import annotations

import argparse
import asyncio
import inspect
import sys
import time
from typing import Any

import numpy as np

import tickerkit as tk
from bench.child import Child, answer_orders
from tickerkit.sources import Outlet, Source
from tickerkit.ticks import Batch, Text

SYMBOLS = [f"SYM{number}" for number in range(10)]
BEHIND = 50_000
FLOOD_TICKS = 4096
FLOOD_BATCHES = 8


class Steady(Source):
    """Sends ticks at a rate, in batches, each tick with the time at which it was due.

    The ticks are a random walk, repeated. The last tick of each batch has the time at which the
    batch was due, so every delay of the source counts as lateness.

    Args:
        rate: ticks per second; 0 for as many as the slowest connected v1 reader takes.
        batches: how many batches a second.
    """

    def __init__(self, rate: int, batches: int = 100) -> None:
        self.rate = rate
        self.batches = min(batches, rate)
        self.count = rate // self.batches if rate else FLOOD_TICKS

    def __repr__(self) -> str:
        return f"{self.rate:,} ticks/s"

    async def run(self, out: Outlet) -> None:
        random = np.random.default_rng(1)
        price = np.round(100 + random.standard_normal(self.count).cumsum() / 100, 2)
        size = random.integers(1, 1000, self.count).astype(float)
        symbol = Text(random.integers(0, len(SYMBOLS), self.count, dtype=np.int32), SYMBOLS)
        columns: dict[str, Any] = {"symbol": symbol, "price": price, "size": size}
        every_ns = 10**9 // self.batches if self.rate else 10**6
        before_ns = np.linspace(-every_ns, 0, self.count + 1).astype(np.int64)[1:]
        if not self.rate:
            await out.wait_for_readers(1)
        due_ns = time.time_ns()
        while True:
            if self.rate:
                due_ns += every_ns
                await asyncio.sleep(max((due_ns - time.time_ns()) / 1e9, 0))
                await out.send(Batch(self.count, due_ns + before_ns, columns))
                continue
            await out.wait_until_read(BEHIND)
            for _ in range(FLOOD_BATCHES):  # to ask for each would be a cost of its own
                await out.send(Batch(self.count, time.time_ns() + before_ns, columns))


def can_have_process() -> bool:
    """Return whether this tickerkit can run a server in a separate process."""
    return "process" in inspect.signature(tk.serve).parameters


def compute(seconds: float) -> int:
    """Compute in pure Python for a time: the interpreter's lock is released only on request."""
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        sum(number * number for number in range(1000))
        rounds += 1
    return rounds


def start(
    rate: int, *, batches: int = 100, process: bool = False, history: int = 1_000_000
) -> Child:
    """Start a server; its `ready` is its port. It obeys the orders that `main` names."""
    more = ["--process"] if process else []
    return Child.python(
        "bench.steady", str(rate), f"--batches={batches}", f"--history={history}", *more
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.steady", description=__doc__)
    parser.add_argument("rate", type=int)
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--history", type=int, default=1_000_000)
    parser.add_argument("--process", action="store_true")
    asked = parser.parse_args()
    more: dict[str, Any] = {"process": True} if asked.process else {}
    source = Steady(asked.rate, asked.batches)
    server = tk.serve(source, port=0, history=asked.history, **more)

    def stats() -> dict[str, Any]:
        behind = server.clients["behind"] if len(server.clients) else [0]
        names = ("ticks", "clients", "connections", "cut_off", "refused", "last_error")
        return {"behind": int(max(behind)), **{name: server.stats[name] for name in names}}

    answer_orders(
        server.port,
        {
            "stats": stats,
            "next": lambda: server.log.stop,
            "compute": compute,
            "idle": time.sleep,
            "switch": sys.setswitchinterval,
        },
    )
    server.stop()


if __name__ == "__main__":
    main()
