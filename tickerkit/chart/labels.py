"""Labels: symbols as plotly's text."""

from __future__ import annotations

__all__ = ["escape_label"]

# What plotly interprets in a text: markup, formulas where MathJax is loaded, and the fields of a
# hover template. It decodes entities last, so that they show as the character meant.
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", "$": "&#36;", "{": "&#123;"})


def escape_label(symbol: str) -> str:
    """Return a symbol such that plotly shows it unchanged: symbols come from others, as data."""
    return symbol.translate(ENTITIES)
