"""Inputs: check and convert the points that a user appends, or that a trace already has."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from tickerkit.chart.figure.x_values import parse_x
from tickerkit.errors import InvalidArgument
from tickerkit.ticks import Array

__all__ = ["Points", "parse_bars", "parse_points", "read_trace_points"]

# x, and the columns by name; all of shape (n,).
Points: TypeAlias = tuple[Array, dict[str, Array]]


def parse_points(x: Any, y: Any, trace: int | str) -> dict[int | str, Points]:
    """Return the points passed to `LiveFigure.append`, by trace.

    Args:
        x: x values; or a Series of y, whose index is x; or a mapping of trace to (x, y) or Series.
        y: y values, if x holds only x values.
        trace: the trace of the points, if x is not a mapping.

    Raises:
        ValueError: if y is missing, x and y differ in length, or a value is not of a type that
            can be drawn.
    """
    by_trace = x if isinstance(x, Mapping) else {trace: (x, y)}
    points: dict[int | str, Points] = {}
    for name, given in by_trace.items():
        given_x, given_y = _split_xy(given, name)
        xs, ys = parse_x(given_x), _parse_numbers(given_y, "y", name)
        if len(xs) != len(ys):
            raise ValueError(
                f"Trace {name!r}: x has {len(xs)} points and y has {len(ys)}; pass equal lengths"
            )
        points[name] = xs, {"y": ys}
    return points


def parse_bars(time: Any, values: Mapping[str, Any]) -> Points:
    """Return the times and columns passed to `LiveFigure.append_bars`.

    Args:
        time: x values, strictly ascending.
        values: values by name: open, high, low, close, and possibly volume.

    Raises:
        ValueError: if lengths differ, times don't ascend, or a value is not a number.
    """
    xs = parse_x(time)
    columns = {name: _parse_numbers(each, name) for name, each in values.items()}
    if any(len(each) != len(xs) for each in columns.values()):
        lengths = ", ".join(f"{name} {len(each)}" for name, each in columns.items())
        raise ValueError(f"Bars of unequal lengths: time {len(xs)}, {lengths}; pass equal lengths")
    if len(xs) > 1 and not (xs[1:] > xs[:-1]).all():
        raise ValueError("Bars must ascend in time; sort them, and pass each time once")
    return xs, columns


def read_trace_points(props: Mapping[str, Any], names: tuple[str, ...], trace: int) -> Points:
    """Return the points that a trace was created with, in any form that plotly accepts.

    x may be missing or be given by `x0` and `dx`, and arrays may be in plotly's base64 form.

    Args:
        props: the trace's properties, as plotly keeps them.
        names: the columns beside x to read; a trace that lacks one of them has no points.
        trace: the trace's index, for error messages.

    Raises:
        ValueError: if x is neither numbers nor times, or the columns differ in length.
    """
    columns = {name: _parse_numbers(_decode(props.get(name, ())), name, trace) for name in names}
    count = max(len(each) for each in columns.values())
    if "x" in props:
        xs = parse_x(_decode(props["x"]))
    else:  # plotly's own default
        xs = float(props.get("x0", 0)) + float(props.get("dx", 1)) * np.arange(count)
    lengths = {len(xs), *(len(each) for each in columns.values())}
    if 0 in lengths:
        return np.empty(0), dict.fromkeys(names, np.empty(0))
    if len(lengths) > 1:
        raise ValueError(
            f"Trace {trace}: its columns have {sorted(lengths)} points; set equal lengths"
        )
    return xs, columns


def _split_xy(given: Any, trace: Any) -> tuple[Any, Any]:
    """Return x and y of a pair or of a Series; raise a ValueError if it is neither."""
    x, y = given if isinstance(given, tuple | list) and len(given) == 2 else (given, None)
    if y is not None:
        return x, y
    if isinstance(x, pd.Series):
        return x.index, x
    raise ValueError(
        f"Trace {trace!r}: y is missing; pass x and y, for several traces as {{name: (x, y)}}"
    )


def _decode(values: Any) -> Any:
    """Return an array from plotly's base64 form, and anything else unchanged."""
    if isinstance(values, Mapping) and "bdata" in values:
        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
    return () if values is None else values


def _parse_numbers(values: Any, name: str, trace: Any = None) -> Array:
    """Convert a scalar or a sequence to float64 of shape (n,); an error names name and trace."""
    place = "" if trace is None else f" for trace {trace!r}"
    try:
        array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise InvalidArgument(name, values, f"numbers{place}") from error
    if array.ndim > 1:
        raise InvalidArgument(name, values, f"numbers in one dimension{place}")
    return array
