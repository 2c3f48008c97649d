"""LineDrawer: draws the ticks of each symbol as a line, broken at gaps, which the figure shades."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from tickerkit.chart.figure.figure import SHADE_NAME, LiveFigure
from tickerkit.chart.figure.percent import PERCENT
from tickerkit.chart.instruments import Instruments
from tickerkit.chart.labels import escape_label
from tickerkit.chart.palette import choose_line, find_colours
from tickerkit.chart.value_format import (
    PERCENT_FORMAT,
    make_axis_format,
    make_axis_title,
    make_format,
)
from tickerkit.decimals import MIN_DECIMALS
from tickerkit.log import Rows
from tickerkit.ticks import Array

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["MAX_SHADES", "LineDrawer"]

MAX_LINES = 20
MAX_SHADES = 20
# Rows before a gap among which its beginning is looked for.
MAX_LOOKED_BACK = 10_000
# The rank in the legend of the first place; traces of the user have plotly's default, 1000.
FIRST_RANK = 1001


class LineDrawer:
    """Draws a line of values for each symbol of a feed on a figure.

    The values are those of `Instruments`: of a symbol that has only quotes so far, the middle of
    bid and ask; of one that has no price, its first number. Neither is mixed into a line of trades.
    A column other than the price names the axis. Symbols beyond the first 20 are not drawn. A line
    whose symbol only an earlier server has sent is hidden until the symbol's next tick.

    Args:
        feed: the feed.
        figure: the figure; traces and shapes that the user adds to it stay as they are.
        symbols: which symbols to draw, in this order; None for all.
        column: the column to draw.
        percent: draw each line's change since the first tick in the window, in percent. The page
            computes it: the figure's `data` are the values. None: once several symbols have prices.

    Attributes:
        symbols: as given.
        undrawn: number of symbols that are not drawn because there are too many.
    """

    def __init__(
        self,
        feed: Feed,
        figure: LiveFigure,
        symbols: Sequence[str] | None,
        column: str,
        *,
        percent: bool | None,
    ) -> None:
        self.undrawn = 0
        self._feed = feed
        self._figure = figure
        self.symbols = symbols
        self._percent, self._is_open = bool(percent), percent is None
        self._instruments = Instruments.of(feed.log, column)
        self._colours = find_colours(figure)
        # By symbol: the uid of the trace, the row of the newest point.
        self._trace_uids: dict[str, str] = {}
        self._last_rows: dict[str, int] = {}
        self._decimals: dict[str, int] = {}  # as drawn
        self._columns: dict[str, str] = {}  # as drawn
        # By symbol whose line is hidden: what `visible` was before.
        self._hidden: dict[str, object] = {}
        # The newest epoch, and the symbols that were past when it was noticed.
        self._epoch = ""
        self._past: frozenset[str] = frozenset()
        self._axis_decimals = MIN_DECIMALS
        self._axis_title = self._axis_unit = ""
        self._shade_ends: list[np.datetime64] = []
        # At once, so that the traces are in the order that was asked for.
        for symbol in (symbols or ())[:MAX_LINES]:
            self._add_line(symbol)

    @property
    def is_empty(self) -> bool:
        """Whether no point is drawn yet."""
        return not self._last_rows

    @property
    def uids(self) -> Iterable[str]:
        """The uids of the lines."""
        return self._trace_uids.values()

    @property
    def companions(self) -> Iterable[str]:
        """No traces: a line has none that must not begin before it."""
        return ()

    @property
    def drawn(self) -> Sequence[str]:
        """The symbols that have something drawn."""
        return list(self._last_rows)

    def find_uid(self, symbol: str) -> str | None:
        """Return the uid of a symbol's trace; None if it has none."""
        return self._trace_uids.get(symbol)

    def find_base(self, symbol: str) -> str | None:
        """Return the uid of the line since whose first value the symbol's change is shown."""
        return self.find_uid(symbol) if self._percent else None

    def draw(self, rows: Rows) -> None:
        """Append new rows to the lines; called in the follower's thread."""
        if not len(rows):
            return
        self._instruments.update(self._feed.log)
        codes = rows.array("symbol")  # this and all arrays below: shape (rows,)
        values = self._instruments.values(rows)
        has_value = ~np.isnan(values)
        shown = np.unique(codes[has_value & (codes >= 0)]).tolist()
        if self.symbols is not None:
            wanted = set(self._feed.log.symbol_codes(self.symbols))
            shown = [code for code in shown if code in wanted]
        times = rows.array("time").view("datetime64[ns]")
        gaps = [row - rows.start for row in self._feed.gap_rows if row < rows.stop]
        points: dict[int | str, tuple[Array, Array]] = {}
        self._hide_past_lines()
        epoch_start = self._feed.log.runs[-1].start
        has_undrawn = False
        for code in shown:
            symbol = rows.dictionaries["symbol"].words[code]
            # There may be thousands of symbols, and never more than a few lines.
            if symbol not in self._trace_uids and self._is_full:
                has_undrawn = True
                continue
            trace = self._find_trace_index(symbol)
            if trace is None:
                continue
            indices = np.flatnonzero((codes == code) & has_value)
            self._show_column(trace, symbol)
            self._format_values(trace, symbol)
            is_past = symbol in self._past and rows.start + int(indices[-1]) < epoch_start
            self._show_or_hide(symbol, trace, hide=is_past)
            # A gap before these rows counts too, if the symbol has had no tick since the gap.
            last = self._last_rows.get(symbol, rows.start + int(indices[0])) - rows.start
            breaks = np.searchsorted(indices, [gap for gap in gaps if gap > last])
            points[trace] = _break_line(times[indices], values[indices], breaks)
            self._last_rows[symbol] = rows.start + int(indices[-1])
        if has_undrawn:
            names = self.symbols or self._feed.log.symbols()
            self.undrawn = len(set(names) - self._trace_uids.keys())
        if self._is_open and self._has_several_prices():
            self._show_changes()
        self._format_axis()
        if points:
            self._figure.append(points)
        if gaps:
            self._add_shades(rows, [gap for gap in gaps if gap >= 0][-MAX_SHADES:], times)
        self._remove_old_shades()

    # --- traces -------------------------------------------------------------------------------

    @property
    def _is_full(self) -> bool:
        """Whether there are so many lines that no other is drawn."""
        return len(self._trace_uids.keys() - self._hidden.keys()) >= MAX_LINES

    def _find_trace_index(self, symbol: str) -> int | None:
        """Return the index of a symbol's trace, and add the trace if the symbol is new.

        Returns:
            None if the user has removed its trace.
        """
        if symbol not in self._trace_uids:
            self._add_line(symbol)
        # Look the index up each time: the user may have added or removed traces.
        uids = [props["uid"] for props in self._figure._data]
        uid = self._trace_uids[symbol]
        return uids.index(uid) if uid in uids else None

    def _add_line(self, symbol: str) -> None:
        place = self._instruments.place(symbol)
        self._figure.add_trace(
            go.Scatter(
                mode="lines",
                name=escape_label(symbol),
                legendgroup=escape_label(symbol),
                meta=PERCENT if self._percent else None,
                legendrank=FIRST_RANK + place,
                line={"width": 1.5, **choose_line(place, self._colours)},
                yhoverformat=PERCENT_FORMAT if self._percent else make_format(MIN_DECIMALS),
            )
        )
        self._trace_uids[symbol] = self._figure.data[-1].uid
        self._decimals[symbol] = MIN_DECIMALS

    def _hide_past_lines(self) -> None:
        """In a new epoch, hide the lines of past symbols, unless the symbols were asked for."""
        epoch = self._feed.log.runs[-1].epoch
        if self.symbols is not None or epoch == self._epoch:
            return
        self._epoch, self._past = epoch, self._feed.past_symbols()
        for symbol in self._past & self._trace_uids.keys():
            if (trace := self._find_trace_index(symbol)) is not None:
                self._show_or_hide(symbol, trace, hide=True)

    def _show_or_hide(self, symbol: str, trace: int, *, hide: bool) -> None:
        if hide == (symbol in self._hidden):
            return
        line = self._figure.data[trace]
        if hide:
            self._hidden[symbol] = line.visible
            line.visible = False
        else:
            line.visible = self._hidden.pop(symbol)

    def _show_column(self, trace: int, symbol: str) -> None:
        """Empty a line of other numbers when its symbol gets a price."""
        column = self._instruments.column(symbol)
        if self._columns.setdefault(symbol, column) != column:
            self._columns[symbol] = column
            self._figure.data[trace].update(x=[], y=[])

    def _format_values(self, trace: int, symbol: str) -> None:
        """Show a line's values with the decimals of its instrument."""
        decimals = MIN_DECIMALS if self._percent else self._instruments.decimals(symbol)
        if self._decimals[symbol] != decimals:
            self._decimals[symbol] = decimals
            self._figure.data[trace].yhoverformat = make_format(decimals)

    def _has_several_prices(self) -> bool:
        """Return whether several lines are shown, all of prices: these may differ widely."""
        shown = self._last_rows.keys() - self._hidden.keys()
        return len(shown) > 1 and {self._columns[symbol] for symbol in shown} == {"price"}

    def _show_changes(self) -> None:
        """Draw the change of all lines in percent from now on."""
        self._percent, self._is_open = True, False
        self._axis_decimals, self._axis_unit = MIN_DECIMALS, ""
        self._decimals = dict.fromkeys(self._decimals, MIN_DECIMALS)
        with self._figure.batch_update():
            for symbol in self._trace_uids:
                if (trace := self._find_trace_index(symbol)) is not None:
                    change = {"meta": PERCENT, "yhoverformat": PERCENT_FORMAT}
                    self._figure.data[trace].update(change)
            self._figure.update_layout(yaxis=make_axis_format(MIN_DECIMALS, percent=True))

    def _format_axis(self) -> None:
        """Give the axis a title and the decimals of its instruments; the fewest, if they differ."""
        shown = self._last_rows.keys() - self._hidden.keys()
        decimals = min((self._decimals[symbol] for symbol in shown), default=MIN_DECIMALS)
        columns = {self._columns[symbol] for symbol in shown}
        column = columns.pop() if len(columns) == 1 and not self._percent else ""
        unit = self._feed.log.units.get(column, "")
        if self._axis_decimals != decimals or self._axis_unit != unit:
            self._axis_decimals, self._axis_unit = decimals, unit
            self._figure.update_layout(yaxis=make_axis_format(decimals, unit=unit))
        title = make_axis_title(column, unit)
        if title != self._axis_title:
            self._axis_title = title
            self._figure.update_layout(yaxis={"title": {"text": title}})

    # --- gaps ---------------------------------------------------------------------------------

    def _add_shades(self, rows: Rows, gaps: list[int], times: Array) -> None:
        """Have the figure shade the time before each gap's next tick in which no tick came.

        Not from the time of the row before: the trades of a venue that were held back after a break
        come behind quotes that are newer than they.
        """
        ranges = []
        for gap in gaps:
            stop = rows.start + gap
            before = self._feed.log.rows(max(stop - MAX_LOOKED_BACK, 0), stop).array("time")
            before = before.view("datetime64[ns]")
            if len(before := before[before <= times[gap]]):
                ranges.append((before.max(), times[gap]))
        if ranges:
            self._figure.shade(ranges)
            self._shade_ends += [end for _, end in ranges]

    def _remove_old_shades(self) -> None:
        """Remove shades that have left the window: plotly draws a figure without shapes faster."""
        if not self._shade_ends or self.is_empty:
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


def _break_line(times: Array, values: Array, breaks: Array) -> tuple[Array, Array]:
    """Return times and values, shape (n,), with a NaN inserted before each index of `breaks`."""
    if not len(breaks):
        return times, values
    breaks = np.unique(breaks[breaks < len(times)])
    return np.insert(times, breaks, times[breaks]), np.insert(values, breaks, np.nan)
