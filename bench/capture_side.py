"""The processes of `bench.capture`: one thing done to a recording, its time and its memory.

It runs by its path, so that it can measure another checkout of tickerkit: the one in PYTHONPATH.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

import tickerkit as tk
from bench.child import answer_orders
from bench.rest import ticks
from tickerkit import storage
from tickerkit.cli import main as command
from tickerkit.runtime.portal import portal
from tickerkit.sources import Outlet
from tickerkit.ticks import read_ticks

PIECE_ROWS = 1_000_000
MB = 10**6


def peak_bytes() -> int:
    """Return the most memory that this process has had (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(run: Callable[[], object], about: dict[str, Any]) -> dict[str, Any]:
    """Return the seconds that a call takes, of processor time too, and its memory in MB."""
    base, began, cpu_s = peak_bytes(), time.perf_counter(), time.process_time()
    result = run()
    took = {"s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu_s}
    memory = {"peak_mb": peak_bytes() / MB, "more_mb": (peak_bytes() - base) / MB}
    held = int(result.memory_usage(deep=False).sum()) if isinstance(result, pd.DataFrame) else 0
    return {**about, **took, **memory, "frame_mb": held / MB}


def make(path: str, rows: int) -> dict[str, Any]:
    """Write a recording of CSV piece by piece."""
    frame = ticks(min(rows, PIECE_ROWS))

    def run() -> None:
        with storage.CsvFile(path, mode="new") as file:
            for first in range(0, rows, len(frame)):
                part = frame.iloc[: rows - first].copy()
                part["seq"] += first
                for name in ("time", "received"):
                    part[name] += first * pd.Timedelta(10_000, "ns")
                file.append(part)

    return measure(run, {"rows": rows})


def export(path: str, rows: int) -> dict[str, Any]:
    """Write a frame."""
    frame = ticks(rows)
    write = storage.write_parquet if path.endswith(".parquet") else storage.write_csv
    return measure(lambda: write(frame, path, mode="overwrite"), {})


def read(path: str) -> dict[str, Any]:
    """Read a recording into a frame."""
    read_any = tk.read_parquet if path.endswith(".parquet") else tk.read_csv
    return measure(lambda: read_any(path), {})


def tickerkit(*arguments: str) -> dict[str, Any]:
    """Run a command."""
    codes: list[int] = []
    found = measure(lambda: codes.append(command(arguments)), {})
    return {**found, "code": codes[0]}


class Counting(Outlet):
    """Takes the ticks of a source, and counts them."""

    def __init__(self) -> None:
        self.rows = 0

    async def send(self, ticks: object) -> None:
        self.rows += read_ticks(ticks).count

    async def gap(self, count: int | None, reason: str) -> None:
        pass

    async def take(self, events: Iterable[Any]) -> None:
        raise NotImplementedError

    async def wait_for_readers(self, count: int) -> None:
        pass

    async def wait_until_read(self, max_behind: int) -> None:
        pass

    def report(self, error: BaseException) -> None:
        raise error


def replay(path: str) -> dict[str, Any]:
    """Replay a recording as fast as possible."""
    import asyncio

    out = Counting()
    source = tk.replay(path, speed=float("inf"))
    return {**measure(lambda: asyncio.run(source.run(out)), {}), "rows": out.rows}


def serve(rows: int) -> None:
    """Serve ticks that all exist already; send the address and the epoch to the parent."""
    from tickerkit.ticks import Batch

    frame = ticks(min(rows, PIECE_ROWS)).drop(columns=["seq", "received", "epoch"])
    batch: Batch = read_ticks(frame)
    server = tk.serve(None, port=0, history=rows)
    for first in range(0, rows, batch.count):
        portal.call(server._publish, batch.part(0, min(rows - first, batch.count)))
    answer_orders([server.url, server.log.epoch], {})


DOES: dict[str, Callable[..., dict[str, Any]]] = {
    "make": lambda path, rows: make(path, int(rows)),
    "export": lambda path, rows: export(path, int(rows)),
    "read": read,
    "tickerkit": tickerkit,
    "replay": replay,
}


def main() -> None:
    name, *arguments = sys.argv[1:]
    if name == "serve":
        serve(int(arguments[0]))
        return
    out = Path(arguments.pop())
    out.write_text(json.dumps(DOES[name](*arguments)))


if __name__ == "__main__":
    main()
