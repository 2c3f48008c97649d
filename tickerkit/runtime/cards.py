"""Cards: the few lines that a server or a feed shows of itself in a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping

__all__ = ["card", "escape"]

COLOURS = {
    "live": "#2da44e",
    "listening": "#2da44e",
    "recording": "#2da44e",
    "connecting": "#bf8700",
    "reconnecting": "#bf8700",
    "failed": "#e5534b",
    "failing": "#e5534b",
}

# JupyterLab has MathJax make a formula of what stands between dollars in HTML that it shows.
NO_FORMULAS = "tex2jax_ignore mathjax_ignore"


def escape(text: object) -> str:
    """Return text as it may stand in HTML: everything that came over a wire is data."""
    return html.escape(str(text), quote=True)


def card(
    title: str, status: str, lines: Mapping[str, str], links: Mapping[str, str] | None = None
) -> str:
    """Return a small HTML card; colours come from the notebook's theme.

    Args:
        title: what it is.
        status: one word of its state.
        lines: name and text of each line.
        links: name and address of each link.
    """
    rows = "".join(
        f'<tr><td style="opacity:.65;padding:0 1em 0 0;text-align:left">{escape(name)}</td>'
        f'<td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in lines.items()
        if text
    )
    rows += "".join(
        f'<tr><td style="opacity:.65;padding:0 1em 0 0;text-align:left">{escape(name)}</td>'
        f'<td style="text-align:left"><a href="{escape(url)}" target="_blank">{escape(url)}</a>'
        "</td></tr>"
        for name, url in (links or {}).items()
    )
    colour = COLOURS.get(status.split()[0] if status else "", "#6e7781")
    return (
        f'<div class="{NO_FORMULAS}" style="border-left:4px solid '
        f'{colour};padding:.2em 0 .2em .9em;margin:.3em 0"><b>{escape(title)}</b> '
        f'<span style="color:{colour}">● {escape(status)}</span>'
        f'<table style="margin:.2em 0 0">{rows}</table></div>'
    )
