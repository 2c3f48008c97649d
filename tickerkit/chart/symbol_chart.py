"""SymbolDrawer: draws one symbol: candles or a line, and indicators of its bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tickerkit.chart.bar_reader import BarReader
from tickerkit.chart.candles import CandleDrawer
from tickerkit.chart.figure.figure import LiveFigure
from tickerkit.chart.indicator_lines import IndicatorDrawer, count_panes
from tickerkit.chart.instruments import Instruments
from tickerkit.chart.lines import LineDrawer
from tickerkit.chart.notes import list_present
from tickerkit.chart.panes import layout_panes
from tickerkit.log import Rows

if TYPE_CHECKING:
    from tickerkit.bars import IndicatorSpec
    from tickerkit.feed import Feed

__all__ = ["SymbolDrawer"]


class SymbolDrawer:
    """Draws one symbol of a feed on a figure: candles or a line, and indicators of its bars.

    A late tick changes the bar that it belongs to, and the indicators from that bar on.

    Args:
        feed: the feed.
        figure: the figure.
        symbols: the first is drawn; None for the first symbol that the present server has.
        column: the column to draw.
        bar: length of a bar, such as "5s", or in seconds.
        kind: "line", "candles" or "candles+volume".
        percent: whether a line, and indicators over it, show the change in percent.
        indicators: which indicators to draw.

    Attributes:
        is_empty: whether nothing is drawn yet.
    """

    def __init__(
        self,
        feed: Feed,
        figure: LiveFigure,
        symbols: Sequence[str] | None,
        column: str,
        bar: str | float,
        *,
        kind: str,
        percent: bool = False,
        indicators: Sequence[IndicatorSpec] = (),
    ) -> None:
        self._asked = symbols
        self.is_empty = True
        self._feed, self._figure = feed, figure
        self._column, self._is_percent = column, percent
        has_volume = kind == "candles+volume"
        panes = count_panes(indicators) + has_volume
        layout = layout_panes(panes, figure.layout.height)
        figure.update_layout(layout)
        self._reader = BarReader(feed, symbols, column, bar, indicators)
        self._candles = (
            None
            if kind == "line"
            else CandleDrawer(feed, figure, column, volume=has_volume, layout=layout)
        )
        self._line: LineDrawer | None = None
        if kind == "line" and symbols:
            self._line = self._make_line(symbols[0])
        self._indicators = (
            IndicatorDrawer(figure, indicators, 1 + has_volume) if indicators else None
        )

    def find_base(self, symbol: str) -> str | None:
        """Return the uid of the line since whose first value the symbol's change is shown."""
        return self._line.find_uid(symbol) if self._line and self._is_percent else None

    @property
    def undrawn(self) -> int:
        """The number of symbols that are not drawn, since only one is."""
        return max(0, len(self._asked or list_present(self._feed.current)) - 1)

    @property
    def uids(self) -> Iterable[str]:
        """The uid of the main trace, if it is drawn yet."""
        main = self._candles or self._line
        return main.uids if main else ()

    @property
    def companions(self) -> Iterable[str]:
        """The uids of the traces whose points must not lie before those of the main one."""
        return self._indicators.uids if self._indicators else ()

    @property
    def symbols(self) -> Sequence[str] | None:
        """The symbol that is drawn; None before the first tick if none was asked for."""
        symbol = self._reader.symbol
        return None if symbol is None else [symbol]

    @property
    def drawn(self) -> Sequence[str]:
        """The symbols that have something drawn."""
        return [] if self.is_empty else self.symbols or []

    def draw(self, rows: Rows) -> None:
        """Draw what new rows changed; called in the follower's thread."""
        bars = self._reader.read(rows)
        symbol = self._reader.symbol
        if symbol is None:
            return
        if self._candles is None:
            self._line = self._line or self._make_line(symbol)
            self._line.draw(rows)
            self.is_empty = self._line.is_empty
        if bars is None:
            return
        if self._candles is not None:
            self._candles.draw(symbol, bars)
            self.is_empty = False
        if self._indicators is not None:
            decimals = Instruments.of(self._feed.log, self._column).decimals(symbol)
            self._indicators.draw(bars, decimals, self.find_base(symbol))
        if self._reader.error is not None:
            raise self._reader.error  # now that the rest is drawn; the feed counts it and says it

    def _make_line(self, symbol: str) -> LineDrawer:
        return LineDrawer(
            self._feed, self._figure, [symbol], self._column, percent=self._is_percent
        )
