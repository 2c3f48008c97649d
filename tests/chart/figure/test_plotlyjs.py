"""plotlyjs: how plotly.js reaches a page."""

from __future__ import annotations

from typing import Any

import pytest

import tickerkit as tk
from tickerkit.chart.figure.plotlyjs import read_plotly_js


def test_a_page_that_can_not_decompress_gets_all_of_plotly_js(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel answers with the library's own text."""
    figure = tk.LiveFigure()
    sent: list[tuple[Any, list[bytes]]] = []
    monkeypatch.setattr(figure, "send", lambda content, buffers: sent.append((content, buffers)))
    figure._handle_custom_msg({"kind": "plotly"}, [])
    assert sent == [({"kind": "plotly"}, [read_plotly_js()])]
