"""plotly.js for the page: in one widget model that all live figures share, and our own page side.

plotly's FigureWidget carries plotly.js, 5 MB, in the state of every figure, and so into every saved
notebook, as often as there are figures. Here one model holds it, compressed.
"""

from __future__ import annotations

import base64
import functools
import gzip
import re
import threading
from collections.abc import Iterable
from importlib import resources
from typing import Any

import ipywidgets
import plotly
import plotly.graph_objects as go
import traitlets

__all__ = ["PlotlyJs", "join", "page_side", "plotly_js", "why_not"]

PARTS = (
    "column.js",
    "downsample.js",
    "series.js",
    "values.js",
    "points.js",
    "saved_state.js",
    "figure_messages.js",
    "plotly_loader.js",
    "plot_updates.js",
    "axes.js",
    "plot_axes.js",
    "visible_points.js",
    "live_ranges.js",
    "newest_values.js",
    "svg_traces.js",
    "svg_patch.js",
    "renderer.js",
    "theme.js",
    "overlay.js",
    "interactions.js",
    "draw_loop.js",
    "view.js",
    "figure.js",
)
MESSAGES = {
    *(f"_py2js_{name}" for name in ("addTraces", "deleteTraces", "moveTraces", "restyle")),
    *(f"_py2js_{name}" for name in ("relayout", "update", "animate")),
    *(f"_py2js_{name}" for name in ("removeLayoutProps", "removeTraceProps")),
    *(f"_js2py_{name}" for name in ("traceDeltas", "layoutDelta", "restyle", "relayout")),
    *(f"_js2py_{name}" for name in ("update", "pointsCallback")),
}
_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
_DOC_COMMENT = re.compile(r"^ */\*\*(?:(?!\*/).)*\*/\n", re.MULTILINE | re.DOTALL)
_LINE_COMMENT = re.compile(r"^ *//.*\n", re.MULTILINE)
_lock = threading.Lock()


class PlotlyJs(ipywidgets.Widget):  # type: ignore[misc]
    """Holds plotly.min.js, compressed and as text: binary traits are not saved with a notebook."""

    _model_name = traitlets.Unicode("WidgetModel").tag(sync=True)
    _model_module = traitlets.Unicode("@jupyter-widgets/base").tag(sync=True)
    _model_module_version = traitlets.Unicode("2.0.0").tag(sync=True)
    _view_name = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    source = traitlets.Unicode().tag(sync=True)


_shared: PlotlyJs | None = None


def plotly_js() -> PlotlyJs:
    """Return the model that all figures share; made when first asked for, and when it is closed."""
    global _shared
    with _lock:
        if _shared is None or _shared.comm is None:
            _shared = PlotlyJs(source=_compressed())
        return _shared


@functools.cache
def _compressed() -> str:
    return base64.b64encode(gzip.compress(_source(), mtime=0)).decode()


def _source(most: int = -1) -> bytes:
    path = resources.files(plotly) / "package_data" / "plotly.min.js"
    with path.open("rb") as file:
        return file.read(most)


@functools.cache
def why_not() -> str | None:
    """Return why this version of plotly can't be streamed to by delta; None where it can."""
    found = {
        name for name in go.FigureWidget.class_trait_names() if re.match("_(py2js|js2py)_", name)
    }
    if found != MESSAGES:
        odd = ", ".join(sorted(found ^ MESSAGES))
        return f"its FigureWidget speaks other messages than those known ({odd})"
    try:
        head = _source(2000)
    except OSError:
        return "it comes without plotly.min.js"
    if b"module.exports = factory()" not in head:
        return "its plotly.min.js begins otherwise than those known"
    return None


@functools.cache
def page_side() -> Any:
    """Return the page side of a live figure as one module; plotly's own if ours doesn't fit it.

    It is text, since a path would keep every figure in memory for ever.
    """
    if why_not():
        return str(go.FigureWidget._esm)
    folder = resources.files(__package__)
    return join([(folder / name).read_text("utf-8") for name in PARTS])


def join(modules: Iterable[str]) -> str:
    """Join JavaScript modules that import from each other, each after those that it needs.

    A widget's module is text without an address: a page can't follow its imports. Joining needs no
    tool, so that a checkout runs as it is. Tests prove that the parts keep to its three rules: all
    names at the top level differ, an import fills whole lines and renames nothing, and an export
    stands before a declaration. Comments that fill whole lines are left out, since every figure
    and every saved notebook has the text.
    """
    text = "\n".join(modules)
    for pattern in (_IMPORT, _DOC_COMMENT, _LINE_COMMENT, _EXPORT):
        text = pattern.sub("", text)
    return text
