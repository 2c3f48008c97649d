"""Value format: an axis shows the decimals of its values, and more where it is zoomed in."""

from __future__ import annotations

from typing import Any

import pytest

from tickerkit.chart.value_format import make_axis_format


def choose(axis: dict[str, Any], step: float) -> str:
    """Return the format that plotly chooses for a step between ticks: the first stop that fits."""
    for stop in axis["tickformatstops"]:
        low, high = stop["dtickrange"]
        if low <= step <= high:
            return str(stop["value"])
    return str(axis["tickformat"])


@pytest.mark.parametrize(
    ("step", "expected"),
    [(1000, 4), (0.05, 4), (1e-4, 4), (5e-5, 5), (1e-5, 5), (2e-6, 6), (1e-10, 10), (0.1**5, 5)],
)
def test_ticks_have_the_decimals_of_their_step_and_of_the_values(
    step: float, expected: int
) -> None:
    """No two ticks of an axis have the same text."""
    assert choose(make_axis_format(4), step) == f",.{expected}f"


def test_percentages_have_a_sign_and_a_unit() -> None:
    """Of a zoomed axis, too."""
    axis = make_axis_format(2, percent=True)
    assert (choose(axis, 0.5), choose(axis, 0.002)) == ("+,.2f", "+,.3f")
    assert axis["ticksuffix"] == " %"
