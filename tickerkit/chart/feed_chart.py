"""chart: a live figure of a feed's ticks, as lines or candles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from tickerkit.bars import bars, interval_ns
from tickerkit.chart.figure.figure import SHADE, LiveFigure
from tickerkit.log import Rows
from tickerkit.runtime.rerun import cell_slot
from tickerkit.ticks import Array

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["chart"]

LINES_EVERY_S = 1 / 40
BARS_EVERY_S = 1 / 20
MAX_LINES = 20
MAX_ROWS = 1_000_000
MAX_SHADES = 20
OPEN_BARS = 3
UNZOOMED = {"range": None, "autorange": None}
KINDS = ("line", "candles", "candles+volume")
UNITS = ("price", "percent")


def chart(
    feed: Feed,
    kind: str = "line",
    symbols: str | Sequence[str] | None = None,
    window: int | str = "5min",
    *,
    y: str = "price",
    bar: str | float = "5s",
    tz: str = "UTC",
    height: int = 420,
) -> LiveFigure:
    """Return a live figure of a feed's ticks.

    A run of the same cell draws into the same figure again. It goes on while the feed does, and
    ends with it, or when the figure is closed. Where the feed has a gap, lines break, and the time
    of the gap is shaded.

    Args:
        feed: the feed.
        kind: "line": a line of prices for each symbol (of one that has only quotes, the middle of
            bid and ask); "candles": bars of one symbol; "candles+volume": with their volume below.
        symbols: which; by default all, new ones as they come, 20 at most. Candles show the first.
        window: how much is shown: a time such as "5min", or a number of ticks (candles: of bars).
        y: "price", or "percent": each line's change since its first point, so that shares of
            different prices can be compared. Candles show prices.
        bar: length of a bar.
        tz: the time zone of the axis, such as "America/New_York".
        height: in pixels.

    Raises:
        ValueError: if there is no such kind, y or time zone, or `window` is none.
    """
    must_be_known(kind, y)
    wanted = [symbols] if isinstance(symbols, str) else symbols
    names = None if wanted is None else tuple(wanted)
    cell = cell_slot("chart", kind, names, window, y, bar, tz, height)
    figure: LiveFigure | None = cell.last()
    if figure is None or figure.comm is None:
        figure = new_figure(height, tz)
        cell.fill(figure)
    draw(feed, figure, kind, names, window, y=y, bar=bar)
    return figure


def must_be_known(kind: str, y: str) -> None:
    """Refuse a kind or y that is none."""
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is none; pass one of {', '.join(map(repr, KINDS))}")
    if y not in UNITS:
        raise ValueError(f"y={y!r} is none; pass one of {', '.join(map(repr, UNITS))}")


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
    must_be_known(kind, y)
    lines = kind == "line"
    figure.end()
    figure.data = ()
    figure.window = window
    figure.follow = True
    percent = lines and y == "percent"
    figure.update_layout(
        yaxis={
            "tickformat": "+.2f" if percent else ",.2f",
            "ticksuffix": " %" if percent else "",
            "domain": [0, 1],
        }
        | UNZOOMED,
        xaxis={"anchor": "y"} | UNZOOMED,
    )
    figure.layout.shapes = ()  # an update with none would leave those that are there
    view = (
        _Lines(feed, figure, symbols, percent=percent)
        if lines
        else _Candles(feed, figure, symbols, bar, volume=kind == "candles+volume")
    )
    reader = feed.log.reader(max(feed.log.start, feed.log.stop - MAX_ROWS))
    every_s = LINES_EVERY_S if lines else BARS_EVERY_S
    figure.draws(feed.follow(view.take, reader=reader, every_s=every_s, name="tickerkit chart"))


def new_figure(height: int, tz: str = "UTC") -> LiveFigure:
    """Return an empty figure with an axis of time."""
    layout = {
        "height": height,
        "autosize": True,
        "margin": {"l": 50, "r": 70, "t": 30, "b": 40},
        "hovermode": "x unified",
        "showlegend": True,
        "xaxis": {"type": "date", "automargin": True},
        "yaxis": {"automargin": True},
    }
    figure = LiveFigure(layout=layout, tz=tz)
    figure._config = {**figure._config, "responsive": True, "displaylogo": False}
    return figure


# What plotly makes more of than text: markup, formulas where MathJax is loaded, and fields of a
# hover template. It turns entities back last of all.
MEANT = str.maketrans({"&": "&amp;", "<": "&lt;", "$": "&#36;", "{": "&#123;"})


def _label(symbol: str) -> str:
    """Return a symbol as plotly shows it: its texts are a little HTML, and a symbol is data."""
    return symbol.translate(MEANT)


class _Lines:
    """Draws a line for each symbol."""

    def __init__(
        self, feed: Feed, figure: LiveFigure, symbols: Sequence[str] | None, *, percent: bool
    ) -> None:
        self.feed = feed
        self.figure = figure
        self.symbols = symbols
        self._percent = percent
        self._first: dict[int, float] = {}
        self._priced: set[int] = set()
        self._trace: dict[int, str] = {}
        self._shaded: list[np.datetime64] = []
        self._drawn: dict[int, int] = {}

    def take(self, rows: Rows) -> None:
        """Append what is new; in the follower's thread."""
        codes = rows.array("symbol")
        prices = rows.array("price")
        there = codes >= 0
        if self.symbols is not None:
            there &= np.isin(codes, self.feed.log.symbol_codes(self.symbols))
        trades = there & ~np.isnan(prices)
        self._priced.update(np.unique(codes[trades]).tolist())
        middle = self._middle(rows)
        times = rows.array("time").view("datetime64[ns]")
        gaps = [row - rows.start for row in self.feed.gap_rows if row < rows.stop]
        points: dict[int | str, tuple[Array, Array]] = {}
        for code in np.unique(codes[there]).tolist():
            line = prices if code in self._priced else middle
            chosen = np.flatnonzero((codes == code) & ~np.isnan(line))
            index = self._trace_of(rows, code) if len(chosen) else None
            if index is not None:
                values = line[chosen]
                if self._percent:
                    first = self._first.setdefault(code, float(values[0]))
                    values = (values / first - 1) * 100
                # A line breaks also at a gap after which this symbol came only now.
                drawn = self._drawn.get(code, rows.start + int(chosen[0])) - rows.start
                holes = [gap for gap in gaps if gap > drawn]
                points[index] = _broken(times[chosen], values, np.searchsorted(chosen, holes))
                self._drawn[code] = rows.start + int(chosen[-1])
        if points:
            self.figure.append(points)
        self._shade(rows, [gap for gap in gaps if gap >= 0][-MAX_SHADES:], times)
        self._unshade()

    def _middle(self, rows: Rows) -> Array:
        if not {"bid", "ask"} <= set(rows.names()):
            return np.full(len(rows), np.nan)
        middle: Array = (rows.array("bid") + rows.array("ask")) / 2
        return middle

    def _trace_of(self, rows: Rows, code: int) -> int | None:
        if code not in self._trace:
            if len(self._trace) >= MAX_LINES:
                return None
            name = rows.dictionaries["symbol"].words[code]
            self.figure.add_trace(go.Scatter(mode="lines", name=_label(name), line={"width": 1.5}))
            self._trace[code] = self.figure.data[-1].uid
        # The figure may have traces of the user's, too, and ours may have been taken away.
        uids = [trace.uid for trace in self.figure.data]
        return uids.index(self._trace[code]) if self._trace[code] in uids else None

    def _shade(self, rows: Rows, holes: list[int], times: Array) -> None:
        stretches = []
        for hole in holes:
            before = self.feed.log.rows(rows.start + hole - 1, rows.start + hole).array("time")
            if len(before):
                stretches.append((before.view("datetime64[ns]")[0], times[hole]))
        if stretches:
            self.figure.shade(stretches)
            self._shaded += [end for _, end in stretches]

    def _unshade(self) -> None:
        """Take away what has left the window: a figure without shapes is drawn at less cost."""
        if not self._shaded or not self._trace:
            return
        oldest = self.figure.oldest()
        gone = int(np.sum(np.array(self._shaded) < oldest))
        gone = max(gone, len(self._shaded) - MAX_SHADES)
        if gone:
            del self._shaded[:gone]
            shapes = self.figure.layout.shapes
            ours = [shape for shape in shapes if shape.name == SHADE]
            kept = {id(shape) for shape in ours[gone:]}
            self.figure.layout.shapes = [
                shape for shape in shapes if shape.name != SHADE or id(shape) in kept
            ]


def _broken(times: Array, values: Array, holes: Array) -> tuple[Array, Array]:
    """Return points with a NaN before each of those that come first after a hole."""
    holes = np.unique(holes[holes < len(times)])
    return np.insert(times, holes, times[holes]), np.insert(values, holes, np.nan)


class _Candles:
    """Draws the bars of one symbol."""

    def __init__(
        self,
        feed: Feed,
        figure: LiveFigure,
        symbols: Sequence[str] | None,
        bar: str | float,
        *,
        volume: bool,
    ) -> None:
        self.feed = feed
        self.figure = figure
        self.symbol = symbols[0] if symbols else None
        self._bar = bar
        self._length = np.timedelta64(interval_ns(bar), "ns")
        self._volume = volume
        self._row = 0
        self._open: np.datetime64 | None = None

    def take(self, rows: Rows) -> None:
        """Put in the bars that changed, the last ones; in the follower's thread."""
        if not len(rows):
            return
        log = self.feed.log
        if self.symbol is None:
            self.symbol = log.symbols()[0]
        if not any(trace.type == "candlestick" for trace in self.figure.data):
            self.figure.add_candles(_label(self.symbol), volume=self._volume)
        newest = log.rows(max(self._row, rows.start if self._open is None else self._row))
        frame = bars(newest, self._bar, self.symbol)
        times = pd.DatetimeIndex(frame.index).tz_localize(None).to_numpy()
        # What is older than the bars still open is not complete in these rows: late ticks.
        kept = slice(0 if self._open is None else int(np.searchsorted(times, self._open)), None)
        if not len(times[kept]):
            return
        opens, highs, lows, closes = (
            frame[name].to_numpy()[kept] for name in ("open", "high", "low", "close")
        )
        volume = frame["volume"].to_numpy()[kept] if self._volume else None
        self.figure.append_bars(times[kept], opens, highs, lows, closes, volume)
        self._open = times[-1] - (OPEN_BARS - 1) * self._length
        ticks = newest.array("time").view("datetime64[ns]")
        self._row = newest.start + int(np.argmax(ticks >= self._open))
