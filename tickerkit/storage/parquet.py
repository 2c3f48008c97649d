"""Parquet: ticks as a columnar file, which is smaller than CSV and holds the types itself.

A Parquet file has no sidecar: heads and gaps are the same JSON lines, in the metadata of the file.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tickerkit.errors import InvalidArgument, Problem, RecordingError, RecordingExists
from tickerkit.log import Position
from tickerkit.storage.content import Content
from tickerkit.storage.csv.parts import remove_parts
from tickerkit.storage.csv.read import read_file
from tickerkit.storage.files import Mode, check_regular, prepare_path, replacing, unreadable
from tickerkit.storage.frames import combine_frames
from tickerkit.storage.memory import check_size
from tickerkit.storage.partitions import (
    in_order_of_arrival,
    partition_files,
    partition_path,
    restore_symbol,
    split,
)
from tickerkit.storage.paths import working_path
from tickerkit.storage.sidecar import (
    End,
    Partition,
    Sidecar,
    encode_lines,
    parse_lines,
    sidecar_path,
)
from tickerkit.ticks import UTC_NS
from tickerkit.validation import check_path

__all__ = [
    "count_rows",
    "from_csv",
    "last_of",
    "prepare_parquet",
    "read_each",
    "read_metadata",
    "read_parquet",
    "read_parquet_file",
    "write_parquet",
]

KEY = b"tickerkit"
PARQUET_SUFFIXES = ("", ".parquet", ".pq")
ROWS_AT_ONCE = 131_072

Found = TypeVar("Found")


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
        before = _read(path)
        if before.problems:
            problem = f"{'; '.join(map(str, before.problems))}; write another file"
            raise RecordingError(path, problem, "appended to")
        frame, about = combine_frames([before.frame, frame]), before.sidecar.join(about)
    _write(frame, path, about)
    return path


def _write_partitions(
    frame: pd.DataFrame, path: Path, about: Sidecar, partition: Sequence[str]
) -> None:
    """Write ticks to a file in each partition that they belong to."""
    taken: set[str] = set()
    for values, rows in split(frame, partition):
        target = partition_path(path, values, taken)
        _write(rows, target, about, (Partition(values), End.from_frame(frame)))


def _write(
    frame: pd.DataFrame, path: Path, about: Sidecar, last: Sequence[Partition | End] | None = None
) -> None:
    """Write a file that holds ticks, and what is known about them.

    Args:
        frame: the ticks.
        path: the file.
        about: what is known.
        last: the last lines of that; by default the end of these ticks.
    """
    table = _widen_dictionaries(pa.Table.from_pandas(frame, preserve_index=False))
    last = [End.from_frame(frame)] if last is None else last
    text = encode_lines([*about.lasting_lines, *about.heads, *last])
    metadata = {**(table.schema.metadata or {}), KEY: text}
    table = table.replace_schema_metadata(metadata)
    # Prices hardly repeat, so a dictionary of them only costs. Times and seqs grow in small steps,
    # so the steps are stored. The file is a third smaller by this, and is written faster.
    repeated = [field.name for field in table.schema if _repeats(field)]
    deltas = {
        field.name: "DELTA_BINARY_PACKED"
        for field in table.schema
        if field.name not in repeated and _is_whole(field.type)
    }
    with replacing(path) as out:
        pq.write_table(
            table,
            out,
            row_group_size=ROWS_AT_ONCE,
            compression="zstd",
            use_dictionary=repeated,
            column_encoding=deltas or None,
            write_page_checksum=True,
        )


def _widen_dictionaries(table: pa.Table) -> pa.Table:
    """Return a table whose text has indices of 32 bits.

    pandas' codes have as many bits as the words need, and arrow keeps these in the file. pandas and
    pyarrow then can't read the files of two days as one if the second day has more words.
    """
    for place, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_dictionary(kind) and kind.index_type != pa.int32():
            wide = pa.dictionary(pa.int32(), kind.value_type, kind.ordered)
            table = table.set_column(place, field.with_type(wide), table.column(place).cast(wide))
    return table


def _repeats(field: pa.Field) -> bool:
    """Return whether most values of a column repeat those of earlier rows.

    The ticks of a message have the same `received`.
    """
    is_number = _is_whole(field.type) or pa.types.is_floating(field.type)
    return field.name == "received" or not is_number


def _is_whole(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) or kind in ("int64", "int32")


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
        _write_partitions(content.frame, path, content.sidecar, partition)
    else:
        _write(content.frame, path, content.sidecar)
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


def last_of(path: Path) -> Position | None:
    """Return the position of the last tick of a Parquet file, None without one."""
    end = read_metadata(path).end or End.from_frame(_read(path).frame)
    return end.position


def read_metadata(path: Path) -> Sidecar:
    """Return what a Parquet file says about itself, without reading its rows.

    Raises:
        RecordingError: it is not a Parquet file.
    """
    path = next(iter(partition_files(path)), path)
    return parse_lines((_read_footer(path).metadata or {}).get(KEY, b""))


def count_rows(path: Path) -> int:
    """Return how many rows a Parquet file says that it has.

    Raises:
        RecordingError: it is not a Parquet file.
    """
    return int(_read_footer(path).num_rows)


def _read_footer(path: Path) -> pq.FileMetaData:
    try:
        check_regular(path)
        with pa.OSFile(os.fspath(path)) as file:
            return pq.read_metadata(file)
    except (pa.ArrowException, OSError) as error:
        raise RecordingError(path, f"it is not a Parquet file, or is damaged ({error})") from None


def _after(frame: pd.DataFrame, last: Position) -> pd.DataFrame:
    """Return the rows after a tick: a crash may have left a CSV that was converted already."""
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
        return _read_partitions(files) if files else _read(path)
    content = read_file(csv)
    frame, sidecar, problems = content.frame, content.sidecar, content.problems
    if path.exists():
        before = _read(path)
        sidecar, problems = before.sidecar.join(sidecar), [*before.problems, *problems]
        if (last := End.from_frame(before.frame).position) is not None:
            frame = _after(frame, last)
        frame = combine_frames([before.frame, frame])
    about = f"its newest rows are in {csv.name}, and were read from that file"
    unfinished = Problem.from_ranges("unfinished", "file", [(0, 0)], about)
    return Content(frame, sidecar, [*problems, unfinished], own=bool(sidecar.heads))


def _read_partitions(files: Sequence[Path]) -> Content:
    """Read the files of one recording, whose rows are in several partitions."""
    contents, problems = read_each(files, _read)
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


def _read(path: Path) -> Content:
    try:
        check_regular(path)
        # pyarrow gets an open file: of a path it would also accept a folder. It is a file of arrow,
        # since a program that ends while arrow reads a file of Python may hang.
        with pa.OSFile(os.fspath(path)) as file:
            reader = pq.ParquetFile(file, page_checksum_verification=True)
            rows = reader.metadata.num_rows
            check_size(path, rows, 8 * rows * reader.metadata.num_columns)
            table, damaged = _read_groups(reader)
    except pa.ArrowMemoryError:
        raise
    except pa.ArrowException as error:
        problem = f"it is not a Parquet file, or is damaged ({error})"
        raise RecordingError(path, f"{problem}; read a CSV file with tk.read_csv") from None
    except OSError as error:
        raise unreadable(path, error) from None
    lines = (table.schema.metadata or {}).get(KEY, b"")
    sidecar = parse_lines(lines)
    problems = sidecar.problems("the file's metadata")
    if damaged:
        problems.append(Problem.from_ranges("damaged", "row", damaged, "unreadable, left out"))
    try:
        frame = table.to_pandas()
    except (ValueError, KeyError, TypeError, AttributeError):  # pandas' metadata are damaged
        frame = table.to_pandas(ignore_metadata=True)
    own = bool(lines)
    if own:
        frame = restore_symbol(_restore_types(frame), sidecar.partition)
    return Content(frame, sidecar, problems, own=own)


def _read_groups(reader: pq.ParquetFile) -> tuple[pa.Table, list[tuple[int, int]]]:
    """Return the rows, and the first and last number of each range of rows that is damaged."""
    groups = range(reader.num_row_groups)
    try:
        return _check(reader, groups, reader.read()), []
    except (pa.ArrowException, OSError) as error:
        first, tables, damaged = 1, [], []
        for group in groups:
            count = reader.metadata.row_group(group).num_rows
            try:
                tables.append(_check(reader, [group], reader.read_row_group(group)))
            except (pa.ArrowException, OSError):
                damaged.append((first, first + count - 1))
            first += count
        if not tables:
            raise pa.ArrowInvalid(str(error)) from None
        return pa.concat_tables(tables), damaged


def _check(reader: pq.ParquetFile, groups: Sequence[int], table: pa.Table) -> pa.Table:
    """Return a table if it is valid, and each column lacks as many values as when it was written.

    The header of a page is outside its checksum. A flipped bit there can make values missing, or
    point at words that don't exist.
    """
    table.validate(full=True)
    for place, column in enumerate(table.columns):
        known = [reader.metadata.row_group(group).column(place).statistics for group in groups]
        counts = [each.null_count for each in known if each is not None and each.has_null_count]
        if len(counts) == len(groups) and column.null_count != sum(counts):
            raise pa.ArrowInvalid(f"column {place} lacks values that were written")
    return table


def _restore_types(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a recording's frame with the types of times and text that it was written with."""
    for name in frame.columns:
        dtype = frame[name].dtype
        if dtype.kind == "M":
            frame[name] = utc = pd.to_datetime(frame[name], utc=True)
            # Times outside the years 1678 to 2261 keep their own unit.
            with contextlib.suppress(pd.errors.OutOfBoundsDatetime):
                frame[name] = utc.astype(UTC_NS)
        elif isinstance(dtype, pd.CategoricalDtype) and not len(dtype.categories):
            # Without categories, pandas has forgotten that they are text.
            frame[name] = frame[name].astype(pd.CategoricalDtype(pd.Index([], dtype="str")))
    return frame
