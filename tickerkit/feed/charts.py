"""Feed charts: what a feed shows in a notebook: a live figure, a dashboard, or a ladder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from tickerkit.feed.alerts import FeedAlerts

if TYPE_CHECKING:
    from tickerkit.chart import Dashboard, LiveFigure
    from tickerkit.chart.book.ladder import Ladder

__all__ = ["FeedCharts"]


class FeedCharts(FeedAlerts):
    """Makes charts of a feed, which read its log in threads of their own; the base of `Feed`."""

    # Both functions take the whole feed, whose module imports this one: hence the casts.

    def chart(
        self,
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
        """Return a live plotly FigureWidget of these ticks; show it as the last value of a cell.

        The chart reads the log in a thread of its own, and is redrawn as often as the browser can
        take it. Under load it is redrawn less often; it delays neither the feed nor the kernel.

        Args:
            kind: "line", a line for each symbol; "candles", bars of one symbol; "candles+volume",
                the same with the volume below; or "book", the order book of one symbol over time: a
                row for each price, a column for each moment, whose colour is the size there. A
                symbol that has only quotes is drawn at the middle of bid and ask.
            symbols: one symbol or several, in this order; by default all, and new ones as they
                arrive, at most 20. Candles show the first.
            window: how much to show: "5min", or a number of ticks of each symbol (candles: bars).
            y: "price", or another column of numbers such as "temperature"; or "percent", each
                line's change since the first tick in the window. By default "price", and "percent"
                once the chart has several symbols with prices.
            bar: length of a bar, such as "5s", or in seconds.
            tz: the time zone of the axis, such as "America/New_York".
            height: height of the chart in pixels; by default 420, and 80 more for each pane below.
            smooth: whether lines move evenly where messages reach the page in clumps or fewer than
                50 times a second, as on a hub. Points are then shown up to 50 ms later; False shows
                each with the next frame.
            indicators: what to draw beside the values, such as ["sma(20)", "rsi(14)"], computed
                from bars of the length `bar`. What is a price is drawn over the prices, everything
                else in a pane of its own below. A chart with indicators shows one symbol.
            alerts: whether alerts that have fired are marked.

        Raises:
            ValueError: an argument is invalid.

        Example:
            >>> feed.chart("candles", "AAPL", window="10min", indicators=["sma(20)", "rsi(14)"])
        """
        from tickerkit.chart import chart

        feed = cast("Any", self)
        return chart(
            feed,
            kind,
            symbols,
            window,
            y=y,
            bar=bar,
            tz=tz,
            height=height,
            smooth=smooth,
            indicators=indicators,
            alerts=alerts,
        )

    def ladder(self, symbol: str | None = None, levels: int = 10) -> Ladder:
        """Return a live order book of a symbol; show it as the last value of a cell.

        The asks stand above the bids, each with its size as a number and a bar, and the total from
        the best level to it. It follows the newest book at most ten times a second, as often as a
        server sends books, and reads the feed in a thread of its own. Running the cell again reuses
        the widget; `ladder.close()` ends it.

        Args:
            symbol: the symbol; by default the first that has an order book, see `book`.
            levels: how many levels of each side to show, at most 100.

        Raises:
            InvalidArgument: an argument is invalid.

        Example:
            >>> feed.ladder("AAPL")
        """
        from tickerkit.chart.book.ladder import show_ladder

        return show_ladder(cast("Any", self), symbol, levels)

    def dashboard(
        self,
        kind: str = "line",
        symbols: str | Sequence[str] | None = None,
        window: int | str = "5min",
        *,
        y: str | None = None,
        bar: str | float = "5s",
        tz: str = "UTC",
        height: int = 380,
        indicators: object = (),
    ) -> Dashboard | LiveFigure:
        """Return a dashboard of this feed; show it as the last value of a cell.

        A live chart in the middle; a watchlist with a row for each symbol, which sorts, filters and
        chooses what the chart shows; a ribbon of alerts, gaps and messages; the feed's state. Rows
        are sent to the page four times a second at most, only those that changed, and none while
        no page shows them. Running the cell again keeps the dashboard, with all that was chosen in
        it. `tk.dashboard(feed, other)` shows several feeds in one.

        marimo can't show the controls: there it is the chart alone, and a sentence says so.

        Args:
            kind: "line", "candles" or "candles+volume", shown at first.
            symbols: one symbol or several to offer and to show, in this order; by default all.
            window: how much the chart shows at first: a time such as "5min", or a number of ticks.
            y: "percent", "price" or another column of numbers, shown at first; by default percent,
                or the first column of numbers where there is no price.
            bar: length of a bar, such as "5s", or in seconds.
            tz: the time zone of the chart and the rows, such as "America/New_York".
            height: height of the chart in pixels; each pane of an indicator adds to it.
            indicators: what the chart shows at first beside the values, such as
                ["sma(20)", "rsi(14)"], as for `chart`; the page offers all of `tk.indicators()`.

        Raises:
            ValueError: an argument is invalid.

        Example:
            >>> feed.dashboard("candles", "AAPL", indicators=["sma(20)", "rsi(14)"])
        """
        from tickerkit.chart import dashboard

        return dashboard(
            cast("Any", self),
            kind=kind,
            symbols=symbols,
            window=window,
            y=y,
            bar=bar,
            tz=tz,
            height=height,
            indicators=indicators,
        )
