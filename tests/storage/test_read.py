"""Tests of `tk.read`: files and folders as one frame, selected by symbol, time and column."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from recorded import START, Growing, ticks, values

import tickerkit as tk
from tickerkit.cli import main
from tickerkit.storage import load, write_csv, write_jsonl, write_parquet

WRITERS = {
    ".csv": write_csv,
    ".csv.gz": write_csv,
    ".csv.zst": write_csv,
    ".parquet": write_parquet,
    ".jsonl.gz": write_jsonl,
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_comes_back_whole(tmp_path: Path, suffix: str) -> None:
    """Without a selection, the frame is that of `load`, categories and their order included."""
    path = tmp_path / f"ticks{suffix}"
    WRITERS[suffix](ticks(note=pd.Categorical(["b", "a", None] * 100)), path)
    pd.testing.assert_frame_equal(tk.read(path), load(path).frame)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_selection_is_by_symbol_time_and_column(tmp_path: Path, suffix: str) -> None:
    """`start` is included and `end` is not; columns come in the order asked for."""
    path = tmp_path / f"ticks{suffix}"
    WRITERS[suffix](ticks(), path)
    start, end = "2026-11-29T10:00:10", START + pd.Timedelta("40s")
    found = tk.read(path, symbols="AAPL,NA", start=start, end=end, columns=["price", "time"])
    whole = ticks()
    keep = (whole["symbol"] != "600519") & whole["seq"].between(10, 39)
    expected = whole.loc[keep, ["price", "time"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)


def test_files_of_a_folder_come_in_order_of_their_ticks(tmp_path: Path) -> None:
    """The name of a file may come from a clock that was wrong; formats may be mixed."""
    write_csv(ticks(1), tmp_path / "ticks-20270101T000000Z.csv")
    write_csv(ticks(301, bid=2.5), tmp_path / "ticks-20261129T000000Z.csv")
    found = tk.read(tmp_path)
    assert found["seq"].tolist() == list(range(1, 601))
    assert found["bid"].isna().sum() == 300
    assert found["bid"].sum() == 300 * 2.5


@pytest.mark.parametrize("keys", [("symbol",), ("day", "symbol"), ("day",)])
def test_partitions_are_one_recording_in_order_of_arrival(
    tmp_path: Path, keys: tuple[str, ...]
) -> None:
    """Files of symbols are merged; a symbol may look like a number."""
    growing = Growing(tmp_path / "captures", partition=keys)
    growing.add(300)
    growing.close()
    expected = growing.log.frame()
    pd.testing.assert_frame_equal(values(tk.read(tmp_path / "captures")), values(expected))
    only = tk.read(tmp_path / "captures", symbols=["600519"], columns=["symbol", "price"])
    assert only["symbol"].astype("str").tolist() == ["600519"] * 100
    assert only["price"].tolist() == expected.loc[expected["symbol"] == "600519", "price"].tolist()


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_split_recording_is_read_in_order_of_arrival(tmp_path: Path, name: str) -> None:
    """Files that were split by symbol are merged again, and the folder gives the symbol."""
    path = write_parquet(ticks(1, 300), tmp_path / "whole.parquet")
    out = tmp_path / "out"
    assert main(["convert", str(path), f"{out}/day={{date}}/symbol={{symbol}}/{name}"]) == 0
    pd.testing.assert_frame_equal(values(tk.read(out)), values(ticks(1, 300)))
    assert tk.read(out, symbols="600519", columns=["seq"])["seq"].tolist() == [*range(1, 301, 3)]
    assert tk.dataset(out).count_rows() == 300


def test_what_is_damaged_in_a_folder_is_left_out_with_one_warning(tmp_path: Path) -> None:
    """Each other file, and each other line, is read; the warning names the files."""
    for number, first in enumerate((1, 301, 601)):
        write_csv(ticks(first), tmp_path / f"ticks-2026112{number}T000000Z.csv")
    torn = tmp_path / "ticks-20261120T000000Z.csv"
    torn.write_bytes(torn.read_bytes()[:-5])
    (tmp_path / "ticks-20261121T000000Z.csv").write_bytes(b"no,ticks\n1,2\n")
    (tmp_path / "report.parquet").write_bytes(b"PAR1")
    with pytest.warns(tk.RecordingWarning) as caught:
        found = tk.read(tmp_path)
    assert found["seq"].tolist() == [*range(1, 300), *range(601, 901)]
    (warning,) = (each.message for each in caught)
    assert isinstance(warning, tk.RecordingWarning)
    assert (warning.path, warning.rows, warning.is_damaged) == (tmp_path, 599, True)
    kinds = [(problem.kind, problem.unit) for problem in warning.problems]
    assert sorted(kinds) == [("damaged", "file"), ("damaged", "file"), ("torn", "line")]


def test_units_come_with_the_frame(tmp_path: Path) -> None:
    """`attrs["units"]` has the units of all files."""
    write_csv(ticks(), tmp_path / "a.csv", units={"price": "€"})
    write_parquet(ticks(301, bid=1.0), tmp_path / "b.parquet", units={"bid": "$"})
    assert tk.read(tmp_path).attrs["units"] == {"price": "€", "bid": "$"}


def test_files_of_other_programs_are_selected_too(tmp_path: Path) -> None:
    """Their times are text or without a zone, and their symbols may be numbers."""
    times = ["2026-11-29 10:00:00", "2026-11-29 10:00:01"]
    frame = pd.DataFrame({"time": times, "ticker": [600519, 7], "last": [1.5, 2.5]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        frame.to_csv(file, index=False)
    frame.assign(time=pd.to_datetime(frame["time"])).to_parquet(tmp_path / "c.parquet")
    found = tk.read(tmp_path, symbols="7", start="2026-11-29T10:00:01", columns=["last"])
    assert found["last"].tolist() == [2.5] * 3


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"columns": "price"}, tk.InvalidType),
        ({"columns": []}, tk.InvalidArgument),
        ({"columns": ["price", "prize"]}, tk.InvalidArgument),
        ({"columns": [1]}, tk.InvalidType),
        ({"start": 5}, tk.InvalidType),
        ({"end": "soon"}, tk.InvalidArgument),
        ({"symbols": 3}, tk.InvalidType),
    ],
)
def test_a_wrong_argument_is_refused(
    tmp_path: Path, arguments: dict[str, Any], error: type[Exception]
) -> None:
    """It is named; a column that no file has is no empty column."""
    write_csv(ticks(), tmp_path / "ticks.csv")
    with pytest.raises(error) as raised:
        tk.read(tmp_path, **arguments)
    assert vars(raised.value)["argument"] in arguments


@pytest.mark.parametrize("read", [tk.read, tk.dataset])
def test_where_nothing_can_be_read_is_an_error(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    """There is no such file, no recording in the folder, or none that can be read."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(tk.RecordingError):
            read(path)
    (tmp_path / "a.csv").write_bytes(b"no,ticks\n1,2\n")
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    for path in (tmp_path / "a.csv", tmp_path / "b.parquet", tmp_path):
        with pytest.raises(tk.RecordingError):
            read(path)


def test_the_newest_rows_of_a_growing_recording_are_read(tmp_path: Path) -> None:
    """They are in another file than the others; a warning says so, and nothing is lost."""
    growing = Growing(tmp_path / "captures", partition="symbol")
    growing.add(300)
    with pytest.warns(tk.RecordingWarning) as caught:
        found = tk.read(tmp_path / "captures")
    (warning,) = (each.message for each in caught)
    assert isinstance(warning, tk.RecordingWarning)
    assert not warning.is_damaged
    pd.testing.assert_frame_equal(values(found), values(growing.log.frame()))
    growing.close()


def test_files_that_cannot_have_rows_are_not_opened(tmp_path: Path) -> None:
    """What a finished file says of its times and symbols is enough to leave it out."""
    write_csv(ticks(1, 300), tmp_path / "ticks-20261129T000000Z.csv")
    write_parquet(ticks(301, 300), tmp_path / "ticks-20261129T000001Z.parquet")
    only = ticks(901, 300).assign(symbol=pd.Categorical(["MSFT"] * 300))
    write_csv(only, tmp_path / "ticks-20261129T000002Z.csv")
    whole = tk.read(tmp_path)
    late = START + pd.Timedelta(301, "s")
    nothing = tk.read(tmp_path, start="2027-01-01")
    assert nothing.dtypes.astype("str").tolist() == whole.dtypes.astype("str").tolist()
    assert nothing.empty
    first = tmp_path / "ticks-20261129T000000Z.csv"
    first.write_bytes(bytes(len(first.read_bytes())))  # reading it would be an error
    assert tk.read(tmp_path, start=late, symbols="AAPL")["seq"].tolist() == [*range(303, 601, 3)]
    assert tk.read(tmp_path, symbols="MSFT")["seq"].tolist() == [*range(901, 1201)]


def test_a_column_of_files_without_rows_is_empty(tmp_path: Path) -> None:
    """It is no misspelt one, although no row of the result has it."""
    write_csv(ticks(1, 300, bid=1.5), tmp_path / "ticks-20261129T000000Z.csv")
    write_csv(ticks(301, 300), tmp_path / "ticks-20261129T000001Z.csv")
    late = START + pd.Timedelta(301, "s")
    found = tk.read(tmp_path, start=late, columns=["seq", "bid"])
    assert found["seq"].tolist() == list(range(301, 601))
    assert found["bid"].isna().all()
    with pytest.raises(tk.InvalidArgument):
        tk.read(tmp_path, start=late, columns=["seq", "bit"])


def test_row_groups_that_cannot_have_rows_are_not_opened(tmp_path: Path) -> None:
    """Their statistics are enough: damage in another row group is not even noticed."""
    path, frame = tmp_path / "ticks.parquet", ticks(1, 300_000)
    frame["symbol"] = pd.Categorical(["AAPL"] * 200_000 + ["MSFT"] * 100_000)
    write_parquet(frame, path)
    group = pq.read_metadata(path).row_group(0).column(3)
    data = bytearray(path.read_bytes())
    data[group.data_page_offset + 1_000] ^= 4
    path.write_bytes(data)
    late = frame["time"].iloc[250_000]
    assert tk.read(path, start=late, columns=["seq"])["seq"].tolist() == [*range(250_001, 300_001)]
    assert tk.read(path, symbols="MSFT")["seq"].tolist() == [*range(200_001, 300_001)]
    with pytest.warns(tk.RecordingWarning):
        assert len(tk.read(path, symbols="AAPL")) == 200_000 - 131_072
