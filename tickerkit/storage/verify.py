"""Verification: whether a recording holds every tick, once and in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.errors import HARMLESS, Problem
from tickerkit.formatting import format_count, format_value
from tickerkit.storage.content import RowLabels, runs
from tickerkit.storage.recording import Recording, load
from tickerkit.ticks import NS_PER_S
from tickerkit.ticks.fields import symbol_field

__all__ = ["Report", "verify", "verify_recording"]

# A tick whose time is earlier than that of the tick before, by no more than this, is only late. A
# replay has the same limit.
LATE_NS = 60 * NS_PER_S
# The end of a gap whose end isn't known.
ENDLESS = 2**62

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Report:
    """What a recording holds, and what is wrong with it.

    Attributes:
        path: the file.
        rows: how many ticks it holds.
        symbols: how many symbols the ticks have.
        only: the symbols that were recorded; None for all.
        start: the earliest time (UTC), None without one.
        end: the latest time.
        epochs: how many epochs the ticks have.
        columns: the names of the columns.
        gaps: what is known to be missing, with the columns of `Feed.gaps`.
        problems: what is wrong.
        notes: what is good to know, though nothing is wrong.
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
        """Whether nothing is missing or damaged; the ticks of a listed gap are missing, too."""
        return not self.problems and not len(self.gaps)


def verify(path: str | PathLike[str]) -> Report:
    """Check a recording for ticks that are missing, damaged, duplicated or out of order.

    The whole file is read into memory; five million ticks take about a second. Ticks without seq
    can't be checked for order and gaps. In a recording of some symbols a jump in seq is no gap, so
    only the gaps that it lists are known.

    Args:
        path: a recording of any format.

    Returns:
        What the file holds, and what is wrong with it.

    Raises:
        RecordingError: there is no such file, or it is not a recording.

    Example:
        >>> verify("ticks.csv").ok
        True
    """
    path = Path(path).expanduser()
    return verify_recording(load(path), path)


def verify_recording(recording: Recording, path: Path) -> Report:
    """Check a recording that has been loaded; see `verify`."""
    frame, labels = recording.frame, recording.labels
    found = recording.warning.problems if recording.warning is not None else []
    problems = [problem for problem in found if problem.kind not in HARMLESS]
    notes = [str(problem) for problem in found if problem.kind in HARMLESS]
    for name, count in recording.misfits.items():
        about = f"{format_count(count, 'value')} of {format_value(name)} left out: no column holds "
        problems.append(Problem.from_ranges("left out", "file", [(0, 0)], about + "them exactly"))
    epochs = 0
    if "seq" in frame and frame["seq"].dtype.kind in "iu":
        sequence = _Sequence(frame)
        epochs = sequence.epochs
        problems += sequence.problems(labels)
        if recording.symbols is None:
            problems += sequence.unlisted(recording.gaps)
        if len(sequence.returns):
            where = labels.describe(sequence.returns)
            notes.append(f"an epoch continues after another one began, at {where}")
    elif len(frame):
        notes.append("it has no seq: missing and duplicated ticks can't be found")
    start = end = None
    if "time" in frame and frame["time"].dtype.kind == "M" and frame["time"].notna().any():
        start, end = frame["time"].min(), frame["time"].max()
        if len(back := _steps_back(frame["time"])):
            notes.append(f"times go back by more than a minute at {labels.describe(back)}")
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


def _steps_back(times: pd.Series[Any]) -> Ints:
    """Return the rows whose time is earlier than that of the row before, by more than a minute."""
    known = np.flatnonzero(times.notna().to_numpy())
    ns = times.dt.tz_convert("UTC").dt.as_unit("ns").to_numpy("M8[ns]").view(np.int64)[known]
    back: Ints = known[1:][np.diff(ns) < -LATE_NS]
    return back


class _Sequence:
    """The seqs of a frame, by epoch.

    Arrays have the shape (rows,) unless said otherwise.

    Attributes:
        epochs: how many epochs there are.
        returns: the rows, shape (n,), where an epoch continues after another one.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._seq: Ints = frame["seq"].to_numpy(np.int64)
        self._names: list[str] = []
        self._codes: Any = np.zeros(len(frame), dtype=np.int8)
        if "epoch" in frame:
            self._codes, names = pd.factorize(frame["epoch"])
            self._names = [str(name) for name in names]
        starts = np.flatnonzero(np.diff(self._codes, prepend=self._codes[:1] - 1))
        kinds, firsts = np.unique(self._codes[starts], return_index=True)
        self.epochs = len(kinds)
        self.returns = np.delete(starts, firsts)
        # The order of rows in which each epoch is one run; None if the file has that order.
        self._order = np.argsort(self._codes, kind="stable") if len(self.returns) else None

    def _sorted(self) -> tuple[Any, Ints, Any, Ints]:
        """Return the codes of epochs and the seqs in `_order`, and two facts on each adjacent pair.

        These are whether both rows have the same epoch, and by how much seq grows.
        """
        codes, seq = self._codes, self._seq
        if self._order is not None:
            codes, seq = codes[self._order], seq[self._order]
        return codes, seq, codes[1:] == codes[:-1], np.diff(seq)

    def problems(self, labels: RowLabels) -> Iterator[Problem]:
        """Yield the seqs that go back, and those that come twice; sort `_order` by seq."""
        _, seq, same, steps = self._sorted()
        back = np.flatnonzero(same & (steps < 0))
        if len(back):
            at = labels.labels(back + 1 if self._order is None else self._order[back + 1])
            before, after = seq[back], seq[back + 1]
            yield Problem.from_ranges(
                "order",
                labels.unit,
                np.column_stack([at, at]),
                lambda i: f"seq {after[i]:,} comes after {before[i]:,}",
            )
            self._order = np.lexsort((self._seq, self._codes))
            _, seq, same, steps = self._sorted()
        again = np.flatnonzero(same & (steps == 0)) + 1
        if len(again):
            rows = labels.labels(np.sort(again if self._order is None else self._order[again]))
            about = "there before, with the same seq"
            yield Problem.from_ranges("duplicates", labels.unit, runs(rows), about)

    def unlisted(self, gaps: pd.DataFrame) -> Iterator[Problem]:
        """Yield the seqs that are missing and in no listed gap; `problems` must have run before."""
        codes, seq, same, steps = self._sorted()
        jumps = np.flatnonzero(same & (steps > 1))
        ranges, codes = np.column_stack([seq[jumps] + 1, seq[jumps + 1] - 1]), codes[jumps]
        listed = np.zeros(len(ranges), dtype=bool)
        for epoch, part in gaps.groupby("epoch", sort=False):
            if str(epoch) in self._names:
                here = np.flatnonzero(codes == self._names.index(str(epoch)))
                start, end = _merge_ranges(part)
                at = np.searchsorted(start, ranges[here, 0], side="right") - 1
                listed[here] = (at >= 0) & (end[at] >= ranges[here, 1])
        ranges, codes = ranges[~listed], codes[~listed]

        def about(i: int) -> str:
            of = f" of epoch {format_value(self._names[codes[i]])[1:-1]}" if self.epochs > 1 else ""
            return f"missing{of}, and not among the gaps listed"

        if len(ranges):
            yield Problem.from_ranges("unlisted gap", "seq", ranges, about)


def _merge_ranges(gaps: pd.DataFrame) -> tuple[Ints, Ints]:
    """Return the first and last seqs of the gaps of one epoch; adjacent gaps become one."""
    first = gaps["from"].to_numpy(np.int64, na_value=0)
    last = gaps["to"].to_numpy(np.int64, na_value=ENDLESS)
    order = np.argsort(first, kind="stable")
    first, last = first[order], np.maximum.accumulate(last[order])
    starts = np.concatenate([[0], np.flatnonzero(first[1:] > last[:-1] + 1) + 1])
    return first[starts], last[np.concatenate([starts[1:], [len(last)]]) - 1]
