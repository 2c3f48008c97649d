"""Tests of recorder: a recording whose process was killed at a random moment."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from commands import environment
from killed import PROGRESS
from soaks import share_of

from tickerkit.errors import RecordingError
from tickerkit.storage import CsvFile, load
from tickerkit.storage.earlier_files import find_last_tick, finish
from tickerkit.storage.parquet.growing import GrowingParquet
from tickerkit.storage.paths import naming_from_path
from tickerkit.storage.verify import verify

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
    file = GrowingParquet(path) if path.suffix == ".parquet" else CsvFile(path)
    assert file.rows == len(seq)  # and it can be continued
    file.close()
    return len(seq), missing, torn


class Children:
    """Processes that record, and are killed at random moments.

    Args:
        folder: where they record to.
        *how: more words for each, see `killed`.
    """

    def __init__(self, folder: Path, *how: str) -> None:
        self._folder, self._how = folder, " ".join(how)
        self.running: list[tuple[float, int, Path]] = []
        self.started = 0

    def __enter__(self) -> Children:
        program = Path(__file__).parents[1] / "helpers" / "killed.py"
        self._forker = subprocess.Popen(
            [sys.executable, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        return self

    def __exit__(self, *_: object) -> None:
        with self._forker as forker:
            assert forker.stdin is not None
            forker.stdin.close()

    def start(self, name: str, moment: float) -> None:
        """Start a child that is to be killed after some seconds."""
        forker, path = self._forker, self._folder / name
        assert forker.stdin is not None
        assert forker.stdout is not None
        forker.stdin.write(f"{path} {FLUSH_S} {self._how}\n")
        forker.stdin.flush()
        pid = int(forker.stdout.readline())
        self.running.append((time.monotonic() + moment, pid, path))
        self.running.sort()
        self.started += 1

    def kill_next(self, meanwhile: Callable[[Path], object] | None = None) -> Path:
        """Kill the next child at its moment, and return its path.

        Args:
            meanwhile: called until then, at least once, with the path of each child that runs.
        """
        while meanwhile is not None:
            for _, _, path in self.running:
                meanwhile(path)
            if time.monotonic() >= self.running[0][0]:
                break
        end, pid, path = self.running.pop(0)
        time.sleep(max(end - time.monotonic(), 0))
        os.kill(pid, signal.SIGKILL)
        while not gone(pid):
            time.sleep(0.001)
        return path


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_recording_survives_a_kill(tmp_path: Path) -> None:
    """Each file loads, and at most the last flush is missing."""
    random.seed(6)
    done: list[tuple[int, int, int]] = []
    with Children(tmp_path) as children:
        while len(done) < KILLS:
            while children.started < KILLS and len(children.running) < AT_ONCE:
                suffix = SUFFIXES[children.started % len(SUFFIXES)]
                children.start(f"{children.started}{suffix}", random.uniform(0.02, 1.2))
            path = children.kill_next()
            done.append(check(path))
            for left in tmp_path.glob(f"*{path.name}*"):
                left.unlink()
    ticks, missing, torn = np.array(done).T
    print(
        f"{KILLS} kills, {ticks.sum():,} ticks; missing at most {missing.max():,}, "
        f"in the middle {np.median(missing):,.0f}; {torn.sum()} torn lines; "
        f"{int((ticks == 0).sum())} before a tick was written"
    )


# Each returns the seqs of a Parquet file.
READERS: list[Callable[[Path], Any]] = [
    lambda path: pq.read_table(path, columns=["seq"])["seq"].to_numpy(),
    lambda path: pl.read_parquet(path, columns=["seq"])["seq"].to_numpy(),
    lambda path: pl.scan_parquet(path).select("seq").collect()["seq"].to_numpy(),
    lambda path: duckdb.sql(f"select seq from '{path}'").fetchnumpy()["seq"],
    lambda path: pd.read_parquet(path, columns=["seq"])["seq"].to_numpy(),
]


class Watcher:
    """Reads Parquet files while they grow: each must be whole, and never get shorter.

    Attributes:
        reads: how many times a file was read.
    """

    def __init__(self) -> None:
        self.reads = 0
        self._seen: dict[Path, int] = {}

    def __call__(self, path: Path) -> None:
        """Read a file with one of the programs."""
        if not path.exists():
            time.sleep(0.001)
            return
        seqs = random.choice(READERS)(path)
        assert np.array_equal(np.sort(seqs), np.arange(1, len(seqs) + 1))
        assert len(seqs) >= self._seen.get(path, 0)
        self._seen[path] = len(seqs)
        self.reads += 1

    def check(self, path: Path) -> tuple[int, int]:
        """Check what a killed child has left; return its ticks, and those in the Parquet file."""
        progress = Path(f"{path}.progress")
        appended, written, _ = PROGRESS.unpack(progress.read_bytes() or bytes(PROGRESS.size))
        visible = self._seen.get(path, 0)
        for read in READERS if path.exists() else ():
            seqs = read(path)
            assert np.array_equal(np.sort(seqs), np.arange(1, len(seqs) + 1))
            assert len(seqs) >= visible
            visible = len(seqs)
        try:
            report = verify(path)
        except RecordingError:  # killed before the first write
            assert not written
            return 0, 0
        assert report.problems == []
        assert visible <= report.rows <= appended
        last = find_last_tick(naming_from_path(path), print)
        assert (last.position.seq if last is not None else 0) == report.rows
        finish(path)
        after = verify(path)
        assert (after.rows, after.problems, after.notes) == (report.rows, [], [])
        left = [each.name for each in path.parent.glob(f"*{path.name}*") if each != progress]
        assert left == [path.name]
        assert np.array_equal(READERS[0](path), np.arange(1, report.rows + 1))
        return report.rows, visible


@pytest.mark.soak
@pytest.mark.process
@pytest.mark.timeout(1800)
def test_parquet_is_whole_at_every_moment(tmp_path: Path) -> None:
    """While it grows, and after a kill, other programs read it, and nothing of it gets lost."""
    random.seed(7)
    watcher = Watcher()
    done: list[tuple[int, int]] = []
    with Children(tmp_path, "small") as children:
        while len(done) < KILLS:
            while children.started < KILLS and len(children.running) < AT_ONCE:
                children.start(f"{children.started}.parquet", random.uniform(0.02, 1.2))
            path = children.kill_next(watcher)
            done.append(watcher.check(path))
            for left in tmp_path.glob(f"*{path.name}*"):
                left.unlink()
    ticks, visible = np.array(done).sum(axis=0)
    print(f"{KILLS} kills, {ticks:,} ticks, {visible:,} in Parquet; {watcher.reads:,} reads before")
