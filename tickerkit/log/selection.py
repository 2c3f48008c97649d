"""Selection: some ticks of a frame, by symbol, number or time, and the gaps between them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.log.gaps import gap_frame
from tickerkit.ticks.fields import symbol_field

__all__ = ["locate_gaps", "select"]

LEFT_OUT = "left out: outside the selected time range"

Ints = npt.NDArray[np.int64]


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
            tick of any symbol.
        start: only ticks at this time or later.
        end: only ticks before this time.
        complete: whether the frame has the ticks of all symbols.

    Returns:
        The ticks, numbered from 0, and the gaps. A gap at an end of the frame is kept unless
        `last`, `start` or `end` cuts that end off.
    """
    keep = np.ones(len(frame), dtype=bool)
    if symbols is not None:
        keep &= frame[symbol_field(frame) or "symbol"].isin(symbols).to_numpy()
    by_time = False
    if last is not None or start is not None or end is not None:
        times = frame["time"]
        if isinstance(last, str | timedelta):
            by_time = True
            keep &= (times >= times.max() - pd.Timedelta(last)).to_numpy()
        elif last is not None:
            newest = max(operator.index(last), 0)
            kept = np.flatnonzero(keep)
            keep[kept[: max(len(kept) - newest, 0)]] = False
        for limit, compare in ((start, operator.ge), (end, operator.lt)):
            if limit is not None:
                by_time = True
                keep &= compare(times, limit).to_numpy()
    rows = np.flatnonzero(keep)
    gaps = _gaps_between(
        frame, rows, gaps, from_start=last is None and start is None, to_end=end is None
    )
    if by_time and symbols is None and complete:
        gaps = _add_left_out(frame, rows, gaps)
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):  # a slice copies nothing
        part = frame.iloc[int(rows[0]) : int(rows[-1]) + 1]
    else:
        part = frame.take(rows)
    return part.reset_index(drop=True), gaps


def locate_gaps(frame: pd.DataFrame, gaps: pd.DataFrame) -> Ints:
    """Return for each gap the row of the frame right after it, counted from 0.

    A gap lies before the first later tick of its epoch. If there is no such tick, or if the gap
    has no known end, it lies after the epoch's last tick. If the frame has no tick of the epoch,
    the gap lies at the same row as the gap listed before it.

    Args:
        frame: ticks with the columns `epoch` and `seq`.
        gaps: the gaps, with the columns of `Feed.gaps`.
    """
    codes, names = pd.factorize(frame["epoch"])
    seqs = frame["seq"]
    if seqs.dtype.kind == "f":  # as in a file of another program: a missing seq counts as 0
        seqs = seqs.fillna(0)
    numbers = seqs.to_numpy(dtype=np.int64, na_value=0)
    # For each epoch, its rows, and the highest seq up to each row; both of shape (its ticks,).
    places: dict[str, tuple[Ints, Ints]] = {}
    for code, name in enumerate(names):
        rows = np.flatnonzero(codes == code)
        places[str(name)] = rows, np.maximum.accumulate(numbers[rows])
    found = np.zeros(len(gaps), dtype=np.int64)
    row = 0
    columns = (gaps[name].tolist() for name in ("epoch", "from", "to"))
    for index, (epoch, first, end) in enumerate(zip(*columns, strict=True)):
        if str(epoch) in places:
            rows, highest = places[str(epoch)]
            known = not (pd.isna(first) or pd.isna(end))
            at = int(np.searchsorted(highest, int(first))) if known else len(rows)
            row = int(rows[at]) if at < len(rows) else int(rows[-1]) + 1
        found[index] = row
    return found


def _gaps_between(
    frame: pd.DataFrame, rows: Ints, gaps: pd.DataFrame, *, from_start: bool, to_end: bool
) -> pd.DataFrame:
    """Return the gaps between the rows, and those at ends of the frame that aren't cut off."""
    if not len(gaps) or (from_start and to_end) or not {"seq", "epoch"} <= set(frame.columns):
        return gaps.reset_index(drop=True)
    if not len(rows):
        return gaps.iloc[:0]
    at = locate_gaps(frame, gaps)
    inside = (at > rows[0]) | from_start
    inside &= (at <= rows[-1]) | to_end
    return gaps.iloc[np.flatnonzero(inside)].reset_index(drop=True)


def _add_left_out(frame: pd.DataFrame, rows: Ints, gaps: pd.DataFrame) -> pd.DataFrame:
    """Return the gaps, and a gap for each run of rows left out between two ticks of an epoch."""
    if not {"seq", "epoch"} <= set(frame.columns):
        return gaps
    # For each run of rows that are left out, the selected rows right before and right after it.
    jumps = np.flatnonzero(np.diff(rows) > 1)
    before, after = rows[jumps], rows[jumps + 1]
    epoch, seq = frame["epoch"], frame["seq"]
    same = epoch.iloc[before].to_numpy() == epoch.iloc[after].to_numpy()
    before, after = before[same], after[same]
    if not len(before):
        return gaps
    more = gap_frame([]).reindex(range(len(before)))
    more["epoch"] = epoch.iloc[before].astype("str").to_numpy()
    more["from"] = seq.iloc[before + 1].to_numpy()
    more["to"] = seq.iloc[after - 1].to_numpy()
    more["last_before"] = frame["time"].iloc[before].array
    more["first_after"] = frame["time"].iloc[after].array
    more["reason"] = LEFT_OUT
    return pd.concat([gaps, more], ignore_index=True) if len(gaps) else more
