"""Missing ticks: the gaps that a recording lists, or those of all recordings in a folder."""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tickerkit.errors import Problem, RecordingWarning
from tickerkit.log import gap_frame
from tickerkit.storage.between_files import Part, find_elsewhere, find_missing, order
from tickerkit.storage.extent import ExtentBuilder
from tickerkit.storage.outline import read_outline
from tickerkit.storage.parquet.read import read_each
from tickerkit.storage.read import find_files
from tickerkit.storage.scan import Scan

__all__ = ["read_gaps"]


class _Listed(NamedTuple):
    """What a recording lists, how many ticks it has, and what is damaged."""

    part: Part
    rows: int
    problems: list[Problem]


def read_gaps(path: str | PathLike[str]) -> pd.DataFrame:
    """Read the list of the ticks that are missing in a recording, or in all those of a folder.

    In a folder, what is missing between two files of one recording is listed as well. Of a finished
    recording no rows are read. What is damaged is left out, with a `RecordingWarning`.

    Args:
        path: a recording of any format, or a folder of recordings.

    Returns:
        A frame with a row for each gap and the columns of `Feed.gaps`: `epoch`, `from` and `to`
        (the first and last seq, inclusive; `to` is missing where it isn't known), `last_before`
        and `first_after` (times of the ticks on both sides, UTC), `reason`.

    Raises:
        RecordingError: there is no such file, it is not a recording, or the folder has none.

    Example:
        >>> tk.read_gaps("captures/")[["from", "to", "reason"]]
    """
    files = find_files(path)
    found, problems = read_each(files, _read_listed)
    for each in found:
        name = each.part.path.name
        problems += [
            problem.within(name) if len(files) > 1 else problem for problem in each.problems
        ]
    if problems:
        rows = sum(each.rows for each in found)
        warnings.warn(RecordingWarning(Path(path), rows, problems), stacklevel=2)
    parts = [each.part for each in found]
    missing, elsewhere = find_missing(parts), find_elsewhere(parts)
    gaps = [
        gap
        for part in (parts[index] for index in order(parts))
        for gap in (*missing.get(part.path, ()), *part.gaps)
    ]
    return gap_frame([gap for gap in dict.fromkeys(gaps) if gap not in elsewhere])


def _read_listed(path: Path) -> _Listed:
    """Read the gaps of one recording, and how far its ticks reach."""
    outline = read_outline(path)
    if outline.extent is not None:
        part = Part.from_extent(path, outline.about, outline.extent)
        return _Listed(part, outline.extent.rows, outline.problems)
    # The gaps of raw frames come from the rows.
    scan, builder = Scan(path, ["seq", "epoch"]), ExtentBuilder()
    for piece in scan.pieces():
        builder.add(piece.frame)
    return _Listed(
        Part.from_extent(path, scan.sidecar, builder.extent), builder.rows, scan.problems
    )
