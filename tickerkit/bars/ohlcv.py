"""bars: open, high, low, close, volume of ticks, over an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.bars.partial import PartialBars, Trades, aggregate, merge
from tickerkit.formatting import format_value
from tickerkit.log import Rows, TickLog
from tickerkit.ticks import NS_PER_S, UTC_NS, Array

__all__ = ["Bars", "bars"]

# So many rows at a time: what is done with them stays in the processor's cache.
BLOCK = 65_536
# Of how many intervals and choices of symbols the parts are kept, and of how many bars at most:
# a block with more has nearly a bar for each few ticks, and is made anew as fast as joined.
MAX_KEPT = 8
MAX_BARS = BLOCK // 16


def bars(
    ticks: Rows | pd.DataFrame,
    interval: str | float | timedelta,
    symbol: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the bars of ticks.

    Only trades count: quotes have no price. Buckets start at whole multiples of the interval since
    1970 UTC, and those without a trade are absent. Open and close are the first and last trade of
    the bucket in the order of the log, so that trades of the same nanosecond and late ones are
    taken as they came. Ten million ticks take 0.02 to 0.1 seconds where bars are of many ticks and
    each symbol's times ascend, more where some are late; the log goes on meanwhile.

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
    trades = _of_frame(ticks) if isinstance(ticks, pd.DataFrame) else _of_rows(ticks)
    return _frame(trades, length, _wanted(symbol), isinstance(symbol, str), {})


class Bars:
    """The bars of the ticks that a log holds, of which most are kept from one call to the next.

    The log's rows are cut into blocks, and a bar over several blocks is joined from its parts. The
    parts of a whole block never change, whatever comes later or late, so they are made once. Each
    call makes those of the newest block and, where the log has dropped ticks, of the oldest, and
    joins all: it costs by the ticks that are new and the bars that there are. What is dropped is
    in no bar, as `bars(log.rows(), ...)` has it.

    Kept are the parts of the 8 intervals and choices of symbols that were last asked for.
    """

    def __init__(self, log: TickLog) -> None:
        self.log = log
        self._kept: dict[tuple[int, frozenset[str] | None], dict[int, PartialBars]] = {}

    def frame(
        self, interval: str | float | timedelta, symbol: str | Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return what `bars` gives for all rows held."""
        key = length, wanted = interval_ns(interval), _wanted(symbol)
        kept = self._kept.pop(key, {})
        self._kept[key] = kept  # the last asked for is last
        while len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        return _frame(_of_rows(self.log.rows()), length, wanted, isinstance(symbol, str), kept)


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
            length = round(float(interval) * NS_PER_S)
    except (TypeError, ValueError, OverflowError):
        length = 0
    if not 0 < length < 2**63:
        raise ValueError(
            f"{format_value(interval)} is no length of a bar; "
            'give "10s", "1min", "1h", a timedelta, or seconds as a number above 0'
        )
    return length


def _frame(
    trades: Trades,
    length: int,
    wanted: frozenset[str] | None,
    one: bool,
    kept: dict[int, PartialBars],
) -> pd.DataFrame:
    """Return the bars of trades as a frame; `kept` is used, and brought up to date."""
    made = merge(_parts(trades, length, wanted, kept))
    columns = {name: getattr(made, name) for name in PartialBars._fields[3:]}
    times = made.slots * length
    if one:
        return pd.DataFrame(columns, index=_times(times, name="time"))
    groups = np.flatnonzero(np.diff(made.codes, prepend=-1))
    first_rows = np.minimum.reduceat(made.row, groups) if len(groups) else groups
    by_first = np.argsort(first_rows)
    sizes = np.diff(np.append(groups, len(times)))[by_first]
    rank = np.repeat(np.arange(len(groups)), sizes)
    arrange = np.arange(len(times)) + np.repeat(groups[by_first] - np.cumsum(sizes) + sizes, sizes)
    words = [trades.words[code] for code in made.codes[groups][by_first]]
    moments, which = np.unique(times[arrange], return_inverse=True)
    # Levels in this order, and codes that ascend: pandas finds bars by bisection, unasked.
    levels: Any = [pd.Index(words, dtype="str"), _times(moments)]
    codes_of_levels: Any = [rank, which]
    index = pd.MultiIndex(levels=levels, codes=codes_of_levels, names=["symbol", "time"])
    return pd.DataFrame({name: column[arrange] for name, column in columns.items()}, index=index)


def _parts(
    trades: Trades, length: int, wanted: frozenset[str] | None, kept: dict[int, PartialBars]
) -> list[PartialBars]:
    """Return the bars of each block of trades, in order; those of whole blocks are kept."""
    start, stop = trades.start, trades.start + len(trades.price)
    for block in [each for each in kept if each * BLOCK < start]:
        del kept[block]
    listed = None
    if wanted is not None and not wanted.issuperset(trades.words):
        listed = np.array([word in wanted for word in trades.words] + [False])
    parts = []
    for block in range(start // BLOCK, -(-stop // BLOCK)):
        if (part := kept.get(block)) is None:
            begin, end = max(start, block * BLOCK), min(stop, (block + 1) * BLOCK)
            within = slice(begin - start, end - start)
            some = Trades(begin, trades.words, *(each[within] for each in trades[2:]))
            part = aggregate(some, length, listed)
            if end - begin == BLOCK and len(part.row) <= MAX_BARS:
                kept[block] = part
        parts.append(part)
    return parts


def _wanted(symbol: str | Sequence[str] | None) -> frozenset[str] | None:
    if symbol is None:
        return None
    return frozenset([symbol] if isinstance(symbol, str) else symbol)


def _of_rows(rows: Rows) -> Trades:
    columns = (rows.array(name) for name in ("symbol", "time", "price", "size"))
    return Trades(rows.start, list(rows.dictionaries["symbol"].words), *columns)


def _of_frame(frame: pd.DataFrame) -> Trades:
    missing = [name for name in ("time", "symbol", "price") if name not in frame]
    if missing:
        raise ValueError(f"bars need a column {missing[0]}; the frame has {list(frame.columns)}")
    symbols = pd.Categorical(frame["symbol"])
    times = pd.to_datetime(frame["time"], utc=True).dt.as_unit("ns")
    size = frame["size"].to_numpy(np.float64) if "size" in frame else np.full(len(frame), np.nan)
    nowhere = (symbols.codes < 0) | times.isna().to_numpy()
    return Trades(
        0,
        [str(word) for word in symbols.categories],
        symbols.codes,
        pd.DatetimeIndex(times).asi8,
        np.where(nowhere, np.nan, frame["price"].to_numpy(np.float64)),
        size,
    )


def _times(nanoseconds: Array, name: str | None = None) -> pd.DatetimeIndex:
    values: Any = pd.array(nanoseconds, dtype=UTC_NS)
    return pd.DatetimeIndex(values, name=name)
