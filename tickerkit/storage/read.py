"""Read: a recording, or all recordings in a folder, as one frame of the ticks asked for."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from datetime import date
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tickerkit.errors import InvalidArgument, InvalidType, Problem, RecordingError, RecordingWarning
from tickerkit.log import Position, gap_frame, select
from tickerkit.storage.between_files import Part, has_positions, order
from tickerkit.storage.bounds import Bounds
from tickerkit.storage.frame_builder import FrameBuilder
from tickerkit.storage.frames import combine_frames
from tickerkit.storage.memory import check_size
from tickerkit.storage.outline import read_outline
from tickerkit.storage.parquet.read import read_each
from tickerkit.storage.partitions import folder_values, in_order_of_arrival, partition_files
from tickerkit.storage.paths import recording_name, recordings_in, working_path
from tickerkit.storage.scan import Scan
from tickerkit.ticks.fields import SYMBOL_NAMES, symbol_field
from tickerkit.ticks.lengths import parse_time
from tickerkit.validation import check_path, parse_symbols

__all__ = ["find_files", "read"]

# The columns that decide the order of arrival.
ARRIVAL = ("epoch", "seq", "received")


class _Selection(NamedTuple):
    """The rows and columns that are asked for; None for all columns."""

    bounds: Bounds
    columns: list[str] | None

    @property
    def needed(self) -> list[str] | None:
        """The columns to read; None for all."""
        if self.columns is None:
            return None
        of_rows = [*(SYMBOL_NAMES if self.bounds.symbols is not None else ()), "time"]
        return list(dict.fromkeys([*self.columns, *of_rows, *ARRIVAL]))

    def may_have_rows(self, path: Path) -> bool:
        """Return whether some rows of a file may be asked for, by what it says about itself."""
        if self.bounds == Bounds():
            return True
        try:
            extent = read_outline(path).extent
        except RecordingError:  # it is reported when the file is read
            return True
        return extent is None or not self.bounds.exclude(extent)

    def apply(self, path: Path, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows asked for, with all their columns."""
        symbols, start, end = self.bounds
        if self.bounds.by_time and ("time" not in frame or frame["time"].dtype.kind != "M"):
            raise RecordingError(path, "it has no column `time`; read it without start and end")
        if symbols is not None:
            name = symbol_field(frame) or "symbol"
            if frame[name].dtype.kind in "iuf":  # as in a file of another program
                frame = frame.assign(**{name: frame[name].astype("str")})
        return select(frame, gap_frame([]), symbols=symbols, start=start, end=end, complete=False)[
            0
        ]

    def narrow(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return only the columns asked for; those that are missing are left out."""
        if self.columns is None:
            return frame
        return frame[[name for name in self.columns if name in frame]]


class _Found(NamedTuple):
    """What is read of one recording.

    Attributes:
        frame: the rows and columns asked for.
        part: what tells its place among the others.
        problems: what is damaged.
        units: the units of its columns.
    """

    frame: pd.DataFrame
    part: Part
    problems: list[Problem]
    units: dict[str, str]


def read(
    path: str | PathLike[str],
    *,
    symbols: str | Sequence[str] | None = None,
    start: str | date | np.datetime64 | None = None,
    end: str | date | np.datetime64 | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read ticks from a recording of any format, or from all recordings in a folder.

    A folder is one data set: its files, also those in folders such as `day=2026-11-29`, come in the
    order in which they were recorded. A column that some files lack is empty in their rows. Files
    are read piece by piece, so a read needs little more memory than its result.

    What is damaged is left out, down to a whole file of a folder. The newest rows of a file that is
    being recorded are among the result. One `RecordingWarning` lists both. Which ticks
    are missing is not in the frame: `tk.read_gaps` lists them, also for a folder.

    Args:
        path: a CSV file, a Parquet file, JSON lines, raw frames, or a folder of these.
        symbols: only the ticks of these symbols, in the form that `tk.connect` takes; None for all.
        start: only ticks at this time or later; without a zone, it is in UTC.
        end: only ticks before this time.
        columns: the columns of the result, in their order; None for all.

    Returns:
        A frame with the types that `tk.read_csv` describes; its `attrs["units"]` are the units of
        the columns, if some have one.

    Raises:
        RecordingError: there is no such file, nothing there can be read, or the folder has no
            recording.
        InvalidArgument: an argument is invalid, or no file has such a column.

    Example:
        >>> tk.read("captures/", symbols="AAPL", start="2026-11-29", columns=["time", "price"])
    """
    bounds = Bounds(
        parse_symbols("symbols", symbols, min_count=0),
        parse_time("start", start),
        parse_time("end", end),
    )
    asked = _Selection(bounds, _parse_columns(columns))
    files = find_files(path)
    chosen = list(filter(asked.may_have_rows, files)) or files[:1]
    recordings = _group_by_recording(chosen)
    found, problems = read_each(
        list(recordings), lambda first: _read_recording(recordings[first], asked)
    )
    for file, each in zip((each.part.path for each in found), found, strict=True):
        problems += [
            problem.within(file.name) if len(files) > 1 else problem for problem in each.problems
        ]
    ordered = [found[index].frame for index in order([each.part for each in found])]
    if asked.columns is not None:
        known = {str(name) for frame in ordered for name in frame.columns}
        _check_columns(asked.columns, known, files)
    frame = combine_frames(ordered, consume=True)
    if asked.columns is not None:
        # Without rows, a file has no part in the frame, but its columns exist.
        frame = frame.reindex(columns=asked.columns)
    if problems:
        warnings.warn(RecordingWarning(Path(path), len(frame), problems), stacklevel=2)
    if units := {name: unit for each in found for name, unit in each.units.items()}:
        frame.attrs["units"] = units
    return frame


def find_files(path: str | PathLike[str]) -> list[Path]:
    """Return the recordings in a folder; for a file, only the file.

    Raises:
        RecordingError: the folder has none.
    """
    check_path("path", path)
    place = Path(path).expanduser()
    if not place.is_dir():
        return [place]
    if not (found := recordings_in(place)):
        raise RecordingError(place, "the folder has no recordings; name another one")
    return found


def _parse_columns(columns: object) -> list[str] | None:
    """Return the argument `columns` as a list; None for all columns."""
    if columns is None:
        return None
    expected = "a list of columns such as ['time', 'price'], or None for all"
    if isinstance(columns, str) or not isinstance(columns, Sequence):
        raise InvalidType("columns", columns, expected)
    if not all(isinstance(name, str) for name in columns):
        raise InvalidType("columns", columns, expected)
    if not columns or len(set(columns)) < len(columns):
        raise InvalidArgument("columns", columns, expected)
    return list(columns)


def _check_columns(columns: Sequence[str], known: set[str], files: Sequence[Path]) -> None:
    """Check that columns are known, or that some file has them; raises `InvalidArgument`."""
    if set(columns) <= known:
        return
    for file in files:
        with contextlib.suppress(RecordingError):
            known |= set(map(str, next(Scan(file).pieces()).frame.columns))
    for name in columns:
        if name not in known:
            expected = f"columns of the recording: {', '.join(sorted(known))}"
            raise InvalidArgument("columns", name, expected)


def _group_by_recording(files: Sequence[Path]) -> dict[Path, list[Path]]:
    """Return the files of each recording by the first of them.

    Files that lie in folders of their symbols are one recording. All others stand for themselves:
    their rows follow each other.
    """
    groups: dict[object, list[Path]] = {}
    for file in files:
        is_symbol = "symbol" in folder_values(file)
        groups.setdefault(recording_name(file) if is_symbol else file, []).append(file)
    return {group[0]: group for group in groups.values()}


def _read_recording(files: Sequence[Path], asked: _Selection) -> _Found:
    """Read what is asked for of one recording, whose files may be in several partitions."""
    members: list[Path] = []
    for path in files:
        parts = [] if working_path(path).exists() else partition_files(path)
        members += list(filter(asked.may_have_rows, parts)) or parts[:1] or [path]
    if len(members) == 1:
        found = _read_file(members[0], asked)
        return found._replace(part=found.part._replace(path=files[0]))
    columns = asked.columns and list(dict.fromkeys([*asked.columns, *ARRIVAL]))
    more = asked._replace(columns=columns)
    each, problems = read_each(members, lambda file: _read_file(file, more))
    problems += [problem for found in each for problem in found.problems]
    frame = combine_frames([found.frame for found in each], consume=True)
    if set(ARRIVAL) <= set(frame):
        frame = in_order_of_arrival(frame)
    part = each[0].part._replace(path=files[0])
    units = {name: unit for found in each for name, unit in found.units.items()}
    return _Found(asked.narrow(frame), part, problems, units)


def _read_file(path: Path, asked: _Selection) -> _Found:
    """Read what is asked for of one file."""
    scan = Scan(path, asked.needed, bounds=asked.bounds)
    builder = FrameBuilder()
    first, lowest = None, 0
    for piece in scan.pieces():
        if first is None and len(piece.frame) and has_positions(piece.frame):
            lowest = int(piece.frame["seq"].min())
            first = Position(str(piece.frame["epoch"].iloc[0]), lowest)
        builder.add(asked.narrow(asked.apply(path, piece.frame)))
        check_size(path, builder.rows, builder.size)
    key = (*recording_name(path), scan.sidecar.source)
    spans = {} if first is None else {first.epoch: (lowest, lowest)}
    part = Part(path, key, scan.sidecar.symbols, first, spans, [])
    return _Found(builder.frame(), part, scan.problems, scan.sidecar.units)
