"""Palette: lines can be seen on light and dark pages, and told apart."""

from __future__ import annotations

import plotly.graph_objects as go
import plotly.io as pio
import pytest

from tickerkit.chart.palette import COLOURS, choose_line, find_colours


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG defines it."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_each_colour_has_a_contrast_of_three(page: str) -> None:
    """WCAG asks for 3:1 of graphics."""
    for colour in COLOURS:
        dark, light = sorted([luminance(colour), luminance(page)])
        assert (light + 0.05) / (dark + 0.05) >= 3, colour


def test_line_of_each_place_differs() -> None:
    """From the eleventh on, lines are dashed."""
    lines = [choose_line(place) for place in range(30)]
    assert len({tuple(line.values()) for line in lines}) == 30
    assert {line["dash"] for line in lines[:10]} == {"solid"}


def test_colours_of_the_users_template_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plotly's own templates have the colours of the palette, since theirs differ too little."""
    assert find_colours(go.Figure()) is COLOURS
    monkeypatch.setattr(pio.templates, "default", "seaborn")
    assert list(find_colours(go.Figure())) == list(pio.templates["seaborn"].layout.colorway)
    monkeypatch.setattr(pio.templates, "default", None)
    assert find_colours(go.Figure()) is COLOURS
