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
from importlib import resources
from typing import Any

import ipywidgets
import plotly
import plotly.graph_objects as go
import traitlets

__all__ = ["PlotlyJs", "page_side", "plotly_js", "why_not"]

PARTS = (
    "series.js",
    "plotly.js",
    "figure_messages.js",
    "axes.js",
    "theme.js",
    "overlay.js",
    "svg_patch.js",
    "renderer.js",
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
    """Return the page side of a live figure, as one module; plotly's own where ours can't do it.

    The parts are modules that import from each other; the page can't follow such imports, since a
    widget's module is text without an address. So they stand in one text, each after those that it
    needs. As text, since a path would keep every figure in memory for ever.
    """
    if why_not():
        return str(go.FigureWidget._esm)
    folder = resources.files(__package__)
    text = "\n".join((folder / name).read_text("utf-8") for name in PARTS)
    text = re.sub(r"^import [^;]*;\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^export (?!default)", "", text, flags=re.MULTILINE)
