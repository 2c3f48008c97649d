"""Compatibility: whether the installed plotly has the internals that streaming relies on."""

from __future__ import annotations

import functools
import re
import warnings

import plotly
import plotly.graph_objects as go

from tickerkit.chart.figure.plotlyjs import read_plotly_js
from tickerkit.chart.figure.threadsafe import LOCKED_METHODS

__all__ = ["find_incompatibility", "warn_if_incompatible"]

# The traits through which a FigureWidget and its page exchange messages.
MESSAGES = {
    *(f"_py2js_{name}" for name in ("addTraces", "deleteTraces", "moveTraces", "restyle")),
    *(f"_py2js_{name}" for name in ("relayout", "update", "animate")),
    *(f"_py2js_{name}" for name in ("removeLayoutProps", "removeTraceProps")),
    *(f"_js2py_{name}" for name in ("traceDeltas", "layoutDelta", "restyle", "relayout")),
    *(f"_js2py_{name}" for name in ("update", "pointsCallback")),
}
# Private methods that live figures override or call.
METHODS = {*LOCKED_METHODS, "_normalize_trace_indexes"}
UMD_HEAD = b"module.exports = factory()"
HEAD_BYTES = 2000


@functools.cache
def find_incompatibility() -> str | None:
    """Return why points can't be streamed with the installed plotly; None if they can.

    plotly documents none of these internals, and they may change in any release. The check runs
    once, when the first live figure is imported.
    """
    traits = go.FigureWidget.class_trait_names()
    messages = {name for name in traits if re.match("_(py2js|js2py)_", name)}
    if messages != MESSAGES:
        names = ", ".join(sorted(messages ^ MESSAGES))
        return f"its FigureWidget does not have exactly the known messages ({names})"
    missing = sorted(name for name in METHODS if not hasattr(go.FigureWidget, name))
    if missing:
        return f"its FigureWidget lacks methods that tickerkit overrides ({', '.join(missing)})"
    try:
        head = read_plotly_js(HEAD_BYTES)
    except OSError:
        return "its package lacks plotly.min.js"
    if UMD_HEAD not in head:
        return "its plotly.min.js does not begin like the known versions"
    return None


@functools.cache
def warn_if_incompatible() -> None:
    """Warn if points can't be streamed with the installed plotly; once in a process."""
    reason = find_incompatibility()
    if reason is not None:
        warnings.warn(
            f"The installed plotly {plotly.__version__} can't stream point by point: {reason}. "
            "Figures work, and append() sends at most 2,000 points ten times a second; "
            "install plotly 6.0 to 7.1 for full speed.",
            stacklevel=4,
        )
