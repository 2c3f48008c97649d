"""OHLCV: the bars of any ticks as a DataFrame, and the steps from ticks to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.bars.partial import PartialBars, Trades, aggregate, merge, time_index
from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_choices
from tickerkit.log import Rows
from tickerkit.ticks import Array
from tickerkit.ticks.lengths import parse_length_ns
from tickerkit.validation import check_text, parse_symbols

__all__ = [
    "aggregate_blocks",
    "aggregate_symbol",
    "bars",
    "bars_frame",
    "interval_ns",
    "parse_symbol",
    "trades_from_rows",
]

# Rows aggregated at a time: few enough for their arrays to stay in the processor's cache.
BLOCK_ROWS = 65_536
# Don't keep a block with more bars than this: recomputing it costs no more than merging it.
MAX_KEPT_BARS = BLOCK_ROWS // 16


# Unless there is such a column: the middle of bid and ask.
MID = "mid"


def bars(
    ticks: Rows | pd.DataFrame,
    interval: str | float | timedelta,
    symbol: str | Sequence[str] | None = None,
    value: str = "price",
) -> pd.DataFrame:
    """Return the bars of ticks.

    Only ticks with a price count: trades, not quotes. With another `value`, those count that have a
    number in that column. Bars start at whole multiples of the interval since
    1970 UTC; an interval without a trade has no bar. Open and close are the first and last trade
    in the order of the log, also if trades came late or in the same nanosecond. Ten million ticks
    take 0.02 to 0.1 seconds if bars have many ticks and the times of each symbol ascend, longer if
    some are late. Another thread may append to the log meanwhile.

    Args:
        ticks: rows of a log, or a frame of ticks with the columns `time`, `symbol`, `price` (or
            that of `value`) and optionally `size`.
        interval: length of a bar: "10s", "1min", "1h", a timedelta, or a number of seconds.
        symbol: one symbol, a list, or text such as "AAPL,MSFT"; all by default. A symbol without
            a trade gives no bars.
        value: the column whose bars these are, such as "bid" or "temperature"; of a log's rows also
            "mid", the middle of bid and ask.

    Returns:
        A DataFrame of `open`, `high`, `low`, `close`, `volume` (float64; a size of NaN counts
        as 0) and `ticks` (int64, how many ticks count). Given one symbol, its index is `time`, the
        start of the bar; otherwise (`symbol`, `time`), symbols in the order of their first trades.

    Raises:
        InvalidArgument: the interval is not a length of time, the frame lacks a column, or there
            are ticks but no column of numbers that is called `value`.

    Example:
        >>> bars(log.rows(), "1min", symbol="AAPL")["close"]
    """
    length = interval_ns(interval)
    symbols, is_one_symbol = parse_symbol(symbol)
    trades = (
        _trades_from_frame(ticks, value)
        if isinstance(ticks, pd.DataFrame)
        else trades_from_rows(ticks, value)
    )
    merged = merge(aggregate_blocks(trades, length, symbols, {}))
    return bars_frame(merged, trades.words, length, is_one_symbol)


def aggregate_symbol(rows: Rows, code: int, values: Array, length: int) -> PartialBars:
    """Return the bars of one symbol of a log as arrays: a chart needs them many times a second.

    A frame of them, as `bars` returns it, takes ten times as long.

    Args:
        rows: rows of the log.
        code: the symbol's code.
        values: the value of each row, shape (rows,); NaN where it has none.
        length: the length of a bar in ns.
    """
    symbol, time, size = (rows.array(name) for name in ("symbol", "time", "size"))
    price = np.where(symbol == code, values, np.nan)
    trades = Trades(rows.start, [], symbol, time, price, size)
    return merge(aggregate_blocks(trades, length, None, {}))


def interval_ns(interval: str | float | timedelta, name: str = "interval") -> int:
    """Return the length of a bar in nanoseconds.

    Args:
        interval: the length.
        name: name of the argument, for the error.

    Raises:
        InvalidArgument: `interval` is not a length of time above 0 that fits in 64 bits.
    """
    expected = "a time such as '10s', '1min' or '1h', a timedelta, or a number of seconds above 0"
    return parse_length_ns(name, interval, expected, seconds=True)


def bars_frame(
    merged: PartialBars,
    words: Sequence[str],
    length: int,
    is_one_symbol: bool,
    more: Mapping[str, Array] | None = None,
    first_rows: Array | None = None,
) -> pd.DataFrame:
    """Return bars as a frame.

    Below, B is the number of bars, S that of symbols with a bar, and M that of different times.

    Args:
        merged: the bars.
        words: the symbol of each code.
        length: the length of a bar in ns.
        is_one_symbol: whether the index is of times alone.
        more: further columns, each shape (B,), in the order of the bars.
        first_rows: for each symbol in the order of the codes, shape (S,), the row of its first
            tick; by default that of the first of these bars.
    """
    columns = {name: getattr(merged, name) for name in PartialBars._fields[4:]} | dict(more or {})
    times = merged.intervals * length  # (B,) int64: when each bar starts
    if is_one_symbol:
        return pd.DataFrame(columns, index=time_index(times, name="time"))
    # The bars are sorted by code, then time: put the symbols in the order of their first trades.
    starts = np.flatnonzero(np.diff(merged.codes, prepend=-1))  # (S,): first bar of each symbol
    if first_rows is None:
        first_rows = np.minimum.reduceat(merged.row, starts) if len(starts) else starts  # (S,)
    order = np.argsort(first_rows)  # (S,): which symbol comes first, second, …
    counts = np.diff(np.append(starts, len(times)))[order]  # (S,): bars of each, in that order
    rank = np.repeat(np.arange(len(starts)), counts)  # (B,): place of each bar's symbol
    # The bars of a symbol are a contiguous range, which moves as a whole.
    moved = starts[order] - (np.cumsum(counts) - counts)  # (S,): how far each range moves
    bar_order = np.arange(len(times)) + np.repeat(moved, counts)  # (B,): which bar comes first, …
    symbols = [words[code] for code in merged.codes[starts][order]]
    moments, moment_codes = np.unique(times[bar_order], return_inverse=True)  # (M,), (B,)
    # Levels in this order and ascending codes let pandas find bars by bisection.
    levels: Any = [pd.Index(symbols, dtype="str"), time_index(moments)]
    codes: Any = [rank, moment_codes]
    index = pd.MultiIndex(levels=levels, codes=codes, names=["symbol", "time"])
    return pd.DataFrame({name: column[bar_order] for name, column in columns.items()}, index=index)


def aggregate_blocks(
    trades: Trades, length: int, symbols: frozenset[str] | None, kept: dict[int, PartialBars]
) -> list[PartialBars]:
    """Return the partial bars of each block of trades, in order; `kept` has those of whole blocks.

    Blocks are numbered from row 0 of the log, so that they stay the same when rows are dropped.
    """
    start, stop = trades.start, trades.start + len(trades.price)
    for block in [each for each in kept if each * BLOCK_ROWS < start]:
        del kept[block]
    is_wanted = None
    if symbols is not None and not symbols.issuperset(trades.words):
        # One entry for each code, and a last one for the code -1, a tick without a symbol.
        is_wanted = np.array([word in symbols for word in trades.words] + [False])
    parts = []
    for block in range(start // BLOCK_ROWS, -(-stop // BLOCK_ROWS)):
        if (part := kept.get(block)) is None:
            begin, end = max(start, block * BLOCK_ROWS), min(stop, (block + 1) * BLOCK_ROWS)
            within = slice(begin - start, end - start)
            some = Trades(begin, trades.words, *(each[within] for each in trades[2:]))
            part = aggregate(some, length, is_wanted)
            if end - begin == BLOCK_ROWS and len(part.row) <= MAX_KEPT_BARS:
                kept[block] = part
        parts.append(part)
    return parts


def parse_symbol(symbol: object) -> tuple[frozenset[str] | None, bool]:
    """Return the symbols, None for all, and whether they were given as the text of one symbol."""
    symbols = parse_symbols("symbol", symbol, min_count=0)
    if symbols is None:
        return None, False
    return frozenset(symbols), isinstance(symbol, str) and len(symbols) == 1


def trades_from_rows(rows: Rows, value: str) -> Trades:
    """Return the ticks of a log's rows, priced by the column `value`.

    Raises:
        InvalidArgument: there are rows, but the log has no column of numbers of this name.
    """
    check_text("value", value, "the name of a column, such as 'price'")
    numbers = rows.numbers(value)
    if numbers is None and value == MID:
        bid, ask = rows.numbers("bid"), rows.numbers("ask")
        numbers = None if bid is None or ask is None else (bid + ask) / 2
    if numbers is None:
        if len(rows):
            raise InvalidArgument("value", value, format_choices(rows.value_names() or ["price"]))
        numbers = rows.array("price")
    symbol, time, size = (rows.array(name) for name in ("symbol", "time", "size"))
    return Trades(rows.start, list(rows.dictionaries["symbol"].words), symbol, time, numbers, size)


def _trades_from_frame(frame: pd.DataFrame, value: str) -> Trades:
    missing = [name for name in ("time", "symbol", value) if name not in frame]
    if missing:
        expected = f"a frame with the column {missing[0]}"
        raise InvalidArgument("ticks", list(frame.columns), expected)
    symbols = pd.Categorical(frame["symbol"])
    times = pd.to_datetime(frame["time"], utc=True).dt.as_unit("ns")
    size = frame["size"].to_numpy(np.float64) if "size" in frame else np.full(len(frame), np.nan)
    # A tick without a symbol or a time is in no bar: as for a quote, its price becomes NaN.
    missing_key = (symbols.codes < 0) | times.isna().to_numpy()
    return Trades(
        0,
        [str(word) for word in symbols.categories],
        symbols.codes,
        pd.DatetimeIndex(times).asi8,
        np.where(missing_key, np.nan, frame[value].to_numpy(np.float64)),
        size,
    )
