"""Tests of `tk.dataset`: one Arrow data set over recordings of all kinds, none of them loaded."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from recorded import START, Growing, ticks, values

import tickerkit as tk
from tickerkit.storage import write_csv, write_jsonl, write_parquet
from tickerkit.storage.schema import TEXT, TIME

TYPES = {
    "seq": pa.int64(),
    "time": TIME,
    "symbol": TEXT,
    "price": pa.float64(),
    "size": pa.float64(),
    "received": TIME,
    "epoch": TEXT,
}


def in_order(data: ds.Dataset) -> pd.DataFrame:
    """Return the rows of a data set in the order in which they came, with text as plain text."""
    frame = data.to_table().to_pandas().sort_values("seq", ignore_index=True)
    times = {name: "datetime64[ns, UTC]" for name in ("time", "received") if name in frame}
    return values(frame).astype(times)


@pytest.mark.parametrize(
    "name", ["a.csv", "a.csv.gz", "a.csv.zst", "a.parquet", "a.jsonl", "safe.csv"]
)
def test_a_file_is_a_data_set_with_its_types(tmp_path: Path, name: str) -> None:
    """Values are exact in every format; `NA` and a formula are text like any other."""
    path, frame = tmp_path / name, ticks(note=pd.Categorical(["=1+1", "", None] * 100))
    if name == "safe.csv":
        write_csv(frame, path, escape_formulas=True)
    else:
        {"csv": write_csv, "parquet": write_parquet, "jsonl": write_jsonl}[name.split(".")[1]](
            frame, path
        )
    data = tk.dataset(path)
    assert dict(zip(data.schema.names, data.schema.types, strict=True)) == TYPES | {"note": TEXT}
    pd.testing.assert_frame_equal(in_order(data), values(frame))


def test_files_that_differ_have_one_schema(tmp_path: Path) -> None:
    """A column that some lack is null there; whole and other numbers are float, mixed is text."""
    write_csv(ticks(1, 3, bid=2.5, code=7), tmp_path / "a.csv")
    write_parquet(ticks(4, 3, code=1.5), tmp_path / "b.parquet")
    write_jsonl(ticks(7, 3, mixed=3), tmp_path / "c.jsonl")
    write_parquet(ticks(10, 3, mixed=pd.Categorical(["x", "y", "z"])), tmp_path / "d.parquet")
    data = tk.dataset(tmp_path)
    found = {name: data.schema.field(name).type for name in ("bid", "code", "mixed")}
    assert found == {"bid": pa.float64(), "code": pa.float64(), "mixed": pa.string()}
    rows = data.to_table().sort_by("seq")
    assert rows["bid"].to_pylist() == [2.5] * 3 + [None] * 9
    assert rows["code"].to_pylist() == [7.0] * 3 + [1.5] * 3 + [None] * 6
    assert rows["mixed"].to_pylist() == [None] * 6 + ["3"] * 3 + ["x", "y", "z"]


def test_folders_name_columns(tmp_path: Path) -> None:
    """`day` is a date and `symbol` is text, also if it looks like a number."""
    growing = Growing(tmp_path / "captures", partition=("day", "symbol"))
    growing.add(300)
    growing.close()
    data = tk.dataset(tmp_path / "captures")
    assert data.schema.field("day").type == pa.date32()
    assert data.schema.field("symbol").type == TEXT
    pd.testing.assert_frame_equal(
        in_order(data)[[*TYPES]], values(growing.log.frame()), check_column_type=False
    )
    chosen = ds.field("symbol") == "600519", ds.field("day") == date(2026, 11, 29)
    assert [data.count_rows(filter=each) for each in chosen] == [100, 300]
    assert [len(list(data.get_fragments(filter=each))) for each in chosen] == [1, 3]


@pytest.mark.parametrize("folders", ["day={date}/hour={hour}", "hour={hour}/symbol={symbol}"])
def test_newest_rows_have_the_hour_of_their_folder(tmp_path: Path, folders: str) -> None:
    """A template names folders by the hour as well; before they are there, nothing says so."""
    template = tmp_path / "data" / folders / "t.parquet"
    growing = Growing(template)
    growing.add(300)
    growing.close()
    later = Growing(template, start=400)
    later.add(300)
    with pytest.warns(tk.RecordingWarning):
        data = tk.dataset(tmp_path / "data")
    hours = data.to_table(columns=["hour"])["hour"].to_pylist()
    assert hours == [10 if "day" in folders else "2026-11-29T10"] * 600
    later.close()
    assert tk.dataset(tmp_path / "data").count_rows(filter=ds.field("hour") == hours[0]) == 600
    assert tk.read(tmp_path / "data")["seq"].tolist() == [*range(1, 301), *range(401, 701)]


def test_a_query_opens_only_the_row_groups_that_it_needs(tmp_path: Path) -> None:
    """A damaged row group harms no query of other times; `tk.read` reads around it."""
    path = tmp_path / "ticks.parquet"
    frame = ticks(1, 300_000)
    write_parquet(frame, path)
    group = pq.read_metadata(path).row_group(0).column(3)
    data = bytearray(path.read_bytes())
    data[group.data_page_offset + 1_000] ^= 4
    path.write_bytes(data)
    later = (START + pd.Timedelta(250_000, "s")).as_unit("ns")
    chosen = tk.dataset(path).to_table(columns=["price"], filter=ds.field("time") > later)
    assert chosen["price"].to_pylist() == frame.loc[frame["time"] > later, "price"].tolist()
    with pytest.raises(OSError, match="CRC"):
        tk.dataset(path).to_table()
    with pytest.warns(tk.RecordingWarning):
        assert len(tk.read(path)) == 300_000 - 131_072


@pytest.mark.parametrize("name", ["ticks.csv", "ticks.parquet", "captures/"])
def test_a_growing_recording_is_shown_as_it_was(tmp_path: Path, name: str) -> None:
    """The newest rows are among it; rows that come later are neither added nor doubled."""
    how = {"partition": "symbol"} if name == "captures/" else {}
    growing = Growing(tmp_path / name, **how)
    growing.add(300)
    with nullcontext() if name == "ticks.csv" else pytest.warns(tk.RecordingWarning):
        data = tk.dataset(tmp_path / name)
    before = values(growing.log.frame())
    growing.add(30)
    pd.testing.assert_frame_equal(in_order(data)[[*TYPES]], before)
    growing.close()
    assert tk.dataset(tmp_path / name).count_rows() == 330
    pd.testing.assert_frame_equal(in_order(data)[[*TYPES]], before)


def test_row_groups_that_come_later_are_not_in_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that have moved from the CSV to the Parquet file since then are not there twice."""
    monkeypatch.setattr("tickerkit.storage.parquet.growing.MAX_WAIT_S", 0.0)
    growing = Growing(tmp_path / "t.parquet")
    growing.add(5_000)
    growing.add(100)
    with pytest.warns(tk.RecordingWarning):
        data = tk.dataset(tmp_path / "t.parquet")
    before = values(growing.log.frame())
    growing.add(5_000)
    growing.add(100)
    assert pq.read_metadata(tmp_path / "t.parquet").num_rows > 5_100
    pd.testing.assert_frame_equal(in_order(data)[[*TYPES]], before)
    growing.close()
    pd.testing.assert_frame_equal(in_order(data)[[*TYPES]], before)


def test_a_file_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    """One warning names it; queries answer for all others."""
    write_csv(ticks(1), tmp_path / "a.csv")
    write_parquet(ticks(301), tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    (tmp_path / "d.csv").write_bytes(b"no,ticks\n1,2\n")
    pd.DataFrame({"name": ["x"]}).to_parquet(tmp_path / "e.parquet")
    with pytest.warns(tk.RecordingWarning) as caught:
        data = tk.dataset(tmp_path)
    (warning,) = (each.message for each in caught)
    assert isinstance(warning, tk.RecordingWarning)
    assert len(warning.problems) == 3
    assert data.count_rows() == 600


def test_duckdb_and_polars_query_it(tmp_path: Path) -> None:
    """Filters, aggregates and columns that some files lack, over files of all kinds."""
    write_csv(ticks(1, bid=2.5), tmp_path / "a.csv")
    write_csv(ticks(301), tmp_path / "b.csv.zst")
    write_parquet(ticks(601), tmp_path / "c.parquet")
    data = tk.dataset(tmp_path)
    sums = "select symbol, count(*), sum(price), count(bid) from data group by symbol order by 1"
    numbers = range(1, 901)
    expected = [
        (symbol, 300, sum(n / 8 for n in numbers if n % 3 == rest), 100)
        for symbol, rest in (("600519", 1), ("AAPL", 0), ("NA", 2))
    ]
    assert duckdb.sql(sums).fetchall() == expected
    lazy = pl.scan_pyarrow_dataset(data).filter(pl.col("symbol") == "600519")
    one = lazy.select(pl.len(), pl.col("price").sum(), pl.col("bid").count()).collect()
    assert one.row(0) == expected[0][1:]


def test_temporary_files_have_no_name(tmp_path: Path, monkeypatch: Any) -> None:
    """Nothing is listed in the folder for temporary files, not even while it is used."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    write_csv(ticks(1), tmp_path / "a.csv.zst")
    data = tk.dataset(tmp_path / "a.csv.zst")
    assert data.count_rows() == 300
    assert list((tmp_path / "temporary").iterdir()) == []
