"""Parquet: ticks come back identical, also after an append."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from tickerkit.log import Gap, TickLog
from tickerkit.storage import CsvFile, load, read_parquet, write_csv, write_parquet
from tickerkit.storage.parquet.finish import from_csv
from tickerkit.ticks import read_ticks


def ticks(count: int, **more: object) -> pd.DataFrame:
    """Return a frame of `count` ticks."""
    log = TickLog(epoch="e")
    log.append(read_ticks([{"symbol": "A", "price": 1.5, "time": 10**18 + 1}] * count), received=7)
    return log.frame().assign(**more)


@pytest.mark.parametrize("write", [write_parquet, write_csv], ids=["parquet", "csv"])
def test_text_column_without_values_stays_text(tmp_path: Path, write: object) -> None:
    """A feed without ticks can be exported and read, as can an empty column."""
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
def test_column_may_change_its_type_between_appends(
    tmp_path: Path, before: object, after: object, expected: list[object]
) -> None:
    """It becomes text, as in a CSV file."""
    path = write_parquet(ticks(1, extra=before), tmp_path / "t.parquet")
    more = {} if after is None else {"extra": after}
    write_parquet(ticks(1, **more), path, mode="append")
    extra = read_parquet(path)["extra"]
    assert [pd.NA if pd.isna(value) else value for value in extra] == expected


def test_times_without_a_zone_are_utc(tmp_path: Path) -> None:
    """As in a CSV file."""
    moment = pd.Timestamp("2026-11-24T10:00")
    path = write_parquet(ticks(1, traded=moment), tmp_path / "t.parquet")
    assert read_parquet(path)["traded"].tolist() == [moment.tz_localize("UTC")]


def test_crash_after_the_conversion_duplicates_nothing(tmp_path: Path) -> None:
    """The CSV may still be there when it is converted again: ticks and gaps come once."""
    csv, path = tmp_path / "_t.parquet.csv", tmp_path / "t.parquet"
    for _ in range(2):
        with CsvFile(csv, mode="overwrite") as file:
            file.append(ticks(3))
            file.note_gaps([Gap("e", 4, 5, "why")])
        from_csv(path)
    found = load(path)
    assert found.frame["seq"].tolist() == [1, 2, 3]
    assert found.gaps["from"].tolist() == [4]


def test_files_of_several_days_are_read_as_one(tmp_path: Path) -> None:
    """Text with few words, with many or without any joins in pandas and pyarrow."""
    notes = [[None] * 400, [f"n{n % 5}" for n in range(400)], [f"n{n}" for n in range(400)]]
    none = pd.CategoricalDtype(pd.Index([], dtype="str"))
    for day, note in enumerate(notes):
        column = pd.Categorical(note, dtype=none) if not day else pd.Categorical(note)
        write_parquet(ticks(400, note=column), tmp_path / f"day{day}.parquet")
    paths = sorted(tmp_path.iterdir())
    expected = [note for each in notes for note in each]
    for joined in (
        pd.read_parquet(paths[1:]),
        pd.read_parquet(tmp_path).tail(800),
        pyarrow.dataset.dataset(tmp_path, format="parquet").to_table().to_pandas().tail(800),
    ):
        assert joined["note"].tolist() == expected[400:]
    for path, note in zip(paths, notes, strict=True):
        assert pq.read_schema(path).field("note").type.index_type == pa.int32()
        assert [None if pd.isna(n) else n for n in read_parquet(path)["note"]] == note
