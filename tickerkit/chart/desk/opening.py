"""dashboard: shows feeds in a dashboard; when its cell is run again, the same one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from tickerkit.bars.indicators import parse_indicators
from tickerkit.chart.desk.choices import FREE, check_feeds
from tickerkit.chart.desk.dashboard import Dashboard
from tickerkit.chart.desk.messages import DeskChoices
from tickerkit.chart.feed_chart import chart, check_options, list_symbols
from tickerkit.chart.figure.figure import LiveFigure
from tickerkit.runtime.hosts import find_host
from tickerkit.runtime.rerun import cell_slot

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["dashboard"]

CHART_ALONE = "marimo shows no widget inside of another: this is the dashboard's chart alone."


def dashboard(
    *feeds: Feed,
    kind: str = "line",
    symbols: str | Sequence[str] | None = None,
    window: int | str = "5min",
    y: str | None = None,
    bar: str | float = "5s",
    tz: str = "UTC",
    height: int = 380,
    indicators: object = (),
) -> Dashboard | LiveFigure:
    """Return a dashboard of one feed or of several; show it as the last value of a cell.

    The watchlist has the symbols of all feeds; a click on a row has the chart show it. Alerts and
    gaps of all feeds are listed in one ribbon.

    When the cell is run again, its dashboard stays and shows the feeds given now, with all that the
    user has chosen in it. Where the arguments have changed, a new one replaces it, which keeps how
    rows are sorted and filtered.

    marimo can't show the controls: there it is the chart of the first feed alone, and a sentence
    says so.

    Args:
        *feeds: the feeds.
        kind: "line", "candles" or "candles+volume", shown at first.
        symbols: one symbol or several to offer and to show, in this order; by default all.
        window: how much the chart shows at first: a time such as "5min", or a number of ticks.
        y: "percent", "price" or another column of numbers, shown at first; by default percent,
            or the first column of numbers where there is no price.
        bar: length of a bar, such as "5s", or in seconds.
        tz: the time zone of the chart and the rows, such as "America/New_York".
        height: height of the chart in pixels; each pane of an indicator adds to it.
        indicators: what the chart shows at first beside the values, such as ["sma(20)", "rsi(14)"],
            as for `feed.chart`; the page's menu offers all that `tk.indicators()` lists.

    Raises:
        InvalidArgument: an argument is invalid, or there is no feed.

    Example:
        >>> tk.dashboard(kraken, coinbase, window="15min")
    """
    check_feeds(feeds)
    check_options(kind, window, y="percent" if y is None else y, bar=bar, tz=tz, height=height)
    names = list_symbols(symbols)
    if find_host() == "marimo":
        print(CHART_ALONE)
        return chart(
            feeds[0],
            kind,
            names,
            window,
            y=y or "percent",
            bar=bar,
            tz=tz,
            height=height,
            indicators=indicators,
        )
    cell = cell_slot("dashboard")
    texts = tuple(spec.text for spec in parse_indicators(indicators))
    arguments = kind, names, window, y, bar, tz, height, texts
    last: tuple[tuple[object, ...], Dashboard] | None = cell.last()
    choices: DeskChoices | None = None
    if last is not None:
        is_same, board = last[0] == arguments, last[1]
        if is_same and board.comm is not None:
            board.show(*feeds)
            return board
        kept = {name: value for name, value in board.choices.items() if is_same or name in FREE}
        choices = cast("DeskChoices", kept)
    made = Dashboard(
        *feeds,
        kind=kind,
        symbols=names,
        window=window,
        y=y,
        bar=bar,
        tz=tz,
        height=height,
        indicators=indicators,
        choices=choices,
    )
    cell.fill((arguments, made))
    if last is not None:
        last[1].close()
    return made
