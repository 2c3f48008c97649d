"""Dashboard: a chart, the newest prices and controls for one feed, made of ipywidgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import pandas as pd

from tickerkit.chart.feed_chart import chart, check_options, draw_feed, list_symbols, make_figure
from tickerkit.chart.figure.figure import LiveFigure
from tickerkit.chart.instruments import Instruments
from tickerkit.chart.notes import list_present
from tickerkit.chart.widgets.download import Download
from tickerkit.chart.widgets.freshness_table import render_freshness
from tickerkit.chart.widgets.price_table import PriceTable, list_numbers
from tickerkit.chart.widgets.record_button import RecordButton
from tickerkit.chart.widgets.transfer import DownloadFile
from tickerkit.chart.widgets.visible_ticks import make_csv_file, select_visible
from tickerkit.formatting import format_count
from tickerkit.log import Rows
from tickerkit.runtime.cards import dim, escape, render_status
from tickerkit.runtime.hosts import find_host
from tickerkit.runtime.rerun import cell_slot
from tickerkit.runtime.subshells import deliver_as_addressed

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["Dashboard", "dashboard"]

INTERVAL_S = 0.25
ALL_SYMBOLS = "all symbols"
MARKET = {"price", "bid", "ask"}
VIEWS = {
    "percent": "a line for each symbol: its change since the first tick in the window",
    "price": "a line for each symbol: its values; a price may be the middle of quotes",
    "candles": "bars of one symbol",
}
VISIBLE, HELD = "visible window", "all ticks held"
WINDOWS = ("30s", "1min", "5min", "15min", "1h")
CHART_ALONE = "marimo shows no Jupyter widgets, so this is the dashboard's chart alone."
ROW_LAYOUT = {"align_items": "center", "flex_flow": "row wrap"}


class Dashboard(widgets.VBox):  # type: ignore[misc]
    """A feed's state, a live chart, the newest prices, and controls.

    Below those of a venue are the states of its subscriptions, as `feed.freshness` has them.

    `feed.dashboard()` makes it. Its threads end with the feed, or with `close()`. State and prices
    are updated four times a second at most.

    Args:
        feed: the feed.
        kind: "line", "candles" or "candles+volume", shown at first.
        symbols: which symbols to offer and to show, in this order; by default all.
        window: how much the chart shows at first: a time such as "5min", or a number of ticks.
        y: "percent", "price" or another column of numbers such as "temperature", shown at first; by
            default percent, or where the feed has no price, its first column of numbers.
        bar: length of a bar, such as "5s", or in seconds.
        tz: the time zone of the chart and the prices, such as "America/New_York".
        height: height of the chart in pixels.

    Attributes:
        figure: its `LiveFigure`.

    Raises:
        InvalidArgument: if an argument is invalid.
    """

    def __init__(
        self,
        feed: Feed,
        kind: str = "line",
        symbols: str | Sequence[str] | None = None,
        window: int | str = "5min",
        *,
        y: str | None = None,
        bar: str | float = "5s",
        tz: str = "UTC",
        height: int = 380,
    ) -> None:
        check_options(kind, window, y="percent" if y is None else y, bar=bar, tz=tz, height=height)
        self._feed = feed
        self._symbols = list_symbols(symbols)
        self._bar = bar
        self._candles = "candles" if kind == "line" else kind
        self._is_offering = False
        self._y = y
        self._held_at: pd.Timestamp | None = None
        self.figure = make_figure(height, tz)
        self._state = widgets.HTML()
        self._price_table = PriceTable(tz)
        self._prices = widgets.HTML(layout={"overflow": "auto", "max_height": f"{height}px"})
        self._freshness = widgets.HTML(layout={"display": "none"})
        self._kind = widgets.ToggleButtons(
            options=list(VIEWS),
            value="candles" if kind != "line" else "percent" if y in (None, "percent") else "price",
            style={"button_width": "70px"},
            tooltips=list(VIEWS.values()),
        )
        self._symbol = widgets.Dropdown(options=[ALL_SYMBOLS], layout={"width": "130px"})
        column = "price" if y in (None, "percent") else y
        self._column = widgets.Dropdown(
            options=[column], layout={"width": "130px", "display": "none"}, tooltip="what is shown"
        )
        self._name_view(column)
        windows = WINDOWS if window in WINDOWS else (*WINDOWS, window)
        self._window = widgets.Dropdown(options=windows, value=window, layout={"width": "80px"})
        self._pause = widgets.ToggleButton(
            description="Pause", icon="pause", layout={"width": "90px"}
        )
        self._extent = widgets.Dropdown(options=[VISIBLE, HELD], layout={"width": "140px"})
        self._download = Download(
            self._make_file, tooltip="save these ticks of the chosen symbol as CSV on your computer"
        )
        self._record = RecordButton(feed)
        # In a row of its own: beside the chart, a long refusal would take the chart's room.
        children = [self._state, self._arrange_body(), self._freshness, self._arrange_controls()]
        super().__init__(children)
        for control in (self._kind, self._column, self._symbol, self._window):
            control.observe(self._redraw, "value")
        self._pause.observe(self._on_pause, "value")
        self.figure.observe(self._on_follow, "_follow")
        deliver_as_addressed(
            self._kind,
            self._column,
            self._symbol,
            self._window,
            self._pause,
            self._record,
            self._extent,
        )
        self.show(feed)

    def show(self, feed: Feed) -> None:
        """Show another feed from now on."""
        self._feed = feed
        self._price_table.clear()
        self._offer_columns(feed.latest())
        self._redraw()

    def close(self) -> None:
        """Close the widgets, and end the threads that draw; idempotent."""
        for name in ("figure", "_download"):
            if name in self.__dict__:  # else the constructor has raised, or was interrupted
                self.__dict__[name].close()
        super().close()

    def _arrange_body(self) -> widgets.HBox:
        chart = widgets.Box([self.figure], layout={"flex": "1 1 480px", "min_width": "0"})
        prices = widgets.Box([self._prices], layout={"flex": "0 0 auto"})
        return widgets.HBox([chart, prices], layout={"flex_flow": "row wrap"})

    def _arrange_controls(self) -> widgets.VBox:
        view = [self._kind, self._column, self._symbol, self._window, self._pause]
        record = [self._record, self._record.note]
        download = [self._extent, self._download]
        return widgets.VBox(
            [widgets.HBox(row, layout=ROW_LAYOUT) for row in ([*view, *record], download)]
        )

    def _on_pause(self, change: Any) -> None:
        self.figure.follow = not change["new"]

    def _on_follow(self, change: Any) -> None:
        """Show on the pause button whether the chart follows: a zoom in the page pauses it too."""
        newest = self._feed.latest()["time"].max()
        self._held_at = None if change["new"] or pd.isna(newest) else newest
        self._pause.value = not change["new"]
        self._pause.description = "Pause" if change["new"] else "Resume"
        self._pause.icon = "pause" if change["new"] else "play"

    def _redraw(self, _: Any = None) -> None:
        if self._is_offering:
            return
        symbol = self._symbol.value
        symbols = self._symbols if symbol == ALL_SYMBOLS else [symbol]
        kind = self._candles if self._kind.value == "candles" else "line"
        self._name_view(self._column.value)
        draw_feed(
            self._feed,
            self.figure,
            kind,
            symbols,
            self._window.value,
            column=self._column.value,
            percent=self._kind.value == "percent",
            bar=self._bar,
        )
        # Like the chart's own follower, this one ends with the figure or the next draw_feed().
        self.figure.add_drawer(
            self._feed.follow(
                self._refresh,
                reader=self._feed.log.reader(),
                every_s=INTERVAL_S,
                name="tickerkit dashboard",
                finish=self._show_end,
            )
        )

    def _refresh(self, _: Rows) -> None:
        """Update state, symbols and prices; called in the follower's thread."""
        feed = self._feed = self._feed.current
        self._record.show(feed)
        latest = feed.latest()
        if self._offer_columns(latest):
            self._redraw()
        column = self._column.value
        if self._symbols is not None:
            known = set(feed.log.symbols())
            symbols = [symbol for symbol in self._symbols if symbol in known]
        elif feed.symbols is not None:
            symbols = Instruments.of(feed.log).sort(feed.log.symbols())
        else:
            symbols = list_present(feed)
        self._offer_symbols(symbols)
        self._state.value = _render_state(feed)
        runs = feed.log.runs
        epoch = runs[-1].epoch if runs else None
        self._prices.value = self._price_table.render(feed.log, column, latest, symbols, epoch)
        self._freshness.value = render_freshness(feed.freshness, symbols)
        self._freshness.layout.display = None if self._freshness.value else "none"

    def _show_end(self) -> None:
        """Show that the feed is stopped: its subscriptions would seem to be live for ever."""
        feed = self._feed.current
        if feed.status == "stopped":
            self._freshness.value, self._freshness.layout.display = "", "none"
            self._state.value = _render_state(feed)

    def _offer_symbols(self, symbols: list[str]) -> None:
        """Offer these symbols in the menu."""
        self._offer(self._symbol, [ALL_SYMBOLS, *symbols])

    def _offer_columns(self, latest: pd.DataFrame) -> bool:
        """Offer the columns of numbers; choose the first where the feed turns out to have no price.

        Args:
            latest: a row for each symbol, as `Feed.latest` returns it.

        Returns:
            Whether it has chosen another column, which is to be drawn.
        """
        columns = list_numbers(latest)
        if "price" not in columns and {"bid", "ask"} <= set(columns):
            columns.insert(0, "price")  # the middle of the quotes
        is_other = (
            bool(columns) and "price" not in columns and self._y in (None, "percent", "price")
        )
        if is_other:
            if self._y is None and self._kind.value == "percent":
                self._offer(self._kind, list(self._kind.options), "price")
            # A choice for good: a price that comes later is offered, but does not replace it.
            self._y = columns[0]
        self._offer(self._column, columns, columns[0] if is_other else None)
        # Of a market the view says it all: a second "price" beside that button would only puzzle.
        is_plain = self._column.value == "price" and set(columns) <= MARKET
        self._column.layout.display = "none" if is_plain or len(columns) < 2 else None
        return is_other

    def _offer(self, control: Any, options: list[Any], chosen: str | None = None) -> None:
        """Offer options, and keep the choice, or make another: ipywidgets would reset it."""
        if chosen is None:
            chosen = control.value
            if chosen not in options:
                options = [*options, chosen]  # the chart still shows it
        if list(control.options) == options and control.value == chosen:
            return
        self._is_offering = True
        try:
            control.options = options
            control.value = chosen
        finally:
            self._is_offering = False

    def _name_view(self, column: str) -> None:
        """Name the view of values by its column."""
        options = [(column if view == "price" else view, view) for view in VIEWS]
        self._offer(self._kind, options, self._kind.value)

    def _make_file(self) -> DownloadFile:
        """Return the file for a click on Download; called in the transfer's thread."""
        symbol = None if self._symbol.value == ALL_SYMBOLS else self._symbol.value
        # In a list, since the text of a symbol with a comma would be two symbols.
        ticks = self._feed.frame(None if symbol is None else [symbol])
        if self._extent.value == VISIBLE:
            ticks = select_visible(ticks, self.figure, self._window.value, self._held_at)
        return make_csv_file(ticks, symbol)


def dashboard(
    feed: Feed,
    kind: str = "line",
    symbols: str | Sequence[str] | None = None,
    window: int | str = "5min",
    *,
    y: str | None = None,
    bar: str | float = "5s",
    tz: str = "UTC",
    height: int = 380,
) -> Dashboard | LiveFigure:
    """Return a dashboard of a feed; when a cell is run again, its dashboard shows the new feed.

    In marimo, which can't show its controls, it is the chart alone, and a sentence says so.

    The arguments are those of `Dashboard`.
    """
    check_options(kind, window, y="percent" if y is None else y, bar=bar, tz=tz, height=height)
    if find_host() == "marimo":
        print(CHART_ALONE)
        return chart(feed, kind, symbols, window, y=y or "percent", bar=bar, tz=tz, height=height)
    names = list_symbols(symbols)
    cell = cell_slot("dashboard", kind, names, window, y, bar, tz, height)
    last: Dashboard | None = cell.last()
    if last is not None and last.comm is not None:
        last.show(feed)
        return last
    made = Dashboard(feed, kind, names, window, y=y, bar=bar, tz=tz, height=height)
    cell.fill(made)
    return made


def _render_state(feed: Feed) -> str:
    """Return a feed's status and counts as a line of HTML."""
    stats = feed.stats
    reason = f" — {escape(feed.status_reason)}" if feed.status_reason else ""
    counts = [
        escape(feed.url),
        format_count(stats["received"], "tick"),
        f"{stats['rate']:,.0f}/s",
        format_count(stats["gaps"], "gap") if stats["gaps"] else "",
        f"feed.fields: {feed.fields_note}" if feed.fields_note else "",
        escape(stats["last_error"]),
        escape(feed.source_problem),
    ]
    return f"{render_status(feed.status)}{reason} {dim(' · '.join(filter(None, counts)))}"
