"""IndicatorDrawer: draws indicators over the values, and in panes of their own below."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from tickerkit.chart.figure.figure import LiveFigure
from tickerkit.chart.figure.percent import PERCENT_OF
from tickerkit.chart.labels import escape_label
from tickerkit.chart.palette import INDICATOR_COLOURS
from tickerkit.chart.panes import make_levels, name_axis, name_legend
from tickerkit.chart.value_format import PERCENT_FORMAT, make_format
from tickerkit.ticks import Array

if TYPE_CHECKING:
    from tickerkit.bars import IndicatorSpec

__all__ = ["IndicatorDrawer", "count_panes"]

# Of values whose instrument doesn't say how many decimals they have.
SIGNIFICANT_DIGITS = 4
MAX_DECIMALS = 8
# After the lines of the symbols.
FIRST_RANK = 2000
# The main line of an indicator is wider than its others, such as the edges of a band.
WIDTH, THIN_WIDTH = 1.5, 1
DOT_SIZE = 4
# Translucent, since lines cross them.
BAR_COLOUR = "rgba(43,127,212,.55)"


def count_panes(specs: Sequence[IndicatorSpec]) -> int:
    """Return how many panes of their own these indicators need."""
    return sum(spec.pane != "price" for spec in specs)


class IndicatorDrawer:
    """Draws the indicators of one symbol on a figure that has panes for them.

    Args:
        figure: the figure.
        specs: which indicators.
        first_pane: number of the first pane for indicators that need their own.
    """

    def __init__(self, figure: LiveFigure, specs: Sequence[IndicatorSpec], first_pane: int) -> None:
        self._figure = figure
        self._specs = specs
        self._first_pane = first_pane
        # By column: the uid of the trace.
        self._uids: dict[str, str] = {}
        # By indicator with a pane: the largest value seen, and the decimals drawn.
        self._largest: dict[str, float] = {}
        self._decimals: dict[str, int] = {}

    @property
    def uids(self) -> Iterable[str]:
        """The uids of the traces of the indicators."""
        return self._uids.values()

    def draw(self, bars: Mapping[str, Array], decimals: int, base_uid: str | None) -> None:
        """Append or update the values of bars, as `BarReader.read` returns them.

        Args:
            bars: the bars, with the columns of the indicators.
            decimals: decimals of the symbol's values.
            base_uid: the trace since whose first value the chart shows changes in percent; None
                if it shows values.
        """
        columns = {spec.text: spec.find_columns(bars) for spec in self._specs}
        if not all(column in self._uids for each in columns.values() for column in each):
            self._add_traces(columns, base_uid)
        uids = [props["uid"] for props in self._figure._data]
        times = bars["time"].view("datetime64[ns]")
        points: dict[int | str, tuple[Array, Array]] = {}
        for spec in self._specs:
            is_over = spec.pane == "price"
            values = [bars[column] for column in columns[spec.text]]
            shown = decimals if is_over else self._find_decimals(spec, values)
            is_changed = self._decimals.get(spec.text) != shown
            self._decimals[spec.text] = shown
            for column in columns[spec.text]:
                if (uid := self._uids[column]) not in uids:
                    continue  # the user has removed it
                index = uids.index(uid)
                has_value = np.isfinite(bars[column])
                # No points while it warms up but the newest: a trace without any has no name.
                first = int(np.argmax(has_value)) if has_value.any() else -1
                points[index] = times[first:], bars[column][first:]
                if is_changed and not (is_over and base_uid):
                    self._figure.data[index].yhoverformat = make_format(shown)
        if points:
            self._figure.append(points, replace=True)

    def _add_traces(self, columns: Mapping[str, Sequence[str]], base_uid: str | None) -> None:
        """Add the traces of these columns, by indicator, in one message; and its levels."""
        traces: list[Any] = []
        levels: list[dict[str, Any]] = []
        names: list[str] = []
        pane, place = self._first_pane, 0  # the place is one among the colours
        for spec in self._specs:
            is_over = spec.pane == "price"
            main = _find_main(spec, columns[spec.text])
            for number, column in enumerate(columns[spec.text]):
                if column in self._uids:
                    continue
                colour = (place if is_over else number) % len(INDICATOR_COLOURS)
                trace = _make_trace(spec, column, INDICATOR_COLOURS[colour])
                trace.update(name=escape_label(column), hoverlabel={"namelength": -1})
                trace.legendrank = FIRST_RANK + len(self._uids) + len(traces)
                if not is_over:
                    trace.update(yaxis=name_axis(pane), legend=name_legend(pane))
                    if len(columns[spec.text]) > 1 and spec.style.get(column) == "bars":
                        # Bars are known by their shape; in a narrow chart a third entry would
                        # wrap, and lie over the pane above.
                        trace.showlegend = False
                else:
                    # One entry for all lines: a click shows or hides them together.
                    trace.update(legendgroup=spec.text, showlegend=column == main)
                    if base_uid:
                        trace.update(meta=PERCENT_OF + base_uid, yhoverformat=PERCENT_FORMAT)
                names.append(column)
                traces.append(trace)
            if is_over:
                place += 1
            else:
                levels += make_levels(pane, spec.levels)
                pane += 1
        if levels and not self._uids:
            self._figure.layout.shapes = [*self._figure.layout.shapes, *levels]
        count = len(self._figure.data)
        self._figure.add_traces(traces)
        added = [trace.uid for trace in self._figure.data[count:]]
        self._uids |= zip(names, added, strict=True)

    def _find_decimals(self, spec: IndicatorSpec, columns: Sequence[Array]) -> int:
        """Return with how many decimals the values of an indicator in its own pane are shown."""
        values = np.abs(np.concatenate([*columns, np.zeros(1)]))
        newest = float(values[np.isfinite(values)].max())
        largest = self._largest[spec.text] = max(self._largest.get(spec.text, 0.0), newest)
        if not largest:
            return 2
        return min(max(0, SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(largest))), MAX_DECIMALS)


def _find_main(spec: IndicatorSpec, columns: Sequence[str]) -> str:
    """Return the column that stands for an indicator: the first that is no edge of a band."""
    inner = [column for column in columns if spec.style.get(column) != "band"]
    return [*inner, *columns, ""][0]


def _make_trace(spec: IndicatorSpec, column: str, colour: str) -> Any:
    """Return the trace of a column, in the style that its indicator asks for."""
    style = spec.style.get(column, "line")
    if style == "bars":
        return go.Bar(marker={"color": BAR_COLOUR, "line": {"width": 0}})
    if style == "dots":
        return go.Scatter(mode="markers", marker={"color": colour, "size": DOT_SIZE})
    width = THIN_WIDTH if style == "band" else WIDTH
    return go.Scatter(mode="lines", line={"color": colour, "width": width})
