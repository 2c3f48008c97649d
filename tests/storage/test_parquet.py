"""parquet: ticks as a columnar file come back as they were, also where one appends."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tickerkit.log import Gap, TickLog
from tickerkit.storage import CsvFile, load, read_parquet, write_csv, write_parquet
from tickerkit.storage.parquet import from_csv
from tickerkit.ticks import read_ticks


def ticks(count: int, **more: object) -> pd.DataFrame:
    """Return a frame of so many ticks."""
    log = TickLog(epoch="e")
    log.append(read_ticks([{"symbol": "A", "price": 1.5, "time": 10**18 + 1}] * count), received=7)
    return log.frame().assign(**more)


@pytest.mark.parametrize("write", [write_parquet, write_csv], ids=["parquet", "csv"])
def test_text_without_any_word_is_text(tmp_path: Path, write: object) -> None:
    """A feed that nothing came of yet is exported and read, as is a column that is empty."""
    none = pd.Categorical([None] * 2, categories=pd.Index([], dtype="str"))
    suffix = write.__name__.removeprefix("write_")  # type: ignore[attr-defined]
    for name, frame in (("no", ticks(0)), ("some", ticks(2, note=none))):
        path = write(frame, tmp_path / f"{name}.{suffix}")  # type: ignore[operator]
        pd.testing.assert_frame_equal(load(path).frame, frame)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([1.5], pd.Categorical(["much"]), ["1.5", "much"]),
        (pd.Categorical(["much"]), [1.5], ["much", "1.5"]),
        ([True], None, [True, pd.NA]),
        ([True], [1.5], ["True", "1.5"]),
    ],
    ids=["numbers, text", "text, numbers", "only before", "yes, numbers"],
)
def test_a_column_may_change_its_kind_where_one_appends(
    tmp_path: Path, before: object, after: object, expected: list[object]
) -> None:
    """It is text then, as in a CSV file; no type of arrow's stops it."""
    path = write_parquet(ticks(1, extra=before), tmp_path / "t.parquet")
    more = {} if after is None else {"extra": after}
    write_parquet(ticks(1, **more), path, mode="append")
    extra = read_parquet(path)["extra"]
    assert [pd.NA if pd.isna(value) else value for value in extra] == expected


def test_times_without_a_zone_are_read(tmp_path: Path) -> None:
    """As of UTC, as in a CSV file."""
    moment = pd.Timestamp("2026-11-24T10:00")
    path = write_parquet(ticks(1, traded=moment), tmp_path / "t.parquet")
    assert read_parquet(path)["traded"].tolist() == [moment.tz_localize("UTC")]


def test_a_crash_after_the_making_doubles_nothing(tmp_path: Path) -> None:
    """The CSV that was made Parquet of may still be there: neither its ticks nor its gaps twice."""
    csv, path = tmp_path / "t.parquet.csv", tmp_path / "t.parquet"
    for _ in range(2):
        with CsvFile(csv, mode="overwrite") as file:
            file.append(ticks(3))
            file.note_gaps([Gap("e", 4, 5, "why")])
        from_csv(csv, path)
    found = load(path)
    assert found.frame["seq"].tolist() == [1, 2, 3]
    assert found.gaps["from"].tolist() == [4]
