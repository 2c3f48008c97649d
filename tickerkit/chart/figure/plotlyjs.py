"""plotly.js: one widget model that holds the library for all live figures of a kernel."""

from __future__ import annotations

import base64
import functools
import gzip
import threading
from importlib import resources

import ipywidgets
import plotly
import traitlets

__all__ = ["PlotlyJs", "compress_plotly_js", "get_shared_plotly_js", "read_plotly_js"]

_lock = threading.Lock()


class PlotlyJs(ipywidgets.Widget):  # type: ignore[misc]
    """A widget model without a view that holds plotly.min.js, compressed.

    Why: plotly's FigureWidget has plotly.js (5 MB) in the state of every figure, so each figure
    adds it to the kernel's messages and to the saved notebook. Ten figures take 51 MB that way,
    and 2.5 MB with one shared model.

    The model is ipywidgets' own `WidgetModel`, which needs no page side. Its content is base64
    text of gzip, 2 MB: a binary trait would not be saved with the notebook.
    """

    _model_name = traitlets.Unicode("WidgetModel").tag(sync=True)
    _model_module = traitlets.Unicode("@jupyter-widgets/base").tag(sync=True)
    _model_module_version = traitlets.Unicode("2.0.0").tag(sync=True)
    _view_name = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    source = traitlets.Unicode().tag(sync=True)


_shared: PlotlyJs | None = None


def get_shared_plotly_js() -> PlotlyJs:
    """Return the model that all figures share; create it on first use, and after it was closed."""
    global _shared
    with _lock:
        if _shared is None or _shared.comm is None:
            _shared = PlotlyJs(source=compress_plotly_js())
        return _shared


def read_plotly_js(max_bytes: int = -1) -> bytes:
    """Return plotly.min.js as plotly's package ships it, or its first bytes.

    Raises:
        OSError: if the package doesn't contain it.
    """
    path = resources.files(plotly) / "package_data" / "plotly.min.js"
    with path.open("rb") as file:
        return file.read(max_bytes)


@functools.cache
def compress_plotly_js() -> str:
    """Return plotly.min.js as base64 of gzip."""
    return base64.b64encode(gzip.compress(read_plotly_js(), mtime=0)).decode()
