"""Partial bars: the bars of some trades as arrays, and how to merge those of several parts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tickerkit.ticks import UTC_NS, Array

__all__ = ["NONE", "PartialBars", "Trades", "aggregate", "merge", "time_index"]

# If the codes span at most this range, searching for each code is faster than sorting.
MAX_SEARCHED_CODES = 16


class Trades(NamedTuple):
    """Ticks as arrays, all of shape (N,); those without a price are in no bar.

    Attributes:
        start: the number of the first tick's row in the log.
        words: the symbols.
        codes: for each tick, an index into `words`; -1 if it has no symbol.
        time: int64, in epoch ns.
        price: float64; NaN where the tick is no trade.
        size: float64; NaN where it isn't known.
    """

    start: int
    words: list[str]
    codes: Array
    time: Array
    price: Array
    size: Array


class PartialBars(NamedTuple):
    """Bars as arrays, all of shape (B,), ascending by code, then by interval.

    Attributes:
        codes: the code of each bar's symbol.
        intervals: when each bar starts, counted in intervals since 1970.
        row: the row of each bar's first trade.
        last_row: the row of its last trade.
        open: the price of that trade.
        high: the highest price.
        low: the lowest price.
        close: the price of the last trade.
        volume: the sum of the sizes.
        ticks: how many trades.
    """

    codes: Array
    intervals: Array
    row: Array
    last_row: Array
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    ticks: Array


# No bars.
NONE = PartialBars(
    *(np.empty(0, dtype=kind) for kind in ("i1", "i8", "i8", "i8", *5 * ["f8"], "i8"))
)


def aggregate(trades: Trades, length: int, is_wanted: Array | None) -> PartialBars:
    """Return the bars of trades.

    Below, N is the number of ticks, T that of the trades that count, and B that of bars.

    Args:
        trades: the ticks.
        length: the length of a bar in ns.
        is_wanted: for each code, whether its symbol is selected; the last entry is for the code
            -1. None for all symbols.
    """
    start, _, codes, time, price, size = trades
    counts = ~np.isnan(price)  # (N,) bool
    if is_wanted is not None:
        counts &= is_wanted.take(codes)
    # (T,): the indices of the ticks in the order in which they are aggregated. None if that is
    # every tick in its place: then no column is copied, and copies are most of a block's cost.
    order = None if counts.all() else np.flatnonzero(counts)
    if order is not None:
        codes, time = codes.take(order), time.take(order)
    intervals = time // length  # (T,)
    sort, starts = _group(codes, intervals)  # (T,) or None, and (B,): first trade of each bar
    if not len(starts):
        return NONE
    firsts = starts if sort is None else sort[starts]  # (B,)
    codes, intervals = codes[firsts], intervals[firsts]  # (B,) from here on
    if sort is not None:
        order = sort if order is None else order.take(sort)
    if order is not None:
        price, size = price.take(order), size.take(order)  # (T,), sorted
    ends = np.append(starts[1:], len(price))  # (B,)
    rows = (starts, ends - 1) if order is None else (order[starts], order[ends - 1])
    volume = np.add.reduceat(size, starts)
    if np.isnan(volume).any():  # seldom: checking the B sums is cheaper than checking T sizes
        volume = np.add.reduceat(np.nan_to_num(size, nan=0.0), starts)
    return PartialBars(
        codes,
        intervals,
        start + rows[0],
        start + rows[1],
        price[starts],
        np.maximum.reduceat(price, starts),
        np.minimum.reduceat(price, starts),
        price[ends - 1],
        volume,
        ends - starts,
    )


def merge(parts: list[PartialBars]) -> PartialBars:
    """Return the bars of all `parts`, which hold successive rows.

    Most bars lie in a single part. So the first partial bar of each bar is copied as it is, and
    only the rest are merged into it. Below, P is the number of partial bars, B that of bars, and
    R = P - B that of the rest.
    """
    every = PartialBars(*(np.concatenate(each) for each in zip(NONE, *parts, strict=True)))  # (P,)
    order, starts = _group(every.codes, every.intervals)  # (P,) or None, (B,)
    is_rest = np.ones(len(every.row), dtype=bool)  # (P,)
    is_rest[starts] = False
    rest = np.flatnonzero(is_rest)  # (R,)
    bar = np.searchsorted(starts, rest, side="right") - 1  # (R,): the bar that each belongs to
    if order is not None:
        starts, rest = order[starts], order[rest]
    merged = PartialBars(*(each[starts] for each in every))  # (B,)
    np.maximum.at(merged.high, bar, every.high[rest])
    np.minimum.at(merged.low, bar, every.low[rest])
    # If `bar` has the same index several times, numpy keeps the value assigned last: the newest.
    merged.close[bar] = every.close[rest]
    merged.last_row[bar] = every.last_row[rest]
    np.add.at(merged.volume, bar, every.volume[rest])
    np.add.at(merged.ticks, bar, every.ticks[rest])
    return merged


def _group(codes: Array, intervals: Array) -> tuple[Array | None, Array]:
    """Group by code, then interval, in a stable order.

    Each pair of code and interval becomes one integer key. Usually the times of each symbol
    ascend. So the order by code alone is tried first: sorting by key costs more.

    Args:
        codes: shape (T,).
        intervals: shape (T,).

    Returns:
        The order to sort by, shape (T,), None if the pairs are sorted already; and where in that
        order each group starts, shape (B,).
    """
    if not len(codes):
        return None, np.empty(0, dtype=np.intp)
    low, high = int(codes.min()), int(codes.max())
    earliest, latest = int(intervals.min()), int(intervals.max())
    span = latest - earliest + 1
    if span * (high - low + 1) < 2**63:
        keys = intervals - earliest  # (T,) int64
    else:  # the keys would overflow: number only the intervals that occur
        moments, keys = np.unique(intervals, return_inverse=True)
        span = len(moments)
    order = None
    if low != high:
        keys += np.multiply(codes, span, dtype=np.int64) - low * span
        if high - low < MAX_SEARCHED_CODES:
            order = np.concatenate([np.flatnonzero(codes == c) for c in range(low, high + 1)])
        else:
            order = np.argsort(codes, kind="stable")
    starts = _group_starts(keys if order is None else keys.take(order))
    firsts = keys[starts if order is None else order[starts]]  # (B,)
    if np.any(firsts[1:] < firsts[:-1]):  # some ticks are late
        order = np.argsort(keys, kind="stable")
        starts = _group_starts(keys[order])
    return order, starts


def _group_starts(keys: Array) -> Array:
    """Return where each run of equal keys starts: shape (B,), for keys of shape (T,)."""
    new = np.ones(len(keys), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    return np.flatnonzero(new)


def time_index(nanoseconds: Array, name: str | None = None) -> pd.DatetimeIndex:
    """Return an index of UTC times, from epoch ns of shape (n,)."""
    values: Any = pd.array(nanoseconds, dtype=UTC_NS)
    return pd.DatetimeIndex(values, name=name)
