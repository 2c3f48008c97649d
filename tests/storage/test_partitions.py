"""Partitions: recordings laid out by day and symbol, and the programs that read them."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pytest

import tickerkit as tk
from tickerkit.log import Gap, Position, TickLog
from tickerkit.storage import load
from tickerkit.storage.earlier_files import find_last_tick
from tickerkit.storage.partitions import NO_VALUE, partition_path, split
from tickerkit.storage.paths import naming_from_path, recordings_in
from tickerkit.storage.recording_writer import RecordingWriter
from tickerkit.storage.verify import verify
from tickerkit.ticks import read_ticks

DAY = 86_400
NOON = 20_000 * DAY + DAY / 2
SYMBOLS = ["AAPL", "BTC/USDT", "Ä=1", "NaN"]


def append(log: TickLog, seqs: range, step_s: float = 3_600, **more: float) -> None:
    """Append ticks, one each `step_s`, of one symbol after the other; each third has no price."""
    rows: list[dict[str, Any]] = [
        {
            "symbol": SYMBOLS[seq % len(SYMBOLS)],
            "time": NOON + step_s * seq,
            **({"bid": seq / 2} if seq % 3 == 0 else {"price": float(seq)}),
            **more,
        }
        for seq in seqs
    ]
    log.append(read_ticks(rows), received=int(NOON * 1e9) + seqs[0], epoch="e", seq=np.array(seqs))


class Recording:
    """A log, and writers that the tests feed with it, one after the other."""

    def __init__(self, folder: Path, log: TickLog, **how: Any) -> None:
        self.now = NOON
        how = {"partition": ("day", "symbol"), **how}
        self.log = log
        self.writer = RecordingWriter(folder, clock=lambda: self.now, **how)
        self.reader = log.reader(0)
        self.writer.begin(log, 0)

    def flush(self, gaps: list[Gap] | None = None) -> None:
        """Write the new rows."""
        self.writer.take(self.reader.read(), lambda *_: gaps or [])


@pytest.fixture
def log() -> TickLog:
    """Return a log of ticks of four symbols on three days."""
    log = TickLog(1_000, epoch="e")
    append(log, range(1, 50))
    return log


@pytest.fixture
def folder(tmp_path: Path, log: TickLog) -> Path:
    """Return a finished recording of the log's ticks."""
    recording = Recording(tmp_path / "captures", log, source="ws://here")
    recording.flush([Gap("e", 50, 60, "lost")])
    recording.writer.close()
    return tmp_path / "captures"


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with its categories as text."""
    return frame.astype({"symbol": "str", "epoch": "str"})


def test_files_lie_by_day_and_symbol(folder: Path) -> None:
    """Nothing else is left; names that a folder can't have are encoded."""
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert len(files) == 12
    names = {file.split("/")[1] for file in files}
    assert names == {"symbol=AAPL", "symbol=BTC%2FUSDT", "symbol=Ä%3D1", "symbol=NaN"}
    assert {file.split("/")[0] for file in files} == {
        "day=2024-10-04",
        "day=2024-10-05",
        "day=2024-10-06",
    }
    assert [path.name for path in folder.iterdir() if "=" not in path.name] == []


@pytest.mark.parametrize(
    "keys", ["day", "symbol", "hour", ["symbol", "day"], "day,symbol", "day,hour,symbol"]
)
def test_recording_comes_back_identical(
    tmp_path: Path, log: TickLog, keys: str | list[str]
) -> None:
    """All files together are the ticks in the order in which they came, with the gaps."""
    recording = Recording(tmp_path / "captures", log, partition=keys, source="ws://here")
    recording.flush([Gap("e", 50, 60, "lost")])
    recording.writer.close()
    (path,) = recordings_in(tmp_path / "captures")
    found = load(path)
    pd.testing.assert_frame_equal(as_text(found.frame), as_text(log.frame()))
    assert found.gaps[["from", "to", "reason"]].to_numpy().tolist() == [[50, 60, "lost"]]
    assert (found.source, found.symbols, found.warning) == ("ws://here", None, None)
    assert verify(path).problems == []


def test_file_of_a_symbol_is_a_recording_of_it(folder: Path, log: TickLog) -> None:
    """Read alone, a file has its symbol again, and says that it has no other."""
    path = next(folder.glob("day=2024-10-05/symbol=BTC*/*.parquet"))
    frame = tk.read_parquet(path)
    assert list(frame) == log.columns()
    assert set(frame["symbol"]) == {"BTC/USDT"}
    assert load(path).symbols == ["BTC/USDT"]
    assert verify(path).problems == []


def test_data_set_is_read_by_other_programs(folder: Path, log: TickLog) -> None:
    """DuckDB, Polars and pyarrow find days and symbols, and the mean that pandas has."""
    means = as_text(log.frame()).groupby("symbol")["price"].mean().to_dict()
    sql = f"select symbol, avg(price) from '{folder}/**/*.parquet' group by 1"
    assert dict(duckdb.sql(sql).fetchall()) == pytest.approx(means)
    for place in (folder, folder / "**/*.parquet"):
        scan = pl.scan_parquet(place, hive_partitioning=True)
        found = scan.group_by("symbol").agg(pl.col("price").mean()).collect()
        assert dict(found.rows()) == pytest.approx(means)
    data_set = ds.dataset(folder, partitioning="hive")
    table = data_set.to_table(filter=ds.field("symbol") == "BTC/USDT")
    assert table.num_rows == (log.frame()["symbol"] == "BTC/USDT").sum()
    assert set(table["day"].to_pylist()) == {"2024-10-04", "2024-10-05", "2024-10-06"}


def test_data_set_grows_while_it_is_recorded(tmp_path: Path, log: TickLog) -> None:
    """Finished files are a data set while the next file is written."""
    recording = Recording(tmp_path, log)
    recording.flush()
    recording.now += DAY
    append(log, range(50, 60))
    recording.flush()
    assert (tmp_path / "_recording").is_dir()
    assert ds.dataset(tmp_path, partitioning="hive").count_rows() == 49
    sql = f"select count(*) from '{tmp_path}/**/*.parquet'"
    assert duckdb.sql(sql).fetchall() == [(49,)]
    assert pl.scan_parquet(tmp_path / "**/*.parquet").select(pl.len()).collect().item() == 49
    assert sum(len(load(path).frame) for path in recordings_in(tmp_path)) == 59
    recording.writer.close()
    assert not (tmp_path / "_recording").exists()
    assert pl.scan_parquet(tmp_path).select(pl.len()).collect().item() == 59


def test_replay_plays_the_ticks_in_the_order_in_which_they_came(folder: Path) -> None:
    """A folder by symbol is one recording, not one symbol after the other."""
    with (
        tk.serve(tk.replay(folder, speed=float("inf")), port=0) as server,
        tk.connect(server.url, history=None) as feed,
    ):
        feed.wait(49, timeout=20)
        assert feed.frame()["time"].is_monotonic_increasing
        assert len(feed.frame()) == 49


def test_next_run_continues_without_a_tick_twice(tmp_path: Path, log: TickLog) -> None:
    """The last tick is found in the partitions; a tick that is there is not written again."""
    first = Recording(tmp_path, log)
    first.flush()
    first.writer.close()
    naming = naming_from_path(tmp_path, partition="day,symbol")
    last = find_last_tick(naming, lambda error: pytest.fail(str(error)))
    assert last is not None
    assert last.position == Position("e", 49)
    append(log, range(50, 55))
    second = Recording(tmp_path, log)
    second.flush()
    second.writer.close()
    assert second.writer.written == 5
    seqs = [seq for path in recordings_in(tmp_path) for seq in load(path).frame["seq"]]
    assert seqs == list(range(1, 55))


def test_crash_leaves_a_recording_that_the_next_run_finishes(tmp_path: Path, log: TickLog) -> None:
    """Also if it came while the files were written: those are left out, then replaced."""
    crashed = Recording(tmp_path, log)
    crashed.flush()
    copy = tmp_path.with_name("copy")
    shutil.copytree(tmp_path / "_recording", copy)
    crashed.writer.close()
    shutil.copytree(copy, tmp_path / "_recording")
    next(tmp_path.rglob("*.parquet")).write_bytes(b"torn")
    (path,) = recordings_in(tmp_path)
    assert len(load(path).frame) == 49
    other = Recording(tmp_path, TickLog(10))
    other.flush()
    other.writer.close()
    pd.testing.assert_frame_equal(as_text(load(path).frame), as_text(log.frame()))


def test_full_disk_keeps_the_rows(
    tmp_path: Path, log: TickLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that can't be written are written with the next; until then the CSV has the rows."""
    import tickerkit.storage.parquet.read as module

    errors: list[Exception] = []
    recording = Recording(tmp_path, log, on_error=errors.append)
    recording.flush()
    write, calls = module.pq.write_table, []

    def fail(*arguments: Any, **options: Any) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "the disk is full")
        write(*arguments, **options)

    monkeypatch.setattr(module.pq, "write_table", fail)
    recording.writer.close()
    assert [str(error) for error in errors] == ["[Errno 28] the disk is full"]
    (path,) = recordings_in(tmp_path)
    assert len(load(path).frame) == 49
    monkeypatch.undo()
    recording.writer.close()
    assert not (tmp_path / "_recording").exists()
    assert len(load(path).frame) == 49


def test_new_column_begins_new_files(tmp_path: Path, log: TickLog) -> None:
    """Each file has all columns that its ticks have."""
    recording = Recording(tmp_path, log)
    recording.flush()
    recording.now += 5
    append(log, range(50, 60), later=1.5)
    recording.flush()
    recording.writer.close()
    files = recordings_in(tmp_path)
    assert ["later" in load(path).frame for path in files] == [False, True]


def test_oldest_files_make_room(tmp_path: Path) -> None:
    """`max_disk` counts all files of a recording, and removes them together."""
    log = TickLog(100_000, epoch="e")
    recording = Recording(tmp_path, log, max_disk="400KB")
    for start in range(1, 20_000, 500):
        append(log, range(start, start + 500), step_s=1)
        recording.now += 1
        recording.flush()
    recording.writer.close()
    assert recording.writer.removed > 0
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert size <= 400_000
    seqs = [seq for path in recordings_in(tmp_path) for seq in load(path).frame["seq"]]
    assert seqs == list(range(seqs[0], 20_001))


def test_damaged_file_costs_only_its_rows(folder: Path) -> None:
    """The others are read, and the damage is reported."""
    (path,) = recordings_in(folder)
    next(folder.glob("day=2024-10-05/symbol=AAPL/*")).write_bytes(b"torn")
    found = load(path)
    assert 30 < len(found.frame) < 49
    assert "symbol=AAPL" in str(found.warning)


def test_symbols_that_differ_only_in_case_have_two_folders(tmp_path: Path) -> None:
    """On a disk without case, one would replace the other; the encoded name has the same value."""
    taken: set[str] = set()
    path = tmp_path / "_recording" / "ticks.parquet"
    folders = [partition_path(path, {"symbol": s}, taken).parent.name for s in ("Ab", "aB", "b.")]
    assert folders == ["symbol=Ab", "symbol=%61B", "symbol=b%2E"]


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"path": "ticks.parquet"}, "path"),
        ({"format": "csv"}, "format"),
        ({"compression": "gzip"}, "compression"),
        ({"partition": "minute"}, "partition"),
        ({"partition": []}, "partition"),
    ],
)
def test_partition_is_of_a_folder_of_parquet(
    tmp_path: Path, how: dict[str, Any], named: str
) -> None:
    """What contradicts it is refused."""
    how = {"partition": "day", **how}
    with pytest.raises(tk.InvalidArgument) as raised:
        naming_from_path(tmp_path / how.pop("path", "captures"), **how)
    assert raised.value.argument == named


def test_template_of_folders_says_how_files_are_laid_out(tmp_path: Path, log: TickLog) -> None:
    """Its name is the start of the names of the files, as without folders."""
    path = tmp_path / "day={date}" / "hour={hour}" / "symbol={symbol}" / "es.mini.parquet"
    recording = Recording(path, log, partition=None)
    recording.flush()
    recording.writer.close()
    files = {file.relative_to(tmp_path).parent.as_posix() for file in tmp_path.rglob("*.parquet")}
    assert "day=2024-10-04/hour=13/symbol=BTC%2FUSDT" in files
    assert len(files) == 49
    (whole,) = recordings_in(tmp_path)
    pd.testing.assert_frame_equal(as_text(load(whole).frame), as_text(log.frame()))
    sql = f"select count(*), count(distinct hour) from '{tmp_path}/**/*.parquet'"
    assert duckdb.sql(sql).fetchall() == [(49, 24)]
    naming = naming_from_path(path)
    assert (naming.stem, naming.partition) == ("es.mini", ("day", "hour", "symbol"))
    last = find_last_tick(naming, lambda error: pytest.fail(str(error)))
    assert last is not None
    assert last.position == Position("e", 49)


@pytest.mark.parametrize(
    ("path", "how", "named"),
    [
        ("day={date}/ticks.csv", {}, "path"),
        ("day={date}/", {}, "path"),
        ("day={day}/ticks.parquet", {}, "path"),
        ("day={date}/day={date}/ticks.parquet", {}, "path"),
        ("day={date}/mine/ticks.parquet", {}, "path"),
        ("day={date}/symbol={symbol}.parquet", {}, "path"),
        ("{symbol}/ticks.parquet", {}, "path"),
        ("day={date}/ticks.parquet", {"partition": "day"}, "partition"),
        ("day={date}/ticks.parquet", {"format": "csv"}, "format"),
        ("day={date}/ticks.parquet", {"compression": "gzip"}, "compression"),
    ],
)
def test_template_that_means_nothing_is_refused(
    tmp_path: Path, path: str, how: dict[str, Any], named: str
) -> None:
    """The error names the argument; a brace in another name is a brace."""
    with pytest.raises(tk.InvalidArgument) as raised:
        naming_from_path(f"{tmp_path}/{path}", **how)
    assert raised.value.argument == named
    assert naming_from_path(tmp_path / "{mine}" / "ticks.csv").folder == tmp_path / "{mine}"


def test_rows_without_a_time_have_no_day(log: TickLog) -> None:
    """They are in the folder by which other programs know that there is no value."""
    frame = log.frame().head(3)
    frame.loc[1, "time"] = pd.NaT
    found = {values["day"]: rows["seq"].tolist() for values, rows in split(frame, ("day",))}
    assert found.pop(NO_VALUE) == [2]
    assert sorted(seq for seqs in found.values() for seq in seqs) == [1, 3]
