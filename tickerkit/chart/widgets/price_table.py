"""PriceTable: the newest prices and quotes of each symbol as an HTML table, with arrows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from tickerkit.chart.instruments import Instruments
from tickerkit.decimals import format_decimals
from tickerkit.formatting import format_time
from tickerkit.runtime.cards import GREEN, NUMBER_STYLE, RED, escape

__all__ = ["MAX_ROWS", "PriceTable"]

MAX_ROWS = 40
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
    too. At most 40 symbols are shown.

    Args:
        zone: the time zone of the times.
    """

    def __init__(self, zone: str = "UTC") -> None:
        self._zone = zone
        self._shown: dict[str, tuple[float, str]] = {}  # by symbol, its price and colour

    def clear(self) -> None:
        """Forget the prices shown so far; the next prices have no arrows."""
        self._shown.clear()

    def render(
        self,
        latest: pd.DataFrame,
        symbols: Sequence[str],
        instruments: Instruments,
        epoch: str | None = None,
    ) -> str:
        """Return the table as HTML.

        Args:
            latest: a row for each symbol, as `Feed.latest` returns it.
            symbols: the symbols to show, in this order; those that have no row are left out.
            instruments: the decimals of each symbol.
            epoch: the newest epoch; ticks of another one are dimmed. None to dim none.
        """
        known = set(latest.index)
        shown = [symbol for symbol in symbols if symbol in known]
        ticks = latest.loc[shown[:MAX_ROWS]]
        # Only where a price may be the middle of them: the chart needs the room.
        sides = [name for name in ("bid", "ask") if name in ticks and ticks["price"].isna().any()]
        rows = [
            self._render_row(symbol, tick, sides, instruments.decimals(symbol), epoch)
            for symbol, (_, tick) in zip(shown, ticks.iterrows(), strict=False)
        ]
        names = ["symbol", "price", *sides, "size", self._zone.rpartition("/")[2].replace("_", " ")]
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
        self, symbol: str, tick: pd.Series, sides: list[str], decimals: int, epoch: str | None
    ) -> str:
        price = float(tick["price"])
        if is_quote := math.isnan(price):
            price = float(tick["bid"] + tick["ask"]) / 2 if len(sides) == 2 else math.nan
        before, colour = self._shown.get(symbol, (price, "inherit"))
        if price > before or price < before:  # neither, if one of them is NaN
            colour = GREEN if price > before else RED
        self._shown[symbol] = (price, colour)
        label = f'<span style="{DIM_STYLE}">mid</span> ' if is_quote and price == price else ""
        text = f"{ARROWS.get(colour, '')} {label}{format_decimals(price, decimals)}"
        quotes = [format_decimals(float(tick[side]), decimals) for side in sides]
        size = "" if pd.isna(tick["size"]) else f"{tick['size']:,.10g}"
        time = format_time(tick["time"].tz_convert(self._zone), date=False)
        cells = [
            f'<td style="text-align:left;padding:0"><b>{escape(symbol)}</b></td>',
            f'<td style="{CELL_STYLE};color:{colour}">{text}</td>',
            *(f'<td style="{CELL_STYLE};{DIM_STYLE}">{each}</td>' for each in (*quotes, size)),
            f'<td style="text-align:right;padding:0;{DIM_STYLE}">{time}</td>',
        ]
        is_stale = epoch is not None and tick["epoch"] != epoch
        return f'<tr style="{STALE_STYLE if is_stale else ""}">{"".join(cells)}</tr>'
