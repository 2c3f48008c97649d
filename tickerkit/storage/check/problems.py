"""Problems: what is wrong with a recording, and where: in which line of its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.storage.recording import Recording

__all__ = ["Ints", "RowLabels", "Place", "Problem", "few", "problem", "runs"]

MAX_PLACES = 1000

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


class RowLabels:
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


def few(rows: RowLabels, indices: Ints) -> str:
    """Return "lines 17, 20 and 3 more"."""
    named = ", ".join(f"{rows[int(index)]:,}" for index in indices[:3])
    more = f" and {len(indices) - 3:,} more" if len(indices) > 3 else ""
    return f"{rows.unit}{'s' if len(indices) > 1 else ''} {named}{more}"


def runs(numbers: Ints) -> tuple[Ints, Ints]:
    """Return the first and last of numbers that follow each other."""
    cuts = np.flatnonzero(np.diff(numbers) != 1)
    first = numbers[np.concatenate([[0], cuts + 1])]
    return first, numbers[np.concatenate([cuts, [len(numbers) - 1]])]


def problem(kind: str, unit: str, first: Ints, last: Ints, about: Callable[[int], str]) -> Problem:
    """Return a problem from the numbers of its places; `about` tells of each of them in words."""
    some = range(min(len(first), MAX_PLACES))
    places = [Place(int(first[i]), int(last[i]), about(i)) for i in some]
    return Problem(kind, unit, len(first), places)
