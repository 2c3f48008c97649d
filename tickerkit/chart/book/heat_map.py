"""BookDrawer: draws the order books of one symbol over time, as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from tickerkit.chart.book.columns import BookColumns, choose_interval_ns
from tickerkit.chart.book.grid import Grid, choose_grid
from tickerkit.chart.figure.figure import LiveFigure
from tickerkit.chart.figure.window import parse_window
from tickerkit.chart.labels import escape_label
from tickerkit.chart.messages import FigureNote
from tickerkit.chart.notes import MAX_NAMES, describe_chart
from tickerkit.chart.palette import COLOURS
from tickerkit.chart.value_format import make_axis_format, make_format
from tickerkit.log import Book, Rows
from tickerkit.ticks import Array

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["BookDrawer", "follow_books"]

INTERVAL_S = 1 / 20
HEAT, BID, ASK = range(3)
# From dark blue to yellow, in the same order of brightness for the colour-blind.
COLOURSCALE = "Cividis"
# Above the plot: at its right edge are the labels of the lines, and the legend at the left.
COLOUR_BAR: dict[str, Any] = {
    "orientation": "h",
    "title": {"text": "size", "side": "right"},
    "len": 0.4,
    "thickness": 8,
    "x": 1,
    "xanchor": "right",
    "y": 1.02,
    "yanchor": "bottom",
    "ypad": 0,
    "nticks": 4,
}
# Sizes above this quantile have the brightest colour: a few are far larger than the others.
BRIGHTEST = 0.98
# By how much the size of the strongest colour may be wrong before it is set again.
MAX_DRIFT = 1.5
LOOK_COLUMNS = 50


def follow_books(
    feed: Feed, figure: LiveFigure, symbols: Sequence[str] | None, window: int | str
) -> None:
    """Draw the books of a symbol on an empty figure, as they come, in a thread of its own.

    The arguments are those of `BookDrawer`.
    """
    drawer = BookDrawer(feed, figure, symbols, window)

    def show_note() -> None:
        figure.show_note(drawer.describe(feed.current, figure.tz))

    def draw(_: Rows) -> None:
        if figure.closed:
            figure.close()  # which stops this thread, too
            return
        drawer.draw()
        show_note()

    show_note()
    follower = feed.follow(
        draw,
        reader=feed.log.reader(),
        every_s=INTERVAL_S,
        name="tickerkit chart",
        finish=show_note,
        books=True,
    )
    figure.add_drawer(follower)


class BookDrawer:
    """Draws the books of one symbol on a figure: a row for each price, a column for each moment.

    A cell's colour is the size at its price. Lines show the best bid and ask. Columns are 0.1 s or
    more apart, so that the window has at most 1,000; there are at most 200 rows. When the price
    leaves the middle of the rows, all columns are drawn again on rows around the new price; of
    earlier books, what lies outside of these rows is not shown.

    Args:
        feed: the feed.
        figure: the figure.
        symbols: the first is drawn; None for the first that has a book.
        window: how much is shown: a time, or a number of columns.

    """

    def __init__(
        self, feed: Feed, figure: LiveFigure, symbols: Sequence[str] | None, window: int | str
    ) -> None:
        self._log = feed.log
        self._figure = figure
        self._symbol = symbols[0] if symbols else None
        self._columns = BookColumns(choose_interval_ns(parse_window(window)))
        self._number = 0  # of the newest book that was taken
        self._grid: Grid | None = None
        self._largest = 0.0
        self._unchecked = 0

    def describe(self, feed: Feed, zone: str) -> FigureNote:
        """Return the note that the chart shows now: of a wait, or of a lost connection."""
        if self._grid is not None or feed.status != "live":
            return describe_chart(feed, None, is_empty=False, undrawn=0, zone=zone)
        if self._columns.newest is not None:
            text = f"waiting for a change of the order book of {self._symbol}"
            return {"kind": "waiting", "text": text}
        text = f"waiting for the order book of {self._symbol or 'a symbol'}"
        if self._symbol is not None and (others := feed.books):
            text += f"; there are those of {', '.join(others[:MAX_NAMES])}"
        return {"kind": "waiting", "text": text}

    def draw(self) -> None:
        """Draw the columns that are complete; called in the follower's thread."""
        books = self._log.books
        if self._symbol is None:
            self._symbol = next(iter(books.symbols()), None)
        if self._symbol is None:
            return
        new = books.since(self._symbol, self._number)
        if not new:
            return
        self._number = new[-1].number
        before = self._columns.restarts
        columns = self._columns.add(new)
        is_new = self._columns.restarts > before
        if is_new or self._grid is None or not self._grid.holds(new[-1]):
            self._begin()
        elif columns:
            self._append(self._grid, columns)

    def _begin(self) -> None:
        """Draw all columns on rows around the newest price."""
        held = list(self._columns.held)
        newest = self._columns.newest
        assert newest is not None
        self._grid = choose_grid([*(book for _, book in held[-LOOK_COLUMNS:]), newest])
        if self._grid is None or not held:
            self._grid = None
            return
        figure, grid = self._figure, self._grid
        times, cells, bids, asks = _fill(grid, held)
        self._largest = _find_largest(cells)
        number_format = make_format(grid.decimals)
        with figure.batch_update():
            figure.data = ()
            figure.add_trace(self._make_map(grid))
            for name, colour in (("bid", COLOURS[0]), ("ask", COLOURS[1])):
                line = {"color": colour, "width": 1.5, "shape": "hv"}
                trace = go.Scatter(name=name, mode="lines", line=line)
                trace.yhoverformat = number_format
                figure.add_trace(trace)
            figure.update_layout(yaxis=make_axis_format(grid.decimals) | {"autorange": True})
        figure.append_column(times, cells, HEAT)
        # Appended, not given to the traces: plotly's messages are JSON, which has no NaN.
        figure.append({BID: (times, bids), ASK: (times, asks)})

    def _make_map(self, grid: Grid) -> go.Heatmap:
        assert self._symbol is not None
        return go.Heatmap(
            name=escape_label(self._symbol),
            y=grid.prices,
            colorscale=COLOURSCALE,
            zmin=0,
            zmax=self._largest,
            colorbar=COLOUR_BAR,
            yhoverformat=make_format(grid.decimals),
            hovertemplate="%{y}: size %{z:,.6~g}<extra></extra>",
        )

    def _append(self, grid: Grid, columns: Sequence[tuple[int, Book]]) -> None:
        times, cells, bids, asks = _fill(grid, columns)
        figure = self._figure
        figure.append_column(times, cells, HEAT)
        # Together: between two calls a message might be sent, in which the sides have crossed.
        figure.append({BID: (times, bids), ASK: (times, asks)})
        self._unchecked += len(columns)
        if self._unchecked >= LOOK_COLUMNS:
            self._unchecked = 0
            largest = _find_largest(_fill(grid, list(self._columns.held))[1])
            if not self._largest / MAX_DRIFT < largest < self._largest * MAX_DRIFT:
                self._largest = largest
                figure.data[HEAT].zmax = largest


def _fill(
    grid: Grid, columns: Sequence[tuple[int, Book]]
) -> tuple[Array, Array, list[float], list[float]]:
    """Return the times of columns, their cells, shape (rows, columns), and the best bids and asks.

    A price is NaN without a best level, and outside of the rows: the axis would have to reach it,
    and the rows would be too thin to be seen.
    """
    times = np.array([time for time, _ in columns], dtype=np.int64).view("datetime64[ns]")
    cells = np.column_stack([grid.fill(book) for _, book in columns])
    bids, asks = (
        [float(side[0, 0]) if len(side) and grid.covers(side[0, 0]) else np.nan for side in sides]
        for sides in ([book.bids for _, book in columns], [book.asks for _, book in columns])
    )
    return times, cells, bids, asks


def _find_largest(cells: Array) -> float:
    """Return the size that has the brightest colour; 1 without any size."""
    sizes = cells[~np.isnan(cells)]
    return float(np.quantile(sizes, BRIGHTEST)) if len(sizes) else 1.0
