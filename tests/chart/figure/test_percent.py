"""Percent: which traces are drawn as their change in percent, and the change of their values."""

from __future__ import annotations

import numpy as np
import pytest

from tickerkit.chart.figure.percent import compute_change, find_base_uid


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([50, 75, 25], [0, 50, -50]),
        ([np.nan, 0, 50, 100], [np.nan, -100, 0, 100]),
        ([-50, -100, -25], [0, -100, 50]),
        ([0, np.nan], [np.nan, np.nan]),
        ([], []),
    ],
)
def test_change_is_since_the_first_value(values: list[float], expected: list[float]) -> None:
    """The first value that is neither NaN nor zero; a fall below zero is a fall."""
    assert compute_change(np.array(values, float)) == pytest.approx(expected, nan_ok=True)


def test_change_may_be_since_the_first_of_other_values() -> None:
    """A moving average changes since the first value of its line."""
    assert compute_change(np.array([105.0]), np.array([np.nan, 100, 110])).tolist() == [5]


def test_meta_of_a_line_says_since_which_value_it_is_drawn_as_its_change() -> None:
    """Bars are drawn as they are."""
    assert find_base_uid({"meta": "percent", "uid": "a"}) == "a"
    assert find_base_uid({"meta": "percent of a", "uid": "b"}) == "a"
    assert find_base_uid({"meta": "percent", "type": "bar", "uid": "a"}) is None
    assert find_base_uid({"meta": ["percent"], "uid": "a"}) is None
    assert find_base_uid({}) is None
