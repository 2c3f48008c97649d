"""Outline: what a recording says about itself, without reading its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa

from tickerkit.errors import Problem, RecordingError
from tickerkit.storage.csv.parts import parts_of
from tickerkit.storage.extent import Extent, ExtentBuilder
from tickerkit.storage.files import check_regular, is_locked, unreadable
from tickerkit.storage.parquet.read import read_each, read_footer, read_metadata
from tickerkit.storage.partitions import partition_files
from tickerkit.storage.paths import working_path
from tickerkit.storage.schema import normalise_type
from tickerkit.storage.sidecar import Sidecar, merge_kinds, read_sidecar, sidecar_path

__all__ = ["Outline", "merge_columns", "read_outline"]

KINDS = {
    "int": pa.types.is_integer,
    "float": pa.types.is_floating,
    "time": pa.types.is_timestamp,
    "bool": pa.types.is_boolean,
    "text": pa.types.is_dictionary,
}


class Outline(NamedTuple):
    """What a recording says about itself.

    Attributes:
        path: the recording.
        about: what its sidecar or footer says; of several files, of all together.
        kinds: the kind of each column, see `sidecar.Columns`; empty if only its rows tell that.
        extent: how far its ticks reach; None if only its rows tell that.
        is_finished: whether no program is still to write to it, as far as it says.
        problems: what is wrong without a look at the rows: files that have changed since they were
            finished, damaged sidecars, partitions that are missing.
        unknown: why the extent is not known; empty if it is.
    """

    path: Path
    about: Sidecar
    kinds: dict[str, str]
    extent: Extent | None
    is_finished: bool
    problems: list[Problem]
    unknown: str = ""


def read_outline(path: Path) -> Outline:
    """Read what a recording says about itself: its sidecars, or the footers of its Parquet files.

    Args:
        path: a recording of any format, as for `load`.

    Raises:
        RecordingError: there is no such file, it can't be read, or it is a damaged Parquet file.
    """
    try:
        return _outline(path)
    except OSError as error:
        raise unreadable(path, error) from None


def _outline(path: Path) -> Outline:
    if (csv := working_path(path)) != path:
        return _outline_parquet(path) if not csv.exists() else _outline_growing(path, csv)
    parts = parts_of(path)
    if not parts:
        raise RecordingError(path, "there is no such file")
    return _join(path, [_outline_text(part) for part in parts])


def _join(path: Path, each: list[Outline]) -> Outline:
    """Return the outline of a recording that consists of several files."""
    if len(each) == 1:
        return each[0]._replace(path=path)
    builder = ExtentBuilder()
    for one in each:
        if one.extent is not None:
            builder.add_extent(one.extent)
    unknown = next((one.unknown for one in each if one.unknown), "")
    return Outline(
        path,
        reduce(Sidecar.join, (one.about for one in each)),
        merge_columns(one.kinds for one in each),
        None if unknown else builder.extent,
        each[-1].is_finished,
        [problem.within(one.path.name) for one in each for problem in one.problems],
        unknown,
    )


def merge_columns(each: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the kinds of the columns of several files, in the order in which they first come."""
    merged: dict[str, str] = {}
    for kinds in each:
        for name, kind in kinds.items():
            merged[name] = merge_kinds(merged.get(name, kind), kind)
    return merged


def _outline_text(path: Path) -> Outline:
    """Return the outline of one file of CSV or JSON lines."""
    check_regular(path)
    about = read_sidecar(path)
    if about is None:
        return Outline(path, Sidecar(), {}, None, True, [], "it has no sidecar")
    problems, end = about.problems(sidecar_path(path).name), about.end
    unknown = "" if about.extent is not None else "its sidecar doesn't say it"
    if end is None:
        unknown = _describe_open(path)
    elif end.size != (size := path.stat().st_size):
        unknown = f"it has {size:,} bytes, and had {end.size:,} when it was finished"
        problems.append(Problem.from_ranges("changed", "file", [(0, 0)], unknown))
    extent = None if unknown else about.extent
    return Outline(path, about, about.columns.kinds, extent, end is not None, problems, unknown)


def _describe_open(path: Path) -> str:
    """Return in which state a file without an end is."""
    return "it is being recorded" if is_locked(path) else "it was not finished"


def _outline_growing(path: Path, csv: Path) -> Outline:
    """Return the outline of a Parquet file whose newest rows are in the CSV file beside it."""
    about = read_sidecar(csv) or Sidecar()
    kinds = about.columns.kinds
    if path.exists():
        finished = _outline_footer(path)
        kinds = merge_columns([finished.kinds, kinds])
        about = finished.about.join(about)
        kinds = merge_columns([kinds, about.columns.kinds])
    return Outline(path, about, kinds, None, False, [], _describe_open(csv))


def _outline_parquet(path: Path) -> Outline:
    """Return the outline of a Parquet file, or of the files of one recording in partitions."""
    files = partition_files(path)
    if not files:
        return _outline_footer(path)
    each, problems = read_each(files, _outline_footer)
    whole = _join(path, each)
    rows = sum(one.extent.rows for one in each if one.extent is not None)
    # Each file says how many rows the recording has in all its partitions.
    if whole.extent is not None and (end := each[0].about.end) is not None and rows != end.rows:
        text = f"its partitions have {rows:,} ticks, and it had {end.rows:,} when it was finished"
        problems.append(Problem.from_ranges("missing", "file", [(0, 0)], text))
    extent = whole.extent
    if extent is not None:  # the rows of partitions are read in order of seq
        ascending = all(one.extent is not None and one.extent.ascending for one in each)
        extent = msgspec.structs.replace(extent, ascending=ascending)
    about = msgspec.structs.replace(each[0].about, partition={}, extent=None)
    return whole._replace(about=about, extent=extent, problems=[*whole.problems, *problems])


def _outline_footer(path: Path) -> Outline:
    """Return the outline of one Parquet file."""
    footer, about = read_footer(path), read_metadata(path)
    rows, extent, unknown = footer.num_rows, about.extent, ""
    problems = about.problems("the file's metadata")
    kinds = _find_kinds(footer.schema.to_arrow_schema())
    if extent is None:
        unknown = "its footer doesn't say it" if about.heads else "another program wrote it"
    elif extent.rows != rows:
        unknown = f"it has {rows:,} ticks, and its footer speaks of {extent.rows:,}"
        problems.append(Problem.from_ranges("changed", "file", [(0, 0)], unknown))
    elif (symbol := about.partition.get("symbol")) is not None:
        # The name of the folder has it, not the rows.
        extent = msgspec.structs.replace(extent, symbols=[symbol], symbol_count=1)
        kinds = {**kinds, "symbol": "text"}
    return Outline(path, about, kinds, None if unknown else extent, True, problems, unknown)


def _find_kinds(schema: pa.Schema) -> dict[str, str]:
    """Return what a sidecar calls the types of the columns."""
    kinds = {}
    for field in schema:
        kind = normalise_type(field.name, field.type)
        kinds[field.name] = next((name for name, is_it in KINDS.items() if is_it(kind)), "any")
    return kinds
