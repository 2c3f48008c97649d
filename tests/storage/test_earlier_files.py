"""Earlier files: a recording continues after the newest tick in them, whatever their names."""

from __future__ import annotations

from pathlib import Path

import pytest
from numbered import gaps, ticks

from tickerkit.errors import RecordingError
from tickerkit.log import Position
from tickerkit.storage import CsvFile, write_csv, write_parquet
from tickerkit.storage.earlier_files import find_last_tick
from tickerkit.storage.paths import naming_from_path
from tickerkit.storage.sidecar import sidecar_path


def last(path: Path, *, rotates: bool = True) -> Position | None:
    """Return the position of the last tick; no file may be skipped."""
    found = find_last_tick(naming_from_path(path, rotates=rotates), pytest.fail)
    return None if found is None else found.position


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_last_tick_counts_the_gaps_after_it(tmp_path: Path, suffix: str) -> None:
    """A recording is continued after what is known to be missing at its end."""
    path = tmp_path / f"t{suffix}"
    write = write_parquet if suffix == ".parquet" else write_csv
    assert last(path, rotates=False) is None
    for listed, expected in ((gaps(), 2), (gaps((3, 9)), 9), (gaps((3, None)), 2)):
        write(ticks(1, 2), path, gaps=listed, mode="overwrite")
        assert last(path, rotates=False) == Position("e1", expected)
    write(ticks(), path, mode="overwrite")
    assert last(path, rotates=False) is None


def test_newest_tick_is_found_by_content(tmp_path: Path) -> None:
    """The name of a file may come from a clock that was wrong."""
    write_csv(ticks(1, 2), tmp_path / "t-20990101T000000Z.csv")
    write_csv(ticks(3, 4), tmp_path / "t-20260101T000000Z.csv.gz")
    write_parquet(ticks(5, 6), tmp_path / "t-20260102T000000Z.parquet")
    assert last(tmp_path / "t.csv") == Position("e1", 6)


def test_epoch_that_has_ended_is_not_continued(tmp_path: Path) -> None:
    """A later file lists its open gap, even if the times of its ticks are earlier."""
    write_csv(ticks(900, 901), tmp_path / "t-20990101T000000Z.csv")
    later = ticks(1, 2, epoch="e2")
    write_csv(later, tmp_path / "t-20260101T000000Z.csv", gaps=gaps((902, None)))
    assert last(tmp_path / "t.csv") == Position("e2", 2)


def test_other_files_are_not_considered(tmp_path: Path) -> None:
    """Those of other recordings, notes, and names that only begin alike."""
    write_csv(ticks(1, 2), tmp_path / "es.us-20260101T000000Z.csv")
    for name in ("es.us-nq-20260101T000000Z", "es-20260101T000000Z", "es.us-20260101", "es.us"):
        write_csv(ticks(90), tmp_path / f"{name}.csv")
    (tmp_path / "es.us-zz-notes.csv").write_text("notes")
    (tmp_path / "es.us-20260102T000000Z.csv").touch()
    assert last(tmp_path / "es.us.csv") == Position("e1", 2)


def test_unreadable_file_is_skipped(tmp_path: Path) -> None:
    """Only of a recording of several files: its only file must be readable."""
    write_csv(ticks(1, 2), tmp_path / "t-20260101T000000Z.csv")
    (tmp_path / "t-20260102T000000Z.csv").write_text("notes")
    (tmp_path / "t-20260103T000000Z.parquet").write_text("notes")
    skipped: list[Exception] = []
    found = find_last_tick(naming_from_path(tmp_path / "t.csv", rotates=True), skipped.append)
    assert found is not None
    assert found.position == Position("e1", 2)
    assert len(skipped) == 2
    (tmp_path / "t.csv").write_text("notes")
    with pytest.raises(RecordingError):
        last(tmp_path / "t.csv", rotates=False)


def test_unfinished_file_is_read_to_its_end(tmp_path: Path) -> None:
    """Its sidecar does not say where it ends, or says what it was before."""
    path = tmp_path / "t.csv"
    write_csv(ticks(1, 2), path)
    file = CsvFile(path)
    file.append(ticks(3, 4))
    file.abandon()
    assert last(path, rotates=False) == Position("e1", 4)
    write_csv(ticks(1, 2), path, mode="overwrite")
    path.write_bytes(path.read_bytes().rpartition(b"2,2025")[0])  # a power failure
    assert last(path, rotates=False) == Position("e1", 1)
    write_csv(ticks(1, 2), path, mode="overwrite")
    sidecar_path(path).unlink()
    assert last(path, rotates=False) == Position("e1", 2)
