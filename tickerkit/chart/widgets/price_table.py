"""PriceTable: the newest tick of each symbol as an HTML table, with arrows for moves."""

from __future__ import annotations

import pandas as pd

from tickerkit.formatting import format_time
from tickerkit.runtime.cards import GREEN, NUMBER_STYLE, RED, escape

__all__ = ["MAX_ROWS", "PriceTable"]

MAX_ROWS = 40
# Wide enough for most numbers; otherwise every new price could move the chart beside the table.
CELL_STYLE = "text-align:right;min-width:5em"
TABLE_STYLE = f"{NUMBER_STYLE};border-spacing:.8em .15em"
HEAD = "<tr style='opacity:.6'><td>symbol</td><td>price</td><td>size</td><td>UTC</td></tr>"
ARROWS = {GREEN: "▲", RED: "▼"}


class PriceTable:
    """Renders the newest tick of each symbol; a price keeps the colour of its last move.

    At most 40 symbols are shown.
    """

    def __init__(self) -> None:
        self._shown: dict[str, tuple[float, str]] = {}  # by symbol, its price and colour

    def clear(self) -> None:
        """Forget the prices shown so far; the next prices have no arrows."""
        self._shown.clear()

    def render(self, latest: pd.DataFrame) -> str:
        """Return the table as HTML.

        Args:
            latest: a row for each symbol, as `Feed.latest` returns it.
        """
        rows = [
            self._render_row(str(symbol), row) for symbol, row in latest.iloc[:MAX_ROWS].iterrows()
        ]
        if len(latest) > MAX_ROWS:
            rows.append(f"<tr><td colspan=4>… and {len(latest) - MAX_ROWS:,} more</td></tr>")
        return f'<table style="{TABLE_STYLE}">{HEAD}{"".join(rows)}</table>'

    def _render_row(self, symbol: str, tick: pd.Series) -> str:
        price = tick["price"]
        before, colour = self._shown.get(symbol, (price, "inherit"))
        if price != before:
            colour = GREEN if price > before else RED
        self._shown[symbol] = (price, colour)
        size = "" if pd.isna(tick["size"]) else f"{tick['size']:,.10g}"
        time = format_time(tick["time"], date=False)
        return (
            f'<tr><td style="text-align:left"><b>{escape(symbol)}</b></td>'
            f'<td style="{CELL_STYLE};color:{colour}">{ARROWS.get(colour, "")} {price:,.2f}</td>'
            f'<td style="{CELL_STYLE};opacity:.7">{size}</td>'
            f'<td style="text-align:right;opacity:.7">{time}</td></tr>'
        )
