"""Content: what a reader finds in a file, and what is damaged there.

All formats have it in common: the ticks, what the file says about itself, and how its rows are
numbered in reports.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.errors import Problem, RecordingWarning
from tickerkit.storage.files import Damage
from tickerkit.storage.sidecar import Sidecar

__all__ = ["Checksums", "Content", "RowLabels", "describe_damage", "runs"]


class RowLabels:
    """Maps rows of a frame to line numbers in its file, or to row numbers.

    Args:
        unit: "line" where each row is one line of text, else "row".
        damaged: numbers of the lines that are left out, in any order.
    """

    def __init__(self, unit: str = "row", damaged: Iterable[int] = ()) -> None:
        self.unit = unit
        # For each damaged line, the number of rows before it. The header is line 1.
        lines = np.sort(np.array(list(damaged), dtype=np.int64))
        self._damaged = lines - 2 - np.arange(len(lines))

    def labels(self, rows: Any) -> Any:
        """Return the numbers of rows, which are counted from 0; arrays of int64, shape (n,)."""
        if self.unit == "row":
            return rows + 1
        return rows + 2 + np.searchsorted(self._damaged, rows, side="right")

    def ranges(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the numbers of ranges of rows; a damaged line within a range makes two of it.

        Args:
            rows: the first and last row of each range, in order, shape (ranges, 2).

        Returns:
            The same of their numbers, with as many ranges or more.
        """
        # The rows right after a damaged line.
        cuts = np.unique(self._damaged) if self.unit == "line" else self._damaged[:0]
        within = np.searchsorted(rows[:, 0], cuts) - 1
        cuts = cuts[(within >= 0) & (cuts <= rows[within, 1])] if len(rows) else cuts[:0]
        first = np.sort(np.concatenate([rows[:, 0], cuts]))
        last = np.sort(np.concatenate([rows[:, 1], cuts - 1]))
        return np.column_stack([self.labels(first), self.labels(last)])

    def describe(self, rows: Any, count: int | None = None) -> str:
        """Return rows in words, such as "lines 17, 20, 31 and 3 more".

        Args:
            rows: the first rows, in order; three are named.
            count: how many there are in all; None if these are all.
        """
        count = len(rows) if count is None else count
        named = ", ".join(f"{number:,}" for number in self.labels(rows[:3]))
        more = f" and {count - 3:,} more" if count > 3 else ""
        return f"{self.unit}{'s' if count > 1 else ''} {named}{more}"


class Content(NamedTuple):
    """The content of a file, whatever its format.

    Attributes:
        frame: the ticks.
        sidecar: what else the file says about itself.
        problems: what is damaged, and was left out.
        own: whether tickerkit wrote the file.
        labels: how rows are numbered in reports.
        torn_bytes: the size of a last line that is cut off.
        states: the states of a venue's subscriptions; see `RawSource`.
    """

    frame: pd.DataFrame
    sidecar: Sidecar
    problems: list[Problem]
    own: bool = True
    labels: RowLabels = RowLabels()
    torn_bytes: int = 0
    states: Sequence[tuple[int, dict[str, Any]]] = ()

    @property
    def named_frame(self) -> pd.DataFrame:
        """The ticks, with the units of their columns in `attrs["units"]`, if some have one."""
        if self.sidecar.units:
            self.frame.attrs["units"] = dict(self.sidecar.units)
        return self.frame

    def warning(self, path: Path) -> RecordingWarning | None:
        """Return the warning about what is damaged in the file at `path`; None if nothing is."""
        return RecordingWarning(path, len(self.frame), self.problems) if self.problems else None


class Checksums:
    """Finds the stretches of a text that differ from what was written.

    Args:
        sidecar: the sidecar of the text.

    Attributes:
        changed: the numbers of the first and last row of each block that differs.
    """

    def __init__(self, sidecar: Sidecar) -> None:
        self.changed: list[tuple[int, int]] = []
        self._blocks, self._unsure = sidecar.blocks, frozenset(sidecar.unsure)
        self._size = self._next = self._crc = 0

    def add(self, data: bytes) -> None:
        """Check the next bytes of the text."""
        view = memoryview(data)
        while len(view) and self._next < len(self._blocks):
            block = self._blocks[self._next]
            part = view[: max(block.size - self._size, 0)]
            self._crc = zlib.crc32(part, self._crc)
            self._size += len(part)
            view = view[len(part) :]
            if self._size >= block.size:
                if self._crc != block.crc and self._next not in self._unsure:
                    before = self._blocks[self._next - 1].rows if self._next else 0
                    self.changed.append((before + 1, block.rows))
                self._next += 1
                self._crc = 0
        self._size += len(view)


def describe_damage(
    damaged: Sequence[int], holes: Sequence[Damage], torn_bytes: int, *, unit: str, number: int
) -> list[Problem]:
    """Return what is damaged in a file of lines.

    Args:
        damaged: the numbers of the lines that are left out.
        holes: the stretches that can't be decompressed.
        torn_bytes: the size of a last line that is cut off.
        unit: what `number` counts, "line" or "row".
        number: number of the line or row after the last one that was read.
    """
    problems = []
    if damaged:
        ranges = runs(np.sort(np.array(damaged, dtype=np.int64)))
        problems.append(Problem.from_ranges("damaged", "line", ranges, "unreadable, left out"))
    if lost := [hole for hole in holes if hole.stop > hole.start]:

        def about(i: int) -> str:
            where = f" before line {lost[i].line:,}" if lost[i].line else ""
            return f"can't be decompressed, left out{where}"

        bytes_lost = [(hole.start, hole.stop - 1) for hole in lost]
        problems.append(Problem.from_ranges("undecodable", "byte", bytes_lost, about))
    if torn_bytes or len(lost) < len(holes):
        what = f"{torn_bytes:,} bytes left out" if torn_bytes else "the rest is lost"
        problems.append(Problem.from_ranges("torn", unit, [(number, number)], f"cut off, {what}"))
    return problems


def runs(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the first and last number of each run of successive numbers, shape (runs, 2)."""
    cuts = np.flatnonzero(np.diff(numbers) != 1)
    first = numbers[np.concatenate([[0], cuts + 1])]
    return np.column_stack([first, numbers[np.concatenate([cuts, [len(numbers) - 1]])]])
