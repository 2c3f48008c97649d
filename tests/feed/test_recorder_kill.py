"""Tests of recorder: a recording whose process was killed at a random moment."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import environment
from killed import PROGRESS
from soaks import share_of

from tickerkit.errors import RecordingError
from tickerkit.storage import CsvFile, load
from tickerkit.storage.paths import working_path

KILLS = share_of(1000)
AT_ONCE = 4
FLUSH_S = 0.2
# How late after flush_s a busy machine may write.
LATE_S = 1.0
RATE = 50_000
SUFFIXES = [*[".csv"] * 8, ".csv.zst", ".parquet"]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def gone(pid: int) -> bool:
    """Return whether a process has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def check(path: Path) -> tuple[int, int, int]:
    """Check the file of a killed process; return its ticks, missing ticks and torn lines."""
    progress = b""  # a child that is killed early has not created the file
    with contextlib.suppress(FileNotFoundError):
        progress = Path(f"{path}.progress").read_bytes()
    if len(progress) < PROGRESS.size:  # killed before its first note
        with contextlib.suppress(RecordingError):
            load(path)
        return 0, 0, 0
    appended, written, _ = PROGRESS.unpack(progress)
    found = load(path)
    seq = found.frame["seq"].to_numpy()
    assert np.array_equal(seq, np.arange(1, len(seq) + 1))
    assert len(seq) >= written, f"{path}: {written} were written, {len(seq)} are there"
    missing = appended - len(seq)
    assert missing <= RATE * (FLUSH_S + LATE_S), f"{path}: {missing} are missing"
    assert not len(found.gaps)
    torn = 0
    if (warning := found.warning) is not None:
        kinds = {problem.kind for problem in warning.problems}
        assert kinds <= {"torn", "unfinished"}
        torn = int("torn" in kinds)
    with CsvFile(working_path(path)) as file:  # and it can be continued
        assert file.rows == len(seq)
    return len(seq), missing, torn


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_recording_survives_a_kill(tmp_path: Path) -> None:
    """Each file loads, and at most the last flush is missing."""
    random.seed(6)
    program = Path(__file__).parents[1] / "helpers" / "killed.py"
    done: list[tuple[int, int, int]] = []
    with subprocess.Popen(
        [sys.executable, str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as forker:
        assert forker.stdin is not None
        assert forker.stdout is not None
        running: list[tuple[float, int, Path]] = []
        started = 0
        while len(done) < KILLS:
            while started < KILLS and len(running) < AT_ONCE:
                path = tmp_path / f"{started}{SUFFIXES[started % len(SUFFIXES)]}"
                forker.stdin.write(f"{path} {FLUSH_S}\n")
                forker.stdin.flush()
                pid = int(forker.stdout.readline())
                moment = random.uniform(0.02, 1.2)
                running.append((time.monotonic() + moment, pid, path))
                started += 1
            running.sort()
            end, pid, path = running.pop(0)
            time.sleep(max(end - time.monotonic(), 0))
            os.kill(pid, signal.SIGKILL)
            while not gone(pid):
                time.sleep(0.001)
            done.append(check(path))
            for left in tmp_path.glob(f"{path.name}*"):
                left.unlink()
        forker.stdin.close()
    ticks, missing, torn = np.array(done).T
    print(
        f"{KILLS} kills, {ticks.sum():,} ticks; missing at most {missing.max():,}, "
        f"in the middle {np.median(missing):,.0f}; {torn.sum()} torn lines; "
        f"{int((ticks == 0).sum())} before a tick was written"
    )
