"""Trends: sparkline, change and rate of each symbol of a log, read as ticks come."""

from __future__ import annotations

import math

import numpy as np

from tickerkit.chart.desk.part_means import ALL, PartMeans
from tickerkit.chart.figure.window import parse_window
from tickerkit.chart.instruments import Instruments
from tickerkit.log import Rows, TickLog
from tickerkit.ticks import NS_PER_S, Array

__all__ = ["MAX_PARTS", "Trends"]

MAX_PARTS = 60
# A shorter part would have all sparklines sent again more than once a second.
MIN_PART_NS = NS_PER_S
# If the log holds more rows, the window begins with the newest ones, as that of the chart.
MAX_ROWS = 1_000_000
RATE_S = 5


class Trends:
    """The values of each symbol over a window: means of its parts, first value, and ticks a second.

    A window of time ends at the log's newest time, whatever the symbol; one of ticks counts those
    of the symbol. If all new ticks are from before the window, as after a seek back in a replay,
    it starts again.

    Args:
        log: the log.
        instruments: what a value is.
        window: a time such as "5min", or a number of ticks.

    Attributes:
        version: increases when a sparkline has changed.
    """

    def __init__(self, log: TickLog, instruments: Instruments, window: int | str) -> None:
        self._log = log
        self._instruments = instruments
        self._span_ns = parse_window(window)
        if self._span_ns is None:
            self._step = math.ceil(int(window) / MAX_PARTS)
            parts = math.ceil(int(window) / self._step)
        else:
            self._step = max(self._span_ns // MAX_PARTS, MIN_PART_NS)
            parts = math.ceil(self._span_ns / self._step)
        self._values = PartMeans(parts)
        self._ticks: Array = np.zeros(0, dtype=np.int64)
        self._rates = PartMeans(RATE_S)
        self._row = max(log.start, log.stop - MAX_ROWS)
        self.version = 0

    def update(self, stop: int, now_ns: int) -> None:
        """Read the ticks up to a row.

        Args:
            stop: number of the row after the last; the instruments must know the rows before it.
            now_ns: the time, in ns since 1970.
        """
        rows = self._log.rows(self._row, stop)
        self._row = max(self._row, rows.stop)
        if len(rows):
            self._read(rows, now_ns)
        self._rates.advance(now_ns // NS_PER_S)

    def _read(self, rows: Rows, now_ns: int) -> None:
        codes = rows.array("symbol").astype(np.int64)  # (n,), as all below
        symbols = len(rows.dictionaries["symbol"].words)
        for means in (self._values, self._rates):
            means.make_room(symbols)
        seconds = rows.array("received") // NS_PER_S
        # Of a clock that was set back, or of a machine whose clock is ahead.
        self._rates.add(codes, np.minimum(seconds, now_ns // NS_PER_S), np.ones(len(codes)))
        before = self._values.heads
        values = self._instruments.values(rows)
        if self._span_ns is None:
            self._values.add(codes, self._count(codes, ~np.isnan(values)), values)
        else:
            numbers = rows.array("time") // self._step
            newest = int(numbers.max())
            if len(before) and newest < int(before.max()) - self._values.parts:
                self._values = PartMeans(self._values.parts)
                self._values.make_room(symbols)
            self._values.add(codes, numbers, values)
            self._values.advance(newest)
        self.version += not np.array_equal(before, self._values.heads)

    def _count(self, codes: Array, has_value: Array) -> Array:
        """Return the part of each tick, by the number of its symbol's values before it, (n,)."""
        if (more := len(self._values.heads) - len(self._ticks)) > 0:
            self._ticks = np.concatenate([self._ticks, np.zeros(more, dtype=np.int64)])
        order = np.argsort(codes, kind="stable")
        ordered = codes[order]
        running = np.cumsum(has_value[order])
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        lengths = np.diff(starts, append=len(ordered))
        before = np.where(starts > 0, running[starts - 1], 0)
        numbers = np.empty(len(codes), dtype=np.int64)
        within = running - np.repeat(before, lengths)
        numbers[order] = self._ticks[ordered] + within - has_value[order]
        np.add.at(self._ticks, codes, has_value)
        return numbers // self._step

    def sparks(self, codes: Array | slice = ALL) -> Array:
        """Return the means of the complete parts, oldest first, shape (S, parts); NaN for none."""
        return self._values.means(codes)

    def firsts(self, codes: Array | slice = ALL) -> Array:
        """Return the first value of each window, shape (S,), from which a change is measured."""
        return self._values.firsts(codes)

    def rates(self, codes: Array | slice = ALL) -> Array:
        """Return how many ticks a second came in the last five seconds, shape (S,)."""
        return self._rates.counts(codes) / RATE_S
