"""Log bars: the bars of the ticks that a log holds, kept from one call to the next."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from tickerkit.bars.indicators import IndicatorSpec, parse_indicators
from tickerkit.bars.ohlcv import (
    aggregate_blocks,
    bars_frame,
    interval_ns,
    parse_symbol,
    trades_from_rows,
)
from tickerkit.bars.partial import NONE, PartialBars, merge
from tickerkit.bars.series import BarSeries
from tickerkit.log import Rows, TickLog
from tickerkit.ticks import Array
from tickerkit.validation import check_number, check_text

__all__ = ["Bars"]

# For how many combinations of interval, symbols and value bars are kept.
MAX_KEPT = 8
PRICES = PartialBars._fields[4:]

Kept = TypeVar("Kept")
# Some bars of each of several series: the code, the series, and the indices of the bars.
Chosen = list[tuple[int, BarSeries, Array]]


class Bars:
    """The bars of the ticks that a log holds; most are kept from one call to the next.

    Why not keep the bars, and add new ticks to the last one? Because late ticks, and ticks that
    the log drops, change older bars. Instead, the log's rows are divided into blocks, and a bar
    that spans several blocks is merged from partial bars. The partial bars of a complete block
    never change, also if late ticks follow, so they are computed once. Each call computes the
    partial bars of the newest block, and those of the oldest block if the log has dropped some of
    its ticks. Then it merges all partial bars. So the cost of a call grows with the number of new
    ticks and of bars. Dropped ticks are in no bar, as with `bars(log.rows(), ...)`.

    Indicators need bars that do not change when the log drops ticks. So there is a second
    structure: a series of bars for each symbol, which reads the log from a position, adds new
    ticks, and drops a bar when the log holds none of its ticks. The newest bars are taken from it.

    Both are kept for the 8 most recently used combinations of interval, symbols and value. Call it
    from one thread at a time. A user's indicator may ask for bars in turn: it gets them as of the
    moment of the call that it serves.
    """

    def __init__(self, log: TickLog) -> None:
        self.log = log
        self._kept: dict[tuple[int, frozenset[str] | None, str], dict[int, PartialBars]] = {}
        self._series: dict[tuple[int, str], _SeriesReader] = {}
        self._rows: Rows | None = None  # all rows of the log, during a call

    def frame(
        self,
        interval: str | float | timedelta,
        symbol: str | Sequence[str] | None = None,
        value: str = "price",
        indicators: object = (),
        last: int | None = None,
    ) -> pd.DataFrame:
        """Return the bars of all ticks that the log holds, as `bars` does.

        Args:
            interval: as of `bars`.
            symbol: as of `bars`.
            value: as of `bars`.
            indicators: further columns, see `parse_indicators`.
            last: only the newest bars of each symbol: how many.
        """
        length = interval_ns(interval)
        symbols, is_one_symbol = parse_symbol(symbol)
        specs = parse_indicators(indicators)
        check_number("last", last, 0, whole=True, optional=True)
        with self._snapshot() as rows:
            trades = trades_from_rows(rows, value)
            chosen: Chosen = []
            if specs or last is not None:
                chosen = [
                    (code, series, series.held(rows.start, last))
                    for code, series in sorted(self._read_series(rows, length, value).items())
                    if symbols is None or series.symbol in symbols
                ]
            first_rows = None
            if last is None or any(series.is_cut(index, rows.start) for _, series, index in chosen):
                kept: dict[int, PartialBars] = _take(self._kept, (length, symbols, value), dict)
                merged = merge(aggregate_blocks(trades, length, symbols, kept))
                if last is not None:
                    merged, first_rows = _newest(merged, last)
            else:
                merged = _concatenate(chosen)
                first_rows = np.array(
                    [series.first_row for _, series, index in chosen if len(index)]
                )
            columns = _indicator_columns(specs, chosen)
            frame = bars_frame(merged, trades.words, length, is_one_symbol, columns, first_rows)
            if specs or last is not None:
                revised = [series.column("revised")[index].sum() for _, series, index in chosen]
                frame.attrs["revised"] = int(sum(revised))
            return frame

    def arrays(
        self,
        interval: str | float | timedelta,
        symbol: str,
        value: str = "price",
        indicators: object = (),
        since_ns: int | None = None,
    ) -> dict[str, Array]:
        """Return the newest bars of one symbol as arrays: a chart needs them many times a second.

        A call costs time in proportion to the new ticks, and to the bars returned. A bar keeps
        its values when the log drops some of its ticks.

        Args:
            interval: as of `bars`.
            symbol: the symbol; of an unknown one there are no bars.
            value: as of `bars`.
            indicators: further columns, see `parse_indicators`.
            since_ns: the earliest start of a bar, in epoch ns; None for all bars held.

        Returns:
            Arrays of shape (bars,), oldest first: `time` (int64, epoch ns, when the bar begins),
            `open`, `high`, `low`, `close`, `volume` (float64), `ticks` (int64), and the columns of
            the indicators (float64, NaN for no value), by their names.
        """
        length, specs = interval_ns(interval), parse_indicators(indicators)
        check_text("symbol", symbol, "the text of one symbol")
        check_number("since_ns", since_ns, -(2**63), whole=True, optional=True)
        with self._snapshot() as rows:
            for code, series in self._read_series(rows, length, value).items():
                if series.symbol == symbol:
                    times = series.column("time")
                    begin = 0 if since_ns is None else int(np.searchsorted(times, since_ns))
                    index = series.held(rows.start, begin=begin)
                    columns = {name: series.column(name)[index] for name in ("time", *PRICES)}
                    return columns | _indicator_columns(specs, [(code, series, index)])
            none = {"time": NONE.row, **{name: getattr(NONE, name) for name in PRICES}}
            return none | _indicator_columns(specs, [])

    @contextmanager
    def _snapshot(self) -> Iterator[Rows]:
        """Return all rows of the log; in a call within a call, those of the outer one."""
        if self._rows is not None:
            yield self._rows
            return
        self._rows = self.log.rows()
        try:
            yield self._rows
        finally:
            self._rows = None

    def _read_series(self, rows: Rows, length: int, value: str) -> dict[int, BarSeries]:
        # A wrong value is refused before it takes the place of one that is in use.
        trades_from_rows(rows.part(max(rows.stop - 1, rows.start), rows.stop), value)
        reader = _take(self._series, (length, value), lambda: _SeriesReader(length, value))
        reader.read(rows)
        return reader.series


class _SeriesReader:
    """Reads a log from a position, and adds its ticks to a series of bars for each symbol."""

    def __init__(self, length: int, value: str) -> None:
        self.length, self.value = length, value
        self.row = 0
        self.series: dict[int, BarSeries] = {}  # by the code of the symbol

    def read(self, rows: Rows) -> None:
        """Add the ticks that are new in `rows`, all rows of the log."""
        if self.row < rows.start:
            # Ticks were dropped unread: then no whole bar is left of those that were returned.
            self.series.clear()
        new = rows.part(max(self.row, rows.start), rows.stop)
        self.row = rows.stop
        if not len(new):
            return
        trades = trades_from_rows(new, self.value)
        merged = merge(aggregate_blocks(trades, self.length, None, {}))
        edges = [*_starts(merged.codes).tolist(), len(merged.codes)]
        for start, stop in pairwise(edges):
            code = int(merged.codes[start])
            if code not in self.series:
                self.series[code] = BarSeries(trades.words[code], self.length)
            self.series[code].add(PartialBars(*(each[start:stop] for each in merged)))
        for code, series in list(self.series.items()):
            if series.last_row < rows.start:
                del self.series[code]
            else:
                series.trim(rows.start)


def _take(kept: dict[Any, Any], key: Hashable, make: Callable[[], Kept]) -> Kept:
    """Return the value of a key; make a missing one, and drop the least recently used."""
    found: Kept = kept.pop(key) if key in kept else make()
    kept[key] = found  # a dict is in the order of insertion: most recently used last
    while len(kept) > MAX_KEPT:
        del kept[next(iter(kept))]
    return found


def _newest(merged: PartialBars, last: int) -> tuple[PartialBars, Array]:
    """Return the newest bars of each code, and the row of the first tick of each."""
    starts = _starts(merged.codes)
    if not len(starts) or not last:
        return NONE, starts[:0]
    edges = pairwise([*starts.tolist(), len(merged.codes)])
    index = np.concatenate([np.arange(max(stop - last, start), stop) for start, stop in edges])
    first_rows = np.minimum.reduceat(merged.row, starts)
    return PartialBars(*(each[index] for each in merged)), first_rows


def _starts(codes: Array) -> Array:
    """Return the index at which each code starts, in ascending codes."""
    return np.flatnonzero(np.diff(codes, prepend=-1))


def _concatenate(chosen: Chosen) -> PartialBars:
    """Return the chosen bars of each series."""
    parts = [NONE]
    for code, series, index in chosen:
        columns = [series.column(name)[index] for name in PartialBars._fields[2:]]
        intervals = series.column("time")[index] // series.length
        parts.append(PartialBars(np.full(len(index), code), intervals, *columns))
    return PartialBars(*map(np.concatenate, zip(*parts, strict=True)))


def _indicator_columns(specs: Sequence[IndicatorSpec], chosen: Chosen) -> dict[str, Array]:
    """Return the columns of indicators at the chosen bars of each series."""
    columns = {}
    for spec in specs:
        found = [(series.compute(spec).values, index) for _, series, index in chosen]
        names = dict.fromkeys(name for values, _ in found for name in values) or spec.columns
        for name in names:
            # A user's function may return other columns for another symbol.
            parts = [
                values[name][index] if name in values else np.full(len(index), np.nan)
                for values, index in found
            ]
            columns[name] = np.concatenate([NONE.open, *parts])
    return columns
