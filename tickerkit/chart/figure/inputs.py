"""Given: points as a user gives them to append, or to a trace in any of plotly's ways."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.chart.figure.window import as_x
from tickerkit.ticks import Array

__all__ = ["numbers_of", "pair_of", "points_of"]


def pair_of(given: Any, trace: Any) -> tuple[Any, Any]:
    """Return x and y of what is appended to a trace.

    Raises:
        ValueError: if it is neither a pair of them nor a Series.
    """
    x, y = given if isinstance(given, tuple | list) and len(given) == 2 else (given, None)
    if y is not None:
        return x, y
    if isinstance(x, pd.Series):
        return x.index, x
    raise ValueError(f"trace {trace!r}: y is missing; pass x and y, for several traces as (x, y)")


def points_of(
    props: Mapping[str, Any], names: tuple[str, ...], trace: int
) -> tuple[Array, dict[str, Array]]:
    """Return x and the columns of a trace as it was given; without points where it has none."""
    columns = {name: numbers_of(_unpacked(props.get(name, ())), trace) for name in names}
    count = max(len(each) for each in columns.values())
    if "x" in props:
        xs = as_x(_unpacked(props["x"]))
    else:  # as plotly counts them itself
        xs = float(props.get("x0", 0)) + float(props.get("dx", 1)) * np.arange(count)
    lengths = {len(xs), *(len(each) for each in columns.values())}
    if 0 in lengths:
        return np.empty(0), dict.fromkeys(names, np.empty(0))
    if len(lengths) > 1:
        raise ValueError(
            f"trace {trace} has columns of {sorted(lengths)} points; set as many of each"
        )
    return xs, columns


def _unpacked(values: Any) -> Any:
    """Return an array as it is, also of plotly's form of it in JSON."""
    if isinstance(values, Mapping) and "bdata" in values:
        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
    return () if values is None else values


def numbers_of(values: Any, trace: Any) -> Array:
    """Return values of a trace as float64.

    Raises:
        ValueError: if they are no numbers.
    """
    try:
        return np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise ValueError(f"trace {trace!r}: values must be numbers, not {values!r:.60}") from error
