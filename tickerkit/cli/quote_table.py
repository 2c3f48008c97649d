"""Quote table: the newest values of symbols as a table for a terminal, as wide as it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from tickerkit.cli.terminal import console, escape_controls
from tickerkit.formatting import format_measure, format_number, format_time

if TYPE_CHECKING:
    import pandas as pd

    from tickerkit.cli.quotes import Quote

__all__ = ["MAX_NUMBERS", "format_named_number", "format_quote_table"]

# How many numbers are shown of a symbol without a price.
MAX_NUMBERS = 4
TIME = "time (UTC)"
# The columns to leave out on a narrow terminal, in this order; then numbers, from the right.
DROPPED_FIRST = ("ticks", "size", TIME, "ask", "bid")
# With so much room, a table has the width that its cells need.
MAX_WIDTH = 10_000
MOVES = {1: ("▲", "green"), -1: ("▼", "red"), 0: (" ", "default")}


def format_quote_table(quotes: list[Quote], units: Mapping[str, str], width: int) -> Table:
    """Return the table of quotes with as many columns as fit into a width."""
    columns = _format_columns(quotes, units)
    while True:
        table = _join_columns(quotes, units, columns)
        spare = [name for name in DROPPED_FIRST if name in columns] or list(columns)[:0:-1]
        wide = console.options.update(max_width=MAX_WIDTH)
        if not spare or console.measure(table, options=wide).maximum <= width:
            return table
        del columns[spare[0]]


def _join_columns(
    quotes: list[Quote], units: Mapping[str, str], columns: Mapping[str, list[Text]]
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=True, show_edge=False)
    table.add_column("symbol", no_wrap=True, overflow="ellipsis", max_width=16)
    for name in columns:
        title = f"{name} ({units[name]})" if name in units else name
        header = Text(escape_controls(title), no_wrap=True, overflow="ellipsis")
        table.add_column(header, justify="right", no_wrap=True)
    for quote, *values in zip(quotes, *columns.values(), strict=True):
        table.add_row(Text(escape_controls(quote.symbol), style="bold"), *values)
    return table


def _format_columns(quotes: list[Quote], units: Mapping[str, str]) -> dict[str, list[Text]]:
    """Return the values of each column, a row for each quote."""
    # Only if no symbol has a price, other numbers have columns: the terminal is narrow.
    found = dict.fromkeys(name for quote in quotes for name in quote.numbers)
    names = list(found)[:MAX_NUMBERS] if all(quote.numbers for quote in quotes) else []
    columns = {
        name: [Text(format_measure(each.numbers.get(name, math.nan))) for each in quotes]
        for name in names
    } or {
        "price": [Text(_format_value(each, units)) for each in quotes],
        "size": [Text(format_number(each.size)) for each in quotes],
    }
    for index, quote in enumerate(quotes):
        arrow, colour = MOVES[quote.move]
        values = columns[quote.column if quote.column in names else next(iter(columns))]
        values[index] = Text(f"{values[index]} {arrow}", style=colour)
    if not names and any(each.bid == each.bid or each.ask == each.ask for each in quotes):
        columns["bid"] = [Text(format_number(each.bid, 2)) for each in quotes]
        columns["ask"] = [Text(format_number(each.ask, 2)) for each in quotes]
    columns[TIME] = [Text(_format_clock(each.time)) for each in quotes]
    columns.setdefault("ticks", [Text(f"{each.ticks:,}") for each in quotes])
    return columns


def _format_value(quote: Quote, units: Mapping[str, str]) -> str:
    """Return a symbol's price; without one, its first number with its name and unit."""
    if quote.numbers:
        return format_named_number(quote.column, quote.value, units)
    return format_number(quote.price, 2)


def format_named_number(name: str, value: float, units: Mapping[str, str]) -> str:
    """Return a number with the name of its column, and its unit if it has one."""
    unit = f" {escape_controls(units[name])}" if name in units else ""
    return f"{escape_controls(name)} {format_measure(value)}{unit}"


def _format_clock(moment: pd.Timestamp) -> str:
    """Return the time of day with milliseconds; for another day, date and time."""
    if moment.date() == type(moment).now("UTC").date():
        return format_time(moment, date=False, decimals=3)
    return format_time(moment)
