"""X values: numbers or times in UTC, as users pass them and as pages receive them."""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_value
from tickerkit.ticks import Array

__all__ = ["TIME", "parse_x", "to_iso_text", "to_milliseconds"]

TIME = np.dtype("datetime64[ns]")
NUMBER = np.dtype("float64")
DATE_LENGTH = len("2026-11-23")
EXPECTED = "a number, or a time such as '2026-11-23T10:00:00Z'"
# The years that 64 bits hold as nanoseconds.
FIRST_YEAR, LAST_YEAR = 1678, 2261
EXPECTED_YEARS = f"times from {FIRST_YEAR} to {LAST_YEAR}"


def parse_x(values: Any) -> Array:
    """Return x values, shape (n,), as float64, or as datetime64[ns] in UTC if they are times.

    Args:
        values: a scalar or a sequence of numbers, datetimes, timestamps or ISO 8601 text. Times
            without a zone count as UTC.

    Raises:
        ValueError: if a value is neither a number nor a time, a time is missing, or some times have
            a zone and others have none.
    """
    # The two common cases come first: figures are appended to up to a thousand times a second.
    if isinstance(values, numbers.Real):
        try:
            return np.array([values], dtype=NUMBER)
        except OverflowError as error:
            raise InvalidArgument("x", values, EXPECTED) from error
    if isinstance(values, datetime.datetime) and FIRST_YEAR <= values.year <= LAST_YEAR:
        stamp = pd.Timestamp(values)
        utc = stamp if stamp.tz is None else stamp.tz_convert(None)
        return np.array([utc.as_unit("ns").value], dtype=TIME)
    if isinstance(values, np.ndarray) and values.ndim == 1:
        if values.dtype.kind in "iufb":
            return values.astype(NUMBER, copy=False)
        if values.dtype == TIME and not np.isnat(values).any():
            return values
    is_text = isinstance(values, str | datetime.date | np.datetime64)
    try:
        dimensions = 0 if is_text else np.ndim(values)
    except ValueError:  # lists of unequal lengths
        dimensions = 2
    if dimensions > 1:
        raise InvalidArgument("x", values, "numbers or times in one dimension")
    index = pd.Index([values] if dimensions == 0 else values)
    if index.dtype.kind in "iufb":
        as_numbers: Array = index.to_numpy(dtype=NUMBER)
        return as_numbers
    if index.dtype.kind != "M":  # a list is iterated more quickly than an index of text
        _check_zones(values if isinstance(values, list | tuple) else index)
    try:
        times = pd.DatetimeIndex(pd.to_datetime(index, utc=True, format="ISO8601")).as_unit("ns")
    except pd.errors.OutOfBoundsDatetime as error:
        raise InvalidArgument("x", index[0], EXPECTED_YEARS) from error
    except (ValueError, TypeError) as error:
        raise InvalidArgument("x", index[0], EXPECTED) from error
    if times.hasnans:
        raise InvalidArgument("x", index[int(times.isna().argmax())], EXPECTED)
    as_times: Array = times.tz_localize(None).to_numpy()
    return as_times


def _check_zones(values: Iterable[Any]) -> None:
    """Raise a ValueError if some of the times have a zone and others have none.

    pandas would take those without a zone for UTC; more likely they are local times.
    """
    seen: dict[bool, Any] = {}
    for value in values:
        if isinstance(value, str):
            clock = value[DATE_LENGTH:]
            has_zone = value[-1:] in "zZ" or "+" in clock or "-" in clock
            seen.setdefault(has_zone, value)
        elif isinstance(value, datetime.datetime):
            seen.setdefault(value.tzinfo is not None, value)
        if len(seen) == 2:
            raise InvalidArgument(
                "x", seen[False], f"a zone as in {format_value(seen[True])}, or no zone at all"
            )


def to_milliseconds(x: Array) -> Array:
    """Return x, shape (n,), as float64 for tickerkit's page side: times as ms since 1970.

    Why not text: encoding 10,000 times as text takes 30 to 80 ms; numbers are sent as a copy of
    their memory.
    """
    if x.dtype != TIME:
        return np.ascontiguousarray(x)
    milliseconds: Array = np.where(np.isnat(x), np.nan, x.view(np.int64) / 1e6)
    return milliseconds


def to_iso_text(x: Array) -> Array:
    """Return x, shape (n,), for plotly's own page side: times as ISO text, numbers unchanged.

    Text keeps plotly's axis a date axis; numbers would turn it into a linear one.
    """
    return np.datetime_as_string(x, unit="ms") if x.dtype == TIME else x
