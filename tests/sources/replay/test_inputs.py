"""Tests of inputs: what may be replayed, and which recordings a folder has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tickerkit.errors import SourceError
from tickerkit.sources.replay.inputs import check_recordings, find_recordings


def test_folder_holds_its_recordings_in_order_of_name(tmp_path: Path) -> None:
    """Sidecars, hidden files, other files and folders are left out."""
    for name in ("b.csv", "a.parquet", "c.jsonl.gz", "b.csv.meta.jsonl", ".d.csv", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "e.csv").mkdir()
    assert [each.name for each in find_recordings(tmp_path)] == ["a.parquet", "b.csv", "c.jsonl.gz"]
    with pytest.raises(SourceError, match="is a folder without a recording"):
        check_recordings([tmp_path / "e.csv"])
    with pytest.raises(SourceError, match="a list of paths"):
        check_recordings([])


def test_missing_recording_is_refused(tmp_path: Path) -> None:
    """A Parquet file that is not finished is there, beside its name."""
    (tmp_path / "_a.parquet.csv").touch()
    assert check_recordings(tmp_path / "a.parquet") == [tmp_path / "a.parquet"]
    with pytest.raises(SourceError, match="no file"):
        check_recordings(tmp_path / "b.parquet")
