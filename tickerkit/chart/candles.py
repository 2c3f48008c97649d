"""CandleDrawer: draws the ticks of one symbol as candles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tickerkit.bars import aggregate_symbol, interval_ns
from tickerkit.chart.figure.figure import LiveFigure
from tickerkit.chart.instruments import Instruments
from tickerkit.chart.labels import escape_label
from tickerkit.chart.value_format import make_axis_format, make_axis_title, make_format
from tickerkit.log import Rows

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["CandleDrawer"]

# How many of the newest bars are computed again for each batch: late ticks may change them.
OPEN_BARS = 3


class CandleDrawer:
    """Draws the bars of one symbol of a feed on a figure.

    While the symbol has only quotes, the bars are those of the middle of bid and ask; while it has
    no price at all, of its first number, which then names the axis. A late tick
    changes the bar that it belongs to if that is one of the three newest bars.

    Args:
        feed: the feed.
        figure: the figure; it gets a candlestick trace if it has none.
        symbols: the first is drawn; None for the first symbol that the present server has.
        column: the column to draw.
        bar: length of a bar, such as "5s", or in seconds.
        volume: whether to draw the volume below the candles.

    Attributes:
        undrawn: always 0; `LineDrawer` counts the symbols that it does not draw.
    """

    def __init__(
        self,
        feed: Feed,
        figure: LiveFigure,
        symbols: Sequence[str] | None,
        column: str,
        bar: str | float,
        *,
        volume: bool,
    ) -> None:
        self.undrawn = 0
        self._feed, self._log = feed, feed.log
        self._figure = figure
        self._instruments = Instruments.of(feed.log, column)
        self._symbol = symbols[0] if symbols else None
        self._length = interval_ns(bar, "bar")
        self._volume = volume
        self._decimals = -1  # as drawn
        # Start of the oldest open bar, and the first row that may belong to it.
        self._open_time: np.datetime64 | None = None
        self._open_row = 0

    @property
    def symbols(self) -> Sequence[str] | None:
        """The symbol that is drawn; None before the first tick if none was asked for."""
        return None if self._symbol is None else [self._symbol]

    @property
    def is_empty(self) -> bool:
        """Whether no bar is drawn yet."""
        return self._open_time is None

    def draw(self, rows: Rows) -> None:
        """Append or update the bars that new rows changed; called in the follower's thread."""
        if not len(rows):
            return
        self._instruments.update(self._log)
        if self._symbol is None:
            self._symbol = self._choose_symbol(rows)
        start = rows.start if self._open_time is None else self._open_row
        newest = self._log.rows(start, rows.stop)
        if not (codes := self._log.symbol_codes(self._symbol)):
            return
        [code] = codes
        is_traded = self._instruments.has_traded(code)
        values = newest.array("price") if is_traded else self._instruments.values(newest)
        bars = aggregate_symbol(newest, code, values, self._length)
        times = (bars.intervals * self._length).view("datetime64[ns]")
        # Leave out bars older than the oldest open one. Of their ticks, these rows hold only the
        # late ones, and an incomplete bar would replace the complete one.
        first = 0 if self._open_time is None else int(np.searchsorted(times, self._open_time))
        if first == len(times):
            return
        self._prepare_trace(self._symbol)
        self._figure.append_bars(
            times[first:],
            bars.open[first:],
            bars.high[first:],
            bars.low[first:],
            bars.close[first:],
            bars.volume[first:] if self._volume else None,
        )
        self._open_time = times[-1] - np.timedelta64((OPEN_BARS - 1) * self._length, "ns")
        tick_times = newest.array("time").view("datetime64[ns]")
        self._open_row = newest.start + int(np.argmax(tick_times >= self._open_time))

    def _choose_symbol(self, rows: Rows) -> str:
        """Return the first symbol, of those that are not past and have values, if there are any."""
        past = self._feed.past_symbols()
        codes = rows.array("symbol")[~np.isnan(self._instruments.values(rows))]
        words = rows.dictionaries["symbol"].words
        present = {words[code] for code in np.unique(codes).tolist()}
        names = self._instruments.sort(self._log.symbols())
        return min(names, key=lambda name: (name in past, name not in present))

    def _prepare_trace(self, symbol: str) -> None:
        """Add the trace if it is missing, and show its values with the instrument's decimals."""
        is_candles = [trace.type == "candlestick" for trace in self._figure.data]
        if not any(is_candles):
            self._figure.add_candles(escape_label(symbol), volume=self._volume)
            is_candles = [trace.type == "candlestick" for trace in self._figure.data]
        decimals = self._instruments.decimals(symbol)
        if decimals != self._decimals:
            self._decimals = decimals
            self._figure.data[is_candles.index(True)].yhoverformat = make_format(decimals)
            column = self._instruments.column(symbol)
            unit = self._log.units.get(column, "")
            title = make_axis_title(column, unit)
            axis = {**make_axis_format(decimals, unit=unit), "title": {"text": title}}
            self._figure.update_layout(yaxis=axis)
