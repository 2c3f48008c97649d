"""Place: where in a recording to go, as a user gives it."""

from __future__ import annotations

import math
from datetime import datetime
from numbers import Real
from typing import TypeAlias

import numpy as np

from tickerkit.errors import BadTick, InvalidArgument
from tickerkit.ticks import NO_TIME
from tickerkit.ticks.fields import read_time

__all__ = ["Place", "parse_place"]

# A float: seconds from the start. An int: a time in ns since 1970 UTC.
Place: TypeAlias = float | int


def parse_place(time: object) -> Place:
    """Return a number as seconds from the start, and any other time in ns since 1970 UTC.

    Raises:
        InvalidArgument: `time` is not a time.
    """
    if isinstance(time, Real) and not isinstance(time, bool):
        if not math.isnan(time):
            return float(time)
    elif isinstance(time, str | datetime | np.datetime64):
        try:
            moment = read_time(time)
        except BadTick:
            moment = NO_TIME
        if moment != NO_TIME:
            return moment
    expected = "a timestamp, text such as '2026-11-23T10:32:05', or seconds from the start"
    raise InvalidArgument("time", time, expected)
