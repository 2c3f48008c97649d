"""Writing Parquet: ticks as a whole file, or as one file in each partition.

A Parquet file has no sidecar: heads and gaps are the same JSON lines, in the metadata of the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from tickerkit.errors import InvalidArgument, RecordingError
from tickerkit.storage.extent import extent_lines
from tickerkit.storage.files import Mode, prepare_path, replacing
from tickerkit.storage.frames import combine_frames
from tickerkit.storage.parquet.read import read_whole
from tickerkit.storage.parquet.table import ROWS_AT_ONCE, describe_schema, to_table, write_options
from tickerkit.storage.partitions import partition_path, split
from tickerkit.storage.sidecar import End, Line, Partition, Sidecar
from tickerkit.validation import check_path

__all__ = ["write_file", "write_parquet", "write_partitions"]

PARQUET_SUFFIXES = ("", ".parquet", ".pq")


def write_parquet(
    frame: pd.DataFrame,
    path: str | PathLike[str],
    *,
    gaps: pd.DataFrame | None = None,
    misfits: Mapping[str, int] | None = None,
    units: Mapping[str, str] | None = None,
    mode: Mode = "new",
    source: str = "",
    symbols: Sequence[str] | None = None,
) -> Path:
    """Write ticks to a Parquet file, which `read_parquet` reads back as an identical frame.

    The file holds the types, the gaps and where the ticks came from. Any program that reads Parquet
    can read it. An older file is replaced only when the new one is complete.

    Args:
        frame: the ticks, with any columns. The index is not written.
        path: the file. Missing folders are created.
        gaps: the ticks that are missing, with the columns of `Feed.gaps`.
        misfits: how many values of the ticks were left out, by column.
        units: the unit of each column that has one.
        mode: "new" refuses an existing file, "overwrite" replaces it, "append" replaces it by a
            file that holds its ticks and then the new ones.
        source: where the ticks came from.
        symbols: the symbols that the ticks were selected by; None for all.

    Returns:
        The path.

    Raises:
        RecordingExists: the file exists, and mode is "new".
        RecordingError: mode is "append", and the file is not a Parquet file of ticks.
        InvalidArgument: an argument is invalid, such as a path with the suffix of another format.
        OSError: the file can't be written.

    Example:
        >>> write_parquet(log.frame(), "ticks.parquet")
    """
    check_path("path", path)
    if Path(path).suffix not in PARQUET_SUFFIXES:
        expected = "a name that ends in .parquet; to_csv writes .csv"
        raise InvalidArgument("path", str(path), expected)
    path = prepare_path(path, mode)
    about = Sidecar.describe(source, symbols, gaps, misfits, units)
    if mode == "append" and path.exists():
        before = read_whole(path)
        if before.problems:
            problem = f"{'; '.join(map(str, before.problems))}; write another file"
            raise RecordingError(path, problem, "appended to")
        frame, about = combine_frames([before.frame, frame]), before.sidecar.join(about)
    write_file(frame, path, about)
    return path


def write_partitions(
    frame: pd.DataFrame, path: Path, about: Sidecar, partition: Sequence[str]
) -> None:
    """Write ticks to a file in each partition that they belong to."""
    taken: set[str] = set()
    for values, rows in split(frame, partition):
        target = partition_path(path, values, taken)
        last: list[Line] = [Partition(values), *extent_lines(rows), End.from_frame(frame)]
        write_file(rows, target, about, last)


def write_file(
    frame: pd.DataFrame, path: Path, about: Sidecar, last: Sequence[Line] | None = None
) -> None:
    """Write a file that holds ticks, and what is known about them.

    Args:
        frame: the ticks.
        path: the file.
        about: what is known.
        last: the last lines of that; by default the extent and the end of these ticks.
    """
    table = to_table(frame)
    last = [*extent_lines(frame), End.from_frame(frame)] if last is None else last
    table = table.cast(describe_schema(table.schema, about, last))
    with replacing(path) as out:
        pq.write_table(table, out, row_group_size=ROWS_AT_ONCE, **write_options(table.schema))
