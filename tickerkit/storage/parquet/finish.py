"""Finishing: how the CSV that grows beside a Parquet file becomes part of it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from tickerkit.errors import RecordingError, RecordingExists
from tickerkit.log import Position
from tickerkit.storage.csv.parts import remove_parts
from tickerkit.storage.files import Mode, prepare_path
from tickerkit.storage.parquet.read import last_of, read_parquet_file
from tickerkit.storage.parquet.write import write_file, write_partitions
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
    csv, content = working_path(path), read_parquet_file(path)
    if damage := [
        str(each) for each in content.problems if each.kind not in ("torn", "unfinished")
    ]:
        raise RecordingError(csv, "; ".join(damage), "converted")
    if partition:
        write_partitions(content.frame, path, content.sidecar, partition)
    else:
        write_file(content.frame, path, content.sidecar)
    remove_parts(csv)
    csv.unlink()
    sidecar_path(csv).unlink(missing_ok=True)
    if partition:
        # An empty folder is no part of a data set. Another recorder may have a file in it.
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def prepare_parquet(path: Path, mode: Mode) -> Position | None:
    """Check the path of a file to record to; return the last position if the file is continued.

    Raises:
        RecordingExists: the file, or the CSV beside it, exists, and mode is "new".
        RecordingError: it is no Parquet file.
    """
    prepare_path(path, mode)
    if mode == "new" and working_path(path).exists():
        raise RecordingExists(path)
    if mode == "overwrite":
        path.unlink(missing_ok=True)
    return last_of(path) if path.exists() else None
