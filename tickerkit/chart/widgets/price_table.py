"""PriceTable: the newest prices and quotes of each symbol as an HTML table, with arrows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from tickerkit.chart.instruments import PRICES, Instruments
from tickerkit.decimals import format_decimals
from tickerkit.formatting import format_time
from tickerkit.log import TickLog
from tickerkit.runtime.cards import GREEN, NUMBER_STYLE, RED, escape
from tickerkit.ticks.fields import may_be_value

__all__ = ["MAX_ROWS", "PriceTable", "list_numbers"]

MAX_ROWS = 40
# Of symbols without a price; more would leave the chart no room.
MAX_COLUMNS = 4
MAX_NAME_LENGTH = 16
# Wide enough for most numbers; otherwise every new price could move the chart beside the table.
CELL_STYLE = "text-align:right;min-width:5em;padding:0"
DIM_STYLE = "opacity:.7"
# For prices from before the server started again: nothing says that they are still valid.
STALE_STYLE = "opacity:.45"
TABLE_STYLE = f"{NUMBER_STYLE};border-spacing:.8em .15em"
ARROWS = {GREEN: "▲", RED: "▼"}


class PriceTable:
    """Renders the newest tick of each symbol; a price keeps the colour of its last move.

    A symbol that has only quotes is shown with the middle of bid and ask; then these have columns,
    too. One without a price, such as a thermometer, is shown with its first number; if no symbol
    has a price, the first four numbers have columns. At most 40 symbols are shown.

    Args:
        zone: the time zone of the times.
    """

    def __init__(self, zone: str = "UTC") -> None:
        self._zone = zone
        # By symbol and column, the value and its colour.
        self._shown: dict[tuple[str, str], tuple[float, str]] = {}

    def clear(self) -> None:
        """Forget the prices shown so far; the next prices have no arrows."""
        self._shown.clear()

    def render(
        self,
        log: TickLog,
        column: str,
        latest: pd.DataFrame,
        symbols: Sequence[str],
        epoch: str | None = None,
    ) -> str:
        """Return the table as HTML.

        Args:
            log: the ticks, from which the decimals are learnt.
            column: the column to show first.
            latest: a row for each symbol, as `Feed.latest` returns it.
            symbols: the symbols to show, in this order; those that have no row are left out.
            epoch: the newest epoch; ticks of another one are dimmed. None to dim none.
        """
        known = set(latest.index)
        shown = [symbol for symbol in symbols if symbol in known]
        ticks = latest.loc[shown[:MAX_ROWS]]
        instruments = _learn(log, column)
        columns = {instruments.column(symbol) for symbol in shown[:MAX_ROWS]} or {"price"}
        if columns.isdisjoint(PRICES):
            main = columns.pop() if len(columns) == 1 else ""
            others = [name for name in list_numbers(ticks) if name != main][: MAX_COLUMNS - 1]
            names = [main, *others]
        else:
            # Only where a price may be the middle of them: the chart needs the room.
            is_quoted = ticks["price"].isna().any()
            sides = [name for name in ("bid", "ask") if name in ticks and is_quoted]
            names, others = ["price", *sides, "size"], [*sides, "size"]
        beside = {
            name: instruments if name in (*PRICES, "size") else _learn(log, name) for name in others
        }
        units = log.units
        rows = [
            self._render_row(symbol, tick, names[0], instruments, beside, epoch, units)
            for symbol, (_, tick) in zip(shown, ticks.iterrows(), strict=False)
        ]
        names = [_add_unit(name, units.get(name, "")) for name in names]
        names = ["symbol", *names, self._zone.rpartition("/")[2].replace("_", " ")]
        head = "".join(f"<td>{escape(name)}</td>" for name in names)
        if len(shown) > MAX_ROWS:
            rows.append(
                f"<tr><td colspan={len(names)}>… and {len(shown) - MAX_ROWS:,} more</td></tr>"
            )
        return (
            f'<table style="{TABLE_STYLE}"><tr style="opacity:.6;text-align:right">{head}</tr>'
            f"{''.join(rows)}</table>"
        )

    def _render_row(
        self,
        symbol: str,
        tick: pd.Series,
        main: str,
        instruments: Instruments,
        beside: dict[str, Instruments],
        epoch: str | None,
        units: Mapping[str, str],
    ) -> str:
        column, decimals = instruments.column(symbol), instruments.decimals(symbol)
        price = float(tick[column]) if column in tick else math.nan
        label = "" if column == main else _shorten(column)
        if column == "price" and math.isnan(price) and {"bid", "ask"} <= set(beside):
            price, label = float(tick["bid"] + tick["ask"]) / 2, "mid"
        before, colour = self._shown.get((symbol, column), (price, "inherit"))
        if price > before or price < before:  # neither, if one of them is NaN
            colour = GREEN if price > before else RED
        self._shown[symbol, column] = (price, colour)
        has_label = label and not math.isnan(price)
        label = f'<span style="{DIM_STYLE}">{escape(label)}</span> ' if has_label else ""
        # In the column of several kinds of numbers, each has its own unit.
        unit = f" {escape(units[column])}" if has_label and column in units else ""
        text = f"{ARROWS.get(colour, '')} {label}{format_decimals(price, decimals)}{unit}"
        numbers = [
            _format_other(name, float(tick[name]), each.decimals(symbol))
            for name, each in beside.items()
        ]
        time = format_time(tick["time"].tz_convert(self._zone), date=False)
        cells = [
            f'<td style="text-align:left;padding:0"><b>{escape(symbol)}</b></td>',
            f'<td style="{CELL_STYLE};color:{colour}">{text}</td>',
            *(f'<td style="{CELL_STYLE};{DIM_STYLE}">{each}</td>' for each in numbers),
            f'<td style="text-align:right;padding:0;{DIM_STYLE}">{time}</td>',
        ]
        is_stale = epoch is not None and tick["epoch"] != epoch
        return f'<tr style="{STALE_STYLE if is_stale else ""}">{"".join(cells)}</tr>'


def list_numbers(ticks: pd.DataFrame) -> list[str]:
    """Return the names of the columns that have numbers other than sizes and ids."""
    return [
        name
        for name in map(str, ticks)
        if may_be_value(name) and ticks[name].dtype.kind in "if" and ticks[name].notna().any()
    ]


def _learn(log: TickLog, column: str) -> Instruments:
    """Return the instruments of a column, with the decimals of all of its ticks."""
    instruments = Instruments.of(log, column)
    instruments.update(log)
    return instruments


def _format_other(name: str, value: float, decimals: int) -> str:
    """Return a value beside the main one; a missing quote is a dash."""
    if math.isnan(value) and name not in PRICES:
        return ""
    return f"{value:,.10g}" if name == "size" else format_decimals(value, decimals)


def _add_unit(name: str, unit: str) -> str:
    """Return the name of a column, with its unit if it has one."""
    return f"{_shorten(name)} ({unit})" if unit else _shorten(name)


def _shorten(name: str) -> str:
    """Return the name of a column in a few characters: the chart needs the room."""
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 1]}…"
