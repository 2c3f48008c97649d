"""A program that forks recording processes, which the tests kill.

For each line `path flush_s` of its input, the program forks a child and prints the child's process
id. The child records to `path` until it is killed. In `path.progress` it notes how many ticks it
has appended and written, and when.
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
from tickerkit.ticks import read_ticks

BATCH = 500
EVERY_S = 0.01
PROGRESS = struct.Struct("qqd")


def main() -> None:
    """Fork a child for each line, until the input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    rows = [
        {"symbol": f"S{n % 7}", "price": 100 + n / 7, "size": n, "bid": n / 3} for n in range(BATCH)
    ]
    batch = read_ticks(rows)
    while line := sys.stdin.readline():
        path, flush_s = line.split()
        pid = os.fork()
        if not pid:
            _record(Path(path), float(flush_s), batch)
        print(pid, flush=True)


def _record(path: Path, flush_s: float, batch: object) -> None:
    progress = os.open(f"{path}.progress", os.O_RDWR | os.O_CREAT, 0o600)
    log = TickLog(epoch="e")
    recorder = Recorder(log, Gaps(log), path, flush_s=flush_s)
    due, parent = time.monotonic(), os.getppid()
    while os.getppid() == parent:
        log.append(batch, received=time.time_ns())  # type: ignore[arg-type]
        os.pwrite(progress, PROGRESS.pack(log.stop, recorder.stats["written"], time.monotonic()), 0)
        due += EVERY_S
        time.sleep(max(due - time.monotonic(), 0))
    os._exit(0)


if __name__ == "__main__":
    main()
