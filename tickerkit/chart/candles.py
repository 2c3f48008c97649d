"""CandleDrawer: draws bars as candles, with their volume in a pane below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tickerkit.chart.figure.figure import LiveFigure
from tickerkit.chart.instruments import Instruments
from tickerkit.chart.labels import escape_label
from tickerkit.chart.palette import FALLING, RISING, has_own_template
from tickerkit.chart.panes import name_legend
from tickerkit.chart.value_format import make_axis_format, make_axis_title, make_format
from tickerkit.ticks import Array

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["CandleDrawer"]


class CandleDrawer:
    """Draws the bars of one symbol on a figure.

    Args:
        feed: the feed.
        figure: the figure; it gets a candlestick trace if it has none.
        column: the column whose bars are drawn.
        volume: whether to draw the volume, in the first pane below the candles.
        layout: of the panes.
    """

    def __init__(
        self,
        feed: Feed,
        figure: LiveFigure,
        column: str,
        *,
        volume: bool,
        layout: Mapping[str, Any],
    ) -> None:
        self._log = feed.log
        self._figure = figure
        self._instruments = Instruments.of(feed.log, column)
        self._volume = volume
        self._layout = layout
        self._decimals = -1  # as drawn

    @property
    def uids(self) -> Iterable[str]:
        """The uid of the candles, if they are drawn yet."""
        traces = self._figure.data
        return [trace.uid for trace in traces if trace.type == "candlestick"][:1]

    def draw(self, symbol: str, bars: Mapping[str, Array]) -> None:
        """Append or update bars, as `BarReader.read` returns them."""
        self._prepare_trace(symbol)
        self._figure.append_bars(
            bars["time"].view("datetime64[ns]"),
            bars["open"],
            bars["high"],
            bars["low"],
            bars["close"],
            bars["volume"] if self._volume else None,
        )

    def _prepare_trace(self, symbol: str) -> None:
        """Add the trace if it is missing, and show its values with the instrument's decimals."""
        figure = self._figure
        is_candles = [trace.type == "candlestick" for trace in figure.data]
        if not any(is_candles):
            figure.add_candles(escape_label(symbol), volume=self._volume)
            if self._volume:
                figure.data[-1].legend = name_legend(1)
                figure.update_layout(self._layout)
            is_candles = [trace.type == "candlestick" for trace in figure.data]
            figure.data[is_candles.index(True)].legendgroup = escape_label(symbol)
            if not has_own_template(figure):
                figure.data[is_candles.index(True)].update(
                    increasing_line_color=RISING, decreasing_line_color=FALLING
                )
        decimals = self._instruments.decimals(symbol)
        if decimals != self._decimals:
            self._decimals = decimals
            figure.data[is_candles.index(True)].yhoverformat = make_format(decimals)
            column = self._instruments.column(symbol)
            unit = self._log.units.get(column, "")
            title = make_axis_title(column, unit)
            axis = {**make_axis_format(decimals, unit=unit), "title": {"text": title}}
            figure.update_layout(yaxis=axis)
