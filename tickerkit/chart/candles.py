"""CandleDrawer: draws the ticks of one symbol as candles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tickerkit.bars import bars, interval_ns
from tickerkit.chart.figure.figure import LiveFigure
from tickerkit.chart.labels import escape_label
from tickerkit.log import Rows

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["CandleDrawer"]

# How many of the newest bars are computed again for each batch: late ticks may change them.
OPEN_BARS = 3


class CandleDrawer:
    """Draws the bars of one symbol of a feed on a figure.

    A late tick changes the bar that it belongs to if that is one of the three newest bars.

    Args:
        feed: the feed.
        figure: the figure; it gets a candlestick trace if it has none.
        symbols: the first is drawn; None for the log's first symbol.
        bar: length of a bar, such as "5s", or in seconds.
        volume: whether to draw the volume below the candles.
    """

    def __init__(
        self,
        feed: Feed,
        figure: LiveFigure,
        symbols: Sequence[str] | None,
        bar: str | float,
        *,
        volume: bool,
    ) -> None:
        self._log = feed.log
        self._figure = figure
        self._symbol = symbols[0] if symbols else None
        self._bar = bar
        self._length = np.timedelta64(interval_ns(bar), "ns")
        self._volume = volume
        # Start of the oldest open bar, and the first row that may belong to it.
        self._open_time: np.datetime64 | None = None
        self._open_row = 0

    def draw(self, rows: Rows) -> None:
        """Append or update the bars that new rows changed; called in the follower's thread."""
        if not len(rows):
            return
        if self._symbol is None:
            self._symbol = self._log.symbols()[0]
        if not any(trace.type == "candlestick" for trace in self._figure.data):
            self._figure.add_candles(escape_label(self._symbol), volume=self._volume)
        start = rows.start if self._open_time is None else self._open_row
        newest = self._log.rows(max(self._open_row, start))
        frame = bars(newest, self._bar, self._symbol)
        times = pd.DatetimeIndex(frame.index).tz_localize(None).to_numpy()
        # Leave out bars older than the oldest open one. Of their ticks, these rows hold only the
        # late ones, and an incomplete bar would replace the complete one.
        first = 0 if self._open_time is None else int(np.searchsorted(times, self._open_time))
        if first == len(times):
            return
        opens, highs, lows, closes = (
            frame[name].to_numpy()[first:] for name in ("open", "high", "low", "close")
        )
        volume = frame["volume"].to_numpy()[first:] if self._volume else None
        self._figure.append_bars(times[first:], opens, highs, lows, closes, volume)
        self._open_time = times[-1] - (OPEN_BARS - 1) * self._length
        tick_times = newest.array("time").view("datetime64[ns]")
        self._open_row = newest.start + int(np.argmax(tick_times >= self._open_time))
