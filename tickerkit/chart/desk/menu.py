"""make_menu: what can be chosen in a dashboard."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from tickerkit.bars.indicators import CATALOGUE
from tickerkit.chart.desk.choices import VIEWS
from tickerkit.chart.desk.messages import (
    DeskChoices,
    DeskMenu,
    IndicatorEntry,
    OtherColumn,
    SymbolEntry,
)
from tickerkit.chart.desk.watchlist import Watchlist

__all__ = ["make_menu", "merge_others"]

MARKET = {"price", "bid", "ask"}
WINDOWS = ("30s", "1min", "5min", "15min", "1h")
BARS = ("1s", "5s", "15s", "1min", "5min", "15min")


def make_menu(
    watchlists: Sequence[Watchlist],
    names: Sequence[str],
    choices: DeskChoices,
    *,
    zone: str,
    height: int,
    window: int | str,
    bar: str | float,
) -> DeskMenu:
    """Return what can be chosen; what is chosen is among it, for the chart still shows it.

    Args:
        watchlists: the watchlist of each feed.
        names: the name of each feed.
        choices: what is chosen.
        zone: the time zone.
        height: the height of the chart.
        window: the window that the dashboard began with.
        bar: the length of a bar that it began with.
    """
    symbols: list[SymbolEntry] = [
        {"feed": index, "symbol": symbol}
        for index, watchlist in enumerate(watchlists)
        for symbol in watchlist.symbols
    ]
    feed, symbol, column = choices["feed"], choices["symbol"], choices["column"]
    if symbol is not None and symbol not in watchlists[feed].symbols:
        symbols.append({"feed": feed, "symbol": symbol})
    columns = watchlists[feed].columns
    # Of a market the view says it all: a second "price" beside that button would only puzzle.
    is_plain = column == "price" and set(columns) <= MARKET
    return {
        "feeds": [*names],
        "views": [
            {"view": view, "label": column if view == "price" else view, "description": about}
            for view, about in VIEWS.items()
        ],
        "symbols": symbols,
        "columns": columns if column in columns else [*columns, column],
        "shows_columns": len(columns) >= 2 and not is_plain,
        "windows": [*dict.fromkeys([*WINDOWS, window, choices["window"]])],
        "bars": [*dict.fromkeys([*BARS, bar, choices["bar"]])],
        "indicators": _list_indicators(),
        "others": merge_others(watchlists),
        "is_quoted": any(watchlist.is_quoted for watchlist in watchlists),
        "is_market": any(watchlist.is_market for watchlist in watchlists),
        "zone": zone,
        "height": height,
    }


@functools.cache
def _list_indicators() -> list[IndicatorEntry]:
    return [
        {"text": each.spec().text, "name": name, "description": each.description}
        for name, each in CATALOGUE.items()
    ]


def merge_others(watchlists: Sequence[Watchlist]) -> list[OtherColumn]:
    """Return the further columns of all watchlists, each once."""
    others = {other["column"]: other for each in watchlists for other in each.others}
    return [*others.values()]
