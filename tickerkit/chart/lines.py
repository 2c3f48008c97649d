"""LineDrawer: draws the ticks of each symbol as a line, broken at gaps, which the figure shades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from tickerkit.chart.figure.figure import SHADE_NAME, LiveFigure
from tickerkit.chart.labels import escape_label
from tickerkit.log import Rows
from tickerkit.ticks import Array

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["MAX_SHADES", "LineDrawer"]

MAX_LINES = 20
MAX_SHADES = 20


class LineDrawer:
    """Draws a line of prices for each symbol of a feed on a figure.

    A symbol that has only quotes so far gets a line of the middle of bid and ask; quotes are not
    mixed into a line of trades. Symbols beyond the first 20 are not drawn.

    Args:
        feed: the feed.
        figure: the figure; traces and shapes that the user adds to it stay as they are.
        symbols: which symbols to draw; None for all.
        percent: draw each line's change since its first point, in percent.
    """

    def __init__(
        self, feed: Feed, figure: LiveFigure, symbols: Sequence[str] | None, *, percent: bool
    ) -> None:
        self._feed = feed
        self._figure = figure
        self._symbols = symbols
        self._percent = percent
        # By symbol code: the first value drawn, the uid of the trace, the row of the newest point.
        self._first_values: dict[int, float] = {}
        self._trace_uids: dict[int, str] = {}
        self._last_rows: dict[int, int] = {}
        self._codes_with_trades: set[int] = set()
        self._shade_ends: list[np.datetime64] = []

    def draw(self, rows: Rows) -> None:
        """Append new rows to the lines; called in the follower's thread."""
        codes = rows.array("symbol")  # this and all arrays below: shape (rows,)
        prices = rows.array("price")
        is_wanted = codes >= 0
        if self._symbols is not None:
            is_wanted &= np.isin(codes, self._feed.log.symbol_codes(self._symbols))
        is_trade = is_wanted & ~np.isnan(prices)
        self._codes_with_trades.update(np.unique(codes[is_trade]).tolist())
        midpoints = _compute_midpoints(rows)
        times = rows.array("time").view("datetime64[ns]")
        gaps = [row - rows.start for row in self._feed.gap_rows if row < rows.stop]
        points: dict[int | str, tuple[Array, Array]] = {}
        for code in np.unique(codes[is_wanted]).tolist():
            line = prices if code in self._codes_with_trades else midpoints
            indices = np.flatnonzero((codes == code) & ~np.isnan(line))
            trace = self._find_trace_index(rows, code) if len(indices) else None
            if trace is not None:
                values = line[indices]
                if self._percent:
                    first = self._first_values.setdefault(code, float(values[0]))
                    values = (values / first - 1) * 100
                # A gap before these rows counts too, if the symbol has had no tick since the gap.
                last = self._last_rows.get(code, rows.start + int(indices[0])) - rows.start
                breaks = np.searchsorted(indices, [gap for gap in gaps if gap > last])
                points[trace] = _break_line(times[indices], values, breaks)
                self._last_rows[code] = rows.start + int(indices[-1])
        if points:
            self._figure.append(points)
        self._add_shades(rows, [gap for gap in gaps if gap >= 0][-MAX_SHADES:], times)
        self._remove_old_shades()

    def _find_trace_index(self, rows: Rows, code: int) -> int | None:
        """Return the index of a symbol's trace, and add the trace if the symbol is new.

        Returns:
            None if the symbol is not drawn: there are too many lines, or the user has removed its
            trace.
        """
        if code not in self._trace_uids:
            if len(self._trace_uids) >= MAX_LINES:
                return None
            symbol = rows.dictionaries["symbol"].words[code]
            self._figure.add_trace(
                go.Scatter(mode="lines", name=escape_label(symbol), line={"width": 1.5})
            )
            self._trace_uids[code] = self._figure.data[-1].uid
        # Look the index up each time: the user may have added or removed traces.
        uids = [trace.uid for trace in self._figure.data]
        uid = self._trace_uids[code]
        return uids.index(uid) if uid in uids else None

    def _add_shades(self, rows: Rows, gaps: list[int], times: Array) -> None:
        """Have the figure shade the time between the rows before and after each gap."""
        ranges = []
        for gap in gaps:
            before = self._feed.log.rows(rows.start + gap - 1, rows.start + gap).array("time")
            if len(before):
                ranges.append((before.view("datetime64[ns]")[0], times[gap]))
        if ranges:
            self._figure.shade(ranges)
            self._shade_ends += [end for _, end in ranges]

    def _remove_old_shades(self) -> None:
        """Remove shades that have left the window: plotly draws a figure without shapes faster."""
        if not self._shade_ends or not self._trace_uids:
            return
        oldest = self._figure.oldest_time()
        count = int(np.sum(np.array(self._shade_ends) < oldest))
        count = max(count, len(self._shade_ends) - MAX_SHADES)
        if count:
            del self._shade_ends[:count]
            shapes = self._figure.layout.shapes
            shades = [shape for shape in shapes if shape.name == SHADE_NAME]
            kept = {id(shape) for shape in shades[count:]}
            self._figure.layout.shapes = [
                shape for shape in shapes if shape.name != SHADE_NAME or id(shape) in kept
            ]


def _compute_midpoints(rows: Rows) -> Array:
    """Return the middle of bid and ask, shape (rows,); NaN where there is no quote."""
    if not {"bid", "ask"} <= set(rows.names()):
        return np.full(len(rows), np.nan)
    midpoints: Array = (rows.array("bid") + rows.array("ask")) / 2
    return midpoints


def _break_line(times: Array, values: Array, breaks: Array) -> tuple[Array, Array]:
    """Return times and values, shape (n,), with a NaN inserted before each index of `breaks`."""
    breaks = np.unique(breaks[breaks < len(times)])
    return np.insert(times, breaks, times[breaks]), np.insert(values, breaks, np.nan)
