"""Selection: some ticks of a frame, by symbol, number or time, and the gaps between them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.log.gaps import gap_frame
from tickerkit.log.newest_time import newest_time
from tickerkit.log.position import Gap
from tickerkit.ticks import NO_TIME
from tickerkit.ticks.fields import symbol_field

__all__ = ["Selection", "keep_rows", "select"]

LEFT_OUT = "left out: outside the selected time range"

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def select(
    frame: pd.DataFrame,
    gaps: pd.DataFrame,
    *,
    symbols: Sequence[str] | None = None,
    last: int | str | timedelta | None = None,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    complete: bool = True,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Select some of the ticks of a frame, and the gaps that lie between them.

    A late tick, whose time is outside the range, may lie between selected ticks. It is left out,
    and its seq is listed as a gap, so that the selection accounts for every seq. A selection by
    symbol lists no such gaps: there, the seqs of other symbols are absent anyway.

    Args:
        frame: the ticks, in the order of a log. Ticks without a time are in no time range.
        gaps: what is known to be missing among them, with the columns of `Feed.gaps`.
        symbols: only these; None for all.
        last: a number (1000): only so many of the newest ticks, counted after the selection by
            symbol. A length of time ("5min"): only ticks at most that much older than the newest
            tick of any symbol; a time more than a day after its tick came counts as a mistake.
        start: only ticks at this time or later.
        end: only ticks before this time.
        complete: whether the frame has the ticks of all symbols.

    Returns:
        The ticks, numbered from 0, and the gaps. A gap at an end of the frame is kept unless
        `last`, `start` or `end` cuts that end off.
    """
    keep = keep_rows(frame, symbols)
    by_time = start is not None or end is not None
    if isinstance(last, str | timedelta):
        by_time = True
        keep &= _recent_rows(frame, pd.Timedelta(last))
    elif last is not None:
        newest = max(operator.index(last), 0)
        kept = np.flatnonzero(keep)
        keep[kept[: max(len(kept) - newest, 0)]] = False
    keep &= keep_rows(frame, None, start, end)
    selection = Selection(
        from_start=last is None and start is None,
        to_end=end is None,
        list_left_out=by_time and symbols is None and complete,
    )
    return selection.take(frame, keep), selection.gaps(gaps)


def keep_rows(
    frame: pd.DataFrame,
    symbols: Sequence[str] | None = None,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
) -> Bools:
    """Return which rows of a frame are of some symbols and in a range of times, shape (rows,).

    Args:
        frame: the ticks. Those without a time are in no time range.
        symbols: only these; None for all.
        start: only ticks at this time or later.
        end: only ticks before this time.
    """
    keep = np.ones(len(frame), dtype=bool)
    if symbols is not None:
        keep &= frame[symbol_field(frame) or "symbol"].isin(symbols).to_numpy()
    for limit, compare in ((start, operator.ge), (end, operator.lt)):
        if limit is not None:
            keep &= compare(frame["time"], limit).to_numpy()
    return keep


def _recent_rows(frame: pd.DataFrame, last: pd.Timedelta) -> Bools:
    """Return which rows are at most a length of time older than the newest, shape (rows,)."""
    times = _epoch_ns(frame["time"])
    known = times != NO_TIME
    if not known.any():
        return np.zeros(len(frame), dtype=bool)
    received = _epoch_ns(frame["received"])[known] if "received" in frame else None
    oldest = newest_time(times[known], received) - last.value
    recent: Bools = known & (times >= oldest)
    return recent


def _epoch_ns(times: pd.Series[pd.Timestamp]) -> Ints:
    return pd.DatetimeIndex(times).as_unit("ns").asi8


class Selection:
    """Takes some of the rows of ticks that come piece by piece, and the gaps between these rows.

    Args:
        from_start: whether the gaps before the first row are taken, too.
        to_end: whether those after the last row are.
        list_left_out: whether rows left out between two rows of an epoch become a gap.
    """

    def __init__(self, *, from_start: bool, to_end: bool, list_left_out: bool) -> None:
        self._from_start, self._to_end = from_start, to_end
        self._list_left_out = list_left_out
        self._count = 0
        self._has_positions = True
        # The numbers of the first and last row taken; and the highest seq of each epoch up to
        # each of them, and up to now.
        self._first: int | None = None
        self._last = -1
        self._until_first: dict[str, int] = {}
        self._until_last: dict[str, int] = {}
        self._highest: dict[str, int] = {}
        self._last_rows: dict[str, int] = {}
        # The last row taken: its epoch and time; and the first and last seq left out since.
        self._before: tuple[str, int | None] | None = None
        self._skipped: tuple[int, int] | None = None
        self._left_out: list[Gap] = []

    def take(self, frame: pd.DataFrame, keep: Bools) -> pd.DataFrame:
        """Return the rows to keep of the next rows, with a new index."""
        rows = np.flatnonzero(keep)
        self._has_positions = self._has_positions and {"seq", "epoch"} <= set(frame.columns)
        if self._has_positions and len(frame):
            if not (self._from_start and self._to_end):
                self._note_highest(frame, rows)
            if self._list_left_out:
                self._note_left_out(frame, rows)
        if len(rows):
            self._first = self._count + int(rows[0]) if self._first is None else self._first
            self._last = self._count + int(rows[-1])
        self._count += len(frame)
        if len(rows) and rows[-1] - rows[0] + 1 == len(rows):  # a slice copies nothing
            part = frame.iloc[int(rows[0]) : int(rows[-1]) + 1]
        else:
            part = frame.take(rows)
        return part.reset_index(drop=True)

    def _note_highest(self, frame: pd.DataFrame, rows: Ints) -> None:
        codes, names = pd.factorize(frame["epoch"])
        seqs = _numbers(frame["seq"])

        def highest(stop: int) -> dict[str, int]:
            found = dict(self._highest)
            for code in np.unique(codes[:stop]).tolist():
                if code >= 0:
                    name, high = str(names[code]), int(seqs[:stop][codes[:stop] == code].max())
                    found[name] = max(high, found.get(name, high))
            return found

        if len(rows):
            if self._first is None:
                self._until_first = highest(int(rows[0]) + 1)
            self._until_last = highest(int(rows[-1]) + 1)
        self._highest = highest(len(frame))
        for code in np.unique(codes[codes >= 0]).tolist():
            place = len(codes) - 1 - int(np.argmax(codes[::-1] == code))
            self._last_rows[str(names[code])] = self._count + place

    def _note_left_out(self, frame: pd.DataFrame, rows: Ints) -> None:
        """Note a gap for each run of rows left out between two rows of an epoch."""
        epochs, seqs = frame["epoch"], _numbers(frame["seq"])
        first = int(rows[0]) if len(rows) else len(frame)
        if first and self._before is not None:
            skipped = int(seqs[0]) if self._skipped is None else self._skipped[0]
            self._skipped = skipped, int(seqs[first - 1])
        if not len(rows):
            return
        if self._skipped is not None:
            self._add_left_out(*self._skipped, str(epochs.iloc[first]), _time(frame, first))
        jumps = np.flatnonzero(np.diff(rows) > 1)
        for before, after in zip(rows[jumps].tolist(), rows[jumps + 1].tolist(), strict=True):
            self._before = str(epochs.iloc[before]), _time(frame, before)
            span = int(seqs[before + 1]), int(seqs[after - 1])
            self._add_left_out(*span, str(epochs.iloc[after]), _time(frame, after))
        last = int(rows[-1])
        self._before = str(epochs.iloc[last]), _time(frame, last)
        self._skipped = None
        if last + 1 < len(frame):
            self._skipped = int(seqs[last + 1]), int(seqs[-1])

    def _add_left_out(self, first: int, last: int, epoch: str, time: int | None) -> None:
        """Note a gap before a row taken, if the row taken before has its epoch."""
        if self._before is not None and self._before[0] == epoch:
            self._left_out.append(Gap(epoch, first, last, LEFT_OUT, self._before[1], time))

    def gaps(self, gaps: pd.DataFrame, *, with_left_out: bool = True) -> pd.DataFrame:
        """Return those of some gaps that lie between the rows taken, and those left out.

        Args:
            gaps: the gaps among all rows, with the columns of `Feed.gaps`.
            with_left_out: whether to return the gaps of rows left out.
        """
        gaps = self._between(gaps).reset_index(drop=True)
        if not (self._left_out and with_left_out):
            return gaps
        more = gap_frame(self._left_out)
        return pd.concat([gaps, more], ignore_index=True) if len(gaps) else more

    def _between(self, gaps: pd.DataFrame) -> pd.DataFrame:
        if not len(gaps) or (self._from_start and self._to_end) or not self._has_positions:
            return gaps
        if self._first is None:
            return gaps.iloc[:0]
        inside: list[int] = []
        # Whether the gap is after the first row taken, and before the last one. A gap lies before
        # the first later tick of its epoch. Without one, or without a known end, it lies after the
        # last tick of its epoch; without any tick of its epoch, beside the gap listed before it.
        after, before = self._first < 0, self._last >= 0
        columns = (gaps[name].tolist() for name in ("epoch", "from", "to"))
        for index, (name, start, end) in enumerate(zip(*columns, strict=True)):
            epoch = str(name)
            if epoch in self._last_rows:
                known = not (pd.isna(start) or pd.isna(end))
                if known and self._highest[epoch] >= start:
                    after = self._until_first.get(epoch, -1) < start
                    before = self._until_last.get(epoch, -1) >= start
                else:
                    row = self._last_rows[epoch] + 1
                    after, before = row > self._first, row <= self._last
            if (after or self._from_start) and (before or self._to_end):
                inside.append(index)
        return gaps.iloc[inside]


def _numbers(seqs: pd.Series[Any]) -> Ints:
    """Return seqs as integers; 0 for one that is missing, as in a file of another program."""
    if seqs.dtype.kind == "f":
        seqs = seqs.fillna(0)
    numbers: Ints = seqs.to_numpy(dtype=np.int64, na_value=0)
    return numbers


def _time(frame: pd.DataFrame, row: int) -> int | None:
    """Return the time of a row in epoch ns, None without one."""
    time = frame["time"].iloc[row]
    return None if pd.isna(time) else int(pd.Timestamp(time).as_unit("ns").value)
