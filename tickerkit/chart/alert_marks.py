"""AlertMarks: marks in a chart where alerts have fired, and shows the levels they watch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from tickerkit.chart.figure.figure import LiveFigure
from tickerkit.chart.figure.percent import PERCENT_OF
from tickerkit.chart.labels import escape_label

if TYPE_CHECKING:
    from tickerkit.alerts import AlertEvent
    from tickerkit.feed import Feed

__all__ = ["AlertMarks"]

ALERT_COLOUR = "#c98a00"
MARK = {"symbol": "circle", "size": 7, "color": ALERT_COLOUR}
LEVEL_NAME = "alert"
LEVEL_LINE = {"color": ALERT_COLOUR, "width": 1, "dash": "dash"}
# How many marks of a symbol, the first since the chart was made, have a text.
MAX_TEXTS = 2000
# In the legend, after all lines.
RANK = 3000


class AlertMarks:
    """Marks the alerts of a feed on a figure: a dot where one has fired, with its text.

    The level that an alert watches is a dashed line while the alert runs.

    Args:
        feed: the feed.
        figure: the figure.
        column: the column that the figure shows. A dot is at the price of the tick that fired, or
            at the value of the column that the alert watches if that is the one shown.
        find_base: returns the uid of the trace since whose first value a symbol is shown as its
            change in percent; None if the figure shows values.
    """

    def __init__(
        self,
        feed: Feed,
        figure: LiveFigure,
        column: str,
        find_base: Callable[[str], str | None],
    ) -> None:
        self._feed, self._figure = feed, figure
        self._column = column
        self._find_base = find_base
        self._next = 0
        # By symbol: the uid of its trace, that of the line whose change is shown, and its texts.
        self._uids: dict[str, str] = {}
        self._bases: dict[str, str | None] = {}
        self._texts: dict[str, list[str]] = {}
        self._levels: tuple[float, ...] = ()

    @property
    def uids(self) -> Iterable[str]:
        """The uids of the traces of the marks."""
        return self._uids.values()

    def draw(self, symbols: Iterable[str]) -> None:
        """Mark what has fired for these symbols since the last call, and update the levels."""
        shown = set(symbols)
        feed = self._feed.current
        self._next, events = feed.alert_events(self._next)
        columns = {alert.id: alert.spec.column for alert in feed.active_alerts}
        new: dict[str, list[tuple[AlertEvent, float]]] = {}
        for event in events:
            height = self._find_height(event, columns.get(event.alert_id, ""))
            if event.symbol in shown and not math.isnan(height):
                new.setdefault(event.symbol, []).append((event, height))
        for symbol, found in new.items():
            self._mark(symbol, found)
        for symbol in self._uids:
            self._show_change(symbol)
        self._show_levels(shown)

    def _find_height(self, event: AlertEvent, column: str) -> float:
        """Return where on the y axis an event is; NaN if it isn't on this chart.

        Args:
            event: the event.
            column: the column that its alert watches.
        """
        is_price = self._column == "price"
        if is_price and not math.isnan(event.price):
            return event.price
        # The level of a quote is beside the middle of bid and ask, which the chart shows.
        is_shown = column == self._column or (is_price and column in ("bid", "ask"))
        return event.value if is_shown and not math.isnan(event.level) else math.nan

    def _mark(self, symbol: str, found: list[tuple[AlertEvent, float]]) -> None:
        if symbol not in self._uids:
            self._add_trace(symbol)
        uids = [props["uid"] for props in self._figure._data]
        if self._uids[symbol] not in uids:
            return  # the user has removed it
        index = uids.index(self._uids[symbol])
        texts = self._texts[symbol]
        if len(texts) < MAX_TEXTS:
            texts += [escape_label(event.text) for event, _ in found]
            self._figure.data[index].text = tuple(texts)
        times = np.array([event.time.value for event, _ in found], dtype="datetime64[ns]")
        self._figure.append(times, np.array([height for _, height in found]), trace=index)

    def _add_trace(self, symbol: str) -> None:
        name = escape_label(symbol)
        self._figure.add_trace(
            go.Scatter(
                mode="markers",
                name=f"{name} alerts",
                marker=MARK,
                # With its line, which the legend names: a click shows or hides both.
                legendgroup=name,
                legendrank=RANK,
                showlegend=False,
                hovertemplate="%{text}<extra></extra>",
            )
        )
        self._uids[symbol] = self._figure.data[-1].uid
        self._texts[symbol] = []
        self._bases[symbol] = None

    def _show_change(self, symbol: str) -> None:
        """Show the marks of a symbol on its line, if that shows its change in percent."""
        if (base := self._find_base(symbol)) == self._bases[symbol]:
            return
        self._bases[symbol] = base
        for trace in self._figure.data:
            if trace.uid == self._uids[symbol]:
                trace.meta = None if base is None else PERCENT_OF + base

    def _show_levels(self, shown: set[str]) -> None:
        """Draw the levels of running alerts; not where lines show changes."""
        has_values = all(self._find_base(symbol) is None for symbol in shown)
        levels = {
            level
            for alert in self._feed.current.active_alerts
            if has_values
            and alert.spec.column == self._column
            and (alert.spec.symbols is None or not shown.isdisjoint(alert.spec.symbols))
            for level in alert.spec.levels
        }
        if (wanted := tuple(sorted(levels))) == self._levels:
            return
        self._levels = wanted
        kept = [shape for shape in self._figure.layout.shapes if shape.name != LEVEL_NAME]
        self._figure.layout.shapes = [*kept, *map(_make_level, wanted)]


def _make_level(level: float) -> dict[str, object]:
    return {
        "type": "line",
        "name": LEVEL_NAME,
        "xref": "x domain",
        "x0": 0,
        "x1": 1,
        "yref": "y",
        "y0": level,
        "y1": level,
        "line": LEVEL_LINE,
    }
