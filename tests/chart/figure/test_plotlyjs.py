"""plotlyjs: how plotly.js reaches a page."""

from __future__ import annotations

import gzip
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

import tickerkit as tk
from tickerkit.chart.figure import plotlyjs
from tickerkit.chart.figure.plotlyjs import read_plotly_js, send_plotly_js_early


def test_a_page_that_can_not_decompress_gets_all_of_plotly_js(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel answers with the library's own text."""
    figure = tk.LiveFigure()
    sent: list[tuple[Any, list[bytes]]] = []
    monkeypatch.setattr(figure, "send", lambda content, buffers: sent.append((content, buffers)))
    figure._handle_custom_msg({"kind": "plotly"}, [])
    assert sent == [({"kind": "plotly"}, [read_plotly_js()])]


@pytest.mark.parametrize("has_kernel", [True, False])
def test_a_kernel_sends_plotly_js_before_it_imports_plotly_figures(
    monkeypatch: pytest.MonkeyPatch, has_kernel: bool
) -> None:
    """The model is there before the first figure, which shares it; a script makes none early."""
    shell = SimpleNamespace(kernel=None) if has_kernel else SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(plotlyjs, "_shared", None)
    send_plotly_js_early()
    early = plotlyjs._shared
    assert (early is not None) is has_kernel
    monkeypatch.undo()
    if early is not None:
        assert early.get_state()["source"] == plotlyjs.compress_plotly_js()
        assert gzip.decompress(early.source) == read_plotly_js()
        early.close()


EARLY = """
import os, sys
from types import SimpleNamespace
import ipywidgets
shell = SimpleNamespace(kernel=None)
sys.modules["IPython"] = SimpleNamespace(get_ipython=lambda: shell)
ipywidgets.Widget.open = lambda model: os._exit("plotly.basewidget" in sys.modules)
import tickerkit.chart
os._exit(2)
"""


def test_plotly_js_is_sent_before_the_import_of_plotly_figures() -> None:
    """That import takes a second, during which plotly.js is on its way to the page."""
    assert subprocess.run([sys.executable, "-c", EARLY], check=False).returncode == 0
