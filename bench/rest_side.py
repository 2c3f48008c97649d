"""The child process of `bench.rest`: a feed, with a recorder or without."""

from __future__ import annotations

import tempfile
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np

import tickerkit as tk
from bench.child import answer_orders
from tickerkit import storage
from tickerkit.runtime.portal import portal

WARM_S = 0.5
WITHOUT = "without a recorder"
KINDS = {"CSV": ".csv", "CSV, gzip": ".csv.gz", "CSV, zstd": ".csv.zst", "Parquet": ".parquet"}
MEMORY = Path("/dev/shm")


def folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for files, which is removed at the end."""
    return tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)


async def thread_s() -> float:
    return time.thread_time()


def measure(port: int, paced: bool, seconds: float, kind: str) -> dict[str, float]:
    """Return the figures of the receiving thread over a time, with a recorder or without."""
    with folder() as name, tk.connect(f"ws://127.0.0.1:{port}/", history=0) as feed:
        feed.wait(1)
        recorder: Any = None
        if kind != WITHOUT:
            recorder = feed.record(Path(name) / f"ticks{KINDS[kind]}")
        time.sleep(WARM_S)
        rows, at_ns = array("q"), array("q")

        def note() -> None:
            rows.append(feed.log.stop)
            at_ns.append(time.time_ns())

        unhook = feed.log.on_append(note)
        first, began, cpu_s = feed.log.stop, time.perf_counter(), portal.call(thread_s)
        process_s = time.process_time()
        time.sleep(seconds)
        last, took = feed.log.stop, time.perf_counter() - began
        cpu_s, process_s = portal.call(thread_s) - cpu_s, time.process_time() - process_s
        unhook()
        feed.stop()
        if recorder is not None:
            recorder.stop()
        share = 1.0
        if recorder is not None:
            seqs = storage.load(recorder.path).frame["seq"].to_numpy()
            assert (np.diff(seqs) > 0).all(), "a tick is twice in the recording"
            share = len(seqs) / (feed.log.last_seq - seqs[0] + 1)
            assert share == 1 or not paced, "ticks are missing in the recording"
        held = feed.log.rows()
        kept = np.array(rows) > held.start
        # The last tick of each batch has the time at which the batch was due.
        due_ns = held.array("time")[np.array(rows)[kept] - 1 - held.start]
        late_ms = (np.array(at_ns)[kept] - due_ns) / 1e6
        return {
            "ticks_s": (last - first) / took,
            "ns": cpu_s / (last - first) * 1e9,
            "p99_ms": float(np.percentile(late_ms, 99)),
            "cores": process_s / took,
            "share": share,
        }


if __name__ == "__main__":
    answer_orders("ready", {"measure": measure})
