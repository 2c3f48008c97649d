"""Exports have the theme in which pages show the figure, and no button that uploads it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import plotly.graph_objects as go
import pytest

import tickerkit as tk
from tickerkit.chart.figure import theme


def exported(figure: tk.LiveFigure, *args: object) -> str:
    """Return the figure as a page without plotly.js, and close the figure."""
    written = io.StringIO()
    figure.write_html(written, *args, include_plotlyjs=False)
    assert figure.to_html(*args, include_plotlyjs=False)
    figure.close()
    return written.getvalue()


@pytest.mark.parametrize(
    ("options", "paper"),
    [
        ({}, "#fff"),
        ({"theme": "dark"}, "#111"),
        ({"layout": {"template": "ggplot2"}}, "white"),
    ],
)
def test_exported_figure_has_its_theme(options: dict[str, object], paper: str) -> None:
    """The dark theme, too; a template of the user's own stays."""
    page = exported(tk.LiveFigure([go.Scatter(y=[1])], **options))
    assert f'"paper_bgcolor":"{paper}"' in page


def test_button_that_uploads_is_left_out() -> None:
    """Neither in a page of the figure nor in its export; a user's config takes precedence."""
    figure = tk.LiveFigure()
    assert figure._config["showSendToCloud"] is False
    assert '"showSendToCloud": false' in exported(figure)
    page = exported(tk.LiveFigure(), {"showSendToCloud": True, "scrollZoom": True})
    assert '"showSendToCloud": true, "scrollZoom": true' in page


def test_colours_are_those_of_the_page() -> None:
    """theme.js has the same colours."""
    text = Path(theme.__file__).with_suffix(".js").read_text()
    colours = {name: re.findall(f'{name}: (".*?")', text) for name in ("text", "grid", "line")}
    expected = {
        name: [f'"{theme.INK[each][name]}"' for each in ("light", "dark")] for name in colours
    }
    assert colours == expected
    assert f'"{theme.PAPER["dark"]}" : "{theme.PAPER["light"]}"' in text
