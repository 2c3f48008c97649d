"""Exports draw bars of volume in the colours of their candles, as pages do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

import tickerkit as tk
from tickerkit.chart.figure import traces, volume_colours

GREY = "rgb(128,128,128)"


@pytest.fixture
def figure() -> Iterator[tk.LiveFigure]:
    """Yield a figure of candles that go nowhere, down, nowhere, up and nowhere."""
    figure = tk.LiveFigure()
    figure.append_bars([1, 2, 3, 4, 5], [2, 3, 2, 2, 5], [9] * 5, [0] * 5, [2, 2, 2, 3, 5], [1] * 5)
    yield figure
    figure.close()


def shown(figure: tk.LiveFigure) -> dict[str, Any]:
    """Return the marker of the volume in an export."""
    marker: dict[str, Any] = figure.to_dict()["data"][1]["marker"]
    return marker


def test_export_has_the_colours_of_the_candles(figure: tk.LiveFigure) -> None:
    """A candle that closes where it opens goes the way from the close before; `data` stays."""
    assert shown(figure) == {
        "color": [1, -1, -1, 1, 1],
        "colorscale": [[0, "#FF4136"], [0.5, GREY], [1, "#3D9970"]],
        "cmin": -1,
        "cmax": 1,
        "opacity": 0.6,
    }
    assert figure.data[1].marker.to_plotly_json() == {"color": traces.VOLUME_COLOUR}
    assert '"color":[1,-1,-1,1,1]' in figure.to_html(include_plotlyjs=False)


def test_colours_are_the_users(figure: tk.LiveFigure) -> None:
    """They are those of the candles or of the template; a colour of the volume's own stays."""
    figure.data[0].increasing.line.color = "blue"
    bars = go.Candlestick(increasing_line_color="lime", decreasing_line_color="purple")
    figure.layout.template = {"data": {"candlestick": [bars]}}
    figure.data[1].marker.opacity = 0.9
    assert shown(figure)["colorscale"] == [[0, "purple"], [0.5, GREY], [1, "blue"]]
    assert shown(figure)["opacity"] == 0.9
    figure.data[1].marker.color = "black"
    assert shown(figure) == {"color": "black", "opacity": 0.9}


def test_volume_without_a_candle_is_grey(figure: tk.LiveFigure) -> None:
    """Also if the user has given the candles columns of other lengths, or none."""
    figure.data[0].close = [3, None]
    assert shown(figure)["color"] == [1, 0, 0, 0, 0]
    figure.data[0].x = None
    assert shown(figure) == {"color": traces.VOLUME_COLOUR}
    figure.data = figure.data[1:]
    assert figure.to_dict()["data"][0]["marker"] == {"color": traces.VOLUME_COLOUR}


def test_page_has_the_same_colours() -> None:
    """volume_colors.js knows volume by its colour, and has the same grey and opacity."""
    text = Path(volume_colours.__file__).with_name("volume_colors.js").read_text()
    found = dict(re.findall(r"^const (\w+) = (.*);$", text, re.MULTILINE))
    assert found["VOLUME_COLOR"] == f'"{traces.VOLUME_COLOUR}"'
    assert found["NO_DIRECTION_COLOR"] == f'"{volume_colours.NO_DIRECTION_COLOUR}"'
    assert found["VOLUME_OPACITY"] == str(volume_colours.VOLUME_OPACITY)
