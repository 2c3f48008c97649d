"""Cards: the HTML that servers, feeds and recorders show in a notebook, and the status colours."""

from __future__ import annotations

import html
from collections.abc import Mapping

__all__ = [
    "GREEN",
    "GREY",
    "NUMBER_STYLE",
    "RED",
    "YELLOW",
    "render_card",
    "dim",
    "escape",
    "render_error",
    "render_status",
    "status_colour",
    "status_level",
]

GREEN, YELLOW, RED, GREY = "#2da44e", "#bf8700", "#e5534b", "#6e7781"

# The level of each status word, for every place that colours it: cards, widgets, the terminal.
_LEVELS = {
    "live": "good",
    "listening": "good",
    "recording": "good",
    "playing": "good",
    "running": "good",
    "connecting": "waiting",
    "reconnecting": "waiting",
    "waiting": "waiting",
    "failed": "bad",
    "failing": "bad",
}
_COLOURS = {"good": GREEN, "waiting": YELLOW, "bad": RED, "": GREY}

# In JupyterLab, MathJax typesets text between dollar signs in HTML output; these classes stop it.
NO_FORMULAS = "tex2jax_ignore mathjax_ignore"
# Digits of one width: columns and positions stay in place while their numbers change.
NUMBER_STYLE = "font-variant-numeric:tabular-nums;white-space:nowrap"
TRACEBACK_STYLE = "margin:.2em 0 0;max-height:20em;overflow:auto;white-space:pre"
NAME_STYLE = "opacity:.65;padding:0 1em 0 0;text-align:left"


def escape(text: object) -> str:
    """Return text escaped for HTML; use it for everything that was received over a wire."""
    return html.escape(str(text), quote=True)


def status_level(status: str) -> str:
    """Return the level of a status: "good", "waiting", "bad", or "" for neutral ones.

    Only the first word counts: "live (3 symbols)" and "live, 3 symbols" have the level of "live".
    """
    return _LEVELS.get(status.split()[0].rstrip(","), "") if status else ""


def status_colour(status: str) -> str:
    """Return the CSS colour of a status: green, yellow, red, or grey for neutral ones."""
    return _COLOURS[status_level(status)]


def render_status(status: str) -> str:
    """Return a status as HTML: a dot and the status, bold and in its colour."""
    return f'<b style="color:{status_colour(status)}">● {escape(status)}</b>'


def render_error(text: str) -> str:
    """Return the text of an error as HTML, in red."""
    return f'<span style="color:{RED}">{escape(text)}</span>'


def dim(content: str) -> str:
    """Return HTML content with less contrast, for less important text."""
    return f'<span style="opacity:.7">{content}</span>'


def render_card(
    title: str,
    status: str,
    lines: Mapping[str, str],
    links: Mapping[str, str] | None = None,
    traceback: str = "",
) -> str:
    """Return a small HTML card; text colours come from the notebook's theme.

    Args:
        title: the kind of object.
        status: its status; the first word chooses the colour.
        lines: name and text of each line; lines without text are left out.
        links: name and URL of each link; of a websocket only the text is shown.
        traceback: the traceback of an error, shown below the lines.
    """
    rows = [_render_row(name, escape(text)) for name, text in lines.items() if text]
    for name, url in (links or {}).items():
        text = escape(url)
        is_page = url.startswith("http")
        content = f'<a href="{text}" target="_blank">{text}</a>' if is_page else text
        rows.append(_render_row(name, content))
    colour = status_colour(status)
    details = f'<pre style="{TRACEBACK_STYLE}">{escape(traceback)}</pre>' if traceback else ""
    return (
        f'<div class="{NO_FORMULAS}" style="border-left:4px solid '
        f'{colour};padding:.2em 0 .2em .9em;margin:.3em 0"><b>{escape(title)}</b> '
        f'<span style="color:{colour}">● {escape(status)}</span>'
        f'<table style="margin:.2em 0 0">{"".join(rows)}</table>{details}</div>'
    )


def _render_row(name: str, content: str) -> str:
    return (
        f'<tr><td style="{NAME_STYLE}">{escape(name)}</td>'
        f'<td style="text-align:left">{content}</td></tr>'
    )
