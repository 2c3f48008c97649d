"""Panes: the areas of a chart, one below the other, which share the axis of time."""

from __future__ import annotations

from typing import Any

__all__ = [
    "CROSSHAIR",
    "CROSSHAIR_Y",
    "PANE_HEIGHT",
    "layout_panes",
    "make_levels",
    "name_axis",
    "name_legend",
]

# Pixels that each pane adds to a figure of default height.
PANE_HEIGHT = 80
# Above each pane its legend has a line of its own: no line of the pane hides it.
HEADER_HEIGHT = 24
# What the margins of a figure take.
MARGINS_HEIGHT = 75
MIN_PLOT_HEIGHT = 100
# Shares of the height of all panes: that of each lower one, and that of all of these at most.
PANE_SHARE, MAX_LOWER_SHARE = 0.2, 0.62
# The lines through all panes: at the time where the pointer is, and at its height.
CROSSHAIR = {
    "showspikes": True,
    "spikemode": "across",
    "spikethickness": 1,
    "spikedash": "dot",
    "spikecolor": "#808080",
}
CROSSHAIR_Y = {**CROSSHAIR, "spikesnap": "cursor"}
LEGEND = {
    "orientation": "h",
    "x": 0,
    "xanchor": "left",
    "yanchor": "bottom",
    "bgcolor": "rgba(0,0,0,0)",
    "font": {"size": 10},
    "itemwidth": 30,
}
# live_ranges.js has it, too: a pane's range contains its levels.
LEVEL_NAME = "level"
LEVEL_LINE = {"color": "rgba(128,128,128,.7)", "width": 1, "dash": "dot"}


def name_axis(pane: int) -> str:
    """Return the y axis of a pane, as traces name it; the pane of the values has number 0."""
    return f"y{pane + 1}" if pane else "y"


def name_legend(pane: int) -> str:
    """Return the legend of a pane, as traces name it."""
    return f"legend{pane + 1}" if pane else "legend"


def layout_panes(lower: int, height: float | None) -> dict[str, Any]:
    """Return the layout of a chart with panes below that of its values.

    Args:
        lower: number of panes below.
        height: height of the figure in pixels; None if the page decides it.
    """
    room = max(MIN_PLOT_HEIGHT, (height or 420) - MARGINS_HEIGHT)
    header = HEADER_HEIGHT / room
    free = max(0.0, 1 - lower * header)
    share = free * min(PANE_SHARE, MAX_LOWER_SHARE / lower) if lower else 0
    top = lower * (share + header)
    layout: dict[str, Any] = {
        "yaxis": {"domain": [top, 1]},
        "xaxis": {"anchor": name_axis(lower)},
    }
    for pane in range(1, lower + 1):
        top -= header
        layout[f"yaxis{pane + 1}"] = {
            "domain": [max(0.0, top - share), top],
            "anchor": "x",
            "automargin": True,
            "nticks": 3,
            "title": {"text": ""},
            "tickfont": {"size": 10},
            "range": None,
            "autorange": None,
            **CROSSHAIR_Y,
        }
        layout[f"legend{pane + 1}"] = {**LEGEND, "y": top}
        top -= share
    return layout


def make_levels(pane: int, levels: tuple[float, ...]) -> list[dict[str, Any]]:
    """Return the shapes that show levels in a pane, such as 30 and 70 of an RSI."""
    return [
        {
            "type": "line",
            "name": LEVEL_NAME,
            "xref": "x domain",
            "x0": 0,
            "x1": 1,
            "yref": name_axis(pane),
            "y0": level,
            "y1": level,
            "layer": "below",
            "line": LEVEL_LINE,
        }
        for level in levels
    ]
