"""Tests of place: where in a recording to go, as a user gives it."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from tickerkit.sources.replay.place import parse_place

T0 = 1_763_000_000 * 10**9


@pytest.mark.parametrize(
    ("time", "place"),
    [
        (5, 5.0),
        (np.float64(2.5), 2.5),
        ("2025-11-13T02:13:20", T0),
        ("2025-11-13T03:13:20+01:00", T0),
        (datetime(2025, 11, 13, 2, 13, 20), T0),
        (pd.Timestamp("2025-11-12T21:13:20", tz="America/New_York"), T0),
    ],
)
def test_place_is_seconds_or_a_time(time: object, place: float) -> None:
    """A number is seconds from the start; a time is in UTC unless it names a zone."""
    found = parse_place(time)
    assert (found, type(found)) == (place, type(place))


@pytest.mark.parametrize("time", [None, True, "noon", math.nan, pd.NaT, [1], "2025-13-01"])
def test_invalid_place_is_refused(time: object) -> None:
    """The error says what is accepted."""
    with pytest.raises(ValueError, match=r"Invalid time=.*; expected a timestamp"):
        parse_place(time)
