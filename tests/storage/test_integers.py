"""Integers of recordings: none is rounded when columns change their kind or are combined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tickerkit as tk
from tickerkit.storage import CsvFile
from tickerkit.storage.frames import combine_frames

BIG = 2**53 + 1


def frame(**columns: object) -> pd.DataFrame:
    """Return ticks with some columns."""
    return pd.DataFrame({"symbol": "A", "price": 1.5, **columns})


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        ([7.0, 8.0], [BIG, 9], [7, 8, BIG, 9]),
        ([BIG, 9], [7.0, 8.0], [BIG, 9, 7, 8]),
        ([7.5, 8.0], [9, 10], [7.5, 8.0, 9.0, 10.0]),
    ],
)
def test_csv_column_that_changes_between_float_and_int_stays_exact(
    first: list[float], later: list[int], expected: list[float], tmp_path: Path
) -> None:
    """The column is read as int64 if all of its numbers are integers, otherwise as float64."""
    with CsvFile(tmp_path / "t.csv") as file:
        file.append(frame(id=first))
        file.append(frame(id=later))
    read = tk.read_csv(tmp_path / "t.csv")["id"]
    assert read.tolist() == expected
    assert read.dtype == np.array(expected).dtype


def test_integers_with_missing_rows_stay_exact(tmp_path: Path) -> None:
    """Rows from before a column came have no value: 0 in `trade_id`, and missing elsewhere."""
    with CsvFile(tmp_path / "t.csv") as file:
        file.append(frame(price=[1.5]))
        file.append(frame(id=[BIG], trade_id=[BIG]))
    read = tk.read_csv(tmp_path / "t.csv")
    assert read["trade_id"].tolist() == [0, BIG]
    assert read["trade_id"].dtype == np.int64
    assert read["id"].isna().tolist() == [True, False]
    assert int(read["id"].iloc[1]) == BIG


def test_trade_ids_of_another_program_are_integers(tmp_path: Path) -> None:
    """In any CSV, `trade_id` is int64 if all its values are integers; else it stays text."""
    (tmp_path / "a.csv").write_text(f"symbol,price,trade_id\nA,1,{BIG}\nA,1,\n")
    (tmp_path / "b.csv").write_text("symbol,price,trade_id\nA,1,f81d4fae\nA,1,7\n")
    assert tk.read_csv(tmp_path / "a.csv")["trade_id"].tolist() == [BIG, 0]
    assert tk.read_csv(tmp_path / "b.csv")["trade_id"].tolist() == ["f81d4fae", "7"]


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        ([7.0, np.nan], [BIG, 9], [7, None, BIG, 9]),
        ([7.5], [BIG], ["7.5", str(BIG)]),
        ([7.5], [9], [7.5, 9.0]),
        (pd.array([BIG, None], dtype="Int64"), [BIG + 2], [BIG, None, BIG + 2]),
        (None, [BIG], [None, BIG]),
    ],
)
def test_combined_numbers_are_not_rounded(
    first: object, later: object, expected: list[object]
) -> None:
    """Floats and integers are combined as the type that holds all of them, or else as text."""
    one = frame(price=[1.5]) if first is None else frame(id=first)
    combined = combine_frames([one, frame(id=later)])["id"]
    assert [None if pd.isna(value) else value for value in combined] == expected


def test_combined_trade_ids_have_0_for_none() -> None:
    """Ticks of a recording without `trade_id` have 0."""
    combined = combine_frames([frame(price=[1.5]), frame(trade_id=[BIG])])["trade_id"]
    assert combined.tolist() == [0, BIG]
    assert combined.dtype == np.int64
