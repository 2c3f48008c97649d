"""DeskChart: the chart of a dashboard, which draws what is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from tickerkit.bars.indicators import IndicatorSpec, parse_indicators
from tickerkit.bars.indicators.own import OwnClass, OwnFunction
from tickerkit.chart.desk.messages import DeskChoices
from tickerkit.chart.feed_chart import draw_feed, make_figure
from tickerkit.chart.indicator_lines import count_panes
from tickerkit.chart.panes import PANE_HEIGHT
from tickerkit.chart.widgets.transfer import DownloadFile
from tickerkit.chart.widgets.visible_ticks import make_csv_file, select_visible

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["DRAWN", "DeskChart"]

# The choices by which the chart is drawn.
DRAWN = frozenset({"view", "volume", "feed", "symbol", "column", "window", "bar", "indicators"})
# All messages of a dashboard are at most 20 a second: four of rows, four of events, one of state.
MESSAGES_PER_S = 11
# From five lines on, each label at the right edge of a chart has a name.
MAX_LEGEND = 4


class DeskChart:
    """A live figure, and what of a feed it shows.

    Args:
        symbols: the symbols that are shown where none is chosen; None for all.
        tz: the time zone.
        height: in pixels, without the panes of indicators.

    Attributes:
        figure: the figure.
    """

    def __init__(self, symbols: Sequence[str] | None, tz: str, height: int) -> None:
        self._symbols = symbols
        self._height = height
        # A page chooses an indicator by its text, which says nothing of a function of the user's.
        self._own: dict[str, IndicatorSpec] = {}
        self._held_at: pd.Timestamp | None = None
        self.figure = make_figure(height, tz)
        self.figure.message_interval_s = 1 / MESSAGES_PER_S

    def parse_indicators(self, given: object) -> list[str]:
        """Return the texts of indicators, by which they are chosen from then on.

        Args:
            given: as for `feed.chart`; or texts that were returned before.

        Raises:
            InvalidArgument: an indicator is invalid.
        """
        specs = self._find_specs(given)
        own = [spec for spec in specs if isinstance(spec.formula, OwnClass | OwnFunction)]
        self._own |= {spec.text: spec for spec in own}
        return [spec.text for spec in specs]

    def _find_specs(self, given: object) -> tuple[IndicatorSpec, ...]:
        if isinstance(given, list):
            given = [self._own.get(each, each) if isinstance(each, str) else each for each in given]
        return parse_indicators(given)

    def draw(self, feed: Feed, choices: DeskChoices, offered: int) -> None:
        """Draw a feed from now on.

        Args:
            feed: the feed.
            choices: what is chosen.
            offered: how many symbols there are.
        """
        self.choose_legend(choices, offered)
        symbol, specs = choices["symbol"], self._find_specs(choices["indicators"])
        height = self._height + PANE_HEIGHT * count_panes(specs)
        if self.figure.layout.height != height:
            self.figure.layout.height = height
        candles = "candles+volume" if choices["volume"] else "candles"
        draw_feed(
            feed,
            self.figure,
            candles if choices["view"] == "candles" else "line",
            self._symbols if symbol is None else [symbol],
            choices["window"],
            column=choices["column"],
            percent=choices["view"] == "percent",
            bar=choices["bar"],
            indicators=specs,
            hint="click one in the list",
        )

    def choose_legend(self, choices: DeskChoices, offered: int) -> None:
        """Show the legend only where nothing else says what a line is.

        A chosen symbol is named above the chart, and of many lines the labels have names.
        """
        is_few = offered <= MAX_LEGEND or choices["view"] == "candles"
        is_wanted = bool(choices["indicators"]) or (choices["symbol"] is None and is_few)
        if self.figure.layout.showlegend != is_wanted:
            self.figure.layout.showlegend = is_wanted

    def note_follow(self, feed: Feed, *, is_following: bool) -> None:
        """Note up to which time the chart shows ticks from now on."""
        newest = feed.latest()["time"].max()
        self._held_at = None if is_following or pd.isna(newest) else newest

    def make_file(self, feed: Feed, choices: DeskChoices) -> DownloadFile:
        """Return the ticks that are chosen as a file: those that the chart shows, or all held."""
        symbol = choices["symbol"]
        # In a list, since the text of a symbol with a comma would be two symbols.
        ticks = feed.frame(None if symbol is None else [symbol])
        if choices["extent"] == "visible":
            ticks = select_visible(ticks, self.figure, choices["window"], self._held_at)
        return make_csv_file(ticks, symbol)
