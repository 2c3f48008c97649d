"""Dataset: a recording, or all recordings in a folder, as a data set of Arrow.

Finished files are not read until a query needs them. Everything else is copied as it is now: the
newest rows of a recording, text that Arrow can't read by itself, and files of other programs.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import warnings
from collections.abc import Sequence
from functools import reduce
from operator import and_
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.dataset as pa_ds
import pyarrow.fs as pa_fs

from tickerkit.errors import Problem, RecordingWarning
from tickerkit.log import Position
from tickerkit.storage.content import Checksums
from tickerkit.storage.csv.native import EMPTY_IS_NULL
from tickerkit.storage.csv.parts import parts_of
from tickerkit.storage.files import Damage, read_members
from tickerkit.storage.parquet.read import (
    drop_known,
    read_each,
    read_footer,
    read_metadata,
    unfinished,
)
from tickerkit.storage.parquet.table import to_table
from tickerkit.storage.partitions import RECORDING, folder_values, partition_files
from tickerkit.storage.paths import working_path
from tickerkit.storage.read import find_files
from tickerkit.storage.scan import Scan, check_names
from tickerkit.storage.schema import (
    TEXT,
    TIME,
    Types,
    cast_table,
    find_key_types,
    normalise_type,
    table_types,
    to_scalar,
    unify_types,
)
from tickerkit.storage.sidecar import Sidecar, read_sidecar

__all__ = ["PARQUET", "File", "Opened", "dataset", "open_recording", "to_dataset"]

# The types of columns in a finished CSV. Those of other kinds show only when all of it is read.
CSV_TYPES = {
    "int": pa.int64(),
    "float": pa.float64(),
    "time": TIME,
    "text": TEXT,
    "bool": pa.bool_(),
}
# Arrow knows by these endings how a file is compressed.
CSV_ENDINGS = (".csv", ".csv.gz")
# How often files are read again that change meanwhile.
MAX_ATTEMPTS = 5
CSV = pa_ds.CsvFileFormat(convert_options=pa_csv.ConvertOptions(**EMPTY_IS_NULL))
PARQUET = pa_ds.ParquetFileFormat(
    default_fragment_scan_options=pa_ds.ParquetFragmentScanOptions(page_checksum_verification=True)
)
LOCAL = pa_fs.LocalFileSystem()


class File(NamedTuple):
    """A file that Arrow reads by itself.

    Attributes:
        path: the file.
        format: its format.
        types: the types of its columns, by name.
        keys: the columns that all its rows have in common, by name.
        row_groups: how many row groups to read; None for all, also later ones.
    """

    path: Path
    format: pa_ds.FileFormat
    types: Types
    keys: dict[str, str]
    row_groups: int | None = None


class Opened(NamedTuple):
    """What a recording consists of.

    Attributes:
        files: those that Arrow reads by itself.
        tables: copies of all other rows.
        problems: what is damaged.
    """

    files: list[File]
    tables: list[pa.Table]
    problems: list[Problem]


def dataset(path: str | PathLike[str]) -> pa_ds.Dataset:
    """Return the recordings of a folder, or one recording, as a data set of Arrow.

    DuckDB, Polars and pyarrow query it, and read only the columns, files and row groups that a
    query needs. It has one schema: a column that some files lack is null there, and text and
    numbers in a column of the same name become text. The values in names of folders, such as
    `day=2026-11-29`, are columns, too.

    Nothing is loaded of finished Parquet files, and of finished CSV files of tickerkit that are
    plain or compressed with gzip. All other recordings are copied to a temporary file that is gone
    with the data set: CSV compressed with zstd, JSON lines, CSV of other programs, and a CSV that
    is being recorded. The newest rows of a Parquet file that is being recorded are included. So
    the data set shows the folder as it was at the time of the call; call again for newer rows.

    Args:
        path: a folder, or a recording of any format.

    Returns:
        A `pyarrow.dataset.Dataset`. Its rows are in no particular order. A file that can't be read
        is left out, with one `RecordingWarning` for all. Damage within a finished file raises when
        a query reads it: use `tk.read` to read around it.

    Raises:
        RecordingError: there is no such file, nothing there can be read, or the folder has no
            recording.

    Example:
        >>> ticks = tk.dataset("captures/")
        >>> duckdb.sql("select symbol, count(*), avg(price) from ticks group by symbol")
    """
    found, problems = read_each(find_files(path), open_recording)
    problems += [problem for each in found for problem in each.problems]
    if problems:
        rows = sum(table.num_rows for each in found for table in each.tables)
        warnings.warn(RecordingWarning(Path(path), rows, problems), stacklevel=2)
    files = [file for each in found for file in each.files]
    return to_dataset(files, [table for each in found for table in each.tables])


def open_recording(path: Path, *, compares: bool = False) -> Opened:
    """Open a recording.

    Args:
        path: the recording.
        compares: whether finished CSV files are read once, and compared with their checksums, so
            that what is damaged can be left out. Otherwise, a query meets the damage.

    Raises:
        RecordingError: it can't be read.
    """
    if path.suffix != ".parquet":
        parts = [_open_csv(part, compares) for part in parts_of(path)]
        whole = [part for part in parts if part is not None]
        if whole and len(whole) == len(parts):
            return Opened(whole, [], [])
        table, problems = _copy(path)
        return Opened([], [table], problems)
    members = partition_files(path) or ([path] if path.exists() else [])
    newest = working_path(path)
    if newest.exists():
        return _open_growing(members, newest)
    files, problems = read_each(members or [path], _open_parquet)
    return Opened(files, [], problems)


def _open_growing(members: Sequence[Path], newest: Path) -> Opened:
    """Open Parquet files that are still written, as they are now, and their newest rows.

    Rows that move to the Parquet files meanwhile would be in neither, so both are read again then.
    """
    for _ in range(MAX_ATTEMPTS):
        files, problems = read_each(members, _open_parquet) if members else ([], [])
        last = read_metadata(members[0]).end if members else None
        table, more = _copy(newest, None if last is None else last.position)
        after = [read_footer(file.path).num_row_groups for file in files]
        if after == [file.row_groups for file in files]:
            break
    table = _add_keys(table, newest)
    return Opened(files, [table], [*problems, *more, unfinished(newest)])


def _add_keys(table: pa.Table, newest: Path) -> pa.Table:
    """Return the newest rows with the columns that the names of their folders will have.

    Until the first file in such folders is finished, nothing says so; then it may be the day.
    """
    if newest.parent.name != RECORDING:
        return table
    finished = newest.parent.parent.glob("[!._]*=*/**/*.parquet")
    keys = folder_values(next(finished, newest)) or {"day": ""}
    times, missing = table["time"], set(keys) - set(table.column_names)
    if "day" in missing:
        table = table.append_column("day", times.cast(pa.date32(), safe=False))
    if "hour" in missing:
        # Without a folder for the day, the hour has it in its name.
        hours = pc.hour(times) if "day" in keys else pc.strftime(times, "%Y-%m-%dT%H").cast(TEXT)
        table = table.append_column("hour", hours)
    return table


def _open_parquet(path: Path) -> File:
    footer = read_footer(path)
    schema = footer.schema.to_arrow_schema()
    types = {name: normalise_type(name, schema.field(name).type) for name in schema.names}
    keys = {key: value for key, value in folder_values(path).items() if key not in types}
    check_names(path, [*types, *keys])
    return File(path, PARQUET, types, keys, footer.num_row_groups)


def _open_csv(path: Path, compares: bool) -> File | None:
    """Return a CSV file that is finished, and that Arrow reads as tickerkit does; else None."""
    sidecar = read_sidecar(path)
    if sidecar is None or sidecar.end is None or sidecar.damaged or sidecar.escape_formulas:
        return None
    kinds = sidecar.columns.kinds
    if not path.name.endswith(CSV_ENDINGS) or not set(kinds.values()) <= set(CSV_TYPES):
        return None
    if path.stat().st_size != sidecar.end.size or (compares and not _is_whole(path, sidecar)):
        return None
    keys = {key: value for key, value in folder_values(path).items() if key not in kinds}
    return File(path, CSV, {name: CSV_TYPES[kind] for name, kind in kinds.items()}, keys)


def _is_whole(path: Path, sidecar: Sidecar) -> bool:
    """Return whether a CSV file is as it was written, by its checksums."""
    holes: list[Damage] = []
    checksums = Checksums(sidecar)
    for data in read_members(path, holes.append):
        checksums.add(data)
    return not holes and not checksums.changed


def _copy(path: Path, last: Position | None = None) -> tuple[pa.Table, list[Problem]]:
    """Return the rows of a recording after a tick, in a temporary file, and what is damaged."""
    scan, writer = Scan(path), None
    with tempfile.TemporaryFile() as file:
        for piece in scan.pieces():
            table = to_table(piece.frame if last is None else drop_known(piece.frame, last))
            table = table.cast(pa.schema(table_types(table).items())).replace_schema_metadata(None)
            writer = writer or pa.ipc.new_stream(file, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
        file.flush()
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return pa.ipc.open_stream(pa.py_buffer(memory)).read_all(), scan.problems


def to_dataset(files: Sequence[File], tables: Sequence[pa.Table]) -> pa_ds.Dataset:
    """Return files and tables, at least one of them, as one data set with one schema."""
    keys = find_key_types(file.keys for file in files)
    schema = unify_types([*(file.types | keys for file in files), *map(table_types, tables)])
    children = [
        pa_ds.FileSystemDataset(fragments, schema, kind, LOCAL)
        for kind in (PARQUET, CSV)
        if (fragments := [_to_fragment(file, keys) for file in files if file.format == kind])
    ]
    if tables:
        children.append(pa_ds.dataset([cast_table(table, schema) for table in tables]))
    return children[0] if len(children) == 1 else pa_ds.dataset(children)


def _to_fragment(file: File, keys: Types) -> pa_ds.Fragment:
    """Return what Arrow reads of a file."""
    fragment = file.format.make_fragment(
        os.fspath(file.path),
        LOCAL,
        partition_expression=reduce(
            and_,
            (pa_ds.field(key) == to_scalar(value, keys[key]) for key, value in file.keys.items()),
            pa_ds.scalar(True),
        ),
    )
    if file.row_groups is None:
        return fragment
    return fragment.subset(row_group_ids=list(range(file.row_groups)))
