"""Recordings: combined, selected and found in folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numbered import MS, T0, gaps, ticks

from tickerkit.log import gap_frame
from tickerkit.storage import Recording, load, write_csv
from tickerkit.storage.paths import recordings_in
from tickerkit.storage.recording import combine

NONE = gap_frame([])


def at(ms: int) -> pd.Timestamp:
    """Return the time of the tick with this seq."""
    return pd.Timestamp(T0 + ms * MS, tz="UTC")


def test_combine_keeps_the_order() -> None:
    """Ticks, categories and gaps follow each other; types stay."""
    first = Recording(ticks(1, 2, 3), gaps((4, 5)), source="ws://a")
    second = Recording(ticks(1, 5, epoch="e2"), gaps((2, 4), epoch="e2"), source="ws://a")
    whole = combine([first, second])
    assert whole.frame["seq"].tolist() == [1, 2, 3, 1, 5]
    assert whole.frame.dtypes.astype(str).to_dict() == first.frame.dtypes.astype(str).to_dict()
    assert whole.frame["symbol"].tolist() == ["S1", "S2", "S0", "S1", "S2"]
    assert whole.frame["epoch"].cat.categories.tolist() == ["e1", "e2"]
    assert whole.gaps[["epoch", "from", "to"]].to_numpy().tolist() == [["e1", 4, 5], ["e2", 2, 4]]
    assert (whole.symbols, whole.source) == (None, "ws://a")


def test_combine_returns_a_single_recording_itself() -> None:
    """Nothing is copied; combining none is an error."""
    only = Recording(ticks(1), NONE)
    assert combine([only]) is only
    with pytest.raises(ValueError, match="name at least one"):
        combine([])


def test_combine_leaves_absent_columns_empty() -> None:
    """Numbers are NaN, text is missing, times are NaT; numbers and text together are text."""
    first = ticks(1, 2).assign(bid=1.5, note=pd.Categorical(["x", None]), mixed=[1.5, 2.0])
    second = ticks(3).assign(mixed=pd.Categorical(["much"]), received=at(3))
    frame = combine([Recording(first, NONE), Recording(second, NONE)]).frame
    assert frame["bid"].isna().tolist() == [False, False, True]
    assert frame["note"].isna().tolist() == [False, True, True]
    assert frame["mixed"].tolist() == ["1.5", "2.0", "much"]
    assert frame["received"].isna().tolist() == [True, True, False]
    assert str(frame["received"].dtype) == "datetime64[ns, UTC]"


def test_combine_keeps_the_digits_of_integers() -> None:
    """Where one recording lacks a column of integers, it is nullable, not float64."""
    first = ticks(1).assign(trade=np.array([2**53 + 1]))
    frame = combine([Recording(first, NONE), Recording(ticks(2), NONE)]).frame
    assert frame["trade"].tolist() == [2**53 + 1, pd.NA]


def test_combine_with_a_recording_of_all_symbols_is_of_all() -> None:
    """Recordings of some symbols make a recording of these."""
    some, other = Recording(ticks(3), NONE, ["S0"]), Recording(ticks(4), NONE, ["S1"])
    assert combine([some, other]).symbols == ["S0", "S1"]
    assert combine([some, Recording(ticks(5), NONE)]).symbols is None


def test_combined_recording_comes_back(tmp_path: Path) -> None:
    """It is written and read like any other."""
    whole = combine([Recording(ticks(1, 2), NONE), Recording(ticks(1, epoch="e2"), NONE)])
    path = write_csv(whole.frame, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(load(path).frame, whole.frame)


def test_recordings_in_a_folder_are_in_order(tmp_path: Path) -> None:
    """Other files, hidden ones, sidecars and raw frames beside a CSV are not among them.

    Partitions come after the files; a Parquet file that is not finished has its final name.
    """
    names = ["a.parquet", "b.csv", "c.jsonl.gz", "d.raw.jsonl", "day=1/a.csv", "day=2/a.csv"]
    beside = ["_a.parquet.csv", "b.csv.meta.jsonl", "b.raw.jsonl.gz", ".d.csv", "notes.txt"]
    (tmp_path / "other").mkdir()
    for name in [*beside, *names, "other/a.csv"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in recordings_in(tmp_path)] == names
    (tmp_path / "a.parquet").unlink()
    assert recordings_in(tmp_path)[0] == tmp_path / "a.parquet"
