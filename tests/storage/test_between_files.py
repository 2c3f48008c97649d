"""Between files: their order, and what is missing between those of one recording."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from numbered import gaps, ticks

from tickerkit.storage import load, write_csv, write_parquet
from tickerkit.storage.between_files import Part, check_between, order
from tickerkit.storage.paths import recordings_in


def parts(folder: Path) -> list[Part]:
    """Return what is known of the files in a folder."""
    return [Part.from_recording(path, load(path)) for path in recordings_in(folder)]


def problems(folder: Path) -> dict[str, list[tuple[int, int]]]:
    """Return the places of each kind of problem between the files of a folder."""
    return {
        problem.kind: [(place.first, place.last) for place in problem.places]
        for _, _, found in check_between(parts(folder))
        for problem in found
    }


def write(folder: Path, day: int, frame: pd.DataFrame, *, name: str = "t", **how: object) -> Path:
    """Write the file of a day."""
    return write_csv(frame, folder / f"{name}-202601{day:02}T000000Z.csv", **how)  # type: ignore[arg-type]


def test_missing_file_is_found(tmp_path: Path) -> None:
    """Whole files are fine each by itself; what lies between them is missing, unless listed."""
    for day in (1, 2, 3, 4):
        write(tmp_path, day, ticks(*range(10 * day, 10 * day + 10)))
    assert problems(tmp_path) == {}
    (tmp_path / "t-20260102T000000Z.csv").unlink()
    assert problems(tmp_path) == {"unlisted gap": [(20, 29)]}
    write(tmp_path, 3, ticks(*range(30, 40)), mode="overwrite", gaps=gaps((20, 22), (25, 29)))
    assert problems(tmp_path) == {"unlisted gap": [(23, 24)]}


def test_end_of_an_epoch_is_known_or_missing(tmp_path: Path) -> None:
    """Where another epoch begins with a file, a gap must be listed."""
    write(tmp_path, 1, ticks(1, 2))
    write(tmp_path, 2, ticks(1, 2, epoch="e2"))
    assert problems(tmp_path) == {"unlisted gap": [(3, 3)]}
    write(tmp_path, 2, ticks(1, 2, epoch="e2"), mode="overwrite", gaps=gaps((3, None)))
    assert problems(tmp_path) == {}


def test_ticks_in_two_files_are_found(tmp_path: Path) -> None:
    """As when a run has fetched the same ticks again."""
    write(tmp_path, 1, ticks(*range(1, 10)))
    write(tmp_path, 2, ticks(*range(8, 13)))
    assert problems(tmp_path) == {"duplicates": [(8, 9)]}


def test_only_files_of_one_recording_are_compared(tmp_path: Path) -> None:
    """They have one name and one source, and all symbols."""
    write(tmp_path, 1, ticks(1, 2))
    write(tmp_path, 2, ticks(8, 9), name="t-other")
    write(tmp_path, 3, ticks(8, 9), source="another")
    assert problems(tmp_path) == {}
    write(tmp_path, 4, ticks(12), source="another", symbols=["S0"])
    assert problems(tmp_path) == {}


def test_partitions_are_of_one_recording(tmp_path: Path) -> None:
    """Their files have the same name in folders such as day=2026-01-01."""
    for day in (1, 2, 4):
        write_parquet(ticks(day), tmp_path / f"day=2026-01-0{day}" / "hour=0" / "t.parquet")
    assert problems(tmp_path) == {"unlisted gap": [(3, 3)]}


@pytest.mark.parametrize("epoch", ["e1", "e2"])
def test_files_of_an_epoch_are_in_order_of_seq(tmp_path: Path, epoch: str) -> None:
    """The clock was wrong when the file of day 9 was named; other recordings keep their places."""
    write(tmp_path, 9, ticks(1, 2))
    write(tmp_path, 1, ticks(3, 4))
    write(tmp_path, 2, ticks(5, 6))
    write(tmp_path, 3, ticks(7, 8, epoch=epoch))
    write(tmp_path, 1, ticks(90), name="a")
    found = parts(tmp_path)
    names = [found[index].path.name for index in order(found)]
    days = [9, 1, 2, 3] if epoch == "e1" else [9, 1, 3, 2]
    assert names == ["a-20260101T000000Z.csv", *(f"t-2026010{day}T000000Z.csv" for day in days)]
