"""Theme: the template of an exported figure, in the colours in which pages show the figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["INK", "PAPER", "apply_theme"]

# The colours of text, grid and axes, and of the background; theme.js has them, too.
INK = {
    "light": {"text": "#24292f", "grid": "#e4e8ec", "line": "#c6ccd2"},
    "dark": {"text": "#d0d7de", "grid": "#363c44", "line": "#4d5560"},
}
PAPER = {"light": "#fff", "dark": "#111"}


def apply_theme(template: Mapping[str, Any], theme: str) -> dict[str, Any]:
    """Return a template in the colours of a theme.

    Args:
        template: as in a figure's dict.
        theme: "light", "dark", or "auto": an exported figure has no page around it, and is light.
    """
    name = theme if theme in INK else "light"
    ink = INK[name]
    layout = template.get("layout", {})
    axis = {"gridcolor": ink["grid"], "linecolor": ink["line"], "zerolinecolor": ink["line"]}
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    title = {"y": 1, "yanchor": "top", "yref": "container", "pad": {"t": 8}}
    themed = {
        "paper_bgcolor": PAPER[name],
        "plot_bgcolor": PAPER[name],
        "font": {**layout.get("font", {}), "color": ink["text"]},
        "legend": {**legend, **layout.get("legend", {})},
        "title": {**layout.get("title", {}), **title},
        "xaxis": {**layout.get("xaxis", {}), **axis},
        "yaxis": {**layout.get("yaxis", {}), **axis},
    }
    return {**template, "layout": {**layout, **themed}}
