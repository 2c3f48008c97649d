"""CsvFile: a CSV recording that is open and grows."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from soaks import share_of

from tickerkit.errors import RecordingError, RecordingExists
from tickerkit.log import Gap, Position, TickLog
from tickerkit.storage import CsvFile, load, read_csv, write_csv
from tickerkit.storage.files import replacing
from tickerkit.storage.paths import recordings_in
from tickerkit.storage.sidecar import sidecar_path
from tickerkit.ticks import read_ticks

CALLS = sorted(random.Random(1).sample(range(1, 201), share_of(200)))
FEW_CALLS = (*range(1, 9), 12, 13, 40, 62, 63, 64, 65, 66, 67, 68, 69, 90, 143)


def ticks(start: int, count: int, **more: float) -> pd.DataFrame:
    """Return a frame of ticks that are numbered from `start`."""
    log = TickLog(epoch="e")
    rows = [{"symbol": "A,b", "price": 0.1 * n, "time": 10**18 + n, **more} for n in range(count)]
    log.append(read_ticks(rows), received=7)
    frame = log.frame()
    frame["seq"] += start - 1
    return frame


def held(path: Path) -> pd.DataFrame:
    """Return the ticks of a file without damage."""
    found = load(path)
    assert found.warning is None
    return found.frame


def test_appended_rows_come_back_as_one_frame(tmp_path: Path) -> None:
    """Several appends are one recording, also when the file was opened twice."""
    path = tmp_path / "new" / "ticks.csv"
    with CsvFile(path) as file:
        file.append(ticks(1, 3))
        assert file.last == Position("e", 3)
        assert len(held(path)) == 3
        file.append(ticks(4, 3))
    with CsvFile(path, mode="append") as file:
        assert (file.rows, file.last) == (6, Position("e", 6))
        file.append(ticks(7, 3))
    assert held(path)["seq"].tolist() == list(range(1, 10))


def test_existing_file_is_kept_unless_requested(tmp_path: Path) -> None:
    """Mode "new" refuses it, "overwrite" replaces it, and a foreign file is not appended to."""
    path = tmp_path / "ticks.csv"
    with CsvFile(path) as file:
        file.append(ticks(1, 3))
    with pytest.raises(RecordingExists):
        CsvFile(path, mode="new")
    with CsvFile(path, mode="overwrite") as file:
        file.append(ticks(9, 1))
    assert held(path)["seq"].tolist() == [9]
    path.write_text("symbol,price\nA,1\n")
    with pytest.raises(RecordingError, match="not a tickerkit recording"):
        CsvFile(path)


def test_second_writer_is_refused(tmp_path: Path) -> None:
    """The error says that another one is recording to the file."""
    with CsvFile(tmp_path / "ticks.csv") as file:
        file.append(ticks(1, 1))
        with pytest.raises(RecordingError, match=r"can.t be written: .* is recording to it"):
            CsvFile(tmp_path / "ticks.csv")


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_resumed_recording_keeps_symbols_and_sources(tmp_path: Path, suffix: str) -> None:
    """A recording of all symbols stays one of all when its torn end is removed."""
    path = tmp_path / f"ticks{suffix}"
    for start, symbols in ((1, ["A"]), (51, None)):
        with CsvFile(path, symbols=symbols, source=f"s{start}") as file:
            file.append(ticks(start, 50))
    os.truncate(path, path.stat().st_size - 10)
    with CsvFile(path, symbols=["A"]):
        pass
    assert load(path).symbols is None
    assert load(path).source == "s1; s51"


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zst"])
def test_torn_end_is_cut_off_and_the_file_continued(tmp_path: Path, suffix: str) -> None:
    """A crash in the middle of a line is no obstacle."""
    path = tmp_path / f"ticks{suffix}"
    with CsvFile(path) as file:
        file.append(ticks(1, 50))
        file.append(ticks(51, 50))
    os.truncate(path, path.stat().st_size - 10)
    with CsvFile(path) as file:
        last = file.rows
        assert 50 <= last < 100
        file.append(ticks(last + 1, 5))
    assert held(path)["seq"].tolist() == list(range(1, last + 6))


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.zst"])
def test_torn_member_is_replaced_where_it_is(tmp_path: Path, suffix: str) -> None:
    """The members before it are not written again; its whole lines stay."""
    path = tmp_path / f"ticks{suffix}"
    with CsvFile(path) as file:
        file.append(ticks(1, 5000))
        whole = path.stat().st_size
        file.append(ticks(5001, 5000))
    os.truncate(path, path.stat().st_size - 10)
    rows, before, number = len(load(path).frame), path.read_bytes(), path.stat().st_ino
    assert rows > 5000
    with CsvFile(path) as file:
        assert file.rows == rows
    assert (path.stat().st_ino, path.read_bytes()[:whole]) == (number, before[:whole])
    assert held(path)["seq"].tolist() == list(range(1, rows + 1))


def test_torn_member_stays_if_its_lines_cannot_be_written(
    tmp_path: Path, failing: Callable[[int, bool], None]
) -> None:
    """A full disk costs none of the lines that could be read."""
    path = tmp_path / "ticks.csv.gz"
    file = CsvFile(path)
    file.append(ticks(1, 5000))
    file.append(ticks(5001, 5000))
    file.abandon()
    os.truncate(path, path.stat().st_size - 10)
    before = path.read_bytes()
    failing(1, True)
    with pytest.raises(OSError, match="No space"):
        CsvFile(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zst"])
def test_file_that_lost_its_end_keeps_the_rest_where_it_is(tmp_path: Path, suffix: str) -> None:
    """The checksums of the rows that are gone go too; the gaps stay."""
    path = tmp_path / f"ticks{suffix}"
    with CsvFile(path) as file:
        file.append(ticks(1, 50))
        whole = path.stat().st_size
        file.append(ticks(51, 50))
        file.note_gaps([Gap("e", 101, 102, "why")])
    os.truncate(path, whole)
    number = path.stat().st_ino
    with CsvFile(path) as file:
        assert file.rows == 50
        file.append(ticks(51, 5))
    assert path.stat().st_ino == number
    assert held(path)["seq"].tolist() == list(range(1, 56))
    assert load(path).gaps["from"].tolist() == [101]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zst"])
def test_header_that_was_cut_off_is_written_again(tmp_path: Path, suffix: str) -> None:
    """A power failure has left a few bytes of the file, and its sidecar."""
    path = tmp_path / f"ticks{suffix}"
    file = CsvFile(path)
    file.append(ticks(1, 3))
    file.abandon()
    os.truncate(path, 12)
    with CsvFile(path) as file:
        assert file.rows == 0
        file.append(ticks(4, 2))
    assert held(path)["seq"].tolist() == [4, 5]


def test_resumed_recording_keeps_the_order_of_its_symbols(tmp_path: Path) -> None:
    """That of the list of symbols, and that of the categories, also after a crash."""
    path = tmp_path / "ticks.csv"
    for run, words in enumerate((["C", "A", "B"], ["B", "D", "A"])):
        file = CsvFile(path, symbols=["C", "B", "A", "D"])
        frame = ticks(1 + 2 * run, 2)
        frame["symbol"] = pd.Categorical([words[2], words[0]], categories=words)
        file.append(frame)
        if run:
            file.close()
        else:
            file.abandon()
    assert load(path).symbols == ["C", "B", "A", "D"]
    assert held(path)["symbol"].tolist() == ["B", "C", "A", "B"]
    assert held(path)["symbol"].cat.categories.tolist() == ["B", "C", "D", "A"]


def test_later_column_is_added_to_the_file(tmp_path: Path) -> None:
    """Older rows are empty there; the gaps noted stay."""
    path = tmp_path / "ticks.csv"
    with CsvFile(path) as file:
        file.append(ticks(1, 3))
        file.note_gaps([Gap("e", 4, 5, "why")])
        file.append(ticks(6, 2, bid=3.5))
        file.append(ticks(8, 1))
    found = load(path)
    assert found.warning is None
    assert found.frame["bid"].tolist()[3:5] == [3.5, 3.5]
    assert found.frame["bid"].isna().tolist() == [True] * 3 + [False] * 2 + [True]
    assert found.gaps["from"].tolist() == [4]


def test_column_is_added_to_a_resumed_file(tmp_path: Path) -> None:
    """A crash has left rows without a checksum, and the checksums of the old text are dropped."""
    path = tmp_path / "ticks.csv"
    file = CsvFile(path)
    file.append(ticks(1, 3))
    file.abandon()
    with CsvFile(path) as file:
        file.append(ticks(4, 2, bid=3.5))
    assert held(path)["seq"].tolist() == [1, 2, 3, 4, 5]
    with CsvFile(path) as file:
        assert file.last == Position("e", 5)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bool], None]:
    """Return a function that makes the n-th write from now on fail, before or within its data."""
    write, left = os.write, [0, 0]

    def counted(file: int, data: bytes) -> int:
        left[0] -= 1
        if left[0] == 0:
            if left[1]:
                write(file, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    def fail(call: int, partly: bool) -> None:
        left[:] = [call, int(partly)]

    monkeypatch.setattr(os, "write", counted)
    return fail


@pytest.mark.parametrize(
    "calls",
    [FEW_CALLS, pytest.param(CALLS, marks=pytest.mark.soak)],
    ids=["some", "all"],
)
def test_failed_write_leaves_no_trace(
    tmp_path: Path, failing: Callable[[int, bool], None], calls: Iterable[int]
) -> None:
    """Each of 200 writes fails once, whole or within a line; repeating it makes the same file."""
    every = [ticks(1 + 4 * n, 4, **({"bid": 1.0} if n > 60 else {})) for n in range(200)]
    for call in calls:
        parts = every[: call + 2]
        path = tmp_path / f"{call}.csv"
        file = CsvFile(path)
        failing(call, call % 2 == 0)
        failures = 0
        for number, part in enumerate(parts):
            if number % 20 == 5:
                file.note_gaps([Gap("e", 9000 + number, 9000 + number, "why")])
            try:
                file.append(part)
            except OSError:
                failures += 1
                failing(0, False)
                if number:
                    assert len(load(path).frame) == 4 * number
                file.append(part)
        try:
            file.close()
        except OSError:
            failures += 1
            file.close()
        assert failures == 1
        found = load(path)
        assert found.warning is None
        assert found.frame["seq"].tolist() == list(range(1, 4 * len(parts) + 1))
        assert len(found.gaps) == len(range(5, len(parts), 20))


def test_adding_a_column_can_be_repeated_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever step fails, the file is complete, and the next call adds the column."""
    left, step = [0], 0

    def failing(call: Callable[..., int]) -> Callable[..., int]:
        def counted(*args: Any) -> int:
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.ENOSPC, "no")
            return call(*args)

        return counted

    monkeypatch.setattr(os, "write", failing(os.write))
    monkeypatch.setattr(os, "open", failing(os.open))
    has_failed = True
    while has_failed:
        step += 1
        path = tmp_path / f"{step}.csv"
        with CsvFile(path) as file:
            file.append(ticks(1, 3))
            file.note_gaps([Gap("e", 4, 4, "why")])
            file.append(ticks(5, 1))
            left[0] = step
            try:
                file.append(ticks(6, 1, bid=2.0))
            except OSError:
                assert len(load(path).frame) == 4
                if step % 2:
                    file.append(ticks(6, 1, bid=2.0))
                else:  # or the column has gone again
                    file.append(ticks(6, 1))
            has_failed = left[0] <= 0
            left[0] = 0
        found = load(path)
        assert found.warning is None
        assert found.frame["seq"].tolist() == [1, 2, 3, 5, 6]
        assert found.gaps["from"].tolist() == [4]
    assert step > 4


def test_new_column_leaves_the_older_rows_where_they_are(tmp_path: Path) -> None:
    """It needs no room for another copy of the file, which would be hidden or left behind."""
    path = tmp_path / "ticks.csv"
    with CsvFile(path, source="ws://x") as file:
        file.append(ticks(1, 3000))
        before = path.read_bytes()
        file.append(ticks(3001, 2, bid=3.5))
        file.append(ticks(3003, 1, ask=4.5))
        assert path.read_bytes() == before
        size = file.size_on_disk
    names = [
        f"ticks{part}.csv{end}" for part in ("", ".part2", ".part3") for end in ("", ".meta.jsonl")
    ]
    assert {each.name for each in tmp_path.iterdir()} == set(names)
    assert size <= sum(each.stat().st_size for each in tmp_path.iterdir())
    frame = read_csv(path)
    assert frame["seq"].tolist() == list(range(1, 3004))
    assert list(frame) == [*ticks(1, 1), "bid", "ask"]
    assert frame["bid"].dropna().index.tolist() == [3000, 3001]
    assert recordings_in(tmp_path) == [path]
    with CsvFile(path) as file:
        assert file.last == Position("e", 3003)
        file.append(ticks(3004, 1))
    assert len(list(tmp_path.iterdir())) == 6
    assert held(path)["seq"].iloc[-1] == 3004
    CsvFile(path, mode="overwrite").close()
    assert {each.name for each in tmp_path.iterdir()} == set(names[:2])


def test_temporary_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    """When the same file is written next; not those that another process is writing."""
    path = tmp_path / "ticks.csv"
    left = [tmp_path / f".ticks.csv{end}.0123abcd.tmp" for end in ("", ".meta.jsonl")]
    others = [tmp_path / f".{name}.0123abcd.tmp" for name in ("ticks.csv.gz", "my.ticks.csv")]
    for each in (*left, *others):
        each.touch()
    with replacing(path) as out:
        out.write(b"half")
        CsvFile(path, mode="overwrite").close()
        assert [each.exists() for each in (*left, *others)] == [False] * 2 + [True] * 2
    assert path.read_bytes() == b"half"


def test_file_without_rows_gets_the_header_of_the_first(tmp_path: Path) -> None:
    """It was created before it was known which columns the ticks have; its gaps stay."""
    path = tmp_path / "ticks.csv"
    with CsvFile(path) as file:
        file.append(ticks(1, 0))
        file.note_gaps([Gap("e", 1, 2, "why")])
    with CsvFile(path) as file:
        file.append(ticks(3, 1, bid=1.0))
    assert len(list(tmp_path.iterdir())) == 2
    assert held(path)["bid"].tolist() == [1.0]
    assert load(path).gaps["from"].tolist() == [1]


def test_other_file_with_the_name_of_a_part_is_none(tmp_path: Path) -> None:
    """Only a file whose sidecar says so continues another one."""
    path = write_csv(ticks(1, 2), tmp_path / "ticks.csv")
    other = write_csv(ticks(7, 2), tmp_path / "ticks.part2.csv")
    assert held(path)["seq"].tolist() == [1, 2]
    assert recordings_in(tmp_path) == [path, other]
    write_csv(ticks(3, 1, bid=1.0), path, mode="append")
    assert held(path)["seq"].tolist() == [1, 2, 3]
    assert held(other)["seq"].tolist() == [7, 8]


def test_crash_between_file_and_sidecar_loses_no_row(tmp_path: Path) -> None:
    """The sidecar does not know the new column yet; no gap or type is lost."""
    path = tmp_path / "ticks.csv"
    with CsvFile(path, symbols=["A"]) as file:
        file.note_gaps([Gap("e", 1, 2, "why")])
        file.append(ticks(3, 1).assign(code=pd.Categorical(["7"])))
    before = sidecar_path(path).read_bytes()
    with CsvFile(path, symbols=["A"]) as file:
        file.append(ticks(4, 1, bid=2.0))
    sidecar_path(path).write_bytes(before)
    for last in (4, 5, 6):
        found = load(path)
        assert found.warning is None
        assert found.frame["bid"].tolist()[1] == 2.0
        assert (found.frame["code"].tolist()[0], found.gaps["to"].tolist()) == ("7", [2])
        assert found.symbols == ["A"]
        with CsvFile(path, symbols=["A"]) as file:
            assert file.last == Position("e", last)
            file.append(ticks(last + 1, 1))


def test_moved_or_shortened_file_is_noticed(tmp_path: Path) -> None:
    """The missing part is never filled with zeros."""
    path = tmp_path / "ticks.csv"
    file = CsvFile(path)
    file.append(ticks(1, 9))
    assert file.is_intact
    os.truncate(path, 100)
    assert not file.is_intact
    with pytest.raises(OSError, match="shortened"):
        file.append(ticks(10, 1))
    path.unlink()
    assert not file.is_intact
    file.abandon()


def test_full_disk_costs_no_written_row(tmp_path: Path) -> None:
    """On a real disk of 1 MB the file stays valid, and is continued when there is space."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False, timeout=10)
    except OSError:
        mounted = None
    if mounted is None or mounted.returncode:
        pytest.skip("may not mount a tmpfs")
    try:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 500_000)
        file, seq = CsvFile(disk / "ticks.csv"), 1
        with contextlib.suppress(OSError):
            while seq < 100_000:
                file.append(ticks(seq, 500))
                seq += 500
        with pytest.raises(OSError, match="No space"):
            file.append(ticks(seq, 500))
        assert len(held(disk / "ticks.csv")) == seq - 1 > 0
        ballast.unlink()
        file.append(ticks(seq, 500))
        file.close()
        assert len(held(disk / "ticks.csv")) == seq + 499
        assert sidecar_path(disk / "ticks.csv").exists()
    finally:
        subprocess.run(["umount", str(disk)], check=False, timeout=10)
