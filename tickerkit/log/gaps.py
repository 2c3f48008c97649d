"""Gaps: the list of a log's proved holes, each with the times of the ticks on both sides."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

import numpy as np
import pandas as pd

from tickerkit.log.rows import UTC_NS
from tickerkit.log.tick_log import TickLog
from tickerkit.protocol.messages import Gap
from tickerkit.ticks import Array

__all__ = ["Gaps", "Hole"]


class Hole(NamedTuple):
    """A gap, and the times of the ticks on both sides."""

    gap: Gap
    last_before: int | None
    first_after: int | None


# Beyond it numbers are no longer exact in every language that reads them.
MAX_COUNTED = 2**53


class _Hole(NamedTuple):
    gap: Gap
    row: int
    before: int | None


class Gaps:
    """The holes in a log, each with the row at which it lies.

    Holes that touch are told as one. One thread writes; any may read.

    Args:
        log: the log.
        forget: let go of those whose rows are no longer held, so that a log that runs for weeks
            needs no more memory for them. That at which the oldest epoch held begins stays.

    Attributes:
        newest: the row of the newest; -1 where there is none.
    """

    def __init__(self, log: TickLog, *, forget: bool = False) -> None:
        self.log = log
        self.forget = forget
        self.newest = -1
        self._holes: list[_Hole] = []

    def __len__(self) -> int:
        return len(self._holes)

    def add(self, gap: Gap) -> None:
        """Take note of a hole that lies where the log ends now; in the writer's thread."""
        holes, row = self._holes, self.log.stop
        if holes and holes[-1].row == row and _touch(holes[-1].gap, gap):
            last, _, before = holes[-1]
            whole = Gap(gap.epoch, last.start, gap.stop, gap.reason)
            holes[-1] = _Hole(whole, row, before)
            return
        rows = self.log.rows()
        holes.append(_Hole(gap, row, int(rows.array("time")[-1]) if len(rows) else None))
        self.newest = row
        if self.forget:
            self._forget()

    def miss(self, count: int | None, reason: str) -> None:
        """Say that ticks are missing where the log ends now; in the writer's thread.

        Args:
            count: how many: so many numbers are left out. None: not known; the next tick begins a
                new epoch. Where no tick came in this one, that says nothing new.
            reason: why.
        """
        log = self.log
        if count is not None and log.last_seq + count <= MAX_COUNTED:
            if count > 0:
                self.add(Gap(log.epoch, log.last_seq + 1, log.last_seq + count, reason))
                log.skip(count)
        elif log.runs and log.runs[-1].start < log.stop:
            self.add(Gap(log.epoch, log.last_seq + 1, None, reason))
            log.begin()

    def at(self, row: int) -> list[Gap]:
        """Return the holes that lie right before `row`, in order; in the writer's thread."""
        if row > self.newest:
            return []
        start, stop = (side(self._holes, row, key=_row) for side in (bisect_left, bisect_right))
        return [hole.gap for hole in self._holes[start:stop]]

    def after(self, row: int) -> int | None:
        """Return the first row behind `row` before which a hole lies, if there is one."""
        if row >= self.newest:
            return None
        return self._holes[bisect_right(self._holes, row, key=_row)].row

    def rows(self) -> list[int]:
        """Return the row after each hole: where a line is to be broken."""
        return [hole.row for hole in self._holes.copy()]

    def _forget(self) -> None:
        first = self.log.start
        stop = bisect_left(self._holes, first, key=_row)
        if stop and len(self.log):
            begun = self.log.run_at(first)[0].start
            # Who stood there, and fell off the log since, is still to be told of it.
            self._holes[:stop] = [hole for hole in self._holes[:stop] if hole.row == begun]

    def between(self, start: int, stop: int) -> list[Hole]:
        """Return the holes before the rows `start` to `stop`, in order; any thread may ask."""
        found = [hole for hole in self._holes.copy() if start <= hole.row < stop]
        return [Hole(hole.gap, hole.before, self._time(hole.row)) for hole in found]

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
        holes = self._holes.copy()
        gaps = [hole.gap for hole in holes]
        after = [self._time(hole.row) for hole in holes]
        return pd.DataFrame(
            {
                "epoch": pd.Series([gap.epoch for gap in gaps], dtype="str"),
                "from": pd.Series([gap.start for gap in gaps], dtype="Int64"),
                "to": pd.Series([gap.stop for gap in gaps], dtype="Int64"),
                "last_before": pd.Series([hole.before for hole in holes], dtype="Int64").astype(
                    UTC_NS
                ),
                "first_after": pd.Series(after, dtype="Int64").astype(UTC_NS),
                "reason": pd.Series([gap.reason for gap in gaps], dtype="str"),
            }
        )

    def _time(self, row: int) -> int | None:
        """Return the time of the tick at `row`, if it has come and is still held."""
        rows = self.log.rows(row, row + 1)
        return int(rows.array("time")[0]) if len(rows) and rows.start == row else None


def _row(hole: _Hole) -> int:
    return hole.row


def _touch(one: Gap, other: Gap) -> bool:
    return one.epoch == other.epoch and one.stop is not None and other.start == one.stop + 1
