"""Recordings: how ticks and the list of missing ones are loaded and combined."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

from tickerkit.errors import RecordingError, RecordingWarning
from tickerkit.log import gap_frame
from tickerkit.storage.content import RowLabels
from tickerkit.storage.frames import combine_frames
from tickerkit.storage.parquet.read import read_metadata
from tickerkit.storage.scan import read_content
from tickerkit.storage.sidecar import Sidecar, add_counts, read_sidecar
from tickerkit.validation import check_path

__all__ = ["Recording", "combine", "load", "read_units"]


class Recording(NamedTuple):
    """Ticks, and what is known about them.

    Attributes:
        frame: the ticks.
        gaps: the ticks that are missing, with the columns of `Feed.gaps`.
        symbols: the symbols recorded, None for all. In a recording of some symbols, a jump in seq
            is no gap.
        warning: what is damaged or unfinished; None if nothing is.
        source: where the ticks came from, if that is known.
        own: whether tickerkit wrote the file.
        labels: how rows are numbered in reports.
        misfits: how many values of the ticks were left out, by column.
        units: the unit of each column that has one.
        states: what became of the subscriptions of a venue: for each change the time in epoch ns,
            and a row of `Venue.freshness`; of raw frames.
    """

    frame: pd.DataFrame
    gaps: pd.DataFrame
    symbols: list[str] | None = None
    warning: RecordingWarning | None = None
    source: str = ""
    own: bool = True
    labels: RowLabels = RowLabels()
    misfits: Mapping[str, int] = MappingProxyType({})
    states: Sequence[tuple[int, dict[str, Any]]] = ()
    units: Mapping[str, str] = MappingProxyType({})


def load(path: str | PathLike[str]) -> Recording:
    """Load a recording of any format.

    Args:
        path: a CSV file, a Parquet file, or JSON lines (ticks, or raw frames of a websocket). CSV
            and JSON lines may be compressed.

    Raises:
        RecordingError: there is no such file, or it is not a recording.
    """
    check_path("path", path)
    path = Path(path).expanduser()
    try:
        content = read_content(path)
    except MemoryError:
        raise RecordingError(path, "it needs more memory than this process has") from None
    sidecar = content.sidecar
    return Recording(
        content.frame,
        gap_frame(sidecar.gaps),
        sidecar.symbols,
        content.warning(path),
        sidecar.source,
        content.own,
        content.labels,
        sidecar.misfits,
        content.states,
        sidecar.units,
    )


def read_units(path: Path) -> dict[str, str]:
    """Return the units of a recording's columns, without reading its rows; empty if unknown."""
    with contextlib.suppress(RecordingError, OSError):
        if path.suffix == ".parquet":
            return read_metadata(path).units
        return (read_sidecar(path) or Sidecar()).units
    return {}


def combine(recordings: Iterable[Recording]) -> Recording:
    """Combine recordings in their order.

    A tick that two recordings hold comes twice. A column that a recording lacks is empty in its
    rows. A column that holds numbers in one and text in another becomes text. If one recording is
    of all symbols, so is the result.

    Raises:
        ValueError: there is no recording.
    """
    each = list(recordings)
    if not each:
        raise ValueError("No recording to combine; name at least one")
    if len(each) == 1:
        return each[0]
    gaps = [recording.gaps for recording in each if len(recording.gaps)]
    named = [recording.symbols for recording in each]
    symbols = None
    if None not in named:
        symbols = list(dict.fromkeys(symbol for some in named for symbol in some or ()))
    return Recording(
        combine_frames([recording.frame for recording in each]),
        pd.concat(gaps, ignore_index=True).drop_duplicates(ignore_index=True)
        if gaps
        else each[0].gaps,
        symbols,
        next((recording.warning for recording in each if recording.warning is not None), None),
        "; ".join(dict.fromkeys(recording.source for recording in each if recording.source)),
        all(recording.own for recording in each),
        misfits=reduce(add_counts, (recording.misfits for recording in each)),
        units={name: unit for recording in each for name, unit in recording.units.items()},
    )
