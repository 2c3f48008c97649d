"""Verify: whether all that was recorded is in a file, once and in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.errors import RecordingWarning, shown
from tickerkit.storage.recording import Recording, load
from tickerkit.ticks.fields import SYMBOL_NAMES

__all__ = ["Place", "Problem", "Report", "verified", "verify"]

MOST_PLACES = 1000
# As in a replay: a time that steps back by less is that of a late tick.
LATE_NS = 60 * 10**9
ENDLESS = 2**62

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is wrong.

    Attributes:
        first: the first of what `Problem.unit` tells.
        last: the last.
        about: what is wrong there, in words.
    """

    first: int
    last: int
    about: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and all places at which it is.

    Attributes:
        kind: "damaged" (lines that make no sense), "torn" (the last line is cut off), "changed"
            (stretches that are not as they were written), "unpacked" (stretches of a compressed
            file that are lost), "missing" (rows at the end), "order" (a seq that goes back within
            its epoch), "duplicates" (a tick that is there twice), or "unlisted gap" (seqs that are
            missing and stand in no list).
        unit: what its places count: "line" or "row" of the file, "byte" or "seq".
        count: how many places there are.
        places: the first thousand of them.
    """

    kind: str
    unit: str
    count: int
    places: list[Place]


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
    return verified(load(path), path)


def verified(recording: Recording, path: Path) -> Report:
    """Return what `verify` tells of a file that was read already."""
    frame = recording.frame
    rows = _Rows(recording, path)
    problems = [*_damage(recording.warning, rows)] if recording.warning is not None else []
    notes: list[str] = []
    if left := getattr(recording.warning, "unfinished", ""):
        notes.append(f"it is not finished, or is being recorded: its newest rows are in {left}")
    epochs = 0
    if "seq" in frame and frame["seq"].dtype.kind in "iu":
        sequence = _Sequence(frame)
        epochs = sequence.epochs
        problems += sequence.problems(rows, recording)
        notes += sequence.notes(rows)
    elif len(frame):
        notes.append("it has no seqs: whether ticks are missing or twice can't be told")
    start = end = None
    if "time" in frame and frame["time"].dtype.kind == "M" and frame["time"].notna().any():
        start, end = frame["time"].min(), frame["time"].max()
        notes += _steps_back(frame["time"], rows)
    symbol = next((name for name in SYMBOL_NAMES if name in frame), None)
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


class _Rows:
    """How the rows of a frame are called: by their lines in the file, where these are known.

    Attributes:
        unit: "line" or "row".
    """

    def __init__(self, recording: Recording, path: Path) -> None:
        lines = recording.warning.lines if recording.warning is not None else []
        holes = recording.warning is not None and bool(recording.warning.holes)
        packed = {".parquet", ".jsonl"} & set(path.suffixes)
        text = recording.own and not packed and not holes
        self.unit = "line" if text and not _breaks_lines(recording.frame) else "row"
        # Of each damaged line, how many rows are before it: the row of names is line 1.
        self._damaged = np.sort(np.array(lines, dtype=np.int64))
        self._damaged -= 2 + np.arange(len(self._damaged))

    def number(self, indices: Ints) -> Ints:
        """Return what rows of the frame, counted from 0, are called."""
        if self.unit == "row":
            return indices + 1
        return indices + 2 + np.searchsorted(self._damaged, indices, side="right")

    def __getitem__(self, index: int) -> int:
        return int(self.number(np.array([index]))[0])


def _breaks_lines(frame: pd.DataFrame) -> bool:
    """Return whether some text has a line break, so that rows are not lines."""
    for name in frame.columns:
        series = frame[name]
        if isinstance(series.dtype, pd.CategoricalDtype):
            if any("\n" in str(word) for word in series.cat.categories):
                return True
        elif series.dtype.kind not in "iufMb" and series.astype(str).str.contains("\n").any():
            return True
    return False


def _damage(warning: RecordingWarning, rows: _Rows) -> Iterable[Problem]:
    """Tell what the reader has left out."""
    if warning.lines:
        # Lines that follow each other are one place.
        first, last = _runs(np.sort(np.array(warning.lines, dtype=np.int64)))
        yield _problem("damaged", "line", first, last, lambda i: "unreadable, left out")
    if warning.holes:
        starts = np.array([start for _, start, _ in warning.holes], dtype=np.int64)
        stops = np.array([stop for *_, stop in warning.holes], dtype=np.int64)
        yield _problem(
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
        yield _problem(
            "changed",
            rows.unit,
            ranges[:, 0],
            ranges[:, 1],
            lambda i: "not as written, by its checksum",
        )
    after = rows.number(np.array([warning.rows]))
    if warning.torn_bytes:
        size = f"{warning.torn_bytes:,} bytes"
        yield _problem("torn", rows.unit, after, after, lambda i: f"cut off, {size} left out")
        after = after + 1
    elif warning.cut:
        yield _problem("torn", rows.unit, after, after, lambda i: "from here on it was cut off")
    if warning.missing:
        last = after + warning.missing - 1
        told = "written, and missing at the end"
        yield _problem("missing", rows.unit, after, last, lambda i: told)


class _Sequence:
    """The seqs of a frame, by epoch."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.seq: Ints = frame["seq"].to_numpy(np.int64)
        self.words: list[str] = []
        self.codes: Any = np.zeros(len(frame), dtype=np.int8)
        if "epoch" in frame:
            series = frame["epoch"]
            if isinstance(series.dtype, pd.CategoricalDtype):
                self.codes = series.cat.codes.to_numpy()
                self.words = [str(word) for word in series.cat.categories]
            else:
                self.codes, words = pd.factorize(series)
                self.words = [str(word) for word in words]
        starts = np.flatnonzero(self.codes[1:] != self.codes[:-1]) + 1
        self._runs = np.concatenate([np.zeros(min(len(frame), 1), dtype=np.int64), starts])
        kinds, firsts = np.unique(self.codes[self._runs], return_index=True)
        self.epochs = len(kinds)
        self._back = np.delete(self._runs, firsts)

    def problems(self, rows: _Rows, recording: Recording) -> Iterable[Problem]:
        """Tell of order, duplicates, and gaps that no list has."""
        codes, seq, order = self.codes, self.seq, None
        if len(self._back):
            order = np.argsort(codes, kind="stable")
            codes, seq = codes[order], seq[order]
        same, steps = codes[1:] == codes[:-1], np.diff(seq)
        back = np.flatnonzero(same & (steps < 0))
        if len(back):
            at = back + 1 if order is None else order[back + 1]
            before, after = seq[back], seq[back + 1]
            yield _problem(
                "order",
                rows.unit,
                rows.number(at),
                rows.number(at),
                lambda i: f"seq {after[i]:,} comes after {before[i]:,}",
            )
            order = np.lexsort((self.seq, self.codes))
            codes, seq = self.codes[order], self.seq[order]
            same, steps = codes[1:] == codes[:-1], np.diff(seq)
        twice = np.flatnonzero(same & (steps == 0)) + 1
        if len(twice):
            at = np.sort(twice if order is None else order[twice])
            first, last = _runs(rows.number(at))
            yield _problem(
                "duplicates", rows.unit, first, last, lambda i: "there before, with the same seq"
            )
        if recording.symbols is None:
            jumps = np.flatnonzero(same & (steps > 1))
            yield from self._unlisted(
                seq[jumps] + 1, seq[jumps + 1] - 1, codes[jumps], recording.gaps
            )

    def _unlisted(self, first: Ints, last: Ints, codes: Any, gaps: pd.DataFrame) -> list[Problem]:
        """Tell which of the missing seqs no gap names."""
        left = np.ones(len(first), dtype=bool)
        known = {word: _listed(part) for word, part in gaps.groupby("epoch", sort=False)}
        for code, word in enumerate(self.words):
            here = np.flatnonzero(codes == code) if word in known else ()
            if len(here):
                missing = last[here] - first[here] + 1
                listed = _below(last[here] + 1, *known[word]) - _below(first[here], *known[word])
                left[here] = listed < missing
        first, last, codes = first[left], last[left], codes[left]
        if not len(first):
            return []

        def about(i: int) -> str:
            of = f" of epoch {shown(self.words[codes[i]])[1:-1]}" if self.epochs > 1 else ""
            return f"missing{of}, and not among the gaps that are listed"

        return [_problem("unlisted gap", "seq", first, last, about)]

    def notes(self, rows: _Rows) -> Iterable[str]:
        """Tell of epochs that come back."""
        if len(self._back):
            where = _few(rows, self._back)
            yield f"an epoch goes on after another one began, at {where}"


def _listed(gaps: pd.DataFrame) -> tuple[Ints, Ints]:
    """Return first and last seqs of what gaps of one epoch name, in order, none twice."""
    first = gaps["from"].to_numpy(np.int64, na_value=0)
    last = gaps["to"].to_numpy(np.int64, na_value=ENDLESS)
    order = np.argsort(first, kind="stable")
    first, last = first[order], np.maximum.accumulate(last[order])
    first = np.maximum(first, np.concatenate([[0], last[:-1] + 1]))
    some = first <= last
    return first[some], last[some]


def _below(seqs: Ints, first: Ints, last: Ints) -> Ints:
    """Return how many of the listed seqs are below each of some."""
    before = np.searchsorted(first, seqs, side="left")
    whole = np.concatenate([[0], np.cumsum(last - first + 1)])
    over = np.maximum(np.concatenate([[0], last])[before] + 1 - seqs, 0)
    counted: Ints = whole[before] - np.where(before > 0, over, 0)
    return counted


def _steps_back(times: pd.Series[Any], rows: _Rows) -> Iterable[str]:
    """Tell of times that go back by more than a late tick's."""
    known = np.flatnonzero(times.notna().to_numpy())
    steps = np.diff(
        times.dt.tz_convert("UTC").dt.as_unit("ns").to_numpy("M8[ns]").view(np.int64)[known]
    )
    back = known[1:][steps < -LATE_NS]
    if len(back):
        yield f"times go back by more than a minute at {_few(rows, back)}"


def _few(rows: _Rows, indices: Ints) -> str:
    """Return "lines 17, 20 and 3 more"."""
    named = ", ".join(f"{rows[int(index)]:,}" for index in indices[:3])
    more = f" and {len(indices) - 3:,} more" if len(indices) > 3 else ""
    return f"{rows.unit}{'s' if len(indices) > 1 else ''} {named}{more}"


def _runs(numbers: Ints) -> tuple[Ints, Ints]:
    """Return the first and last of numbers that follow each other."""
    cuts = np.flatnonzero(np.diff(numbers) != 1)
    first = numbers[np.concatenate([[0], cuts + 1])]
    return first, numbers[np.concatenate([cuts, [len(numbers) - 1]])]


def _problem(kind: str, unit: str, first: Ints, last: Ints, about: Callable[[int], str]) -> Problem:
    some = range(min(len(first), MOST_PLACES))
    places = [Place(int(first[i]), int(last[i]), about(i)) for i in some]
    return Problem(kind, unit, len(first), places)
