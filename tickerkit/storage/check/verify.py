"""Verify: whether all that was recorded is in a file, once and in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.errors import RecordingWarning
from tickerkit.storage.check.problems import Place, Problem, RowLabels, few, problem, runs
from tickerkit.storage.check.sequence_check import SequenceCheck
from tickerkit.storage.recording import Recording, load
from tickerkit.ticks import NS_PER_S
from tickerkit.ticks.fields import symbol_field

__all__ = ["Place", "Problem", "Report", "verify_recording", "verify"]

# As in a replay: a time that steps back by less is that of a late tick.
LATE_NS = 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Report:
    """What a recording holds, and what is wrong with it.

    Attributes:
        path: the file.
        rows: how many ticks it holds.
        symbols: how many symbols these have.
        only: the symbols that it is a recording of; None for all.
        start: the earliest time (UTC), None without one.
        end: the latest time.
        epochs: how many epochs the ticks are of.
        columns: the names of the columns.
        gaps: what is known to be missing, as `Feed.gaps` tells it.
        problems: what is wrong.
        notes: what is no fault, and good to know, in words.
    """

    path: Path
    rows: int
    symbols: int
    only: list[str] | None
    start: pd.Timestamp | None
    end: pd.Timestamp | None
    epochs: int
    columns: list[str]
    gaps: pd.DataFrame
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is missing or damaged; a gap that is listed is missing, too."""
        return not self.problems and not len(self.gaps)


def verify(path: str | PathLike[str]) -> Report:
    """Look for what is missing, damaged, twice or out of order in a recording.

    It is read whole, into memory; five million ticks take about a second. What can't be known is
    not told: without seqs nothing of order and gaps, and of a recording of some symbols only the
    gaps that are listed.

    Args:
        path: a recording of any form: CSV, compressed or not, Parquet, or raw lines of JSON.

    Returns:
        What the file holds, and what is wrong with it.

    Raises:
        RecordingError: no such file, or not a recording at all.

    Example:
        >>> verify("ticks.csv").ok
        True
    """
    path = Path(path).expanduser()
    return verify_recording(load(path), path)


def verify_recording(recording: Recording, path: Path) -> Report:
    """Return what `verify` tells of a file that was read already."""
    frame = recording.frame
    rows = RowLabels(recording, path)
    problems = [*_damage(recording.warning, rows)] if recording.warning is not None else []
    notes: list[str] = []
    if left := getattr(recording.warning, "unfinished", ""):
        notes.append(f"it is not finished, or is being recorded: its newest rows are in {left}")
    epochs = 0
    if "seq" in frame and frame["seq"].dtype.kind in "iu":
        sequence = SequenceCheck(frame)
        epochs = sequence.epochs
        problems += sequence.problems(rows, recording)
        notes += sequence.notes(rows)
    elif len(frame):
        notes.append("it has no seqs: whether ticks are missing or twice can't be told")
    start = end = None
    if "time" in frame and frame["time"].dtype.kind == "M" and frame["time"].notna().any():
        start, end = frame["time"].min(), frame["time"].max()
        notes += _steps_back(frame["time"], rows)
    symbol = symbol_field(frame)
    return Report(
        path,
        len(frame),
        0 if symbol is None else int(frame[symbol].nunique()),
        recording.symbols,
        start,
        end,
        epochs,
        [str(name) for name in frame.columns],
        recording.gaps,
        problems,
        notes,
    )


def _damage(warning: RecordingWarning, rows: RowLabels) -> Iterable[Problem]:
    """Tell what the reader has left out."""
    if warning.lines:
        # Lines that follow each other are one place.
        first, last = runs(np.sort(np.array(warning.lines, dtype=np.int64)))
        yield problem("damaged", "line", first, last, lambda i: "unreadable, left out")
    if warning.holes:
        starts = np.array([start for _, start, _ in warning.holes], dtype=np.int64)
        stops = np.array([stop for *_, stop in warning.holes], dtype=np.int64)
        yield problem(
            "unpacked",
            "byte",
            starts,
            stops - 1,
            lambda i: f"not to be unpacked, left out before line {warning.holes[i][0]:,}",
        )
    if warning.changed:
        # Of what was written, in which a line is a row even if it is damaged now.
        by = 1 if rows.unit == "line" else 0
        ranges = np.array(warning.changed, dtype=np.int64) + by
        yield problem(
            "changed",
            rows.unit,
            ranges[:, 0],
            ranges[:, 1],
            lambda i: "not as written, by its checksum",
        )
    after = rows.number(np.array([warning.rows]))
    if warning.torn_bytes:
        size = f"{warning.torn_bytes:,} bytes"
        yield problem("torn", rows.unit, after, after, lambda i: f"cut off, {size} left out")
        after = after + 1
    elif warning.cut:
        yield problem("torn", rows.unit, after, after, lambda i: "from here on it was cut off")
    if warning.missing:
        last = after + warning.missing - 1
        told = "written, and missing at the end"
        yield problem("missing", rows.unit, after, last, lambda i: told)


def _steps_back(times: pd.Series[Any], rows: RowLabels) -> Iterable[str]:
    """Tell of times that go back by more than a late tick's."""
    known = np.flatnonzero(times.notna().to_numpy())
    steps = np.diff(
        times.dt.tz_convert("UTC").dt.as_unit("ns").to_numpy("M8[ns]").view(np.int64)[known]
    )
    back = known[1:][steps < -LATE_NS]
    if len(back):
        yield f"times go back by more than a minute at {few(rows, back)}"
