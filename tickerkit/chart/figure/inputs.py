"""Inputs: check and convert the points that a user appends, or that a trace already has."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from tickerkit.chart.figure.x_values import TIME, parse_x
from tickerkit.errors import InvalidArgument
from tickerkit.ticks import Array

__all__ = [
    "Points",
    "parse_bars",
    "parse_columns",
    "parse_points",
    "read_trace_columns",
    "read_trace_points",
    "read_trace_values",
]

# x, and the columns by name; all of shape (n,), but z of a heat map has (n, rows).
Points: TypeAlias = tuple[Array, dict[str, Array]]


def parse_points(
    x: Any, y: Any, z: Any, trace: int | str, takes_values: Callable[[Any], bool]
) -> dict[int | str, Points]:
    """Return the points passed to `LiveFigure.append`, by trace.

    Args:
        x: x values; or a Series of y, whose index is x; or a mapping of trace to (x, y),
            (x, y, z), values or Series.
        y: y values, if x holds only x values.
        z: z values, if x holds only x values.
        trace: the trace of the points, if x is not a mapping.
        takes_values: returns whether a trace takes values alone, without y.

    Raises:
        ValueError: if y is missing, columns differ in length, or a value is not of a type that
            can be drawn.
    """
    by_trace = x if isinstance(x, Mapping) else {trace: (x, y, z)}
    points: dict[int | str, Points] = {}
    for name, given in by_trace.items():
        given_x, *columns = _split_columns(given, name, takes_values(name))
        xs = parse_x(given_x)
        named = {
            column: _parse_numbers(values, column, name)
            for column, values in zip("yz", columns, strict=False)
        }
        for column, values in named.items():
            if len(xs) != len(values):
                raise ValueError(
                    f"Trace {name!r}: x has {len(xs)} points and {column} has {len(values)}; "
                    "pass equal lengths"
                )
        points[name] = xs, named
    return points


def parse_columns(x: Any, z: Any) -> tuple[Array, Array]:
    """Return what was passed to `LiveFigure.append_column`: x, shape (n,), and z, (n, rows).

    Args:
        x: the x of one column or of several.
        z: values of shape (rows,) for one column, or (rows, n).

    Raises:
        ValueError: if z is not of numbers and of such a shape, or x is not of numbers or times.
    """
    xs = parse_x(x)
    expected = "the numbers of one column, or an array of numbers of shape (rows, columns)"
    if z is None:
        raise InvalidArgument("z", z, expected)
    values = _as_floats(z, "z", expected)
    if values.ndim == 1 and len(xs) == 1:
        values = values[:, np.newaxis]
    if values.size == 0 and len(xs) == 0:
        return xs, np.empty((0, 0))
    if values.ndim == 1:
        raise ValueError(
            f"x has {len(xs)} columns and z is one column; pass z of shape (rows, {len(xs)})"
        )
    if values.ndim != 2 or not values.shape[0]:
        raise InvalidArgument("z", z, expected)
    if values.shape[1] != len(xs):
        raise ValueError(
            f"x has {len(xs)} columns and z has {values.shape[1]}; "
            f"pass z of shape (rows, {len(xs)})"
        )
    return xs, values.T


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
        names: the columns beside x to read, at least one; a trace that lacks one of them has no
            points.
        trace: the trace's index, for error messages.

    Raises:
        ValueError: if x is neither numbers nor times, or the columns differ in length.
    """
    columns = {name: _parse_numbers(_decode(props.get(name, ())), name, trace) for name in names}
    xs = _read_x(props, max(len(each) for each in columns.values()))
    lengths = {len(xs), *(len(each) for each in columns.values())}
    if 0 in lengths:
        return np.empty(0), dict.fromkeys(names, np.empty(0))
    if len(lengths) > 1:
        raise ValueError(
            f"Trace {trace}: its columns have {sorted(lengths)} points; set equal lengths"
        )
    return xs, columns


def read_trace_values(props: Mapping[str, Any], name: str) -> Points:
    """Return the values that a histogram, a box or a violin was created with.

    Args:
        props: the trace's properties, as plotly keeps them.
        name: the property that holds the values.

    Raises:
        ValueError: if they are neither numbers nor times.
    """
    return parse_x(_decode(props.get(name, ()))), {}


def read_trace_columns(props: Mapping[str, Any], trace: int) -> Points:
    """Return the columns that a heat map was created with; z has the shape (n, rows).

    Args:
        props: the trace's properties, as plotly keeps them.
        trace: the trace's index, for error messages.

    Raises:
        ValueError: if z is not of numbers in two dimensions, or x has not one value for each
            column of it.
    """
    expected = f"numbers in two dimensions for trace {trace}"
    z = _as_floats(_decode(props.get("z")), "z", expected)
    if z.size == 0:
        return np.empty(0), {"z": np.empty((0, 0))}
    if z.ndim != 2 or props.get("transpose"):
        raise InvalidArgument("z", props.get("z"), f"{expected}, not transposed")
    xs = _read_x(props, z.shape[1])
    if len(xs) != z.shape[1]:
        raise ValueError(
            f"Trace {trace}: x has {len(xs)} values and z has {z.shape[1]} columns; "
            "set one x for each column"
        )
    return xs, {"z": z.T}


def _read_x(props: Mapping[str, Any], count: int) -> Array:
    """Return the x of a trace, shape (n,); without x, as plotly computes it for `count` points."""
    if "x" in props:
        given = _decode(props["x"])
        if not isinstance(given, np.ndarray) or given.dtype.kind != "M":
            return parse_x(given)
        is_missing = np.isnat(given)  # plotly leaves such points out
        times = np.full(len(given), np.datetime64("NaT", "ns"), dtype=TIME)
        times[~is_missing] = parse_x(given[~is_missing])
        return times
    start, step = parse_x(props.get("x0", 0)), float(props.get("dx", 1)) * np.arange(count)
    if start.dtype == TIME:  # a step is in milliseconds then
        step = (step * 1e6).astype("timedelta64[ns]")
    xs: Array = start + step
    return xs


def _split_columns(given: Any, trace: Any, takes_values: bool) -> tuple[Any, ...]:
    """Return x and y, x, y and z, or values, of what was given for a trace."""
    is_split = isinstance(given, tuple if takes_values else tuple | list)
    x, y, z = given, None, None
    if is_split and len(given) == 2:
        x, y = given
    elif isinstance(given, tuple) and len(given) == 3:
        x, y, z = given
    if y is not None:
        return (x, y) if z is None else (x, y, z)
    if takes_values:
        return (x,)
    if isinstance(x, pd.Series):
        return x.index, x
    raise ValueError(
        f"Trace {trace!r}: y is missing; pass x and y, for several traces as {{name: (x, y)}}"
    )


def _decode(values: Any) -> Any:
    """Return an array from plotly's base64 form, and anything else unchanged."""
    if isinstance(values, Mapping) and "bdata" in values:
        array = np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
        shape = str(values.get("shape", len(array))).split(",")
        return array.reshape([int(each) for each in shape])
    return () if values is None else values


def _parse_numbers(values: Any, name: str, trace: Any = None) -> Array:
    """Convert a scalar or a sequence to float64 of shape (n,); an error names name and trace."""
    place = "" if trace is None else f" for trace {trace!r}"
    array = np.atleast_1d(_as_floats(values, name, f"numbers{place}"))
    if array.ndim > 1:
        raise InvalidArgument(name, values, f"numbers in one dimension{place}")
    return array


def _as_floats(values: Any, name: str, expected: str) -> Array:
    """Convert values to float64; masked values become NaN.

    numpy would drop the imaginary part of complex numbers, and take times for nanoseconds.
    """
    try:
        if isinstance(values, np.ma.MaskedArray):
            values = np.ma.filled(values.astype(np.float64), np.nan)
        array = np.asarray(values)
        if array.dtype.kind not in "cmM":
            return array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgument(name, values, expected) from error
    raise InvalidArgument(name, values, expected)
