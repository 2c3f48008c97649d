"""Lengths: spans of time such as "5min", moments, and numbers of ticks, as users pass them."""

from __future__ import annotations

import re
from datetime import date, timedelta
from numbers import Integral, Real

import numpy as np
import pandas as pd

from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.ticks.units import NS_PER_S

__all__ = ["parse_last", "parse_length_ns", "parse_time"]

# pandas warns of "1d", which is what people write.
DAYS = re.compile(r"(?<![a-z])d(?![a-z])", re.IGNORECASE)
LENGTHS = "a time such as '10s', '5min' or '1h', or a timedelta"


def parse_length_ns(
    name: str, value: object, expected: str = LENGTHS, *, seconds: bool = False
) -> int:
    """Return a length of time, above 0 and within 64 bits, in nanoseconds.

    Args:
        name: name of the argument, for the error.
        value: text with a unit such as "10s", or a timedelta.
        expected: the accepted values, for the error.
        seconds: accept a number too, of seconds.

    Raises:
        InvalidType: `value` is of another type.
        InvalidArgument: `value` is no length of time above 0.
    """
    length = 0
    try:
        if isinstance(value, str):
            # A bare "10" is invalid: pandas would read it as nanoseconds.
            if not value.strip().replace(".", "").isdigit():
                length = pd.Timedelta(DAYS.sub("D", value)).as_unit("ns").value
        elif isinstance(value, timedelta | np.timedelta64):
            length = pd.Timedelta(value).as_unit("ns").value
        elif seconds and isinstance(value, Real) and not isinstance(value, bool):
            length = round(float(value) * NS_PER_S)
        else:
            raise InvalidType(name, value, expected)
    except (ValueError, OverflowError) as error:
        if isinstance(error, InvalidType):
            raise
    if not 0 < length < 2**63:
        raise InvalidArgument(name, value, expected)
    return length


def parse_last(value: object) -> int | pd.Timedelta | None:
    """Return the argument `last`: a number of ticks, a length of time, or None for all ticks.

    Raises:
        InvalidType: it is of another type.
        InvalidArgument: the number is negative, or the length of time is not above 0.
    """
    if value is None:
        return None
    expected = "a number of ticks such as 1000, or a time such as '5min'"
    if isinstance(value, Integral) and not isinstance(value, bool):
        if value < 0:
            raise InvalidArgument("last", value, expected)
        return int(value)
    return pd.Timedelta(parse_length_ns("last", value, expected), unit="ns")


def parse_time(name: str, value: object) -> pd.Timestamp | None:
    """Return the time of an argument in UTC; without a zone, it is in UTC. None for None.

    Raises:
        InvalidType: `value` is of another type.
        InvalidArgument: `value` is no time.
    """
    if value is None:
        return None
    expected = "a datetime, or text such as '2026-11-24T14:30'"
    # pandas would read a number as nanoseconds since 1970.
    if not isinstance(value, str | date | np.datetime64):
        raise InvalidType(name, value, expected)
    moment = pd.to_datetime(value, errors="coerce")
    if not isinstance(moment, pd.Timestamp):
        raise InvalidArgument(name, value, expected)
    return moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")
