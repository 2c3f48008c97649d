"""Reading Parquet: ticks, gaps and the rest come back as they were written."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tickerkit.errors import Problem, RecordingError
from tickerkit.log import Position
from tickerkit.storage.content import Content
from tickerkit.storage.csv.read import read_file
from tickerkit.storage.files import check_regular
from tickerkit.storage.frames import combine_frames
from tickerkit.storage.memory import check_size
from tickerkit.storage.parquet.reader import ParquetReader
from tickerkit.storage.parquet.table import KEY
from tickerkit.storage.partitions import in_order_of_arrival, partition_files
from tickerkit.storage.paths import working_path
from tickerkit.storage.reader import read_whole_of
from tickerkit.storage.sidecar import End, Sidecar, parse_lines
from tickerkit.validation import check_path

__all__ = [
    "drop_known",
    "last_of",
    "read_each",
    "read_footer",
    "read_metadata",
    "read_parquet",
    "read_parquet_file",
    "read_whole",
    "unfinished",
]

Found = TypeVar("Found")


def last_of(path: Path) -> Position | None:
    """Return the position of the last tick of a Parquet file, None without one."""
    end = read_metadata(path).end or End.from_frame(read_whole(path).frame)
    return end.position


def read_metadata(path: Path) -> Sidecar:
    """Return what a Parquet file says about itself, without reading its rows.

    Raises:
        RecordingError: it is not a Parquet file.
    """
    path = next(iter(partition_files(path)), path)
    return parse_lines((read_footer(path).metadata or {}).get(KEY, b""))


def read_footer(path: Path) -> pq.FileMetaData:
    """Read what a Parquet file says about its rows; raises `RecordingError`."""
    try:
        check_regular(path)
        with pa.OSFile(os.fspath(path)) as file:
            return pq.read_metadata(file)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise RecordingError(path, f"it is not a Parquet file, or is damaged ({error})") from None


def drop_known(frame: pd.DataFrame, last: Position | None) -> pd.DataFrame:
    """Return the rows after a tick: a crash may have left rows that were converted already."""
    if last is None:
        return frame
    known = np.flatnonzero((frame["epoch"] == last.epoch) & (frame["seq"] <= last.seq))
    return frame.iloc[known[-1] + 1 :] if len(known) else frame


def read_parquet(path: str | PathLike[str]) -> pd.DataFrame:
    """Read ticks from a Parquet file.

    A recording comes back as the frame that was written. While it is being recorded, and after a
    crash, its newest ticks are in a CSV file beside it. These are read as well, and a
    `RecordingWarning` says so.

    Args:
        path: the file.

    Returns:
        A frame with the file's columns; its `attrs["units"]` are their units, if some have one.

    Raises:
        RecordingError: there is no such file, or it is not a Parquet file.

    Example:
        >>> read_parquet("ticks.parquet")["price"].mean()
    """
    check_path("path", path)
    path = Path(path).expanduser()
    content = read_parquet_file(path)
    if (warning := content.warning(path)) is not None:
        warnings.warn(warning, stacklevel=2)
    return content.named_frame


def read_parquet_file(path: Path) -> Content:
    """Read a Parquet file and, if it is unfinished, the CSV file with its newest rows.

    Raises:
        RecordingError: there is no such file, or it is not a Parquet file.
    """
    csv = working_path(path)
    if not csv.exists():
        files = partition_files(path)
        return _read_partitions(files) if files else read_whole(path)
    content, before = _read_both(path, csv)
    frame, sidecar, problems = content.frame, content.sidecar, content.problems
    if before is not None:
        frame = drop_known(frame, End.from_frame(before.frame).position)
        if not len(frame):  # what is damaged in rows that are there doesn't matter
            problems = [each for each in problems if each.kind != "no sidecar"]
        sidecar, problems = before.sidecar.join(sidecar), [*before.problems, *problems]
        frame = combine_frames([before.frame, frame], consume=True)
    return Content(frame, sidecar, [*problems, unfinished(csv)], own=bool(sidecar.heads))


def unfinished(csv: Path) -> Problem:
    """Return the problem of a Parquet file whose newest rows are in the CSV beside it."""
    about = f"its newest rows are in {csv.name}, and were read from that file"
    return Problem.from_ranges("unfinished", "file", [(0, 0)], about)


def _read_both(path: Path, csv: Path) -> tuple[Content, Content | None]:
    """Read the CSV beside a Parquet file, and then that file if it is there, at one moment.

    While it is recorded, the rows of the CSV become a row group, and the CSV begins again.
    """
    while True:
        with csv.open("rb") as held:
            content = read_file(csv)
            before = read_whole(path) if path.exists() else None
            began = os.fstat(held.fileno())
            if not csv.exists() or os.path.samestat(began, csv.stat()):
                return content, before


def _read_partitions(files: Sequence[Path]) -> Content:
    """Read the files of one recording, whose rows are in several partitions."""
    contents, problems = read_each(files, read_whole)
    problems += [problem for content in contents for problem in content.problems]
    # Each file says the same about the whole.
    whole = contents[0].sidecar
    whole.partition = {}
    frame = combine_frames([content.frame for content in contents])
    if {"epoch", "seq", "received"} <= set(frame):
        frame = in_order_of_arrival(frame)
    return Content(frame, whole, problems, own=all(content.own for content in contents))


def read_each(
    files: Sequence[Path], read: Callable[[Path], Found]
) -> tuple[list[Found], list[Problem]]:
    """Return what a function reads from each file of one recording, and which files are damaged.

    Raises:
        RecordingError: none of them can be read.
    """
    found: list[Found] = []
    problems: list[Problem] = []
    for number, path in enumerate(files, 1):
        try:
            found.append(read(path))
        except RecordingError as error:
            if len(files) == 1:
                raise
            about = f"{path.parent.name}/{path.name}: {error.problem}; left out"
            problems.append(Problem.from_ranges("damaged", "file", [(number, number)], about))
    if not found:
        raise RecordingError(files[0], str(problems[0]))
    return found, problems


def read_whole(path: Path) -> Content:
    """Read a Parquet file; raises `RecordingError`."""
    reader = ParquetReader(path)
    rows = reader.metadata.num_rows
    check_size(path, rows, 8 * rows * reader.metadata.num_columns)
    return read_whole_of(reader)
