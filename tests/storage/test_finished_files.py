"""Finished files: those that a recorder no longer writes to."""

from __future__ import annotations

from pathlib import Path

import pytest
from numbered import ticks

from tickerkit.storage import CsvFile
from tickerkit.storage.finished_files import FinishedFiles
from tickerkit.storage.paths import working_path


def crash(path: Path) -> None:
    """Leave a Parquet recording as a crash does: its rows are in the CSV beside it."""
    file = CsvFile(working_path(path))
    file.append(ticks(*range(1, 1000)))
    file.abandon()


def test_file_counts_by_its_size_when_it_is_finished(tmp_path: Path) -> None:
    """Its Parquet is smaller than the CSV that a crash has left."""
    path = tmp_path / "t.parquet"
    crash(path)
    files = FinishedFiles([path], [path], print)
    size = working_path(path).stat().st_size
    assert files.total_bytes > size
    files.finish_earlier()
    assert [each.name for each in tmp_path.iterdir()] == ["t.parquet"]
    assert files.total_bytes == path.stat().st_size < size
    assert files.own_bytes == 0


def test_removed_file_is_not_made_again(tmp_path: Path) -> None:
    """A file that was removed for `max_disk` is no longer among those to finish."""
    path = tmp_path / "t.csv"
    crash(path)
    files = FinishedFiles([path], [path], print)
    assert files.remove_oldest()
    files.finish()
    assert (files.removed, files.total_bytes, list(tmp_path.iterdir())) == (1, 0, [])
    assert not files.remove_oldest()


def test_nothing_is_being_converted_after_an_error(tmp_path: Path) -> None:
    """Not even if the function that is called with the error raises one itself."""
    path = tmp_path / "t.parquet"
    crash(path)
    csv = working_path(path)
    csv.write_text(csv.read_text().replace("\n5,", "\nfive,"))

    def fail(error: Exception) -> None:
        assert files.converting
        raise RuntimeError("the function")

    files = FinishedFiles([path], [path], fail)
    with pytest.raises(RuntimeError, match="the function"):
        files.finish()
    assert not files.converting
