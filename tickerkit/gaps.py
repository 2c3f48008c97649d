"""Gaps: the list of a feed's proved holes, each with the times of the ticks on both sides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from tickerkit.log import TickLog
from tickerkit.protocol import Gap
from tickerkit.rows import UTC_NS
from tickerkit.ticks import Array

__all__ = ["Gaps", "Hole"]


class Hole(NamedTuple):
    """A gap, and the times of the ticks on both sides."""

    gap: Gap
    last_before: int | None
    first_after: int | None


class Gaps:
    """The holes in a log, each with the row at which it lies.

    Holes that touch are told as one.
    """

    def __init__(self, log: TickLog) -> None:
        self.log = log
        self._gaps: list[tuple[Gap, int, int | None]] = []

    def __len__(self) -> int:
        return len(self._gaps)

    def add(self, gap: Gap) -> None:
        """Take note of a hole that lies where the log ends now; in the writer's thread."""
        gaps = self._gaps
        if gaps:
            last, row, before = gaps[-1]
            touches = last.stop is not None and gap.start == last.stop + 1
            if row == self.log.next and last.epoch == gap.epoch and touches:
                whole = Gap(gap.epoch, last.start, gap.stop, gap.reason)
                self._gaps = [*gaps[:-1], (whole, row, before)]
                return
        rows = self.log.rows()
        latest = int(rows.array("time")[-1]) if len(rows) else None
        self._gaps = [*gaps, (gap, self.log.next, latest)]

    def rows(self) -> list[int]:
        """Return the row after each hole: where a line is to be broken."""
        return [row for _, row, _ in self._gaps]

    def between(self, start: int, stop: int) -> list[Hole]:
        """Return the holes before the rows `start` to `stop`, in order; any thread may ask."""
        found = [each for each in self._gaps if start <= each[1] < stop]
        return [Hole(gap, before, self._time(row)) for gap, row, before in found]

    def mark(self, frame: pd.DataFrame, rows: Array | range) -> pd.DataFrame:
        """Return a frame of some rows of the log with a column `gap`: a hole lies before this.

        Where the row after a hole is not among them, the next one that is has the mark.
        """
        numbers = np.arange(rows.start, rows.stop) if isinstance(rows, range) else rows
        after = np.array([row for row in self.rows() if len(rows) and row >= numbers[0]], dtype=int)
        marks = np.zeros(len(rows) + 1, dtype=bool)
        marks[np.searchsorted(numbers, after)] = True
        return frame.assign(gap=marks[:-1])

    def frame(self) -> pd.DataFrame:
        """Return the holes as `Feed.gaps` tells."""
        gaps = self._gaps
        after = [self._time(row) for _, row, _ in gaps]
        return pd.DataFrame(
            {
                "epoch": pd.Series([gap.epoch for gap, _, _ in gaps], dtype="str"),
                "from": pd.Series([gap.start for gap, _, _ in gaps], dtype="Int64"),
                "to": pd.Series([gap.stop for gap, _, _ in gaps], dtype="Int64"),
                "last_before": pd.Series([before for *_, before in gaps], dtype="Int64").astype(
                    UTC_NS
                ),
                "first_after": pd.Series(after, dtype="Int64").astype(UTC_NS),
                "reason": pd.Series([gap.reason for gap, _, _ in gaps], dtype="str"),
            }
        )

    def _time(self, row: int) -> int | None:
        """Return the time of the tick at `row`, if it has come and is still held."""
        rows = self.log.rows(row, row + 1)
        return int(rows.array("time")[0]) if len(rows) and rows.start == row else None
