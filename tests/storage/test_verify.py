"""Verification: ticks that are missing, damaged, duplicated or out of order are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numbered import MS, T0, gaps, ticks

from tickerkit.errors import MAX_PLACES, Problem, RecordingError
from tickerkit.storage import write_csv, write_parquet
from tickerkit.storage.sidecar import sidecar_path
from tickerkit.storage.verify import Report, verify

NAMES = ["ticks.csv", "ticks.csv.gz", "ticks.csv.zst", "ticks.parquet"]


def write(frame: pd.DataFrame, path: Path, **about: object) -> Path:
    """Write a recording, by its name."""
    writer = write_parquet if path.suffix == ".parquet" else write_csv
    return writer(frame, path, **about)  # type: ignore[arg-type]


def found(report: Report) -> dict[str, list[tuple[int, int]]]:
    """Return where each kind of problem is."""
    return {each.kind: [(p.first, p.last) for p in each.places] for each in report.problems}


@pytest.mark.parametrize("name", NAMES)
def test_whole_recording_is_ok(tmp_path: Path, name: str) -> None:
    """The report says what it holds."""
    report = verify(write(ticks(*range(1, 101)), tmp_path / name))
    assert report.ok
    assert (report.rows, report.symbols, report.epochs) == (100, 3, 1)
    assert (report.start, report.end) == (
        pd.Timestamp(T0 + MS, tz="UTC"),
        pd.Timestamp(T0 + 100 * MS, tz="UTC"),
    )
    assert report.columns == ["seq", "time", "symbol", "price", "epoch"]
    assert (report.only, report.notes) == (None, [])


def test_empty_recording_is_ok(tmp_path: Path) -> None:
    """A recording without ticks has no fault."""
    report = verify(write(ticks(), tmp_path / "ticks.csv"))
    assert (report.ok, report.rows, report.start) == (True, 0, None)


@pytest.mark.parametrize("name", NAMES)
def test_order_duplicates_and_jumps_are_found(tmp_path: Path, name: str) -> None:
    """A seq that goes back, ticks that are there twice, and seqs that are missing."""
    seqs = [*range(1, 11), *range(15, 21), *range(18, 23)]
    report = verify(write(ticks(*seqs), tmp_path / name))
    by = 1 if ".csv" in name else 0
    assert found(report) == {
        "order": [(17 + by, 17 + by)],
        "duplicates": [(17 + by, 19 + by)],
        "unlisted gap": [(11, 14)],
    }
    assert report.problems[0].unit == ("line" if by else "row")
    assert report.problems[0].places[0].about == "seq 18 comes after 20"
    assert not report.ok


def test_late_tick_is_out_of_order_and_no_gap(tmp_path: Path) -> None:
    """A seq that comes later than expected is not missing."""
    assert found(verify(write(ticks(1, 2, 4, 5, 3, 6), tmp_path / "t.csv"))) == {"order": [(6, 6)]}


def test_each_epoch_is_checked_by_itself(tmp_path: Path) -> None:
    """An epoch that comes back is noted, and checked as a whole."""
    parts = [ticks(1, 2, 3), ticks(1, 2, 4, epoch="e2"), ticks(4, 6)]
    frame = pd.concat(parts, ignore_index=True)
    frame["epoch"] = frame["epoch"].astype("category")
    report = verify(write(frame, tmp_path / "t.csv"))
    assert report.epochs == 2
    assert found(report) == {"unlisted gap": [(5, 5), (3, 3)]}
    assert "of epoch e2" in report.problems[0].places[1].about
    assert report.notes == ["an epoch continues after another one began, at line 8"]


@pytest.mark.parametrize("name", NAMES)
def test_listed_gaps_are_reported_and_are_no_problem(tmp_path: Path, name: str) -> None:
    """Seqs that one or several listed gaps cover are not reported again."""
    listed = gaps((4, 5), (6, 9), (14, 14), (21, None), (8, 9))
    frame = ticks(1, 2, 3, *range(10, 13), *range(15, 17), 20)
    report = verify(write(frame, tmp_path / name, gaps=listed))
    assert len(report.gaps) == 5
    assert found(report) == {"unlisted gap": [(13, 14), (17, 19)]}
    whole = verify(write(ticks(1, 5), tmp_path / f"2{name}", gaps=gaps((2, 4))))
    assert (whole.problems, whole.ok) == ([], False)
    other = verify(write(ticks(1, 5), tmp_path / f"3{name}", gaps=gaps((2, 4), epoch="e2")))
    assert found(other) == {"unlisted gap": [(2, 4)]}


@pytest.mark.parametrize("name", NAMES)
def test_jumps_in_a_recording_of_some_symbols_are_no_gaps(tmp_path: Path, name: str) -> None:
    """The seqs between belong to other symbols; order and duplicates are checked."""
    path = write(ticks(3, 6, 9, 9), tmp_path / name, symbols=["S0"])
    assert verify(path).only == ["S0"]
    assert list(found(verify(path))) == ["duplicates"]
    if name == "ticks.csv":
        sidecar_path(path).unlink()
        assert "unlisted gap" in found(verify(path))


def test_damage_is_named_by_lines(tmp_path: Path) -> None:
    """Damaged lines, the torn end, missing rows, and rows that were changed."""
    path = write(ticks(*range(1, 101)), tmp_path / "ticks.csv")
    lines = path.read_bytes().split(b"\n")
    size = len(lines[9] + lines[10] + lines[20])
    lines[9], lines[10], lines[20] = b"garbage", b"", b"x" * (size - 7)
    path.write_bytes(b"\n".join(lines))
    assert found(verify(path))["changed"] == [(2, 101)]
    path.write_bytes(b"\n".join(lines[:-2])[:-10])
    reported = found(verify(path))
    assert reported["damaged"] == [(10, 11), (21, 21)]
    assert reported["torn"] == [(100, 100)]
    assert reported["missing"] == [(101, 101)]
    assert reported["unlisted gap"] == [(9, 10), (20, 20)]


def test_line_numbers_count_damaged_lines(tmp_path: Path) -> None:
    """A tick out of order after a damaged line is named by its line in the file."""
    path = write(ticks(*range(1, 51), 5, *range(52, 60)), tmp_path / "ticks.csv")
    lines = path.read_bytes().split(b"\n")
    assert lines[51].startswith(b"5,")
    lines[30] = b"garbage"
    path.write_bytes(b"\n".join(lines))
    assert found(verify(path))["order"] == [(52, 52)]


def test_text_with_line_breaks_is_numbered_by_rows(tmp_path: Path) -> None:
    """Where a row may be several lines, places are rows."""
    frame = ticks(1, 2, 2).assign(note=pd.Categorical(["a\nb", "c", "c"]))
    [problem] = verify(write(frame, tmp_path / "t.csv")).problems
    assert (problem.unit, problem.places[0].first) == ("row", 3)


def test_undecodable_bytes_are_reported(tmp_path: Path) -> None:
    """Places of a compressed file are bytes, and its ticks are an unlisted gap."""
    frame = ticks(*range(1, 50_001))
    path = write(frame, tmp_path / "ticks.csv.gz")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    problems = {each.kind: each for each in verify(path).problems}
    assert problems["undecodable"].unit == "byte"
    assert problems["undecodable"].count == problems["unlisted gap"].count == 1


def test_compressed_file_that_is_cut_off_is_reported(tmp_path: Path) -> None:
    """The end of the last member is missing; everything before it is there."""
    path = write(ticks(*range(1, 50_001)), tmp_path / "ticks.csv.gz")
    path.write_bytes(path.read_bytes()[:-20])
    assert "torn" in found(verify(path))


def test_time_that_goes_back_is_noted(tmp_path: Path) -> None:
    """A clock set back by more than a minute is no fault; a late tick is not noted."""
    frame = ticks(1, 2, 3, 4)
    frame["time"] -= pd.to_timedelta([0, 0, 59, 180], unit="s")
    report = verify(write(frame, tmp_path / "t.csv"))
    assert report.ok
    assert report.notes == ["times go back by more than a minute at line 5"]


def test_foreign_file_is_checked(tmp_path: Path) -> None:
    """Without seq gaps can't be found; with it jumps are reported."""
    path = tmp_path / "foreign.csv"
    path.write_text("sym,last\nA,1\nB,2\n")
    report = verify(path)
    assert (report.ok, report.rows, report.symbols) == (True, 2, 2)
    assert "no seq" in report.notes[0]
    path.write_text("sym,last,seq\nA,1,1\nB,2,5\n")
    assert found(verify(path)) == {"unlisted gap": [(2, 4)]}


def test_file_without_ticks_is_an_error(tmp_path: Path) -> None:
    """A missing file and a file without ticks have no report."""
    (tmp_path / "novel.csv").write_text("It was a dark and stormy night.\n")
    for name in ("novel.csv", "nothing.csv", "nothing.parquet"):
        with pytest.raises(RecordingError):
            verify(tmp_path / name)


def test_many_places_are_counted_and_some_named(tmp_path: Path) -> None:
    """However many places there are, the report stays small."""
    report = verify(write(ticks(*range(1, 10_000, 2)), tmp_path / "t.parquet"))
    problem: Problem = report.problems[0]
    assert (problem.count, len(problem.places)) == (4999, MAX_PLACES)


@pytest.mark.parametrize("seed", range(20))
def test_unlisted_jumps_agree_with_sets(tmp_path: Path, seed: int) -> None:
    """Reported jumps cover all seqs that are neither there nor listed."""
    rng = np.random.default_rng(seed)
    seqs = np.sort(rng.choice(np.arange(1, 80), 30, replace=False))
    starts = rng.integers(1, 80, 5)
    listed = [(int(start), int(start + rng.integers(0, 12))) for start in starts]
    path = write(ticks(*map(int, seqs)), tmp_path / "t.parquet", gaps=gaps(*listed))
    there = set(map(int, seqs))
    known = {seq for first, last in listed for seq in range(first, last + 1)}
    lost = set(range(min(there), max(there))) - there - known
    reported = found(verify(path)).get("unlisted gap", [])
    named = {seq for first, last in reported for seq in range(first, last + 1)}
    assert lost <= named
    assert not named & there
    assert all(lost & set(range(first, last + 1)) for first, last in reported)
