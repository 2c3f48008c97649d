"""Percent: which traces are drawn as their change in percent, and the change of their values."""

from __future__ import annotations

import numpy as np
import pytest

from tickerkit.chart.figure.percent import compute_change, is_percent


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


def test_meta_of_a_line_says_that_it_is_drawn_as_its_change() -> None:
    """Bars are drawn as they are."""
    assert is_percent({"meta": "percent"})
    assert not is_percent({"meta": "percent", "type": "bar"})
    assert not is_percent({})
