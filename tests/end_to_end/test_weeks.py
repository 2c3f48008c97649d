"""Weeks of a recording: what a server accepted is in the files once, in order, or in a listed gap.

A server and `tickerkit record` are restarted and killed while ticks of three weeks pass, new
symbols and columns appear, the disk is full, and slow. Afterwards every row and every gap is
compared with what the server had accepted. The clock of the files is simulated.
"""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from peers import LOCAL, free_port
from soaks import soak
from weeks import Recording, Recordings

import tickerkit as tk
from tickerkit.cli import main
from tickerkit.runtime.portal import portal
from tickerkit.storage.paths import recordings_in
from tickerkit.storage.scan import Scan
from tickerkit.ticks import Batch, Text
from tickerkit.ticks.batch import Column

pytest.importorskip("resource", reason="needs processes and limits of POSIX")

Until = Callable[..., None]
Ints = npt.NDArray[np.int64]

SEED = 20261129
START_NS = pd.Timestamp("2026-11-02T00:00:00Z").value
SPAN_NS = 21 * 86_400 * 10**9
FIRST_SYMBOLS, NEW_SYMBOLS, NEW_COLUMNS = 50, 200, 40
# Each tick has at most one of the new columns, so that most cells are empty, as in real life.
COLUMN_OF = 64
SYMBOLS = [f"S{number}" for number in range(FIRST_SYMBOLS + NEW_SYMBOLS)]
WORDS = [f"w{number}" for number in range(50)]
SLOW_BYTES_S = 16e6
STEPS = 300
TIMEOUT_S = 110.0


class Ticks:
    """The ticks of all weeks, each of which follows from its number.

    Args:
        total: how many there are.
    """

    def __init__(self, total: int) -> None:
        self.total = total

    def time_ns(self, number: Ints) -> Ints:
        """Return the times of ticks: they are spread over three weeks."""
        return START_NS + number * (SPAN_NS // self.total)

    def symbol(self, number: Ints) -> Ints:
        """Return the numbers of the symbols: of the later ones, ever more."""
        return (number * 31) % (FIRST_SYMBOLS + NEW_SYMBOLS * number // self.total)

    def price(self, number: Ints) -> npt.NDArray[np.float64]:
        return (number * 7919 % 1_000_003) / 100

    def column(self, number: Ints) -> Ints:
        """Return which of the new columns each tick has; -1 for none."""
        column = number % COLUMN_OF
        return np.where(column < NEW_COLUMNS * number // self.total, column, -1)

    def values(self, column: int, number: Ints, present: npt.NDArray[np.bool_]) -> Column:
        """Return one of the new columns: numbers, large integers or texts, where it has a value."""
        if column % 3 == 0:
            return np.where(present, number + 0.25, np.nan)
        if column % 3 == 1:
            return np.where(present, number + 2**60, 0)
        return Text(np.where(present, number % len(WORDS), -1).astype(np.int32), WORDS)

    def batch(self, first: int, stop: int) -> Batch:
        """Return the ticks with these numbers as the source of a server gives them."""
        number = np.arange(first, stop)
        columns: dict[str, Column] = {
            "symbol": Text(self.symbol(number).astype(np.int32), SYMBOLS),
            "price": self.price(number),
            "size": (number % 997).astype(float),
        }
        column = self.column(number)
        for each in range(column.max() + 1):
            columns[f"c{each}"] = self.values(each, number, column == each)
        return Batch(len(number), self.time_ns(number), columns)

    def check(self, frame: pd.DataFrame, number: Ints) -> None:
        """Check that a frame's rows are the ticks with these numbers."""
        times = frame["time"].dt.as_unit("ns").to_numpy("M8[ns]").view(np.int64)
        np.testing.assert_array_equal(times, self.time_ns(number))
        symbols = frame["symbol"].astype("category").cat
        known = np.array([int(each[1:]) for each in symbols.categories], dtype=np.int64)
        np.testing.assert_array_equal(known[symbols.codes], self.symbol(number))
        np.testing.assert_array_equal(frame["price"], self.price(number))
        np.testing.assert_array_equal(frame["size"], number % 997)
        column = self.column(number)
        for each in range(NEW_COLUMNS):
            if (name := f"c{each}") in frame:
                check_column(frame[name], self.values(each, number, column == each))
            else:
                assert not (column == each).any(), f"{name} is missing"


def check_column(found: pd.Series[Any], expected: Column) -> None:
    """Check the values of a column, and where it has none."""
    if isinstance(expected, Text):
        words = np.array([*found.cat.categories, None], dtype=object)
        expected = np.array([*expected.words, None], dtype=object)[expected.codes]
        np.testing.assert_array_equal(words[found.cat.codes.to_numpy()], expected)
    elif expected.dtype.kind == "i":  # a log has 0 for no value, and a file nothing
        np.testing.assert_array_equal(found.fillna(0).to_numpy(np.int64), expected)
    else:
        np.testing.assert_array_equal(found.to_numpy(), expected)


@dataclass
class Epoch:
    """One life of the server.

    Attributes:
        name: of the epoch.
        first: the number of its first tick.
        seq: the seq of its last tick.
        lost_to: the seq up to which ticks may be lost: the server held them no more.
        end_lost: whether the ticks that were not written at its end may be lost.
    """

    name: str
    first: int
    seq: int = 0
    lost_to: int = 0
    end_lost: bool = False


@dataclass
class Weeks:
    """A server, a recorder, and what happens to them.

    Attributes:
        ticks: what the server accepts.
        recordings: starts the recorder.
        out: the path that is recorded to.
        until: waits for a condition.
        steps: in how many steps all ticks pass.
    """

    ticks: Ticks
    recordings: Recordings
    out: str
    until: Until
    steps: int
    epochs: list[Epoch] = field(default_factory=list)
    passed: int = 0
    port: int = field(default_factory=free_port)
    random: random.Random = field(default_factory=lambda: random.Random(SEED))
    lives: int = 0

    def __post_init__(self) -> None:
        # A quarter of the history is published in a step, so that the recorder has time.
        self.step = max(self.ticks.total // self.steps, 1)
        self.history = 10 * self.step

    def serve(self) -> None:
        """Start a server, which begins another epoch."""
        self.server = tk.serve(None, port=self.port, history=self.history)
        self.epochs.append(Epoch(self.server.log.epoch, self.passed))

    def record(self) -> None:
        """Start the recorder."""
        self.lives += 1
        size = max(self.ticks.total // 60, 1) * 100
        rotate = "hour" if self.lives % 2 else f"{size}B"
        url = f"ws://{LOCAL}:{self.port}"
        self.recorder: Recording = self.recordings.start(
            url, "-o", self.out, "--rotate", rotate, "--flush", "0.2"
        )
        self.until(lambda: len(self.server.clients) == 1, TIMEOUT_S)

    def publish(self, steps: float = 1.0, *, waits: bool = True) -> None:
        """Publish the ticks of some steps, a few at a time, as the time passes."""
        stop = min(self.passed + int(steps * self.step), self.ticks.total)
        while self.passed < stop:
            next_stop = min(self.passed + self.step // 4 + 1, stop)
            portal.call(self.server._publish, self.ticks.batch(self.passed, next_stop))
            self.passed = next_stop
            epoch = self.epochs[-1]
            epoch.seq = self.passed - epoch.first
            now_ns = int(self.ticks.time_ns(np.array([self.passed]))[0])
            self.recordings.control.clock_s = now_ns / 1e9
            if waits:
                self.wait(epoch.seq - self.history // 2)

    def wait(self, seq: int | None = None) -> None:
        """Wait until the recorder has written up to a seq, by default all."""
        epoch = self.epochs[-1]
        wanted = epoch.seq if seq is None else seq
        control = self.recordings.control
        if wanted > 0:
            self.until(
                lambda: control.has_written(epoch.name, wanted), TIMEOUT_S, self.recorder.out
            )

    def stop_recorder(self, how: int = signal.SIGINT) -> int:
        """End the recorder, and return its exit code."""
        return self.recorder.end(how)

    # --- what happens -------------------------------------------------------------------------

    def restart_recorder(self) -> None:
        """End the recorder, and start it again while the server has all that it lacks."""
        self.publish()
        assert self.stop_recorder() == 0
        self.publish(4, waits=False)
        self.record()
        self.wait()

    def kill_recorder(self) -> None:
        """Kill the recorder with ticks on their way, and start it again."""
        self.publish(self.random.uniform(0.3, 1.5), waits=False)
        assert self.stop_recorder(signal.SIGKILL) == -signal.SIGKILL
        self.publish(2, waits=False)
        self.record()
        self.wait()

    def leave_too_long(self) -> None:
        """Keep the recorder away for longer than the server holds ticks."""
        self.publish()
        self.stop_recorder(self.random.choice([signal.SIGINT, signal.SIGKILL]))
        self.publish(11, waits=False)
        self.epochs[-1].lost_to = self.epochs[-1].seq - self.history
        self.record()
        self.wait()

    def restart_server(self) -> None:
        """Restart the server while the recorder runs; it has written all that was accepted."""
        self.publish()
        self.wait()
        self.server.stop()
        self.serve()
        self.publish()
        self.wait()

    def restart_both(self) -> None:
        """Restart the server while the recorder is away: the end of its epoch is lost."""
        self.publish(self.random.uniform(0.3, 1.5), waits=False)
        self.stop_recorder(self.random.choice([signal.SIGINT, signal.SIGKILL]))
        self.publish(waits=False)
        self.epochs[-1].end_lost = True
        self.server.stop()
        self.serve()
        self.publish(waits=False)
        self.record()
        self.wait()

    def fill_disk(self) -> None:
        """Let the disk be full for a while."""
        self.publish()
        self.recorder.limit_files(self.random.choice([0, 1000, 100_000]))
        self.publish(3, waits=False)
        self.recorder.limit_files(-1)
        self.wait()

    def stop_on_full_disk(self) -> None:
        """End the recorder while the disk is full; the next one fetches the rest."""
        self.publish()
        self.wait()
        self.recorder.limit_files(0)
        self.publish(2, waits=False)
        self.stop_recorder()
        self.record()
        self.wait()

    def slow_disk(self) -> None:
        """Record to a disk that takes 16 MB in a second."""
        self.recordings.control.disk_bytes_s = SLOW_BYTES_S
        self.publish(5)
        self.wait()
        self.recordings.control.disk_bytes_s = 0.0

    def run(self, events: list[Callable[[Weeks], None]]) -> None:
        """Have ticks pass until there are no more, with the events among them."""
        self.recordings.control.clock_s = START_NS / 1e9
        self.serve()
        self.record()
        self.publish()
        self.wait()
        needed = {event: self._steps_of(event) for event in events}
        left = sum(needed.values())
        for number, event in enumerate(events):
            free = (self.ticks.total - self.passed) / self.step - left
            self.publish(max(free / (len(events) - number + 1), 0))
            event(self)
            left -= needed[event]
        while self.passed < self.ticks.total:
            self.publish()
        self.wait()
        assert self.stop_recorder() == 0
        self.server.stop()

    def _steps_of(self, event: Callable[[Weeks], None]) -> float:
        return 12.5 if event is Weeks.leave_too_long else 5.5


# --- the truth ------------------------------------------------------------------------------------


def find_missing(epoch: Epoch, runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the seqs of an epoch that are in no run, as ranges."""
    missing, at = [], 0
    for first, last in [*runs, (epoch.seq + 1, epoch.seq + 1)]:
        assert first > at, f"seq {first} of {epoch.name} comes after {at}"
        if first > at + 1:
            missing.append((at + 1, first - 1))
        at = last
    return missing


def runs_in(seqs: Ints) -> Iterator[tuple[int, int]]:
    """Yield the runs of successive seqs."""
    breaks = np.flatnonzero(np.diff(seqs) != 1) + 1
    for start, stop in zip([0, *breaks], [*breaks, len(seqs)], strict=True):
        yield int(seqs[start]), int(seqs[stop - 1])


def check_truth(weeks: Weeks, folder: Path) -> dict[str, int]:
    """Check that each tick is in the files once, in order, or in a gap; return the counts."""
    runs: dict[str, list[tuple[int, int]]] = {}
    gaps: dict[str, list[tuple[int, int]]] = {}
    by_name = {epoch.name: epoch for epoch in weeks.epochs}
    order: list[str] = []
    counts = {"ticks": 0, "files": 0}
    for path in recordings_in(folder):
        scan = Scan(path)
        for piece in scan.pieces():
            for name, part in piece.frame.groupby("epoch", observed=True, sort=False):
                seqs = part["seq"].to_numpy(np.int64)
                weeks.ticks.check(part, by_name[str(name)].first + seqs - 1)
                for first, last in runs_in(seqs):
                    known = runs.setdefault(str(name), [])
                    if known and first == known[-1][1] + 1:
                        known[-1] = known[-1][0], last
                    else:
                        known.append((first, last))
                if not order or order[-1] != str(name):
                    order.append(str(name))
            counts["ticks"] += len(piece.frame)
        assert {problem.kind for problem in scan.problems} <= {"torn", "unfinished"}, path
        for gap in scan.sidecar.gaps:
            last = by_name[gap.epoch].seq if gap.last is None else gap.last
            gaps.setdefault(gap.epoch, []).append((gap.first, last))
        counts["files"] += 1
    assert order == [epoch.name for epoch in weeks.epochs]
    for epoch in weeks.epochs:
        missing = find_missing(epoch, runs[epoch.name])
        listed = [
            (first, last) for first, last in sorted(gaps.get(epoch.name, [])) if first <= last
        ]
        assert listed == missing
        counts["missing"] = counts.get("missing", 0) + sum(b - a + 1 for a, b in missing)
        counts["gaps"] = counts.get("gaps", 0) + len(missing)
        for first, last in missing:
            assert last <= epoch.lost_to or (epoch.end_lost and last == epoch.seq), (first, last)
    return counts


def check_verify(folder: Path, counts: dict[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    """Check that `tickerkit verify` of the folder finds the same, and nothing wrong."""
    capsys.readouterr()
    assert main(["verify", str(folder), "--gaps-ok", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    files = [each for each in found if "ticks" in each and "files" not in each]
    assert sum(each["ticks"] for each in files) == counts["ticks"]
    assert len(files) == counts["files"]
    assert not any(each["problems"] for each in files)


@pytest.mark.process
@pytest.mark.parametrize("suffix", [".csv", pytest.param(".parquet", marks=pytest.mark.soak)])
@pytest.mark.parametrize(("ticks", "times"), [(40_000, 0), soak(30_000_000, 10)])
def test_weeks_of_ticks_are_in_the_files_once_or_in_a_gap(
    tmp_path: Path,
    until: Until,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
    ticks: int,
    times: int,
) -> None:
    """Restarts, kills, new symbols and columns, a full disk, a slow one: nothing goes unnoticed."""
    often = [Weeks.restart_recorder, Weeks.kill_recorder, Weeks.restart_server]
    rarely = [Weeks.leave_too_long, Weeks.restart_both]
    once = [Weeks.fill_disk, Weeks.stop_on_full_disk, Weeks.slow_disk]
    few = [Weeks.kill_recorder, Weeks.restart_server, Weeks.leave_too_long, Weeks.fill_disk]
    events = often * times + rarely * -(-times // 2) + once if times else few
    random.Random(SEED).shuffle(events)
    steps = max(STEPS, 8 * len(events)) if times > 1 else 8 * len(events)
    folder = tmp_path / "data"
    folder.mkdir()
    with Recordings(tmp_path) as recordings:
        weeks = Weeks(Ticks(ticks), recordings, str(folder / f"t{suffix}"), until, steps)
        weeks.run(events)
    counts = check_truth(weeks, folder)
    check_verify(folder, counts, capsys)
    accepted = sum(epoch.seq for epoch in weeks.epochs)
    assert accepted == ticks == counts["ticks"] + counts["missing"]
    print(f"\n{suffix}: {accepted:,} accepted, {weeks.lives} lives of the recorder: {counts}")
