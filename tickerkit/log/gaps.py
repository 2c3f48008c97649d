"""Gaps: what is missing in a log, with the times of the ticks on both sides."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from tickerkit.errors import InvalidArgument
from tickerkit.limits import MAX_EXACT_INT
from tickerkit.log.position import Gap
from tickerkit.log.tick_log import COPY, TickLog
from tickerkit.ticks import UTC_NS, Array

__all__ = ["Gaps", "gap_frame", "gaps_from_frame"]

GAP_DTYPES = {
    "epoch": "str",
    "from": "Int64",
    "to": "Int64",
    "last_before": "datetime64[ns, UTC]",
    "first_after": "datetime64[ns, UTC]",
    "reason": "str",
}


MAX_REASON_LENGTH = 200


class _Placed(NamedTuple):
    """A gap, and the number of the row after it."""

    row: int
    gap: Gap


class Gaps:
    """The gaps in a log, each with the row before which it lies.

    Adjacent gaps with the same reason are merged. One thread adds gaps; any thread may read them.
    A reason is cut to 200 characters.

    Args:
        log: the log.
        forget: drop gaps that lie before dropped rows: otherwise their memory would grow as long
            as the log runs. The gap before the oldest epoch still in the log is kept.
        max_gaps: how many gaps to list; None for no limit. When the list is full, its oldest eighth
            is dropped and counted.

    Attributes:
        newest: the row of the newest gap; -1 without gaps.
        dropped: how many of the oldest gaps were removed because of `max_gaps`.
    """

    def __init__(self, log: TickLog, *, forget: bool = False, max_gaps: int | None = None) -> None:
        self.log = log
        self.forget = forget
        self.max_gaps = max_gaps
        self.newest = -1
        self.dropped = 0
        self._placed: list[_Placed] = []

    def __len__(self) -> int:
        return len(self._placed)

    def add(self, gap: Gap) -> None:
        """Add a gap at the current end of the log; call it in the writer's thread."""
        # No lock: readers in other threads copy the list, and each change below is atomic.
        placed, row = self._placed, self.log.stop
        if len(gap.reason) > MAX_REASON_LENGTH:
            short = f"{gap.reason[: MAX_REASON_LENGTH - 1]}…"
            gap = msgspec.structs.replace(gap, reason=short)
        before = placed[-1].gap if placed and placed[-1].row == row else None
        # Another reason may name other trades.
        if before is not None and before.reason == gap.reason and _touch(before, gap):
            whole = msgspec.structs.replace(before, last=gap.last)
            placed[-1] = _Placed(row, whole)
            return
        rows = self.log.rows()
        last_before = int(rows.array("time")[-1]) if len(rows) else None
        noted = msgspec.structs.replace(gap, last_before=last_before, first_after=None)
        if self.max_gaps is not None and len(placed) >= self.max_gaps:
            oldest = self.max_gaps // 8 + 1
            self.dropped += oldest
            del placed[:oldest]
        placed.append(_Placed(row, noted))
        self.newest = row
        if self.forget:
            self._forget()

    def miss(self, count: int | None, reason: str) -> None:
        """Add a gap of `count` ticks at the current end of the log; call it in the writer's thread.

        Args:
            count: how many ticks are missing; as many seqs are skipped. None if that isn't known:
                then the next tick begins a new epoch, unless the current one has no tick yet.
            reason: why they are missing.

        Raises:
            InvalidArgument: the log is a copy of another: `add` the gaps of that one.
        """
        log = self.log
        if log.is_copy:
            raise InvalidArgument("count", count, f"a gap of the other log, since {COPY}")
        if count is not None and log.last_seq + count <= MAX_EXACT_INT:
            if count > 0:
                self.add(Gap(log.epoch, log.last_seq + 1, log.last_seq + count, reason))
                log.skip(count)
        elif log.runs and log.runs[-1].start < log.stop:
            self.add(Gap(log.epoch, log.last_seq + 1, None, reason))
            log.begin()

    def at(self, row: int) -> list[Gap]:
        """Return the gaps right before `row`, in order; call it in the writer's thread."""
        if row > self.newest:
            return []
        start, stop = (side(self._placed, row, key=_row) for side in (bisect_left, bisect_right))
        return [each.gap for each in self._placed[start:stop]]

    def next_row(self, row: int) -> int | None:
        """Return the first row after `row` that has a gap right before it; None if none has."""
        if row >= self.newest:
            return None
        return self._placed[bisect_right(self._placed, row, key=_row)].row

    def rows(self) -> list[int]:
        """Return the row after each gap: where a chart breaks its lines."""
        return [each.row for each in self._placed.copy()]

    def _forget(self) -> None:
        first = self.log.start
        stop = bisect_left(self._placed, first, key=_row)
        if stop and len(self.log):
            run_start = self.log.run_at(first)[0].start
            # Keep the gap at the start of the oldest epoch: a slow reader at that position must
            # still receive it.
            self._placed[:stop] = [each for each in self._placed[:stop] if each.row == run_start]

    def between(self, start: int, stop: int) -> list[Gap]:
        """Return the gaps before the rows `start` to `stop`, in order; any thread may call it."""
        return [self._complete(each) for each in self._placed.copy() if start <= each.row < stop]

    def since(self, number: int) -> tuple[int, list[Gap]]:
        """Return how many gaps there were, and those from a number on that are still listed.

        A reader passes the number that it was given the last time. A gap that has grown since is
        not returned again. Any thread may call it.
        """
        dropped, placed = self.dropped, self._placed.copy()
        while dropped != self.dropped:  # the writer has dropped some in between
            dropped, placed = self.dropped, self._placed.copy()
        first = max(number - dropped, 0)
        return dropped + len(placed), [self._complete(each) for each in placed[first:]]

    def mark(self, frame: pd.DataFrame, rows: Array | range) -> pd.DataFrame:
        """Return `frame` with a column `gap`: whether a gap lies before this row.

        If the row right after a gap is not in the frame, the next row of the frame is marked.

        Args:
            frame: some rows of the log.
            rows: the numbers of its rows, ascending, shape `(len(frame),)`.
        """
        numbers = np.arange(rows.start, rows.stop) if isinstance(rows, range) else rows
        after = np.array([row for row in self.rows() if len(rows) and row >= numbers[0]], dtype=int)
        # One entry for each row, and a last one for gaps after the last row.
        marks = np.zeros(len(rows) + 1, dtype=bool)
        marks[np.searchsorted(numbers, after)] = True
        return frame.assign(gap=marks[:-1])

    def frame(self) -> pd.DataFrame:
        """Return the gaps as a frame, with the columns of `Feed.gaps`."""
        return gap_frame(map(self._complete, self._placed.copy()))

    def _complete(self, placed: _Placed) -> Gap:
        """Return a gap with the time of the tick after it, if the log holds that tick."""
        rows = self.log.rows(placed.row, placed.row + 1)
        if not len(rows) or rows.start != placed.row:
            return placed.gap
        return msgspec.structs.replace(placed.gap, first_after=int(rows.array("time")[0]))


def gap_frame(gaps: Iterable[Gap]) -> pd.DataFrame:
    """Return gaps as a frame with the columns of `Feed.gaps`, a row for each gap."""
    rows = [
        (gap.epoch, gap.first, gap.last, gap.last_before, gap.first_after, gap.reason)
        for gap in gaps
    ]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(GAP_DTYPES)
    made: dict[str, pd.Series[Any]] = {}
    for (name, dtype), values in zip(GAP_DTYPES.items(), columns, strict=True):
        if dtype.startswith("datetime"):
            made[name] = pd.Series(list(values), dtype="Int64").astype(UTC_NS)
        else:
            made[name] = pd.Series(list(values), dtype=dtype)
    return pd.DataFrame(made)


def gaps_from_frame(frame: pd.DataFrame) -> list[Gap]:
    """Return the gaps in a frame like that of `gap_frame`, which may lack the times.

    A gap of unknown start is left out.
    """

    def number(value: object) -> int | None:
        if pd.isna(value):  # type: ignore[call-overload]
            return None
        return value.value if isinstance(value, pd.Timestamp) else int(value)  # type: ignore[call-overload]

    return [
        Gap(
            str(row["epoch"]),
            int(row["from"]),
            number(row["to"]),
            str(row["reason"]),
            number(row.get("last_before")),
            number(row.get("first_after")),
        )
        for row in frame.to_dict("records")
        if not pd.isna(row["from"])
    ]


def _row(placed: _Placed) -> int:
    return placed.row


def _touch(one: Gap, other: Gap) -> bool:
    """Return whether the gap `other` begins right after the gap `one`."""
    return one.epoch == other.epoch and one.last is not None and other.first == one.last + 1
