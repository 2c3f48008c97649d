"""RecordingWriter: the files of a recording, and which rows of a log are in them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tickerkit.errors import RecordingError
from tickerkit.log import Gap, Position, Reader, TickLog
from tickerkit.storage import CsvFile, load
from tickerkit.storage.earlier_files import finish, is_unfinished, leave_out_open, read_abouts
from tickerkit.storage.parquet import growing, growing_file
from tickerkit.storage.paths import naming_from_path, read_size, recordings_in
from tickerkit.storage.recording_writer import RecordingWriter
from tickerkit.storage.verify import verify
from tickerkit.ticks import read_ticks

DAY = 86_400
NONE: list[Gap] = []


class Recording:
    """A log, and a writer that the tests feed with it."""

    def __init__(
        self,
        path: Path,
        log: TickLog | None = None,
        *,
        before: Position | None = None,
        **how: Any,
    ) -> None:
        self.now = 20_000 * DAY + 60.0
        self.log = TickLog(1000, epoch="e") if log is None else log
        self.writer = RecordingWriter(path, clock=lambda: self.now, **how)
        self.reader: Reader = self.log.reader()
        self.writer.begin(self.log, self.log.stop, before)
        self.gaps: list[tuple[int, Gap]] = []

    def before(self, start: int, stop: int) -> list[Gap]:
        """Return the gaps before the rows."""
        return [gap for row, gap in self.gaps if start <= row < stop]

    def flush(self) -> None:
        """Write the new rows, as the recorder does."""
        try:
            self.writer.take(self.reader.read(), self.before)
        finally:
            self.reader.row = self.writer.row


def append(log: TickLog, *seqs: int, epoch: str = "e", **more: float) -> None:
    """Append ticks with these seqs."""
    rows = [{"symbol": "A", "price": 1.5, "time": 10**18 + seq, **more} for seq in seqs]
    log.append(read_ticks(rows), received=1, epoch=epoch, seq=np.array(seqs))


def seqs(path: Path) -> list[int]:
    """Return the seqs in a file without damage."""
    found = load(path)
    assert found.warning is None or not found.warning.is_damaged
    return [int(seq) for seq in found.frame["seq"]]


def missing(path: Path) -> list[tuple[Any, ...]]:
    """Return the gaps of a file: epoch, from and to."""
    gaps = load(path).gaps
    return [
        (epoch, int(start), None if stop is None else int(stop))
        for epoch, start, stop in zip(
            gaps["epoch"],
            gaps["from"],
            gaps["to"].astype(object).where(gaps["to"].notna(), None),
            strict=True,
        )
    ]


def left_unfinished(made: Recording) -> list[Path]:
    """Return the files of a recording that are unfinished, and that nobody writes to."""
    abouts = leave_out_open(read_abouts(made.writer.naming, print))
    return [path for path, about in abouts.items() if is_unfinished(path, about)]


def test_writer_begins_where_the_log_ends(tmp_path: Path) -> None:
    """Earlier ticks are left out; a file without ticks has the names of the columns."""
    path, log = tmp_path / "ticks.csv", TickLog(epoch="e")
    append(log, 1, 2)
    made = Recording(path, log)
    assert list(load(path).frame.columns) == log.columns()
    append(log, 3, 4)
    made.flush()
    made.writer.close()
    assert seqs(path) == [3, 4]


def test_resumed_writer_skips_known_rows_and_notes_gaps(tmp_path: Path) -> None:
    """No tick comes twice, a jump is a gap, and the end of another epoch is open."""
    path = tmp_path / "ticks.csv"
    for numbers, epoch in (((1, 2, 3), "e"), ((2, 3, 4), "e"), ((7, 8), "e"), ((1, 2), "f")):
        made = Recording(path)
        append(made.log, *numbers, epoch=epoch)
        made.flush()
        made.writer.close()
    assert seqs(path) == [1, 2, 3, 4, 7, 8, 1, 2]
    assert missing(path) == [("e", 5, 6), ("e", 9, None)]


def test_jump_among_some_symbols_is_a_gap_after_an_interruption(tmp_path: Path) -> None:
    """Where rows overlap, or the log continues after the last one, there was none."""
    path = tmp_path / "ticks.csv"
    made = Recording(path, symbols=["A"])
    append(made.log, 1, 5)
    made.flush()
    made.writer.close()
    again = Recording(path, made.log, symbols=["A"])
    append(again.log, 9)
    again.flush()
    again.writer.close()
    assert missing(path) == []
    other = Recording(path, symbols=["A"])
    append(other.log, 9, 12)
    other.flush()
    other.writer.close()
    assert missing(path) == []
    last = Recording(path, symbols=["A"])
    append(last.log, 20)
    last.flush()
    last.writer.close()
    assert missing(path) == [("e", 13, 19)]
    assert load(path).symbols == ["A"]


def test_dropped_ticks_are_gaps_around_those_of_the_feed(tmp_path: Path) -> None:
    """Ticks that were not read in time are listed; the feed's gaps stay as they are."""
    path = tmp_path / "ticks.csv"
    made = Recording(path, TickLog(4, epoch="e"))
    append(made.log, 1, 2)
    made.flush()
    append(made.log, 3, 4)
    made.gaps.append((4, Gap("e", 5, 6, "the server's")))
    append(made.log, *range(7, 15))
    made.flush()
    made.writer.close()
    assert seqs(path) == [1, 2, 11, 12, 13, 14]
    assert missing(path) == [("e", 3, 4), ("e", 5, 6), ("e", 7, 10)]
    assert (made.writer.lost, made.writer.gaps) == (6, 3)


def test_failed_write_is_repeated(tmp_path: Path, monkeypatch: Any) -> None:
    """Nothing is lost, written twice or noted twice, however often it fails."""
    from tickerkit.storage import files as files_module

    path = tmp_path / "ticks.csv"
    made = Recording(path)
    append(made.log, 1, 2)
    made.flush()
    made.gaps.append((2, Gap("e", 3, 4, "the server's")))
    append(made.log, 5)

    def fail(*_: object) -> None:
        raise OSError("no")

    for module, name in ((os, "write"), (files_module, "compress")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, fail)
            for _ in range(3):
                with pytest.raises(OSError, match="no"):
                    made.flush()
    append(made.log, 6)
    made.flush()
    made.writer.close()
    assert seqs(path) == [1, 2, 5, 6]
    assert missing(path) == [("e", 3, 4)]


@pytest.mark.parametrize("call", [1, 2], ids=["sidecar", "rows"])
def test_repeated_failures_note_one_gap(tmp_path: Path, monkeypatch: Any, call: int) -> None:
    """A disk that is full for a day does not leave a gap for each second."""
    made = Recording(tmp_path / "ticks.csv", TickLog(4, epoch="e"))
    append(made.log, 1)
    made.flush()
    write, calls = os.write, [0]

    def fails(file: int, data: bytes) -> int:
        calls[0] += 1
        if calls[0] == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", fails)
    for first in range(2, 52, 10):
        append(made.log, *range(first, first + 10))
        calls[0] = 0
        with pytest.raises(OSError, match="No space"):
            made.flush()
    monkeypatch.setattr(os, "write", write)
    append(made.log, *range(52, 62))
    made.flush()
    made.writer.close()
    found = seqs(tmp_path / "ticks.csv")
    assert missing(tmp_path / "ticks.csv") == [("e", 2, found[1] - 1)]
    assert found == [1, *range(found[1], 62)]
    assert made.writer.gaps == 1


def test_file_that_was_never_written_to_has_no_ticks(tmp_path: Path) -> None:
    """It was created when the disk was full; a folder with it can be read."""
    path = tmp_path / "ticks.csv"
    CsvFile(path).abandon()
    assert path.stat().st_size == 0
    assert seqs(path) == []
    with CsvFile(path) as file:
        assert file.rows == 0


def test_folder_has_a_file_for_each_day(tmp_path: Path) -> None:
    """Days are those of UTC; names have the start time, and never collide."""
    made = Recording(tmp_path / "captures")
    append(made.log, 1)
    made.flush()
    made.now += DAY
    append(made.log, 2)
    made.flush()
    made.writer.close()
    other = Recording(tmp_path / "captures", compression="zstd")
    other.writer.close()
    third = Recording(tmp_path / "captures")
    third.writer.close()
    files = sorted(tmp_path.glob("captures/*.csv*"))
    assert [file.name for file in files if not file.name.endswith(".jsonl")] == [
        "ticks-20241004T000100Z.csv",
        "ticks-20241004T000100Z.csv.zst",
        "ticks-20241004T000101Z.csv",
        "ticks-20241005T000100Z.csv",
    ]
    assert seqs(tmp_path / "captures/ticks-20241004T000100Z.csv") == [1]
    assert seqs(tmp_path / "captures/ticks-20241005T000100Z.csv") == [2]


@pytest.mark.parametrize("max_disk", [None, 8000], ids=["all", "some removed"])
@pytest.mark.parametrize("step", [0, 1, -5], ids=["stands", "goes on", "goes back"])
def test_files_are_in_order_of_name(tmp_path: Path, step: int, max_disk: int | None) -> None:
    """However quickly they follow each other, and whatever the clock does."""
    made = Recording(tmp_path / "captures", rotate=200, max_disk=max_disk)
    for seq in range(1, 60):
        append(made.log, seq)
        made.flush()
        made.now += step
    made.writer.close()
    files = recordings_in(tmp_path / "captures")
    assert len(files) > 5
    found = [seq for file in files for seq in seqs(file)]
    assert found == list(range(found[0], 60))


def test_new_column_begins_another_file_when_rotating(tmp_path: Path) -> None:
    """The old file need not be written again."""
    made = Recording(tmp_path / "ticks.csv", rotate="hour")
    append(made.log, 1)
    made.flush()
    made.now += 1
    append(made.log, 2, bid=3.0)
    made.flush()
    made.writer.close()
    files = sorted(tmp_path.glob("*.csv"))
    assert [seqs(file) for file in files] == [[1], [2]]
    assert "bid" not in load(files[0]).frame.columns
    assert load(files[1]).frame["bid"].tolist() == [3.0]


def test_max_disk_removes_the_oldest_files(tmp_path: Path) -> None:
    """All files together stay below it; files of other recordings are kept."""
    (tmp_path / "ticks-20200101T000000Z.csv").write_text("another's")
    made = Recording(tmp_path / "ticks.csv", rotate="day", max_disk="40KB")
    for seq in range(1, 2001, 20):
        append(made.log, *range(seq, seq + 20))
        made.flush()
        made.now += 1
        assert made.writer.bytes <= 40_000
    made.writer.close()
    files = sorted(tmp_path.glob("ticks-2024*.csv"))
    kept = [seq for file in files for seq in seqs(file)]
    assert kept == list(range(kept[0], 2001))
    assert len(kept) > 200
    assert made.writer.removed == made.writer.files - len(files) > 0
    assert (tmp_path / "ticks-20200101T000000Z.csv").exists()


def test_max_disk_counts_the_files_of_earlier_runs(tmp_path: Path) -> None:
    """The oldest are removed first; those of other recordings and of other feeds are kept."""
    other = Recording(tmp_path / "captures", source="ws://other")
    append(other.log, *range(1, 400))
    other.flush()
    other.writer.close()
    kept = set(tmp_path.glob("captures/*"))
    path = tmp_path / "captures"
    for run in range(4):
        made = Recording(path, source="ws://one", raw=True, max_disk="40KB", rotate="day")
        for seq in range(400 * run, 400 * run + 400, 20):
            append(made.log, *range(seq + 1, seq + 21))
            made.flush()
        made.writer.close()
        mine = [each for each in path.iterdir() if each not in kept]
        assert sum(each.stat().st_size for each in mine) <= 40_000
    found = [seq for file in recordings_in(path) if file not in kept for seq in seqs(file)]
    assert found == list(range(found[0], 1601))
    assert len(found) > 200
    assert kept < set(path.iterdir())


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.csv.gz"])
def test_files_that_a_killed_run_left_are_finished(tmp_path: Path, name: str) -> None:
    """The next run does it, unless another one is still writing; until then verify says so."""
    path = tmp_path / name
    killed = Recording(path, rotate="day")
    append(killed.log, 1, 2)
    killed.flush()
    [left] = killed.writer.naming.files()
    with pytest.raises(RecordingError, match="recording to it"):
        finish(left)
    Recording(path, rotate="day").writer.close()
    assert left_unfinished(killed) == []  # it is being written
    killed.writer.abandon()
    assert left_unfinished(killed) == [left]
    notes = verify(recordings_in(tmp_path)[0]).notes
    assert ["read from" in note for note in notes] == ([True] if name == "t.parquet" else [])
    made = Recording(path, rotate="day")
    append(made.log, 3)
    made.flush()
    assert left_unfinished(killed) == []
    made.writer.close()
    assert [seq for file in recordings_in(tmp_path) for seq in seqs(file)] == [1, 2, 3]
    assert not list(tmp_path.glob("_*.parquet.csv*"))


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.csv.gz"])
def test_file_of_a_killed_run_keeps_its_source_and_symbols(tmp_path: Path, name: str) -> None:
    """The next run finishes it as one of its own; the run after that continues and counts it."""
    how: dict[str, Any] = {"rotate": "day", "source": "ws://x", "symbols": ["B", "A"]}
    killed = Recording(tmp_path / name, **how)
    append(killed.log, 1, 2)
    killed.flush()
    killed.writer.abandon()
    again = Recording(tmp_path / name, **how)
    append(again.log, 3)
    again.flush()
    again.writer.close()
    left = recordings_in(tmp_path)[0]
    assert (load(left).source, load(left).symbols) == ("ws://x", ["B", "A"])
    third = Recording(tmp_path / name, max_disk=2500, **how)
    assert third.writer.last == Position("e", 3)
    append(third.log, *range(4, 12))
    third.flush()
    third.writer.close()
    assert not left.exists()


def test_max_disk_keeps_the_file_that_another_recorder_writes(tmp_path: Path) -> None:
    """Only files that nobody writes to are counted and removed."""
    other = Recording(tmp_path / "t.csv", rotate="day")
    append(other.log, *range(1, 200))
    other.flush()
    made = Recording(tmp_path / "t.csv", rotate="day", max_disk="20KB")
    append(made.log, *range(200, 900))
    made.flush()
    assert other.writer.path.exists()
    assert other.writer.path != made.writer.path
    made.writer.close()
    other.writer.close()


def test_file_that_was_removed_for_max_disk_stays_removed(tmp_path: Path) -> None:
    """A killed run has left it unfinished; finishing it would create it again."""
    killed = Recording(tmp_path / "t.csv", rotate="day")
    append(killed.log, *range(1, 200))
    killed.flush()
    killed.writer.abandon()
    made = Recording(tmp_path / "t.csv", rotate="day", max_disk="20KB")
    append(made.log, *range(200, 400))
    made.flush()
    made.writer.close()
    assert made.writer.removed > 0
    assert not killed.writer.path.exists()


def test_damaged_file_that_a_killed_run_left_stays(tmp_path: Path) -> None:
    """It is reported once, and not made into a Parquet file that lacks the damaged ticks."""
    killed = Recording(tmp_path / "t.parquet", rotate="day")
    append(killed.log, *range(1, 20))
    killed.flush()
    killed.writer.abandon()
    [left] = tmp_path.glob("_*.parquet.csv")
    lines = left.read_bytes().split(b"\n")
    left.write_bytes(b"\n".join([*lines[:5], b"broken", *lines[6:]]))
    errors: list[Exception] = []
    made = Recording(tmp_path / "t.parquet", rotate="day", on_error=errors.append)
    append(made.log, 20)
    made.flush()
    made.writer.close()
    assert [type(error) for error in errors] == [RecordingError]
    assert left.exists()


def test_max_disk_without_rotation_ends_the_writing(tmp_path: Path) -> None:
    """The error says so; with a larger limit the recording continues after a gap."""
    path = tmp_path / "ticks.csv"
    made = Recording(path, max_disk="10KB")
    append(made.log, *range(1, 1000))
    with pytest.raises(OSError, match=r"max_disk of 10 kB is reached"):
        made.flush()
    made.writer.close()
    last = seqs(path)[-1]
    assert 50 < last < 200
    assert path.stat().st_size <= 10_000
    more = Recording(path, made.log, max_disk="20KB")
    append(more.log, 1000)
    more.flush()
    more.writer.close()
    assert missing(path) == [("e", last + 1, 999)]


def test_moved_file_is_started_again(tmp_path: Path) -> None:
    """As tools that rotate logs do; nothing is lost in between."""
    path = tmp_path / "ticks.csv"
    made = Recording(path)
    append(made.log, 1, 2)
    made.flush()
    path.rename(tmp_path / "old.csv")
    append(made.log, 3)
    made.flush()
    made.writer.close()
    assert [seqs(tmp_path / "old.csv"), seqs(path)] == [[1, 2], [3]]


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make row groups of Parquet small."""
    monkeypatch.setattr(growing, "ROWS_AT_ONCE", 100)


@pytest.mark.usefixtures("small_groups")
def test_moved_file_is_started_again_while_it_catches_up(tmp_path: Path) -> None:
    """Rows that were in memory only are taken from the log again."""
    path = tmp_path / "ticks.parquet"
    made = Recording(path)
    append(made.log, *range(1, 301))
    made.flush()
    moved = path.rename(tmp_path / "old.parquet")
    append(made.log, *range(301, 501))
    made.flush()
    made.flush()
    assert made.writer.written == 500
    made.writer.close()
    assert [*seqs(moved), *seqs(path)] == list(range(1, 501))
    assert made.writer.lost == 0


@pytest.mark.usefixtures("small_groups")
def test_rows_that_reach_no_file_count_as_lost(tmp_path: Path, monkeypatch: Any) -> None:
    """As when the disk is full at the end, while rows are in memory only."""
    path = tmp_path / "ticks.parquet"
    made = Recording(path)
    append(made.log, *range(1, 301))
    made.flush()
    visible = len(seqs(path))
    fail = lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full"))  # noqa: E731
    monkeypatch.setattr(growing_file.os, "fsync", fail)
    with pytest.raises(OSError, match="full"):
        made.writer.close()
    made.writer.abandon()
    assert (made.writer.written, made.writer.lost) == (visible, 300 - visible)
    assert visible < 300


def test_own_file_is_never_overwritten(tmp_path: Path, monkeypatch: Any) -> None:
    """Whatever the mode at the start, a file that could not be reopened is continued."""
    path, away = tmp_path / "ticks.csv", tmp_path / "away.csv"
    path.write_text("old")
    turns: list[None] = []
    made = Recording(path, mode="overwrite", raw=True, on_rotate=lambda: turns.append(None))
    append(made.log, 1)
    made.flush()
    wire = made.writer.raw_file
    assert wire is not None
    path.rename(away)
    opened = CsvFile.__init__

    def fails(*args: Any, **how: Any) -> None:
        monkeypatch.setattr(CsvFile, "__init__", opened)
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(CsvFile, "__init__", fails)
    append(made.log, 2)
    with pytest.raises(OSError, match="Too many"):
        made.flush()
    away.rename(path)
    made.flush()
    with pytest.raises(OSError, match="Bad file"):
        wire.append(b"closed")
    made.writer.close()
    assert seqs(path) == [1, 2]
    # The file of frames begins again as well, and must be readable by itself.
    assert turns == [None]


def test_parquet_grows_as_csv_and_is_converted_at_the_end(tmp_path: Path) -> None:
    """Until then, and after a crash, rows are read from the CSV, with a warning."""
    path = tmp_path / "ticks.parquet"
    made = Recording(path)
    append(made.log, 1, 2)
    made.flush()
    assert load(path).frame["seq"].tolist() == [1, 2]
    assert "_ticks.parquet.csv" in str(load(path).warning)
    made.writer.abandon()  # as a crash does
    again = Recording(path)
    append(again.log, 2, 3)
    again.flush()
    again.writer.close()
    assert seqs(path) == [1, 2, 3]
    assert [each.name for each in tmp_path.iterdir()] == ["ticks.parquet"]
    more = Recording(path)
    append(more.log, 3, 6, bid=1.0)
    more.flush()
    assert load(path).frame["seq"].tolist() == [1, 2, 3, 6]
    more.writer.close()
    assert seqs(path) == [1, 2, 3, 6]
    assert missing(path) == [("e", 4, 5)]


def test_size_to_rotate_at_is_that_of_the_parquet_file(tmp_path: Path) -> None:
    """The CSV beside it is several times as large."""
    made = Recording(tmp_path / "t.parquet", TickLog(100_000, epoch="e"), rotate="40KB")
    random = Random(1)
    for start in range(1, 30_000, 500):
        rows = [{"symbol": "A", "price": random.random(), "time": start} for _ in range(500)]
        made.log.append(read_ticks(rows), received=1, epoch="e", seq=start + np.arange(500))
        made.now += 1
        made.flush()
    made.writer.close()
    sizes = [path.stat().st_size for path in recordings_in(tmp_path)]
    assert 2 <= len(sizes) < 12
    assert all(30_000 < size < 60_000 for size in sizes[:-1]), sizes
    assert [seq for path in recordings_in(tmp_path) for seq in seqs(path)] == [*range(1, 30_001)]


def test_names_and_sizes_are_parsed() -> None:
    """Invalid ones are refused where they are given."""
    assert read_size("max_disk", "1.5 gb") == 1_500_000_000
    assert naming_from_path("some/folder").timed
    assert naming_from_path("ticks.csv.gz").suffix == ".csv.gz"
    for wrong in ("100", "-1MB", "lots", 0, True):
        with pytest.raises(ValueError, match="a size such as"):
            read_size("max_disk", wrong)
    with pytest.raises(ValueError, match="a folder, or a file name"):
        naming_from_path("ticks.txt")
    with pytest.raises(ValueError, match="the name ends in"):
        naming_from_path("ticks.csv", format="parquet")


def test_loss_before_the_first_write_is_listed_by_seq(tmp_path: Path) -> None:
    """With a symbol filter the seqs have jumps: the gap begins at the first tick that came."""
    path = tmp_path / "ticks.csv"
    made = Recording(path, TickLog(4, epoch="e"), symbols=["A"])
    append(made.log, *range(31, 331, 30))
    made.flush()
    made.writer.close()
    assert seqs(path) == [211, 241, 271, 301]
    assert missing(path) == [("e", 31, 210)]
    assert made.writer.lost == 6


def test_epochs_that_were_lost_are_listed(tmp_path: Path) -> None:
    """An epoch without a written tick has an open gap, the newest one a gap up to its first."""
    path = tmp_path / "ticks.csv"
    made = Recording(path, TickLog(4, epoch="e"))
    for epoch in "efg":
        append(made.log, *range(11, 17), epoch=epoch)
    made.flush()
    append(made.log, *range(17, 22), epoch="g")
    append(made.log, *range(1, 7), epoch="h")
    made.flush()
    made.writer.close()
    assert missing(path) == [
        ("e", 11, None),
        ("f", 11, None),
        ("g", 11, 12),
        ("g", 17, None),
        ("h", 1, 2),
    ]


def test_lost_epochs_are_listed_though_the_log_has_forgotten_older_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log knows the first seqs of its newest epochs only."""
    monkeypatch.setattr("tickerkit.log.tick_log.MAX_FIRST_SEQS", 2)
    log = TickLog(4, epoch="a")
    for epoch in "ab":
        append(log, 1, 2, epoch=epoch)
    made = Recording(tmp_path / "1.csv", log)
    for epoch in "cd":
        append(log, *range(11, 17), epoch=epoch)
        made.flush()
    assert list(log.first_seqs) == ["c", "d"]
    made.writer.close()
    assert missing(tmp_path / "1.csv") == [
        ("b", 3, None),
        ("c", 11, 12),
        ("c", 17, None),
        ("d", 11, 12),
    ]
    made = Recording(tmp_path / "2.csv", log)
    for epoch in "ef":
        append(log, *range(11, 17), epoch=epoch)
    made.flush()
    made.writer.close()
    assert missing(tmp_path / "2.csv") == [("d", 17, None), ("e", 11, None), ("f", 11, 12)]


def test_recording_of_some_symbols_continues_without_a_gap(tmp_path: Path) -> None:
    """A feed that resumed after the last tick, or after a gap behind it, has missed nothing."""
    path = tmp_path / "ticks.csv"
    made = Recording(path, symbols=["A"])
    append(made.log, 1, 5)
    made.flush()
    made.writer.close([Gap("e", 6, 7, "the server's")])
    again = Recording(path, symbols=["A"], before=Position("e", 7))
    append(again.log, 12)
    again.flush()
    again.writer.close()
    assert missing(path) == [("e", 6, 7)]


@pytest.mark.parametrize("seed", range(20))
def test_each_tick_is_written_or_listed(tmp_path: Path, seed: int) -> None:
    """Whatever is dropped, restarted, filtered, interrupted or resumed, and nothing is both."""
    random = Random(seed)
    path, log = tmp_path / "ticks.csv", TickLog(8, epoch="e")
    came: set[tuple[str, int]] = set()
    epoch, seq = "e0", 0
    for run in range(3):
        made = Recording(path, log)
        for _ in range(random.randrange(1, 8)):
            if random.random() < 0.3:
                epoch, seq = f"e{run}{len(came)}", random.randrange(3)
            for _ in range(random.choice([0, 1, 1, 3])):
                count, step = random.randrange(1, 12), random.choice([1, 1, 3])
                numbers = range(seq + 1, seq + 1 + count * step, step)
                append(log, *numbers, epoch=epoch)
                came |= {(epoch, number) for number in numbers}
                seq = numbers[-1]
            if random.random() < 0.6:
                made.flush()
        made.flush()
        made.writer.close()
    found = load(path).frame
    written = set(zip(found["epoch"].astype(str), found["seq"].astype(int), strict=True))
    assert len(written) == len(found)
    listed = missing(path)

    def is_listed(tick: tuple[str, int]) -> bool:
        return any(
            tick[0] == name and first <= tick[1] and (last is None or tick[1] <= last)
            for name, first, last in listed
        )

    assert not [tick for tick in sorted(came - written) if not is_listed(tick)]
    assert not [tick for tick in sorted(written) if is_listed(tick)]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_file_that_is_being_recorded_is_not_overwritten(name: str, tmp_path: Path) -> None:
    """Another recorder is refused before it removes anything, also by way of a link."""
    made = Recording(tmp_path / name)
    append(made.log, 1, 2, 3)
    made.flush()
    link = tmp_path / f"link{Path(name).suffix}"
    link.symlink_to(tmp_path / name)
    for path in (tmp_path / name, link):
        with pytest.raises(RecordingError):
            RecordingWriter(path, mode="overwrite")
    append(made.log, 4, 5)
    made.flush()
    made.writer.close()
    assert len(load(tmp_path / name).frame) == 5
