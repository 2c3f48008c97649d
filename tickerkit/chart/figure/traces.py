"""Traces: find a figure's traces by index, name or type, and create the traces of candles."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import plotly.graph_objects as go
from plotly.basedatatypes import Undefined

from tickerkit.chart.figure.window import BAR_COLUMNS
from tickerkit.errors import InvalidArgument

__all__ = [
    "BAR_TYPES",
    "LINE_TYPES",
    "OTHER_POINT_TYPES",
    "find_replaced",
    "find_trace",
    "find_trace_of_type",
    "find_traces",
    "make_candles",
]

BAR_TYPES = ("candlestick", "ohlc")
LINE_TYPES = ("scatter", "scattergl", "bar")
# Types with points of x and y that are not streamed but sent as a whole.
OTHER_POINT_TYPES = (
    "box",
    "violin",
    "histogram",
    "histogram2d",
    "histogram2dcontour",
    "waterfall",
    "funnel",
)
DATA_NAMES = {"x", "y", *BAR_COLUMNS}
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
    if isinstance(trace, int) and -len(names) <= trace < len(names):
        return trace % len(names)
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


def find_replaced(restyle: Mapping[str, Any] | None, indices: Sequence[int]) -> set[int]:
    """Return the indices of the traces whose data a restyle of plotly's replaces.

    Args:
        restyle: values by the path of a property. A list holds a value for each of the traces, and
            is repeated if it is shorter; `Undefined` leaves a trace unchanged.
        indices: the traces that are restyled.
    """
    replaced = set()
    for path, values in (restyle or {}).items():
        if re.split(r"[.\[]", path)[0] not in DATA_NAMES:
            continue
        each = values if isinstance(values, list) else [values]
        for place, index in enumerate(indices):
            if each and each[place % len(each)] is not Undefined:
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
