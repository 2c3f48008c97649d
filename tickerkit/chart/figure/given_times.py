"""Given times: times passed by plotly's own API, as pages and exports show them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from tickerkit.ticks import Array

__all__ = ["DATE", "Convert", "has_times", "map_times", "to_text"]

DATE = np.dtype("datetime64[D]")

# From times in UTC, datetime64 of any shape, to the form in which they are shown.
Convert: TypeAlias = Callable[[Array], Any]


def has_times(values: Any) -> bool:
    """Return whether values, an array or a list, are datetimes.

    Text is not, even if it can be read as a time. Nor are dates without a time of day: they are the
    same in each zone.
    """
    first = _find_first(values)
    return isinstance(first, datetime.datetime) or (
        isinstance(first, np.datetime64) and first.dtype != DATE
    )


def map_times(value: Any, convert: Convert, *, keep_naive: bool = False) -> Any:
    """Return a value of plotly's, such as the properties of a trace, with its times converted.

    Everything else in it stays as it is and is not copied; so do times that can't be read.

    Args:
        value: dicts, lists, arrays and scalars, in each other.
        convert: what to do with the times. A time that has a zone is converted to UTC before;
            dates without a time of day are an array of datetime64[D].
        keep_naive: whether to leave times without a zone as they are.
    """
    if isinstance(value, Mapping):
        return {key: map_times(each, convert, keep_naive=keep_naive) for key, each in value.items()}
    if _is_time(value) and not _is_missing(value):
        shown = _convert([value], convert, keep_naive=keep_naive)[0]
        return str(shown) if isinstance(shown, np.datetime64) and shown is not value else shown
    if isinstance(value, np.ndarray) and value.dtype.kind == "O" and value.ndim == 2:
        # Such as the custom data for hovering: columns of different types.
        columns = [value[:, place] for place in range(value.shape[1])]
        if not any(_is_time(_find_first(each)) for each in columns):
            return value
        shown = [map_times(each, convert, keep_naive=keep_naive) for each in columns]
        rows = np.empty(value.shape, dtype=object)
        for place, column in enumerate(shown):
            rows[:, place] = column
        return rows
    if _is_time(_find_first(value)):
        return _convert(value, convert, keep_naive=keep_naive)
    if isinstance(value, list | tuple) and any(map(_may_hold_times, value)):
        return [map_times(each, convert, keep_naive=keep_naive) for each in value]
    return value


def to_text(times: Array) -> Any:
    """Return times, datetime64 of any shape, as a list of ISO text; None where one is missing.

    Why text: plotly's own serialiser makes integers of datetime64[ns], which give an axis of
    1.8e18. Text keeps each nanosecond.
    """
    text: Array = np.datetime_as_string(times).astype(object)
    text[np.isnat(times)] = None
    return text.tolist()


def _convert(values: Any, convert: Convert, *, keep_naive: bool) -> Any:
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        return values if keep_naive else convert(values)
    if keep_naive and all(getattr(each, "tzinfo", None) is None for each in values):
        return values
    try:
        if not any(isinstance(each, datetime.datetime | np.datetime64) for each in values):
            return convert(np.array(values, dtype=DATE))
        times = pd.DatetimeIndex(pd.to_datetime(pd.Index(values, dtype=object), utc=True))
    except (ValueError, TypeError, OverflowError):
        return values
    return convert(times.tz_localize(None).to_numpy())


def _find_first(values: Any) -> Any:
    """Return the first value of an array or a list that is not missing; None without one."""
    if isinstance(values, np.ndarray) and values.dtype.kind not in "MO":
        return None
    if not isinstance(values, list | tuple | np.ndarray):
        return None
    each: Iterable[Any] = values.flat if isinstance(values, np.ndarray) else values
    return next((one for one in each if not _is_missing(one)), None)


def _is_time(value: Any) -> bool:
    return isinstance(value, datetime.date | np.datetime64)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and value != value)


def _may_hold_times(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple | np.ndarray) or _is_time(value)
