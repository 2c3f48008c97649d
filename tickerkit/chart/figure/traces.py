"""Traces: find a figure's traces by index, name or type, and create the traces of candles."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import plotly.graph_objects as go
from plotly.basedatatypes import Undefined

from tickerkit.chart.figure.window import (
    BAR_COLUMNS,
    HEAT_COLUMNS,
    LINE_COLUMNS,
    SPACE_COLUMNS,
    VALUE_COLUMNS,
)
from tickerkit.errors import InvalidArgument

__all__ = [
    "BAR_TYPES",
    "HEAT_TYPES",
    "SAMPLED_TYPES",
    "STREAMED_TYPES",
    "VALUE_TYPES",
    "VOLUME_COLOUR",
    "Traces",
    "check_columns",
    "find_replaced",
    "find_trace",
    "find_trace_of_type",
    "find_traces",
    "find_value_axis",
    "list_columns",
    "make_candles",
]

BAR_TYPES = ("candlestick", "ohlc")
HEAT_TYPES = ("heatmap",)
POINT_TYPES = ("scatter", "scattergl", "bar")
# Types whose points may be values alone, without a place on the other axis.
VALUE_TYPES = ("histogram", "box", "violin")
SPACE_TYPES = ("scatter3d",)
STREAMED_TYPES = (*POINT_TYPES, *BAR_TYPES, *HEAT_TYPES)
# For these types an even sample of the points is sent: the extremes, which are sent for others,
# would have another distribution.
SAMPLED_TYPES = (*VALUE_TYPES, *SPACE_TYPES, "histogram2d", "histogram2dcontour")
# Further types that have points of x and y, and are not streamed.
OTHER_POINT_TYPES = ("histogram2d", "histogram2dcontour", "waterfall", "funnel")
DATA_NAMES = {"x", "y", "z", *BAR_COLUMNS}
METHODS = {BAR_COLUMNS: "append_bars", HEAT_COLUMNS: "append_column"}
# Pages and exports replace it by the colours of the candles; volume_colors.js has it, too.
VOLUME_COLOUR = "rgba(128,128,128,.6)"
# Eight significant digits, without zeros at the end: 1,300, or 0.0125 of a coin.
VOLUME_FORMAT = ",.8~r"

# The properties of each trace, as plotly keeps them in a figure's `_data`.
Traces: TypeAlias = Sequence[Mapping[str, Any]]


def find_trace(traces: Traces, trace: int | str) -> int:
    """Return the index of a trace, given its index (possibly negative) or its name.

    Raises:
        ValueError: if there is no such trace.
    """
    names = [props.get("name") for props in traces]
    if isinstance(trace, str) and trace in names:
        return names.index(trace)
    is_index = isinstance(trace, int | np.integer) and not isinstance(trace, bool)
    if is_index and -len(names) <= int(trace) < len(names):
        return int(trace) % len(names)
    expected = f"an index below {len(names)}, or one of the names {names}"
    raise InvalidArgument("trace", trace, expected)


def find_traces(traces: Traces, names: Iterable[int | str]) -> list[int]:
    """Return the indices of several traces, each given by its index or its name.

    Raises:
        ValueError: if there is no such trace, or a trace is named twice, such as by its index and
            by its name.
    """
    found: dict[int, int | str] = {}
    for name in names:
        index = find_trace(traces, name)
        if index in found:
            raise InvalidArgument(
                "trace", name, f"each trace once; {found[index]!r} is the same trace"
            )
        found[index] = name
    return list(found)


def find_trace_of_type(traces: Traces, types: Collection[str], purpose: str) -> int:
    """Return the index of the first trace that has one of these types.

    Raises:
        ValueError: if there is no such trace; the error names the purpose.
    """
    for index, props in enumerate(traces):
        if props.get("type", "scatter") in types:
            return index
    kinds = " or ".join(types)
    raise ValueError(f"The figure has no trace for {purpose}; add a trace of type {kinds}")


def list_columns(kind: str) -> list[tuple[str, ...]]:
    """Return which columns beside x the points of a type of trace may have; the usual ones first.

    The list is empty for a type to which nothing can be appended.
    """
    if kind in BAR_TYPES:
        return [BAR_COLUMNS]
    if kind in HEAT_TYPES:
        return [HEAT_COLUMNS]
    if kind in SPACE_TYPES:
        return [SPACE_COLUMNS]
    if kind in VALUE_TYPES:
        return [LINE_COLUMNS, VALUE_COLUMNS]
    return [LINE_COLUMNS] if kind in (*POINT_TYPES, *OTHER_POINT_TYPES) else []


def check_columns(kind: str, names: tuple[str, ...], index: int) -> None:
    """Raise a ValueError if the points of a trace can't have these columns.

    Args:
        kind: the trace's type.
        names: the columns beside x.
        index: the trace's index.
    """
    possible = list_columns(kind)
    if not possible:
        raise ValueError(
            f"Trace {index} is of type {kind}, which has no points of x and y; set its data "
            f"by fig.data[{index}].update(...)"
        )
    method = METHODS.get(possible[0], "append")
    if method != METHODS.get(names, "append"):
        what = "columns" if possible[0] == HEAT_COLUMNS else "points"
        raise ValueError(f"Trace {index} is of type {kind}; pass its {what} to {method}()")
    if names not in possible:
        lacks = "has no z; pass x and y" if "z" in names else "needs x, y and z; pass z="
        raise ValueError(f"Trace {index} is of type {kind}, which {lacks}")


def find_value_axis(props: Mapping[str, Any]) -> str:
    """Return the property that holds the values of a histogram, a box or a violin: "x" or "y"."""
    given = [name for name in ("x", "y") if props.get(name) is not None]
    if len(given) == 1:
        return given[0]
    is_upright = props.get("orientation", "v") == "v"
    return "x" if is_upright == (props["type"] == "histogram") else "y"


def find_replaced(
    restyle: Mapping[str, Any] | None, indices: Sequence[int], traces: Traces
) -> set[int]:
    """Return the indices of the traces whose data a restyle of plotly's replaces.

    Args:
        restyle: values by the path of a property. A list holds a value for each of the traces, and
            is repeated if it is shorter; `Undefined` leaves a trace unchanged.
        indices: the traces that are restyled.
        traces: all traces of the figure.
    """
    replaced = set()
    for path, values in (restyle or {}).items():
        name = re.split(r"[.\[]", path)[0]
        if name not in DATA_NAMES:
            continue
        each = values if isinstance(values, list) else [values]
        for place, index in enumerate(indices):
            # The y of a heat map are the places of its rows, which stay when columns come.
            is_rows = name == "y" and traces[index].get("type") in HEAT_TYPES
            if each and each[place % len(each)] is not Undefined and not is_rows:
                replaced.add(index)
    return replaced


def make_candles(name: str, *, volume: bool) -> tuple[list[Any], dict[str, Any]]:
    """Return a candlestick trace, a bar trace of its volume below it, and the layout for both."""
    traces: list[Any] = [go.Candlestick(name=name)]
    layout: dict[str, Any] = {"xaxis": {"rangeslider": {"visible": False}}}
    if volume:
        bars = go.Bar(name="volume", yaxis="y2", marker={"color": VOLUME_COLOUR})
        bars.yhoverformat = VOLUME_FORMAT
        traces.append(bars)
        layout["xaxis"]["anchor"] = "y2"
        below = {"domain": [0, 0.22], "nticks": 3}
        layout |= {"yaxis": {"domain": [0.27, 1]}, "yaxis2": below}
    return traces, layout
