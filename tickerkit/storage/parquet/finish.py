"""Finishing: how the CSV that grows beside a Parquet file becomes part of it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from tickerkit.errors import RecordingError, RecordingExists
from tickerkit.log import Position
from tickerkit.storage.content import Content
from tickerkit.storage.csv.parts import remove_parts
from tickerkit.storage.csv.read import read_file
from tickerkit.storage.files import Mode, check_unlocked, prepare_path
from tickerkit.storage.parquet.read import drop_known, last_of, read_parquet_file
from tickerkit.storage.parquet.rows import ParquetRows
from tickerkit.storage.parquet.write import write_partitions
from tickerkit.storage.paths import working_path
from tickerkit.storage.sidecar import sidecar_path

__all__ = ["from_csv", "prepare_parquet"]


def from_csv(path: Path, partition: Sequence[str] = ()) -> None:
    """Append the CSV beside a Parquet file to it, and remove the CSV; there may be no Parquet yet.

    Args:
        path: the Parquet file.
        partition: the keys by which a recording in `RECORDING` is laid out.

    Raises:
        RecordingError: one of the files is not a recording, or the CSV is damaged, other than by a
            crash that cut off its end.
        OSError: the Parquet file can't be written. The CSV is as it was.
    """
    if partition:
        content = _check(read_parquet_file(path), path)
        write_partitions(content.frame, path, content.sidecar, partition)
    else:
        _add_rows(path)
    csv = working_path(path)
    remove_parts(csv)
    csv.unlink()
    sidecar_path(csv).unlink(missing_ok=True)
    if partition:
        # An empty folder is no part of a data set. Another recorder may have a file in it.
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def _add_rows(path: Path) -> None:
    """Add the rows of the CSV that the Parquet file lacks to it."""
    rows = ParquetRows(path)
    csv = working_path(path)
    if csv.stat().st_size or not path.exists():
        content = _check(read_file(csv), path)
        frame = drop_known(content.frame, rows.end.position)
        is_new = rows.note(content.sidecar, has_rows=len(frame) > 0)
        if len(frame):
            rows.add(frame)
        if is_new or rows.file.unpublished or not path.exists():
            rows.publish(content.frame.iloc[:0])
    rows.file.close()


def _check(content: Content, path: Path) -> Content:
    """Return what is in an unfinished recording, unless rows are damaged."""
    harmless = ("torn", "unfinished", "no sidecar") if path.exists() else ("torn", "unfinished")
    if damage := [str(each) for each in content.problems if each.kind not in harmless]:
        raise RecordingError(working_path(path), "; ".join(damage), "converted")
    return content


def prepare_parquet(path: Path, mode: Mode) -> Position | None:
    """Check the path of a file to record to; return the last position if the file is continued.

    Raises:
        RecordingExists: the file, or the CSV beside it, exists, and mode is "new".
        RecordingError: it is no Parquet file, or another writer writes to it.
    """
    prepare_path(path, mode)
    if mode == "new" and working_path(path).exists():
        raise RecordingExists(path)
    if mode == "overwrite":
        check_unlocked(working_path(path))
        path.unlink(missing_ok=True)
    return last_of(path) if path.exists() else None
