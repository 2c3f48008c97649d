"""Dashboard: a chart, the prices and controls for one feed, of ipywidgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import pandas as pd

from tickerkit.chart.feed_chart import draw, new_figure
from tickerkit.chart.figure.comms import stay_heard
from tickerkit.chart.widgets.download import Download, File
from tickerkit.chart.widgets.record_button import RecordButton
from tickerkit.chart.widgets.visible import csv_file, visible
from tickerkit.log import Rows
from tickerkit.runtime.cards import GREEN, RED, escape, status_colour
from tickerkit.runtime.rerun import cell_slot

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["Dashboard", "dashboard"]

EVERY_S = 0.25
MAX_ROWS = 40
ALL = "all symbols"
VIEWS = {
    "percent": "a line for each symbol: its change since the first tick shown",
    "price": "a line for each symbol: its price",
    "candles": "bars of one symbol",
}
VISIBLE, HELD = "visible window", "all ticks held"
WINDOWS = ("30s", "1min", "5min", "15min", "1h")
UP, DOWN = GREEN, RED
# As wide as most numbers are, so that the chart beside them does not jump with every price.
NUMBER = "text-align:right;min-width:5em"


class Dashboard(widgets.VBox):  # type: ignore[misc]
    """A feed at a glance: its state, a live chart, the newest prices, and controls.

    Made by `feed.dashboard()`. Its threads end with the feed, or with `close()`.

    Attributes:
        figure: the `LiveFigure` in it.
    """

    def __init__(self, feed: Feed, window: str = "5min", height: int = 380) -> None:
        self._feed = feed
        self._offering = False
        self._shown: dict[str, tuple[float, str]] = {}
        self.figure = new_figure(height)
        self._state = widgets.HTML()
        self._prices = widgets.HTML(layout={"overflow": "auto", "max_height": f"{height}px"})
        self._kind = widgets.ToggleButtons(
            options=list(VIEWS), style={"button_width": "70px"}, tooltips=list(VIEWS.values())
        )
        self._symbol = widgets.Dropdown(options=[ALL], layout={"width": "130px"})
        windows = WINDOWS if window in WINDOWS else (*WINDOWS, window)
        self._window = widgets.Dropdown(options=windows, value=window, layout={"width": "80px"})
        self._pause = widgets.ToggleButton(
            description="Pause", icon="pause", layout={"width": "90px"}
        )
        self._held_at: pd.Timestamp | None = None
        self._extent = widgets.Dropdown(options=[VISIBLE, HELD], layout={"width": "140px"})
        self._download = Download(
            self._file, tooltip="bring these ticks of the symbol chosen to your computer, as CSV"
        )
        self._record = RecordButton(feed)
        wrapped = {"align_items": "center", "flex_flow": "row wrap"}
        heard = [self._kind, self._symbol, self._window, self._pause, self._record, self._extent]
        rows = [*heard[:-1], self._record.note], [self._extent, self._download]
        controls = widgets.VBox([widgets.HBox(row, layout=wrapped) for row in rows])
        chart = widgets.Box([self.figure], layout={"flex": "1 1 480px", "min_width": "0"})
        prices = widgets.Box([self._prices], layout={"flex": "0 0 auto"})
        body = widgets.HBox([chart, prices], layout={"flex_flow": "row wrap"})
        super().__init__([self._state, body, controls])
        for control in (self._kind, self._symbol, self._window):
            control.observe(self._redraw, "value")
        self._pause.observe(self._hold, "value")
        self.figure.observe(self._held, "_follow")
        stay_heard(*heard)
        self.show(feed)

    def show(self, feed: Feed) -> None:
        """Show another feed from now on."""
        self._feed = feed
        self._shown.clear()
        self._redraw()

    def close(self) -> None:
        """Close the widgets, and end the threads that draw."""
        if "figure" in self.__dict__:  # else it was refused by its arguments
            self.figure.close()
            self._download.close()
        super().close()

    def _hold(self, change: Any) -> None:
        self.figure.follow = not change["new"]

    def _held(self, change: Any) -> None:
        """Say on the button what a zoom in the chart has done, too."""
        newest = self._feed.frame()["time"].max()
        self._held_at = None if change["new"] or pd.isna(newest) else newest
        self._pause.value = not change["new"]
        self._pause.description = "Pause" if change["new"] else "Resume"
        self._pause.icon = "pause" if change["new"] else "play"

    def _redraw(self, _: Any = None) -> None:
        if self._offering:
            return
        symbol = self._symbol.value
        symbols = None if symbol == ALL else [symbol]
        kind = "candles" if self._kind.value == "candles" else "line"
        y = "percent" if self._kind.value == "percent" else "price"
        draw(self._feed, self.figure, kind, symbols, self._window.value, y=y)
        # What draws on the figure ends with it; so does this.
        self.figure.draws(
            self._feed.follow(
                self._refresh,
                reader=self._feed.log.reader(),
                every_s=EVERY_S,
                name="tickerkit dashboard",
            )
        )

    def _refresh(self, _: Rows) -> None:
        """Write the state and the prices; in the follower's thread."""
        feed = self._feed = self._feed.current
        self._record.show(feed)
        self._offer([ALL, *feed.log.symbols()])
        stats = feed.stats
        colour = status_colour(feed.status)
        doing = "" if feed.status in ("live", "stopped") else f" — {escape(feed.status_detail)}"
        gaps = f" · {stats['gaps']} gaps" if stats["gaps"] else ""
        error = f" · {escape(stats['last_error'])}" if stats["last_error"] else ""
        self._state.value = (
            f'<b style="color:{colour}">● {escape(feed.status)}</b>{doing} '
            f'<span style="opacity:.7">{escape(feed.url)} · {stats["received"]:,} ticks · '
            f"{stats['rate']:,.0f}/s{gaps}{error}</span>"
        )
        self._prices.value = self._table()

    def _offer(self, symbols: list[str]) -> None:
        """Offer symbols to choose from; new options would put the choice back to the first."""
        if list(self._symbol.options) == symbols:
            return
        chosen, self._offering = self._symbol.value, True
        try:
            self._symbol.options = symbols
            self._symbol.value = chosen if chosen in symbols else ALL
        finally:
            self._offering = False

    def _table(self) -> str:
        latest = self._feed.latest()
        rows = []
        for symbol, tick in latest.iloc[:MAX_ROWS].iterrows():
            price = tick["price"]
            before, colour = self._shown.get(str(symbol), (price, "inherit"))
            if price != before:
                colour = UP if price > before else DOWN
            self._shown[str(symbol)] = (price, colour)
            size = "" if tick["size"] != tick["size"] else f"{tick['size']:,.10g}"
            clock = tick["time"].strftime("%H:%M:%S")
            arrow = {UP: "▲", DOWN: "▼"}.get(colour, "")
            rows.append(
                f'<tr><td style="text-align:left"><b>{escape(symbol)}</b></td>'
                f'<td style="{NUMBER};color:{colour}">{arrow} {price:,.2f}</td>'
                f'<td style="{NUMBER};opacity:.7">{size}</td>'
                f'<td style="text-align:right;opacity:.7">{clock}</td></tr>'
            )
        if len(latest) > MAX_ROWS:
            rows.append(f"<tr><td colspan=4>… and {len(latest) - MAX_ROWS:,} more</td></tr>")
        style = "font-variant-numeric:tabular-nums;border-spacing:.8em .15em;white-space:nowrap"
        head = "<tr style='opacity:.6'><td>symbol</td><td>price</td><td>size</td><td>UTC</td></tr>"
        return f'<table style="{style}">{head}{"".join(rows)}</table>'

    def _file(self) -> File:
        """Return what a click on Download brings; in a thread of the download's."""
        symbol = None if self._symbol.value == ALL else self._symbol.value
        ticks = self._feed.frame(symbol)
        if self._extent.value == VISIBLE:
            ticks = visible(ticks, self.figure, self._window.value, self._held_at)
        return csv_file(ticks, symbol)


def dashboard(feed: Feed, **options: Any) -> Dashboard:
    """Return a dashboard of a feed; a run of the same cell shows the feed in the same one again.

    Args:
        feed: the feed.
        **options: `window` (such as "5min") to begin with, `height` of the chart in pixels.
    """
    cell = cell_slot("dashboard", *sorted(options.items()))
    last: Dashboard | None = cell.last()
    if last is not None and last.comm is not None:
        last.show(feed)
        return last
    made = Dashboard(feed, **options)
    cell.fill(made)
    return made
