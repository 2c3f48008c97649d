"""Formatting: text for people is short, printable and unambiguous, whatever the value."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from tickerkit.formatting import (
    MAX_LINE_LENGTH,
    MAX_VALUE_LENGTH,
    format_choices,
    format_count,
    format_line,
    format_number,
    format_size,
    format_span,
    format_time,
    format_value,
)


class Faulty:
    """An object whose repr raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Lines:
    """An object whose repr has two lines and a colour."""

    def __repr__(self) -> str:
        return "one\n\x1b[31mtwo"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abc", "'abc'"),
        ("ä\n", r"'\xe4\n'"),
        (None, "None"),
        (Faulty(), "<Faulty>"),
        (10**5000, "<int>"),
        (Lines(), "one  [31mtwo"),
        (np.zeros((2, 1)), "array([[0.],        [0.]])"),
        (b"\xff", r"b'\xff'"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_value_is_formatted_as_printable_ascii_on_one_line(value: object, text: str) -> None:
    """A value in an error is printable, whatever its repr does."""
    assert format_value(value) == text


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, "x" * MAX_VALUE_LENGTH, b"x" * 10**6, list(range(10**5)), "ä" * 100],
    ids=lambda each: type(each).__name__,
)
def test_long_value_is_cut(value: object) -> None:
    """A cut value ends with an ellipsis."""
    assert len(format_value(value)) == MAX_VALUE_LENGTH
    assert format_value(value).endswith("…")


def test_deeply_nested_value_is_named_by_its_type() -> None:
    """A value that Python's repr can't show doesn't raise."""
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert format_value(nested) == "<list>"


def test_line_has_no_control_characters_and_is_cut() -> None:
    """Text of a peer fits on one line of a status."""
    assert format_line(" a\nb\t c\x1b[31m\x00d\u2028e\u202e") == "a b c [31m d e "
    assert len(format_line("x" * 10**6)) == MAX_LINE_LENGTH
    assert format_line("x" * 10**6).endswith("…")


def test_choices_are_joined_with_or() -> None:
    """The accepted values of an argument read as a sentence."""
    assert format_choices(["a"]) == "'a'"
    assert format_choices(("a", "b", None)) == "'a', 'b' or None"


def test_count_has_a_plural_and_thousands() -> None:
    """Only one thing is singular."""
    counts = [format_count(number, "tick") for number in (0, 1, 2000)]
    assert counts == ["0 ticks", "1 tick", "2,000 ticks"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (187.5, "187.50"),
        (65432.1, "65,432.10"),
        (0.00001234, "0.00001234"),
        (0.000012345678, "0.000012345678"),
        (0.1 + 0.2, "0.30"),
        (21.1 + 0.2, "21.30"),
        (-37.63, "-37.63"),
        (0, "0.00"),
        (1e-9, "1e-09"),
        (3e18, "3e+18"),
        (math.inf, "inf"),
        (math.nan, "–"),
    ],
)
def test_number_has_the_decimals_that_it_needs(value: float, text: str) -> None:
    """Prices of shares and of coins are both readable."""
    assert format_number(value, 2) == text


def test_whole_number_has_no_decimals_by_default() -> None:
    """A size of 100 is not shown as 100.00."""
    assert [format_number(value) for value in (100, 0.5)] == ["100", "0.5"]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (5_100_000, "5.1 MB"),
        (120_000_000_000, "120 GB"),
        (2_000_000_000_000, "2,000 GB"),
    ],
)
def test_size_has_two_or_three_digits_and_a_unit(size: int, text: str) -> None:
    """A size beyond the largest unit is formatted in it."""
    assert format_size(size) == text


def test_time_is_formatted_with_or_without_its_date() -> None:
    """Decimals are cut, not rounded, so that a time is never in the future."""
    moment = pd.Timestamp("2026-11-24 09:59:59.999987654", tz="UTC")
    assert format_time(moment) == "2026-11-24 09:59:59"
    assert format_time(moment, date=False) == "09:59:59"
    assert format_time(moment, date=False, decimals=3) == "09:59:59.999"


def test_span_names_a_day_once() -> None:
    """The date is repeated only where it changes."""
    start = datetime(2026, 11, 24, 10, tzinfo=UTC)
    assert format_span(start, start.replace(hour=11)) == "2026-11-24 10:00:00 to 11:00:00 UTC"
    end = start.replace(day=25)
    assert format_span(start, end) == "2026-11-24 10:00:00 to 2026-11-25 10:00:00 UTC"
