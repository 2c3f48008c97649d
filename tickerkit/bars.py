"""bars: open, high, low, close, volume of ticks, over an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.errors import shown
from tickerkit.log import Rows
from tickerkit.ticks import Array

__all__ = ["bars"]

NS = 10**9
UTC_NS = pd.DatetimeTZDtype("ns", "UTC")


class Trades(NamedTuple):
    """Ticks as arrays of the same length: codes into `words`, times in ns."""

    codes: Array
    words: list[str]
    time: npt.NDArray[np.int64]
    price: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]

    def at(self, index: Array) -> Trades:
        """Return the ticks that `index`, numbers or booleans, chooses."""
        return Trades(
            self.codes[index], self.words, self.time[index], self.price[index], self.size[index]
        )


def bars(
    ticks: Rows | pd.DataFrame,
    interval: str | float | timedelta,
    symbol: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the bars of ticks.

    Only trades count: quotes have no price. Buckets start at whole multiples of the interval since
    1970 UTC, and those without a trade are absent. Open and close are the first and last trade of
    the bucket in the order of the log, so that trades of the same nanosecond and late ones are
    taken as they came. Five million ticks take 0.05 to 0.2 seconds where each symbol's times
    ascend, about twice that where some are late; the log goes on meanwhile.

    Args:
        ticks: rows of a log, or a frame of ticks with `time`, `symbol`, `price` and, where there
            is one, `size`.
        interval: length of a bar: "10s", "1min", "1h", a timedelta, or a number of seconds.
        symbol: one or several; all by default. One that never traded gives no bars.

    Returns:
        A DataFrame of `open`, `high`, `low`, `close`, `volume` (float64; a size of NaN counts
        as 0) and `ticks` (int64, how many trades). Given one symbol, its index is `time`, the
        start of the bar; else (`symbol`, `time`), symbols in the order of their first trades.

    Raises:
        ValueError: the interval is no length of time, or a frame has no such columns.

    Example:
        >>> bars(log.rows(), "1min", symbol="AAPL")["close"]
    """
    length = interval_ns(interval)
    trades = _trades(ticks, symbol)
    bucket = trades.time // length
    order: Array | None = None
    if len(trades.words) > 1:
        # Codes of 8 and 16 bits are sorted by radix: 5 million in 20 ms. The order of the log
        # within each symbol stays, which is all that open and close need.
        order = np.argsort(trades.codes, kind="stable")
    codes = trades.codes if order is None else trades.codes[order]
    slots = bucket if order is None else bucket[order]
    if np.any((slots[1:] < slots[:-1]) & (codes[1:] == codes[:-1])):
        order = np.argsort(bucket, kind="stable")
        order = order[np.argsort(trades.codes[order], kind="stable")]
        codes, slots = trades.codes[order], bucket[order]
    if order is not None:
        trades = trades.at(order)
    starts = _starts(codes, slots)
    columns = _summed(trades, starts)
    times = slots[starts] * length
    if isinstance(symbol, str):
        return pd.DataFrame(columns, index=_times(times, name="time"))
    groups = _starts(codes)
    first_ticks = groups if order is None else _first_ticks(order, groups)
    ranks = np.empty(len(groups), dtype=np.intp)
    ranks[np.argsort(first_ticks, kind="stable")] = np.arange(len(groups))
    rank = ranks[np.searchsorted(groups, starts, side="right") - 1]
    arrange = np.argsort(rank, kind="stable")
    words = [trades.words[code] for code in codes[groups][np.argsort(ranks)]]
    moments, which = np.unique(times[arrange], return_inverse=True)
    # Levels in this order, and codes that ascend: pandas finds bars by bisection, unasked.
    levels: Any = [pd.Index(words, dtype="str"), _times(moments)]
    codes_of_levels: Any = [rank[arrange], which]
    index = pd.MultiIndex(levels=levels, codes=codes_of_levels, names=["symbol", "time"])
    return pd.DataFrame({name: column[arrange] for name, column in columns.items()}, index=index)


def interval_ns(interval: str | float | timedelta) -> int:
    """Return a length of time in nanoseconds, or raise a `ValueError` that says how to give one."""
    length = 0
    try:
        if isinstance(interval, str):
            # pandas takes a bare "10" for nanoseconds.
            if not interval.strip().replace(".", "").isdigit():
                length = pd.Timedelta(interval).as_unit("ns").value
        elif isinstance(interval, timedelta | np.timedelta64):
            length = pd.Timedelta(interval).as_unit("ns").value
        elif not isinstance(interval, bool) and math.isfinite(interval):
            length = round(float(interval) * NS)
    except (TypeError, ValueError, OverflowError):
        length = 0
    if not 0 < length < 2**63:
        raise ValueError(
            f"{shown(interval)} is no length of a bar; "
            'give "10s", "1min", "1h", a timedelta, or seconds as a number above 0'
        )
    return length


def _trades(ticks: Rows | pd.DataFrame, symbol: str | Sequence[str] | None) -> Trades:
    """Return the trades among `ticks`, of these symbols only."""
    every = _of_frame(ticks) if isinstance(ticks, pd.DataFrame) else _of_rows(ticks)
    chosen = ~np.isnan(every.price)
    words = every.words
    if symbol is not None:
        wanted = {symbol} if isinstance(symbol, str) else set(symbol)
        listed = np.array([word in wanted for word in words] + [False])
        if not listed[:-1].all():
            chosen &= listed[every.codes]
    trades = every if chosen.all() else every.at(chosen)
    return trades._replace(size=np.nan_to_num(trades.size, nan=0.0))


def _of_rows(rows: Rows) -> Trades:
    return Trades(
        rows.array("symbol"),
        rows.log.symbols(),
        rows.array("time"),
        rows.array("price"),
        rows.array("size"),
    )


def _of_frame(frame: pd.DataFrame) -> Trades:
    missing = [name for name in ("time", "symbol", "price") if name not in frame]
    if missing:
        raise ValueError(f"bars need a column {missing[0]}; the frame has {list(frame.columns)}")
    symbols = pd.Categorical(frame["symbol"])
    times = pd.to_datetime(frame["time"], utc=True).dt.as_unit("ns")
    size = frame["size"].to_numpy(np.float64) if "size" in frame else np.full(len(frame), np.nan)
    nowhere = (symbols.codes < 0) | times.isna().to_numpy()
    return Trades(
        symbols.codes,
        [str(word) for word in symbols.categories],
        pd.DatetimeIndex(times).asi8,
        np.where(nowhere, np.nan, frame["price"].to_numpy(np.float64)),
        size,
    )


def _starts(*keys: Array) -> npt.NDArray[np.intp]:
    """Return where a new group of equal keys starts."""
    new = np.ones(len(keys[0]), dtype=bool)
    if len(new):
        np.any([key[1:] != key[:-1] for key in keys], axis=0, out=new[1:])
    return np.flatnonzero(new)


def _first_ticks(order: Array, groups: Array) -> Array:
    """Return the first place in the log of each group of sorted rows."""
    return np.minimum.reduceat(order, groups) if len(groups) else groups


def _summed(trades: Trades, starts: Array) -> dict[str, Array]:
    ends = np.append(starts[1:], len(trades.price))
    if not len(starts):
        none = np.empty(0)
        names = ("open", "high", "low", "close", "volume")
        return {**dict.fromkeys(names, none), "ticks": np.empty(0, dtype=np.int64)}
    return {
        "open": trades.price[starts],
        "high": np.maximum.reduceat(trades.price, starts),
        "low": np.minimum.reduceat(trades.price, starts),
        "close": trades.price[ends - 1],
        "volume": np.add.reduceat(trades.size, starts),
        "ticks": (ends - starts).astype(np.int64),
    }


def _times(nanoseconds: Array, name: str | None = None) -> pd.DatetimeIndex:
    values: Any = pd.array(nanoseconds, dtype=UTC_NS)
    return pd.DatetimeIndex(values, name=name)
