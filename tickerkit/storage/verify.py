"""Verification: whether a recording holds every tick, once and in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from tickerkit.errors import HARMLESS, Problem
from tickerkit.formatting import format_count, format_value
from tickerkit.log import gap_frame
from tickerkit.storage.between_files import Part
from tickerkit.storage.extent import Extent, ExtentBuilder, has_seqs
from tickerkit.storage.scan import Piece, Scan
from tickerkit.storage.seqs import RowRanges, SeqCheck
from tickerkit.storage.sidecar import Sidecar
from tickerkit.ticks import NS_PER_S
from tickerkit.validation import check_path

__all__ = ["Report", "Verification", "misfit_problems", "verify"]

# A tick whose time is earlier than that of the tick before, by no more than this, is only late. A
# replay has the same limit.
LATE_NS = 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Report:
    """What a recording holds, and what is wrong with it.

    Attributes:
        path: the file.
        rows: how many ticks it holds.
        symbols: how many symbols the ticks have; a million stands for more as well.
        only: the symbols that were recorded; None for all.
        start: the earliest time (UTC), None without one.
        end: the latest time.
        epochs: how many epochs the ticks have.
        columns: the names of the columns.
        gaps: what is known to be missing, with the columns of `Feed.gaps`.
        problems: what is wrong.
        notes: what is good to know, though nothing is wrong.
        is_quick: whether the rows were not read: the rest is what the recording says about itself.
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
    is_quick: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is missing or damaged; the ticks of a listed gap are missing, too."""
        return not self.problems and not len(self.gaps)


def verify(path: str | PathLike[str]) -> Report:
    """Check a recording for ticks that are missing, damaged, duplicated or out of order.

    The file is read piece by piece, so its size doesn't matter; five million ticks take some
    seconds. Ticks without seq can't be checked for order and gaps. In a recording of some symbols a
    jump in seq is no gap, so only the gaps that it lists are known.

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
    check_path("path", path)
    verification = Verification(Path(path).expanduser())
    for _ in verification.steps():
        pass
    return verification.report


class Verification:
    """A check of a recording that can be left after each piece; see `verify`.

    Args:
        path: a recording of any format.

    Example:
        >>> verification = Verification(path)
        >>> for share in verification.steps():
        ...     print(f"{share:.0%}")
        >>> verification.report
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def steps(self) -> Iterator[float]:
        """Read the file; yield which share of it has been read, 0 to 1, after each piece.

        Where a seq goes back, the share does so, too: the file is then read again, and all its seqs
        are remembered, a fiftieth of a byte to two bytes for each tick.

        Raises:
            RecordingError: the file can't be read.
        """
        for keeps_all in (False, True):
            self._scan = Scan(self._path)
            self._seqs, self._times = SeqCheck(keeps_all=keeps_all), _TimeCheck()
            self._extent = ExtentBuilder()
            self._columns: list[str] = []
            self._is_numbered = False
            for piece in self._scan.pieces():
                if not self._add(piece):
                    break
                yield self._scan.share
            else:
                return

    def _add(self, piece: Piece) -> bool:
        """Add a piece; return False if all seqs must be remembered to check it."""
        frame = piece.frame
        self._columns = [str(name) for name in frame.columns]
        self._is_numbered = has_seqs(frame)
        if self._is_numbered and not self._seqs.add(piece.row, frame):
            return False
        self._extent.add(frame)
        self._times.add(piece.row, frame)
        return True

    @property
    def extent(self) -> Extent:
        """How far the ticks reach; after the last step."""
        return self._extent.extent

    @property
    def part(self) -> Part:
        """What must be known of the file to compare it with others; after the last step."""
        return Part.from_extent(self._path, self._scan.sidecar, self.extent)

    @property
    def report(self) -> Report:
        """What was found; after the last step."""
        scan, extent = self._scan, self.extent
        sidecar, labels = scan.sidecar, scan.labels
        problems = [problem for problem in scan.problems if problem.kind not in HARMLESS]
        notes = [str(problem) for problem in scan.problems if problem.kind in HARMLESS]
        problems += misfit_problems(sidecar)
        if self._is_numbered:
            problems += self._seqs.problems(labels)
            if sidecar.symbols is None:
                problems += self._seqs.unlisted(sidecar.gaps)
            if self._seqs.returns.count:
                where = self._seqs.returns.describe(labels)
                notes.append(f"an epoch continues after another one began, at {where}")
            if self._seqs.is_full:
                notes.append("its seqs are too many, and too far apart, to compare them all")
        elif extent.rows:
            notes.append("it has no seq: missing and duplicated ticks can't be found")
        if self._times.back.count:
            where = self._times.back.describe(labels)
            notes.append(f"times go back by more than a minute at {where}")
        return Report(
            self._path,
            extent.rows,
            extent.symbol_count,
            sidecar.symbols,
            extent.earliest,
            extent.latest,
            len(extent.epochs),
            self._columns,
            gap_frame(sidecar.gaps),
            problems,
            notes,
        )


def misfit_problems(sidecar: Sidecar) -> Iterator[Problem]:
    """Yield the values that a recording says it lacks."""
    for name, count in sidecar.misfits.items():
        about = f"{format_count(count, 'value')} of {format_value(name)} left out: no column holds "
        yield Problem.from_ranges("left out", "file", [(0, 0)], about + "them exactly")


class _TimeCheck:
    """Finds the rows whose time is earlier than that of the row before, by more than a minute.

    Attributes:
        back: these rows.
    """

    def __init__(self) -> None:
        self.back = RowRanges()
        self._newest: int | None = None

    def add(self, row: int, frame: pd.DataFrame) -> None:
        """Add rows after those that were added before; `row` is the number of the first."""
        if "time" not in frame or frame["time"].dtype.kind != "M":
            return
        known = np.flatnonzero(frame["time"].notna().to_numpy())
        if not len(known):
            return
        utc = pd.DatetimeIndex(frame["time"].array[known])
        try:
            ns = utc.as_unit("ns").asi8
        except pd.errors.OutOfBoundsDatetime:  # of another program: years that ns don't reach
            return
        before = np.concatenate([ns[:1] if self._newest is None else [self._newest], ns[:-1]])
        self.back.add(known[ns < before - LATE_NS] + row)
        self._newest = int(ns[-1])
