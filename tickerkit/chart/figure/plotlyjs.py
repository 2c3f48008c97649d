"""plotly.js: one widget model that holds the library for all live figures of a kernel."""

from __future__ import annotations

import base64
import contextlib
import functools
import gzip
import sys
import threading
from importlib import resources

import anywidget
import plotly
import traitlets

from tickerkit.runtime.hosts import find_host
from tickerkit.runtime.page_modules import join_modules

__all__ = [
    "PlotlyJs",
    "compress_plotly_js",
    "encode_plotly_js",
    "get_shared_plotly_js",
    "read_plotly_js",
    "send_plotly_js_early",
]

_lock = threading.Lock()


def _build_page_side() -> str:
    """Return the module that compiles plotly.js as soon as the model is in the page."""
    loader = (resources.files(__package__) / "plotly_loader.js").read_text("utf-8")
    return join_modules([loader, "export default { initialize: compileShared };\n"])


class PlotlyJs(anywidget.AnyWidget):
    """A widget model without a view that holds plotly.min.js, compressed by gzip: 1.5 MB.

    Why: plotly's FigureWidget has plotly.js (5 MB) in the state of every figure, so each figure
    adds it to the kernel's messages and to the saved notebook. Ten figures take 51 MB that way,
    and 4.8 MB with one shared model.

    ipywidgets' own `WidgetModel` would not save a binary trait with the notebook; anywidget's does.
    """

    _esm = _build_page_side()
    source = traitlets.Bytes().tag(sync=True)


_shared: PlotlyJs | None = None


def get_shared_plotly_js() -> PlotlyJs:
    """Return the model that all figures share; create it on first use, and after it was closed."""
    global _shared
    with _lock:
        if _shared is None or _shared.comm is None:
            _shared = PlotlyJs(source=compress_plotly_js())
        return _shared


def send_plotly_js_early() -> None:
    """Create the shared model, if a kernel of Jupyter runs this.

    `chart.figure` calls this before it imports plotly's FigureWidget, which takes a second where
    JupyterLab is installed, too: plotly imports nbformat, and that builds 38 parsers. Meanwhile
    plotly.js arrives in the page, which compiles it.
    """
    ipython = sys.modules.get("IPython")
    has_kernel = hasattr(ipython and ipython.get_ipython(), "kernel")
    if has_kernel and find_host() != "marimo":
        with contextlib.suppress(OSError):  # the package lacks it; see `compatibility`
            get_shared_plotly_js()


def read_plotly_js(max_bytes: int = -1) -> bytes:
    """Return plotly.min.js as plotly's package ships it, or its first bytes.

    Raises:
        OSError: if the package doesn't contain it.
    """
    path = resources.files(plotly) / "package_data" / "plotly.min.js"
    with path.open("rb") as file:
        return file.read(max_bytes)


@functools.cache
def compress_plotly_js() -> bytes:
    """Return plotly.min.js, compressed by gzip."""
    return gzip.compress(read_plotly_js(), mtime=0)


def encode_plotly_js() -> str:
    """Return plotly.min.js, compressed by gzip, as base64."""
    return base64.b64encode(compress_plotly_js()).decode()
