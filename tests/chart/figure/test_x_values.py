"""X values: how numbers and times are parsed, and how they are sent."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from tickerkit import InvalidArgument
from tickerkit.chart.figure.x_values import parse_x, to_iso_text, to_milliseconds


def test_times_in_every_form_become_utc() -> None:
    """Datetimes, timestamps, text and numpy arrays, with and without a zone."""
    moment = np.datetime64("2026-11-23T10:00:00", "ns")
    for value in (
        datetime(2026, 11, 23, 10, tzinfo=UTC),
        pd.Timestamp("2026-11-23 05:00", tz="America/New_York"),
        "2026-11-23T10:00:00Z",
        [datetime(2026, 11, 23, 10)],
        pd.Series([pd.Timestamp("2026-11-23 10:00", tz="UTC")]),
        np.array(["2026-11-23T10:00:00"], dtype="datetime64[s]"),
    ):
        assert parse_x(value).tolist() == np.array([moment]).tolist()
        assert parse_x(value).dtype == "datetime64[ns]"
    assert parse_x(3).tolist() == [3.0]


def test_times_are_sent_as_milliseconds() -> None:
    """They become float64 since 1970, and NaT becomes NaN; numbers stay unchanged."""
    assert to_milliseconds(parse_x("1970-01-01T00:00:01.5Z")).tolist() == [1500.0]
    assert np.isnan(to_milliseconds(np.array(["NaT"], dtype="datetime64[ns]"))).all()
    assert to_milliseconds(parse_x([1, 2])).tolist() == [1.0, 2.0]


def test_text_that_is_no_time_is_refused() -> None:
    """The error names the value."""
    with pytest.raises(ValueError, match="Invalid x='soon'"):
        parse_x("soon")


def test_times_are_text_for_plotly() -> None:
    """ISO text keeps plotly's date axis; numbers stay unchanged."""
    assert to_iso_text(parse_x("2026-11-23T10:00:00.123456Z")).tolist() == [
        "2026-11-23T10:00:00.123"
    ]
    assert to_iso_text(parse_x([1, 2])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "missing",
    [pd.NaT, np.datetime64("NaT", "s"), np.array(["2026", "NaT"], dtype="datetime64[ns]")],
)
def test_missing_times_are_refused(missing: object) -> None:
    """In each form in which they may be given."""
    with pytest.raises(InvalidArgument, match=r"Invalid x=.*NaT.*a time such as"):
        parse_x(missing)


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_times_that_nanoseconds_cannot_hold_are_refused(unit: str) -> None:
    """They don't become other times."""
    times = np.array(["9999-12-31"], dtype=f"datetime64[{unit}]")
    for value in (times, times[0], pd.DatetimeIndex(times), datetime(9999, 12, 31), "9999-12-31"):
        with pytest.raises(InvalidArgument, match="expected times from 1678 to 2261"):
            parse_x(value)


@pytest.mark.parametrize(
    "values",
    [
        ["2026-11-23T10:00:00Z", "2026-11-23T10:00:01"],
        ["2026-11-23 10:00:00", "2026-11-23 10:00:01-05:00"],
        [datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 23)],
        [pd.Timestamp("2026-11-23"), "2026-11-23T10:00+01"],
    ],
)
def test_times_with_and_without_a_zone_are_refused(values: list[object]) -> None:
    """Those without one might be local times; the error names the first of them."""
    with pytest.raises(ValueError, match="expected a zone as in"):
        parse_x(values)


def test_times_of_several_zones_are_taken() -> None:
    """Clocks may change within one call."""
    times = parse_x(["2026-10-25T02:59:59+02:00", "2026-10-25T02:00:00+01:00"])
    assert np.diff(times).tolist() == [1_000_000_000]
