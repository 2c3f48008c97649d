"""Volume colours: exports draw bars of volume in the colours of their candles, as pages do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tickerkit.chart.figure.traces import BAR_TYPES, VOLUME_COLOUR, Traces
from tickerkit.chart.figure.window import BAR_COLUMNS

__all__ = ["make_volume_marker"]

# As in volume_colors.js: the colour of a bar without a candle, and the opacity of all.
NO_DIRECTION_COLOUR = "rgb(128,128,128)"
VOLUME_OPACITY = 0.6
# Plotly's own.
DEFAULT_COLOURS = {"increasing": "#3D9970", "decreasing": "#FF4136"}


def make_volume_marker(
    props: Mapping[str, Any], traces: Traces, template: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the marker of a trace of volume; empty for another, or one with the user's colour.

    Args:
        props: the trace.
        traces: all traces of its figure; the first candles with the same x axis are those of the
            volume.
        template: of the figure, as a dict.
    """
    marker = props.get("marker") or {}
    if props.get("type") != "bar" or marker.get("color") != VOLUME_COLOUR:
        return {}
    candles = [
        each
        for each in traces
        if each.get("type") in BAR_TYPES and each.get("xaxis", "x") == props.get("xaxis", "x")
    ]
    if not candles:
        return {}
    x, columns = candles[0].get("x"), [candles[0].get(name) for name in BAR_COLUMNS]
    if props.get("x") is None or x is None or any(column is None for column in columns):
        return {}
    by_x = dict(zip(np.asarray(x).tolist(), _find_directions(columns), strict=False))
    return {
        "opacity": VOLUME_OPACITY,
        **marker,
        "color": [by_x.get(each, 0) for each in np.asarray(props["x"]).tolist()],
        "colorscale": [
            [0, _find_colour(candles[0], "decreasing", template)],
            [0.5, NO_DIRECTION_COLOUR],
            [1, _find_colour(candles[0], "increasing", template)],
        ],
        "cmin": -1,
        "cmax": 1,
    }


def _find_directions(columns: Sequence[Any]) -> list[int]:
    """Return the directions in which plotly.js colours candles: 1 up, -1 down, 0 if not drawn.

    A candle that closes where it opens has the direction since the close before it. If that is the
    same price, too, it has the direction of the candle before it.

    Args:
        columns: open, high, low and close. A user who sets them may give columns of other lengths.
    """
    count = min(len(column) for column in columns)
    values = np.array([column[:count] for column in columns], dtype=float)  # shape (4, count)
    is_drawn = np.isfinite(values).all(axis=0)
    first, last = values[0, is_drawn], values[3, is_drawn]
    change = np.sign(last - first)
    flat = np.flatnonzero(change[1:] == 0) + 1
    change[flat] = np.sign(last[flat] - last[flat - 1])
    known = np.maximum.accumulate(np.where(change != 0, np.arange(len(change)), -1))
    directions = np.zeros(count, dtype=int)
    directions[is_drawn] = np.where(known < 0, 1, change[known])
    found: list[int] = directions.tolist()
    return found


def _find_colour(candles: Mapping[str, Any], direction: str, template: Mapping[str, Any]) -> str:
    """Return the colour of candles that go in a direction: their own, or the template's."""
    styles = template.get("data", {}).get(candles["type"], ())
    for props in (candles, *styles[:1]):
        colour = props.get(direction, {}).get("line", {}).get("color")
        if colour is not None:
            return str(colour)
    return DEFAULT_COLOURS[direction]
