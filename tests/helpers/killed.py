"""A program that forks recording processes, which the tests kill.

For each line `path flush_s` of its input, the program forks a child and prints the child's process
id. The child records to `path` until it is killed. In `path.progress` it notes how many ticks it
has appended and written, and when. After `path flush_s small`, row groups of Parquet are small and
many, and now and then so many ticks come at once that they make row groups without the CSV.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import time
from pathlib import Path

from tickerkit.feed import Recorder
from tickerkit.log import Gaps, TickLog
from tickerkit.storage.parquet import growing, growing_file
from tickerkit.ticks import read_ticks

BATCH = 500
EVERY_S = 0.01
SMALL_GROUP = 4 * BATCH
# How many batches come at once.
BURST = 12
PROGRESS = struct.Struct("qqd")


def main() -> None:
    """Fork a child for each line, until the input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    rows = [
        {"symbol": f"S{n % 7}", "price": 100 + n / 7, "size": n, "bid": n / 3} for n in range(BATCH)
    ]
    batch = read_ticks(rows)
    while line := sys.stdin.readline():
        path, flush_s, *size = line.split()
        pid = os.fork()
        if not pid:
            if size:
                make_groups_small()
            _record(Path(path), float(flush_s), batch, burst_every=7 if size else 0)
        print(pid, flush=True)


def make_groups_small() -> None:
    """Make row groups of Parquet small, and their copies take turns often."""
    growing.ROWS_AT_ONCE, growing.MIN_GROUP_ROWS = SMALL_GROUP, BATCH
    growing.MAX_WAIT_S, growing.MAX_AHEAD_S = 0.03, 0.05
    growing_file.REST_S, growing_file.MAX_COPIED_BYTES = 0.05, 0


def _record(path: Path, flush_s: float, batch: object, burst_every: int) -> None:
    progress = os.open(f"{path}.progress", os.O_RDWR | os.O_CREAT, 0o600)
    log = TickLog(epoch="e")
    recorder = Recorder(log, Gaps(log), path, flush_s=flush_s)
    due, parent, turns = time.monotonic(), os.getppid(), 0
    while os.getppid() == parent:
        turns += 1
        for _ in range(BURST if burst_every and not turns % burst_every else 1):
            log.append(batch, received=time.time_ns())  # type: ignore[arg-type]
        os.pwrite(progress, PROGRESS.pack(log.stop, recorder.stats["written"], time.monotonic()), 0)
        due += EVERY_S
        time.sleep(max(due - time.monotonic(), 0))
    os._exit(0)


if __name__ == "__main__":
    main()
