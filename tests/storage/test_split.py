"""Splitting: a file for each day, hour or symbol, which other programs read as one data set."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pytest
from numbered import gaps, ticks

import tickerkit as tk
from tickerkit.cli import main
from tickerkit.errors import InvalidArgument
from tickerkit.storage import load, sorting, write_csv
from tickerkit.storage.split import parse_layout
from tickerkit.storage.verify import verify

HOUR_NS = 3_600 * 10**9
NOON_NS = 20_000 * 24 * HOUR_NS + 12 * HOUR_NS


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return a recording of three symbols on three days, with a gap on the second day."""
    seqs = [*range(1, 21), *range(24, 51)]
    frame = ticks(*seqs)
    times = NOON_NS + np.array(seqs) * HOUR_NS
    times[10] += 3 * HOUR_NS  # early, on the next day
    frame["time"] = pd.to_datetime(times, utc=True)
    frame["received"] = frame["time"]
    about = {"gaps": gaps((21, 23), (51, None)), "source": "ws://here"}
    return write_csv(frame, tmp_path / "whole.csv", **about)  # type: ignore[arg-type]


def run(*arguments: object) -> int:
    """Run the command."""
    return main(["convert", *map(str, arguments)])


@pytest.mark.parametrize(
    ("keys", "name", "count"),
    [
        ("day", "ticks.csv.zst", 3),
        ("symbol", "ticks.jsonl", 3),
        ("day,symbol", "ticks.csv", 9),
        ("day,symbol", "ticks.parquet", 9),
        ("hour,symbol", "ticks.csv", 46),
    ],
)
def test_files_together_are_the_recording(
    recording: Path, tmp_path: Path, keys: str, name: str, count: int
) -> None:
    """Sorted into one again, all ticks and gaps are as before; each file is sound by itself."""
    out = tmp_path / "out"
    assert run(recording, out / name, "--split", keys) == 0
    files = sorted(out.rglob(name))
    assert len(files) == count
    assert not [problem for path in files for problem in verify(path).problems]
    assert run(out, tmp_path / "back.csv", "--sort") == 0
    before, after = load(recording), load(tmp_path / "back.csv")
    columns = before.frame.columns
    pd.testing.assert_frame_equal(after.frame[columns], before.frame, check_categorical=False)
    ranges = ["epoch", "from", "to", "reason"]
    pd.testing.assert_frame_equal(after.gaps[ranges], before.gaps[ranges])
    assert after.source == before.source
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] == ".") == []


def test_other_programs_read_the_folders(recording: Path, tmp_path: Path) -> None:
    """Day and symbol are columns for them, by the names of the folders."""
    template = tmp_path / "out/day={date}/symbol={symbol}/ticks.parquet"
    assert run(recording, template) == 0
    pattern = tmp_path / "out/**/*.parquet"
    whole = load(recording).frame
    expected = whole.groupby("symbol", observed=True)["price"].sum().to_dict()
    source = f"read_parquet('{pattern}', hive_partitioning=true)"
    query = f"select symbol, sum(price) from {source} group by 1"
    assert dict(duckdb.sql(query).fetchall()) == expected
    found = pl.scan_parquet(tmp_path / "out", hive_partitioning=True).group_by("symbol")
    assert dict(found.agg(pl.col("price").sum()).collect().rows()) == expected
    data = ds.dataset(tmp_path / "out", partitioning="hive")
    assert data.count_rows() == len(whole)
    assert tk.read(tmp_path / "out")["price"].sum() == whole["price"].sum()


def test_many_files_need_no_more_memory_than_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file is open at a time, and ticks wait in a temporary file."""
    monkeypatch.setattr(sorting.Sorter.__init__, "__defaults__", (None, 100))
    frame = ticks(*range(1, 241))
    frame["symbol"] = pd.Categorical([f"S/{number % 60}" for number in range(240)])
    path = write_csv(frame, tmp_path / "t.csv")
    assert run(path, tmp_path / "out", "--split", "symbol") == 0
    assert len(list((tmp_path / "out").rglob("*.parquet"))) == 60
    found = load(tmp_path / "out/symbol=S%2F7/ticks.parquet").frame
    assert found["seq"].tolist() == [8, 68, 128, 188]
    assert found["symbol"].unique().tolist() == ["S/7"]


def test_ticks_without_time_have_a_folder_of_their_own(tmp_path: Path) -> None:
    """Its name is the one by which other programs know a missing value."""
    frame = ticks(1, 2)
    frame.loc[1, "time"] = pd.NaT
    path = write_csv(frame, tmp_path / "t.csv")
    assert run(path, tmp_path / "out", "--split", "day") == 0
    names = sorted(each.name for each in (tmp_path / "out").iterdir())
    assert names == ["day=2025-11-24", "day=__HIVE_DEFAULT_PARTITION__"]


def test_files_that_are_there_are_replaced_only_on_request(recording: Path, tmp_path: Path) -> None:
    """Those of an earlier conversion go; other files stay."""
    out = tmp_path / "out"
    assert run(recording, out, "--split", "symbol") == 0
    (out / "notes.txt").write_text("mine")
    assert run(recording, out, "--split", "symbol", "--symbols", "S1") == 1
    assert len(list(out.rglob("*.parquet"))) == 3
    assert run(recording, out, "--split", "symbol", "--symbols", "S1", "--overwrite") == 0
    assert [path.parent.name for path in out.rglob("*.parquet")] == ["symbol=S1"]
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("path", "split", "layout"),
    [
        ("out", "day", (Path("out"), ("day",), "ticks.parquet")),
        ("out/t.csv", "hour, symbol", (Path("out"), ("hour", "symbol"), "t.csv")),
        ("a/b/symbol={symbol}/t.csv.gz", None, (Path("a/b"), ("symbol",), "t.csv.gz")),
        ("out/t.csv", None, None),
    ],
)
def test_layout_is_a_path_or_keys(path: str, split: str | None, layout: object) -> None:
    """Keys are the short form of a path with folders."""
    assert parse_layout(Path(path), split) == layout


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("out", "year"),
        ("out", "day,day"),
        ("out/year={year}/t.csv", None),
        ("out/{symbol}/t.csv", None),
        ("out/day={date}/more/t.csv", None),
        ("out/day={date}/t.xlsx", None),
        ("out/day={date}/t.csv", "symbol"),
    ],
)
def test_other_layouts_are_refused(path: str, split: str | None) -> None:
    """The error names the argument."""
    with pytest.raises(InvalidArgument) as caught:
        parse_layout(Path(path), split)
    assert caught.value.argument in ("path", "split")
