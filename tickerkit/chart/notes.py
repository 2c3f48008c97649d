"""Notes: sentences of a chart about itself: it waits, has no connection, leaves some out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from tickerkit.chart.instruments import Instruments
from tickerkit.chart.messages import FigureNote
from tickerkit.formatting import format_count, format_time

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["describe_chart", "list_present"]

MAX_NAMES = 8
# Columns are looked for in so many of the newest ticks.
MAX_ROWS = 10_000


def describe_chart(
    feed: Feed,
    symbols: Sequence[str] | None,
    column: str = "price",
    *,
    is_empty: bool,
    undrawn: int,
    zone: str,
    hint: str = "choose with symbols=",
) -> FigureNote:
    """Return the note that a chart of a feed shows now; its text is empty if all is well.

    Args:
        feed: the feed.
        symbols: the symbols that the chart shows; None for all of the server's.
        column: the column that the chart shows.
        is_empty: whether nothing is drawn yet.
        undrawn: number of symbols that are not drawn because there are too many.
        zone: the time zone of the chart.
        hint: how the user chooses other symbols.
    """
    if is_empty:
        is_live = feed.status == "live"
        text = _describe_wait(feed, symbols, column) if is_live else feed.status_detail
        return {"kind": "waiting", "text": text}
    if feed.status != "live":
        return _describe_end(feed, zone)
    text = ""
    if symbols is not None and not set(symbols) <= set(list_present(feed)):
        text = _describe_wait(feed, symbols, column)
    elif undrawn:
        text = f"{format_count(undrawn, 'more symbol')}; {hint}"
    return {"kind": "info", "text": text}


def _describe_wait(feed: Feed, symbols: Sequence[str] | None, column: str) -> str:
    """Return what the chart waits for, and which symbols or columns there are instead."""
    present = list_present(feed)
    columns = feed.log.rows(feed.log.stop - MAX_ROWS).value_names()
    other = ""
    if columns and column not in columns:
        other = f"; there are numbers in {_list_names(columns)}"
    if symbols is None:
        return f"waiting for the first {column}{other}" if present else "waiting for the first tick"
    known = set(present)
    missing = [symbol for symbol in dict.fromkeys(symbols) if symbol not in known]
    if not missing:
        return f"waiting for the first {column} of {_list_names(symbols)}{other}"
    text = f"waiting for the first tick of {_list_names(missing)}"
    return f"{text}; there are {_list_names(present)}" if present else text


def list_present(feed: Feed) -> list[str]:
    """Return the symbols that the present server has, as far as the feed knows, in their order."""
    past = feed.past_symbols()
    names = Instruments.of(feed.log).sort(feed.log.symbols())
    return [name for name in names if name not in past]


def _list_names(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    listed = ", ".join(names[:MAX_NAMES])
    return f"{listed} and {more:,} more" if more > 0 else listed


def _describe_end(feed: Feed, zone: str) -> FigureNote:
    """Return since when the feed has no connection."""
    since = feed.status_since.tz_convert(zone)
    is_today = since.date() == pd.Timestamp.now(zone).date()
    when = format_time(since, date=not is_today)
    match feed.status:
        case "reconnecting":
            return {"kind": "lost", "text": f"no connection since {when}"}
        case "connecting":
            return {"kind": "lost", "text": f"connecting since {when}"}
        case "failed":
            return {"kind": "lost", "text": f"failed at {when}: {feed.status_reason}"}
        case status:
            return {"kind": "ended", "text": f"{status} at {when}"}
