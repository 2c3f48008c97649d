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


def make_axis_title(column: str, unit: str = "") -> str:
    """Return the title of an axis that shows a column: its name and unit; empty for prices."""
    name = "" if column == "price" else column
    return escape_label(f"{name} ({unit})" if name and unit else name or unit)


def make_axis_format(decimals: int, *, percent: bool = False, unit: str = "") -> dict[str, Any]:
    """Return the properties of a y axis whose values have these decimals, or are percentages.

    A unit stands behind a value where the pointer hovers, at the line's end, and in the legend; of
    the axis, the title names it.

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
        "ticksuffix": " %" if percent else f" {escape_label(unit)}" if unit else "",
        # plotly leaves the suffix out while hovering where no tick has one.
        "showticksuffix": "last" if unit else "all",
    }
