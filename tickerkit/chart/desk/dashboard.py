"""Dashboard: chart, watchlist, ribbon of events and state of one feed or several."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import anywidget
import ipywidgets
import traitlets

from tickerkit.chart.desk.choices import check_choices, check_feeds
from tickerkit.chart.desk.desk_chart import DRAWN, DeskChart
from tickerkit.chart.desk.events import EventList, FeedEvents
from tickerkit.chart.desk.exchange import Exchange, StatusReport
from tickerkit.chart.desk.menu import make_menu, merge_others
from tickerkit.chart.desk.messages import DeskChoices, DeskRow
from tickerkit.chart.desk.page_side import read_page_side, read_style
from tickerkit.chart.desk.recording import Recording
from tickerkit.chart.desk.status import describe_feed, name_feeds
from tickerkit.chart.desk.watchlist import Watchlist
from tickerkit.chart.feed_chart import check_options, list_symbols
from tickerkit.chart.widgets.download import Download
from tickerkit.chart.widgets.transfer import DownloadFile
from tickerkit.errors import TickerkitError
from tickerkit.runtime.error_log import describe
from tickerkit.runtime.scheduler import SENDER
from tickerkit.runtime.subshells import deliver_as_addressed
from tickerkit.runtime.workers import Follower
from tickerkit.validation import check_choice

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["INTERVAL_S", "Dashboard"]

INTERVAL_S = 0.25


@dataclass
class Shown:
    """One of the feeds that a dashboard shows, and what reads it."""

    feed: Feed
    watchlist: Watchlist
    events: FeedEvents
    follower: Follower | None = None


class Dashboard(anywidget.AnyWidget):
    """A live chart of a feed, a watchlist, a ribbon of alerts and gaps, and the feed's state.

    `feed.dashboard()` or `tk.dashboard(feed, …)` makes it. Its threads end with the feeds, or with
    `close()`. It reads the log as the chart does, so it never holds up the feed: rows are sent four
    times a second at most, only those that changed, and nothing while no page shows it.

    Args:
        *feeds: the feeds; the chart shows one of them at a time, the watchlist all.
        kind: "line", "candles" or "candles+volume", shown at first.
        symbols: which symbols to offer and to show, in this order; by default all.
        window: how much the chart shows at first: a time such as "5min", or a number of ticks.
        y: "percent", "price" or another column of numbers such as "temperature", shown at first; by
            default percent, or where the feed has no price, its first column of numbers.
        bar: length of a bar, such as "5s", or in seconds.
        tz: the time zone of the chart and the rows, such as "America/New_York".
        height: height of the chart in pixels; each pane of an indicator adds to it.
        indicators: what the chart shows at first beside the values, as for `feed.chart`.
        choices: what the user has chosen before, in place of the above.

    Attributes:
        figure: its `LiveFigure`.

    Raises:
        InvalidArgument: if an argument is invalid, or there is no feed.
    """

    _esm = read_page_side()
    _css = read_style()
    _choices = traitlets.Dict().tag(sync=True)
    _menu = traitlets.Dict().tag(sync=True)
    _figure = traitlets.Instance(ipywidgets.Widget).tag(
        sync=True, **ipywidgets.widget_serialization
    )
    _download = traitlets.Instance(ipywidgets.Widget).tag(
        sync=True, **ipywidgets.widget_serialization
    )
    min_interval_s = INTERVAL_S

    def __init__(
        self,
        *feeds: Feed,
        kind: str = "line",
        symbols: str | Sequence[str] | None = None,
        window: int | str = "5min",
        y: str | None = None,
        bar: str | float = "5s",
        tz: str = "UTC",
        height: int = 380,
        indicators: object = (),
        choices: DeskChoices | None = None,
    ) -> None:
        check_options(kind, window, y="percent" if y is None else y, bar=bar, tz=tz, height=height)
        check_feeds(feeds)
        self._symbols = list_symbols(symbols)
        self._y = y
        self._zone, self._height = tz, height
        self._first_window, self._first_bar = window, bar
        self._lock = threading.RLock()
        self._shown: list[Shown] = []
        self._names: list[str] = []
        self._chart = DeskChart(self._symbols, tz, height)
        self.figure = self._chart.figure
        self._record = Recording()
        self._events = EventList()
        # Whether the chart's symbol was picked for the user, since the view shows only one.
        self._is_picked = False
        self._exchange = Exchange(
            self._events, self._collect, self._report, lambda message: self.send(message)
        )
        lines = "percent" if y in (None, "percent") else "price"
        made: DeskChoices = {
            "view": "candles" if kind != "line" else lines,  # type: ignore[typeddict-item]
            "volume": kind == "candles+volume",
            "feed": 0,
            "symbol": None,
            "column": "price" if y in (None, "percent") else str(y),
            "window": window,
            "bar": bar,
            "indicators": self._chart.parse_indicators(indicators),
            "extent": "visible",
            "paused": False,
            "sort": "",
            "descending": False,
            "filter": "",
        }
        # Replaced as a whole, and never changed: other threads read it.
        kept = cast("DeskChoices", choices or {})
        self.choices: DeskChoices = {**made, **kept, "paused": False}
        download = Download(
            self._make_file, tooltip="save these ticks of the chosen symbol as CSV on your computer"
        )
        super().__init__(_figure=self.figure, _download=download)
        self.figure.observe(self._on_follow, "_follow")
        self.on_msg(self._handle_message)
        deliver_as_addressed(self)
        self.show(*feeds)
        self._set_traits()

    def show(self, *feeds: Feed) -> None:
        """Show another feed, or others, from now on; choices stay.

        Raises:
            InvalidArgument: there is no feed.
        """
        check_feeds(feeds)
        # Without the lock, for which a follower may be waiting.
        self._stop_followers()
        with self._lock:
            before = {id(each.feed.log): each for each in self._shown}
            if self.choices["feed"] >= len(feeds):
                self.choices = {**self.choices, "feed": 0, "symbol": None}
            self._names = name_feeds(feeds)
            self._shown = [
                self._read(feed, index, before.get(id(feed.log)))
                for index, feed in enumerate(feeds)
            ]
            for each in self._shown:
                each.watchlist.update()
                each.events.read(each.feed.current)
            self._exchange.skip_past()
            self._offer_columns()
            self._redraw()
            for each in self._shown:
                self._follow(each)
        SENDER.request(self)

    def _read(self, feed: Feed, index: int, before: Shown | None) -> Shown:
        """Return what reads a feed: for a feed with the same log, what read it before."""
        if before is not None and before.watchlist.index == index:
            return before
        column, window = self.choices["column"], self.choices["window"]
        watchlist = Watchlist(feed, index, self._symbols, column, window)
        return Shown(feed, watchlist, FeedEvents(self._events, index))

    def _follow(self, shown: Shown) -> None:
        shown.follower = shown.feed.current.follow(
            lambda _: self._update(shown),
            reader=shown.feed.log.reader(),
            every_s=INTERVAL_S,
            name="tickerkit dashboard",
            finish=lambda: self._update(shown),
        )

    def _stop_followers(self) -> None:
        for each in self._shown:
            if each.follower is not None:
                each.follower.stop()

    def __repr__(self) -> str:
        if self.comm is None:
            return "<Dashboard closed>"
        feeds = [each.feed.current for each in self._shown]
        return f"<Dashboard of {', '.join(f'{each.name} {each.status}' for each in feeds)}>"

    def close(self) -> None:
        """Close the widget, and end the threads that read and draw; idempotent."""
        if "_exchange" in self.__dict__:  # else the constructor has raised, or was interrupted
            self._exchange.close()
            self._stop_followers()
        SENDER.discard(self)
        for widget in (self.__dict__.get("figure"), self._trait_values.get("_download")):
            if widget is not None:
                widget.close()
        super().close()

    # --- reading, in a thread for each feed -----------------------------------------------------

    def _update(self, shown: Shown) -> None:
        """Read what is new in a feed; called in the follower's thread."""
        shown.watchlist.update()
        shown.feed = shown.watchlist.feed
        shown.events.read(shown.feed)
        with self._lock:
            if shown is self._charted:
                if self._offer_columns() or self._lacks_symbol:
                    self._redraw()
                self._chart.choose_legend(self.choices, len(shown.watchlist.symbols))
        SENDER.request(self)

    def _offer_columns(self) -> bool:
        """Choose the first column of numbers where the feed turns out to have no price.

        Returns:
            Whether it has chosen another column, which is to be drawn.
        """
        choices, columns = self.choices, self._charted.watchlist.columns
        if not columns or "price" in columns or self._y not in (None, "percent", "price"):
            return False
        # A choice for good: a price that comes later is offered, but does not replace it.
        is_percent = self._y is None and choices["view"] == "percent"
        self._y = columns[0]
        self._set(column=columns[0], **({"view": "price"} if is_percent else {}))
        self._watch()
        return True

    # --- choices --------------------------------------------------------------------------------

    def choose(self, **choices: Any) -> None:
        """Choose what the dashboard shows, as a click in its page does.

        Args:
            **choices: any of `view` ("percent", "price", "candles"), `volume`, `feed` (its number,
                from 0), `symbol` (None for all), `column`, `window`, `bar`, `indicators`, `extent`
                ("visible" or "all": what Download saves), `paused`, `sort`, `descending`, `filter`.

        Raises:
            InvalidArgument: a choice is unknown or invalid; nothing has changed.

        Example:
            >>> board.choose(symbol="AAPL", view="candles", indicators=["sma(20)"])
        """
        for name in choices:
            check_choice("choice", name, self.choices)
        with self._lock:
            self._choose(check_choices(choices, len(self._shown)))

    def _choose(self, chosen: DeskChoices) -> None:
        before = self.choices
        if "indicators" in chosen:
            texts = self._chart.parse_indicators(chosen["indicators"])
            chosen = cast("DeskChoices", {**chosen, "indicators": texts})
        if "symbol" in chosen:
            self._is_picked = False
        self._set(**self._fit_column(chosen))
        choices = self.choices
        changed = {name for name, value in choices.items() if value != before.get(name)}
        if changed & {"column", "window"}:
            self._watch()
        if changed & DRAWN:
            self._offer_columns()
            self._redraw()
        elif choices["paused"] == self.figure.follow:
            self.figure.follow = not choices["paused"]
        SENDER.request(self)

    def _watch(self) -> None:
        """Have the watchlists show the chosen column and window."""
        for each in self._shown:
            each.watchlist.choose(self.choices["column"], self.choices["window"])

    def _set(self, **chosen: Any) -> None:
        """Set choices, without drawing them."""
        with self._lock:
            self.choices = cast("DeskChoices", {**self.choices, **chosen})

    def _fit_column(self, chosen: DeskChoices) -> DeskChoices:
        """Return what is chosen with another feed: of its symbols all, and a column that it has."""
        if chosen.get("feed", self.choices["feed"]) == self.choices["feed"]:
            return chosen
        columns = self._shown[chosen["feed"]].watchlist.columns
        column = chosen.get("column", self.choices["column"])
        if columns and column not in columns:
            column = "price" if "price" in columns else columns[0]
        return cast("DeskChoices", {"symbol": None, **chosen, "column": column})

    def _on_follow(self, change: Any) -> None:
        """Note whether the chart follows: a zoom in the page pauses it too."""
        self._chart.note_follow(self._charted.feed, is_following=change["new"])
        self._set(paused=not change["new"])
        SENDER.request(self)

    @property
    def _lacks_symbol(self) -> bool:
        """Whether the view shows one symbol, and could show one."""
        choices = self.choices
        is_of_one = choices["view"] == "candles" or bool(choices["indicators"])
        return is_of_one and choices["symbol"] is None and bool(self._charted.watchlist.symbols)

    def _pick_symbol(self) -> None:
        """Pick the first symbol for a view of one, so that the page says which the chart shows.

        Lines show all symbols again, unless the user has chosen one meanwhile.
        """
        if self._is_picked and self.choices["symbol"] is not None:
            self._set(symbol=None)
        self._is_picked = self._lacks_symbol
        if self._is_picked:
            self._set(symbol=self._charted.watchlist.symbols[0])

    def _redraw(self) -> None:
        self._pick_symbol()
        shown = self._charted
        self._chart.draw(shown.feed, self.choices, len(shown.watchlist.symbols))

    @property
    def _charted(self) -> Shown:
        """The feed that the chart shows."""
        return self._shown[self.choices["feed"]]

    # --- messages -------------------------------------------------------------------------------

    def _handle_message(self, _: Any, content: Any, __: list[memoryview]) -> None:
        """Handle a message of a page; unknown messages are ignored."""
        if not isinstance(content, dict):
            return
        kind, page = content.get("kind"), content.get("page")
        if kind == "here" and isinstance(page, str):
            self._exchange.take_page(page, content.get("from"))
        elif kind == "away" and isinstance(page, str):
            self._exchange.drop_page(page)
        elif kind == "choose" and isinstance(content.get("choices"), dict):
            self._try_to_choose(content["choices"])
        elif kind == "record":
            self._record.switch(self._list_feeds(), is_on=bool(content.get("is_on")))
        SENDER.request(self)

    def _try_to_choose(self, choices: dict[str, Any]) -> None:
        """Choose what a page asks for; if it is invalid, say why, and the page drops it."""
        try:
            with self._lock:
                self._choose(check_choices(choices, len(self._shown)))
        except TickerkitError as error:
            self._events.add("message", describe(error), feed=self.choices["feed"])

    def flush(self) -> None:
        """Send what is new to the pages that show it, in the sending thread."""
        self._set_traits()
        self._exchange.flush()

    def _set_traits(self) -> None:
        shown, choices = [*self._shown], self.choices
        self._choices = dict(choices)
        menu = make_menu(
            [each.watchlist for each in shown],
            self._names,
            choices,
            zone=self._zone,
            height=self._height,
            window=self._first_window,
            bar=self._first_bar,
        )
        self._menu = dict(menu)

    def _collect(self, is_whole: bool) -> tuple[list[DeskRow], list[str]]:
        watchlists = [each.watchlist for each in self._shown]
        others = [other["column"] for other in merge_others(watchlists)]
        rows: list[DeskRow] = []
        gone: list[str] = []
        for watchlist in watchlists:
            changed, left = watchlist.collect(others, whole=is_whole)
            rows += changed
            gone += left
        return rows, gone

    def _report(self) -> StatusReport:
        feeds = self._list_feeds()
        states = [describe_feed(feed, name) for feed, name in zip(feeds, self._names, strict=False)]
        return states, self._record.describe(feeds)

    def _list_feeds(self) -> list[Feed]:
        return [each.feed.current for each in self._shown]

    def _make_file(self) -> DownloadFile:
        """Return the file for a click on Download; called in the transfer's thread."""
        return self._chart.make_file(self._charted.feed, self.choices)
