"""chart: a live figure of a feed's ticks, as lines or candles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from tickerkit.bars import bars
from tickerkit.cells import slot
from tickerkit.chart.figure import LiveFigure
from tickerkit.chart.window import plotly_x
from tickerkit.log import Rows
from tickerkit.ticks import Array

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["chart"]

LINES_EVERY_S = 0.1
BARS_EVERY_S = 0.25
MOST_LINES = 20
MOST_BARS = 500
MOST_ROWS = 1_000_000
KINDS = ("line", "candles")
GRID = "rgba(128,128,128,.25)"
UNITS = ("price", "percent")


def chart(
    feed: Feed,
    kind: str = "line",
    symbols: str | Sequence[str] | None = None,
    window: int | str = "5min",
    *,
    y: str = "price",
    bar: str | float = "5s",
    height: int = 420,
) -> LiveFigure:
    """Return a live figure of a feed's ticks.

    A run of the same cell draws into the same figure again. It goes on while the feed does, and
    ends with it, or when the figure is closed.

    Args:
        feed: the feed.
        kind: "line": a line of prices for each symbol (of one that has only quotes, the middle of
            bid and ask); "candles": bars of one symbol.
        symbols: which; by default all, new ones as they come, 20 at most. Candles show the first.
        window: how much is shown: a time such as "5min", or a number of ticks (candles: of bars).
        y: "price", or "percent": each line's change since its first point, so that shares of
            different prices can be compared. Candles show prices.
        bar: length of a bar.
        height: in pixels.

    Raises:
        ValueError: if there is no such kind or y, or `window` is none.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is none; pass one of {', '.join(map(repr, KINDS))}")
    if y not in UNITS:
        raise ValueError(f"y={y!r} is none; pass one of {', '.join(map(repr, UNITS))}")
    wanted = [symbols] if isinstance(symbols, str) else symbols
    names = None if wanted is None else tuple(wanted)
    cell = slot("chart", kind, names, window, y, bar, height)
    figure: LiveFigure | None = cell.last()
    if figure is None or figure.comm is None:
        figure = new_figure(height)
        cell.fill(figure)
    draw(feed, figure, kind, names, window, y=y, bar=bar)
    return figure


def draw(
    feed: Feed,
    figure: LiveFigure,
    kind: str,
    symbols: Sequence[str] | None,
    window: int | str,
    *,
    y: str = "price",
    bar: str | float = "5s",
) -> None:
    """Have a figure show a feed's ticks, from now on, instead of what it showed."""
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is none; pass one of {', '.join(map(repr, KINDS))}")
    if y not in UNITS:
        raise ValueError(f"y={y!r} is none; pass one of {', '.join(map(repr, UNITS))}")
    lines = kind == "line"
    figure.end()
    figure.data = ()
    figure.clear()
    figure.window = window if lines else MOST_BARS
    percent = lines and y == "percent"
    figure.update_yaxes(
        tickformat="+.2f" if percent else ",.2f", ticksuffix=" %" if percent else ""
    )
    view = (
        _Lines(figure, symbols, percent=percent)
        if lines
        else _Candles(figure, symbols, window, bar)
    )
    reader = feed.log.reader(max(feed.log.first, feed.log.next - MOST_ROWS))
    every_s = LINES_EVERY_S if lines else BARS_EVERY_S
    figure.draws(feed.follow(view.take, reader=reader, every_s=every_s, name="tickerkit chart"))


def new_figure(height: int) -> LiveFigure:
    """Return an empty figure with an axis of time."""
    # Grey on nothing is readable on a light page and on a dark one.
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID, "automargin": True}
    layout = {
        "height": height,
        "autosize": True,
        "margin": {"l": 50, "r": 20, "t": 30, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "#808080"},
        "hovermode": "x unified",
        "hoverlabel": {"font": {"color": "#202020"}, "bgcolor": "rgba(250,250,250,.95)"},
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        "xaxis": {**axis, "type": "date", "title": {"text": "UTC", "font": {"size": 11}}},
        "yaxis": axis,
        # What the user has zoomed to stays through updates.
        "uirevision": "tickerkit",
    }
    figure = LiveFigure(layout=layout)
    figure._config = {**figure._config, "responsive": True, "displaylogo": False}
    return figure


def _label(symbol: str) -> str:
    """Return a symbol as plotly shows it: its texts are a little HTML, and a symbol is data."""
    return symbol.replace("&", "&amp;").replace("<", "&lt;")


class _Lines:
    """Draws a line for each symbol."""

    def __init__(self, figure: LiveFigure, symbols: Sequence[str] | None, *, percent: bool) -> None:
        self.figure = figure
        self.symbols = symbols
        self._percent = percent
        self._first: dict[int, float] = {}
        self._priced: set[int] = set()
        self._trace: dict[int, int] = {}

    def take(self, rows: Rows) -> None:
        """Append what is new; in the follower's thread."""
        codes = rows.array("symbol")
        prices = rows.array("price")
        there = codes >= 0
        if self.symbols is not None:
            there &= np.isin(codes, rows.log.symbol_codes(self.symbols))
        trades = there & ~np.isnan(prices)
        self._priced.update(np.unique(codes[trades]).tolist())
        middle = self._middle(rows)
        times = rows.array("time").view("datetime64[ns]")
        points: dict[int | str, tuple[Array, Array]] = {}
        for code in np.unique(codes[there]).tolist():
            line = prices if code in self._priced else middle
            chosen = (codes == code) & ~np.isnan(line)
            index = self._trace_of(rows, code) if chosen.any() else None
            if index is not None:
                values = line[chosen]
                if self._percent:
                    first = self._first.setdefault(code, float(values[0]))
                    values = (values / first - 1) * 100
                points[index] = (times[chosen], values)
        if points:
            self.figure.append_now(points)

    def _middle(self, rows: Rows) -> Array:
        if not {"bid", "ask"} <= set(rows.names()):
            return np.full(len(rows), np.nan)
        middle: Array = (rows.array("bid") + rows.array("ask")) / 2
        return middle

    def _trace_of(self, rows: Rows, code: int) -> int | None:
        if code not in self._trace:
            if len(self._trace) >= MOST_LINES:
                return None
            name = rows.log.words["symbol"].words[code]
            self.figure.add_trace(go.Scatter(mode="lines", name=_label(name), line={"width": 1.5}))
            self._trace[code] = len(self._trace)
        return self._trace[code]


class _Candles:
    """Draws the bars of one symbol."""

    def __init__(
        self, figure: LiveFigure, symbols: Sequence[str] | None, window: int | str, bar: str | float
    ) -> None:
        self.figure = figure
        self.symbol = symbols[0] if symbols else None
        self._bar = bar
        span = pd.Timedelta(window) if isinstance(window, str) else None
        step = pd.Timedelta(bar) if isinstance(bar, str) else pd.Timedelta(seconds=bar)
        self._most = min(MOST_BARS, int(window) if span is None else max(int(span / step), 1))
        self._start: int | None = None

    def take(self, rows: Rows) -> None:
        """Draw the newest bars anew, from where the oldest one shown began."""
        log = rows.log
        if self.symbol is None:
            self.symbol = log.symbols()[0]
        if not self.figure.data:
            self.figure.add_trace(go.Candlestick(name=_label(self.symbol)))
            self.figure.update_layout(xaxis_rangeslider_visible=False)
        start = max(log.first, log.next - MOST_ROWS) if self._start is None else self._start
        newest = log.rows(start)
        frame = bars(newest, self._bar, self.symbol)
        if len(frame) > 2 * self._most:
            cut = frame.index[-self._most].value
            self._start = newest.start + int(np.argmax(newest.array("time") >= cut))
        frame = frame.iloc[-self._most :]
        x = plotly_x(pd.DatetimeIndex(frame.index).tz_localize(None).to_numpy())
        columns = {name: frame[name].to_numpy() for name in ("open", "high", "low", "close")}
        self.figure.replace({"x": x, **columns})
