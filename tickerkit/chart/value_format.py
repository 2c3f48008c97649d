"""Value format: plotly's formats for values with given decimals, on axes and for hovering."""

from __future__ import annotations

from typing import Any

from tickerkit.chart.labels import escape_label
from tickerkit.decimals import MIN_DECIMALS

__all__ = ["PERCENT_FORMAT", "make_axis_format", "make_axis_title", "make_format"]

# Of d3, as all formats of plotly. The page side reads this form, for labels and the legend.
PERCENT_FORMAT = f"+,.{MIN_DECIMALS}f"
# How much deeper than the decimals of its values an axis can be zoomed with distinct tick labels.
MAX_EXTRA_DECIMALS = 6
# Steps between ticks are 1, 2 or 5 times a power of ten, and inexact.
SLACK = 0.99


def make_format(decimals: int) -> str:
    """Return the format of values with these decimals."""
    return f",.{decimals}f"


def make_axis_title(column: str) -> str:
    """Return the title of an axis that shows a column: its name; empty for prices."""
    return "" if column == "price" else escape_label(column)


def make_axis_format(decimals: int, *, percent: bool = False) -> dict[str, Any]:
    """Return the properties of a y axis whose values have these decimals, or are percentages.

    Where the user zooms so far that the steps between ticks are smaller, ticks have more decimals:
    the labels of any two ticks differ.
    """
    sign = "+" if percent else ""
    stops = [
        {
            "dtickrange": [SLACK * 10.0**-more, SLACK * 10.0 ** (1 - more)],
            "value": f"{sign},.{more}f",
        }
        for more in range(decimals + 1, decimals + MAX_EXTRA_DECIMALS + 1)
    ]
    return {
        "tickformat": f"{sign},.{decimals}f",
        "tickformatstops": stops,
        "ticksuffix": " %" if percent else "",
    }
