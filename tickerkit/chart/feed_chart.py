"""chart: a live figure of a feed's ticks, as lines or candles."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tickerkit.bars import interval_ns, parse_indicators
from tickerkit.chart.alert_marks import AlertMarks
from tickerkit.chart.book.heat_map import follow_books
from tickerkit.chart.figure.figure import LiveFigure
from tickerkit.chart.figure.time_axes import TimeAxes
from tickerkit.chart.figure.window import parse_window
from tickerkit.chart.indicator_lines import count_panes
from tickerkit.chart.instruments import Instruments
from tickerkit.chart.lines import LineDrawer
from tickerkit.chart.notes import describe_chart
from tickerkit.chart.palette import COLOURS, find_colours
from tickerkit.chart.panes import CROSSHAIR, CROSSHAIR_Y, PANE_HEIGHT
from tickerkit.chart.symbol_chart import SymbolDrawer
from tickerkit.chart.value_format import make_axis_format
from tickerkit.decimals import MIN_DECIMALS
from tickerkit.errors import InvalidArgument
from tickerkit.log import Rows
from tickerkit.runtime.rerun import cell_slot
from tickerkit.runtime.scheduler import SENDER
from tickerkit.validation import check_choice, check_flag, check_number, check_text, parse_symbols

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["chart", "check_options", "draw_feed", "list_symbols", "make_figure"]

BARS_INTERVAL_S = 1 / 20
# How often the note of a chart with points is updated: ticks rarely change it.
NOTE_INTERVAL_S = 0.25
# If the log holds more rows, only the newest ones are drawn.
MAX_ROWS = 1_000_000
UNZOOMED = {"range": None, "autorange": None}
CONFIG = {"responsive": True, "displaylogo": False}
KINDS = ("line", "candles", "candles+volume")
CHART_KINDS = (*KINDS, "book")
EXPECTED_Y = "'price', 'percent', or another column of numbers such as 'temperature'"
# Pixels; plotly draws nothing smaller.
MIN_HEIGHT, MAX_HEIGHT = 10, 20_000
DEFAULT_HEIGHT = 420


def chart(
    feed: Feed,
    kind: str = "line",
    symbols: str | Sequence[str] | None = None,
    window: int | str = "5min",
    *,
    y: str | None = None,
    bar: str | float = "5s",
    tz: str = "UTC",
    height: int | None = None,
    smooth: bool = True,
    indicators: object = (),
    alerts: bool = True,
) -> LiveFigure:
    """Return a live figure of a feed's ticks.

    The figure draws what the log holds, at most the newest 1,000,000 ticks, then every new tick,
    until the feed is stopped or the figure is closed. A slow figure receives larger batches; it
    never slows the feed. When the same cell is run again, its figure is reused. At a gap of the
    feed lines break, and the time of the gap is shaded. While there is no connection, the figure is
    dim and says since when.

    A symbol has the same colour in all charts of a feed, and its values have the decimals of its
    tick size. A symbol without a price, such as a thermometer, is drawn by its first number.

    Args:
        feed: the feed.
        kind: "line", a line of prices for each symbol; "candles", bars of one symbol;
            "candles+volume", the same with the volume below; or "book", the sizes of one symbol's
            order book over time, as colours. A symbol that has only quotes is drawn at the middle
            of bid and ask; one without any price, by its first column of numbers.
        symbols: one symbol, a list, or text such as "AAPL,MSFT", drawn in this order; by default
            all, also those that appear later, at most 20. Candles show the first.
        window: how much is shown: a time such as "5min", or a number of ticks of each symbol
            (candles: of bars).
        y: "price", or another column of numbers such as "temperature", which names the axis; or
            "percent", each line's change since the first tick in the window, so that symbols of
            different prices can be compared. Every line begins at 0 %; the figure's `data` hold
            prices. Candles show prices. By default "price", and "percent" once the chart has
            several symbols with prices.
        bar: length of a bar, such as "5s", or in seconds.
        tz: the time zone of the axis, such as "America/New_York".
        height: height of the figure in pixels; by default 420, and 80 more for each pane below.
        smooth: whether lines move evenly where messages come rarely, as for `LiveFigure`.
        indicators: what to draw beside the values, such as ["sma(20)", "rsi(14)"]; `tk.indicators`
            lists them. They are computed from bars, also of a line; what is a price is drawn over
            the prices, everything else in a pane of its own below. A chart with indicators shows
            one symbol, the first. A number of ticks as `window` limits what is shown of them, too.
        alerts: whether alerts of the feed that have fired are marked.

    Raises:
        InvalidArgument: if an argument is invalid.

    Example:
        >>> feed.chart(kind="candles", symbols="AAPL", bar="10s", indicators=["sma(20)", "rsi(14)"])
    """
    specs = parse_indicators(indicators)
    if height is None:
        height = DEFAULT_HEIGHT + PANE_HEIGHT * count_panes(specs)
    check_choice("kind", kind, CHART_KINDS)
    if kind == "book" and specs:
        raise InvalidArgument("indicators", indicators, "none: an order book has no bars")
    known_kind = kind if kind in KINDS else KINDS[0]
    known_y = "price" if y is None else y
    check_options(known_kind, window, y=known_y, bar=bar, tz=tz, height=height)
    check_flag("smooth", smooth)
    check_flag("alerts", alerts)
    names = list_symbols(symbols)
    texts = tuple(spec.text for spec in specs)
    cell = cell_slot("chart", kind, names, window, y, bar, tz, height, smooth, texts, alerts)
    figure: LiveFigure | None = cell.last()
    if figure is None or figure.closed:
        figure = make_figure(height, tz, smooth=smooth)
        cell.fill(figure)
    draw_feed(
        feed,
        figure,
        kind,
        names,
        window,
        column="price" if y in (None, "percent") else y,
        percent=None if y is None else y == "percent",
        bar=bar,
        indicators=specs,
        alerts=alerts,
    )
    return figure


def draw_feed(
    feed: Feed,
    figure: LiveFigure,
    kind: str,
    symbols: Sequence[str] | None,
    window: int | str,
    *,
    column: str = "price",
    percent: bool | None = False,
    bar: str | float = "5s",
    indicators: object = (),
    alerts: bool = True,
    hint: str = "choose with symbols=",
) -> None:
    """Remove what a figure shows, and draw a feed's ticks on it from now on.

    The arguments are those of `chart`; in place of `y`, `column` is the column to draw, and
    `percent` whether lines show its change in percent; None for once there are several. `hint` says
    how the user chooses symbols that are not drawn.
    """
    specs = parse_indicators(indicators)
    is_line = kind == "line"
    is_percent = is_line and bool(percent)
    empty_figure(figure, window, percent=is_percent)
    symbols = symbols or feed.symbols
    for symbol in symbols or ():
        Instruments.of(feed.log).place(symbol)
    if kind == "book":
        follow_books(feed, figure, symbols, window)
        return
    drawer: LineDrawer | SymbolDrawer
    if is_line and not specs:
        drawer = LineDrawer(feed, figure, symbols, column, percent=percent)
    else:
        drawer = SymbolDrawer(
            feed,
            figure,
            symbols,
            column,
            bar,
            kind=kind,
            percent=is_percent,
            indicators=specs,
        )
    marks = AlertMarks(feed, figure, column, drawer.find_base) if alerts else None
    reader = feed.log.reader(max(feed.log.start, feed.log.stop - MAX_ROWS))
    noted_at = 0.0

    def find_interval_s() -> float:
        wanted_s = max(SENDER.interval_s, figure.message_interval_s)
        return wanted_s if is_line else max(BARS_INTERVAL_S, wanted_s)

    def show_note() -> None:
        nonlocal noted_at
        noted_at = time.monotonic()
        note = describe_chart(
            feed.current,
            drawer.symbols,
            column,
            is_empty=drawer.is_empty,
            undrawn=drawer.undrawn,
            zone=figure.tz,
            hint=hint,
        )
        figure.show_note(note)

    def draw(rows: Rows) -> None:
        if figure.closed:
            figure.close()  # which stops this thread, too
            return
        was_empty = drawer.is_empty
        try:
            drawer.draw(rows)
        finally:  # an indicator of the user's own may have raised an error
            if marks is not None:
                marks.draw(drawer.drawn)
            companions = [*drawer.companions, *(marks.uids if marks else ())]
            trim_traces(figure, drawer.uids, companions)
            is_due = time.monotonic() - noted_at > NOTE_INTERVAL_S
            if is_due or was_empty or not len(rows):
                show_note()

    show_note()
    follower = feed.follow(
        draw,
        reader=reader,
        every_s=find_interval_s,
        name="tickerkit chart",
        finish=show_note,
    )
    figure.add_drawer(follower)


def trim_traces(figure: LiveFigure, uids: Iterable[str], companions: Iterable[str]) -> None:
    """Drop the points of companions that lie before those of the main traces of a chart."""
    indices = {props["uid"]: index for index, props in enumerate(figure._data)}
    main, others = ([indices[uid] for uid in each if uid in indices] for each in (uids, companions))
    if main and others:
        figure.trim_to(main, others)


def empty_figure(figure: LiveFigure, window: int | str, *, percent: bool) -> None:
    """Remove what a figure shows, and have it follow; `percent` is as for `draw_feed`."""
    figure.stop_drawing()
    figure.data = ()
    figure.window = window
    figure.follow = True
    axis_format = make_axis_format(MIN_DECIMALS, percent=percent)
    figure.update_layout(
        yaxis={"domain": [0, 1], "title": {"text": ""}} | axis_format | UNZOOMED,
        xaxis={"anchor": "y"} | UNZOOMED,
    )
    for name in ("shapes", "annotations", "images"):
        figure.layout[name] = ()  # update_layout(shapes=[]) would keep the shapes


def make_figure(height: int, tz: str = "UTC", *, smooth: bool = True) -> LiveFigure:
    """Return an empty figure with a time axis; `height` is in pixels."""
    layout = {
        "height": height,
        "autosize": True,
        "margin": {"l": 50, "r": 70, "t": 30, "b": 40},
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "showlegend": True,
        "legend": {"tracegroupgap": 2},
        "xaxis": {"type": "date", "automargin": True, **CROSSHAIR},
        "yaxis": {"automargin": True, **CROSSHAIR_Y},
    }
    figure = LiveFigure(layout=layout, tz=tz, smooth=smooth)
    if find_colours(figure) is COLOURS:
        # From the last one: the user's own traces get other colours than the first symbols.
        figure.layout.colorway = COLOURS[::-1]
    figure._config = {**figure._config, **CONFIG}
    return figure


def list_symbols(symbols: object) -> tuple[str, ...] | None:
    """Return an argument `symbols` as a tuple, None for all symbols; raise `InvalidArgument`."""
    names = parse_symbols("symbols", symbols)
    return None if names is None else tuple(names)


def check_options(
    kind: str, window: int | str, *, y: str, bar: str | float, tz: str, height: int
) -> None:
    """Raise `InvalidArgument` if an option of a chart is invalid; they are those of `chart`."""
    check_choice("kind", kind, KINDS)
    check_text("y", y, EXPECTED_Y)
    if not y:
        raise InvalidArgument("y", y, EXPECTED_Y)
    parse_window(window)
    interval_ns(bar, "bar")
    TimeAxes(tz)
    check_number("height", height, MIN_HEIGHT, MAX_HEIGHT, whole=True)
