"""Labels: symbols as plotly's text."""

from __future__ import annotations

__all__ = ["escape_label"]

# The characters that plotly interprets in a text: markup, formulas (if MathJax is loaded), and the
# fields of a hover template. plotly decodes entities last, so each is shown as its character.
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", "$": "&#36;", "{": "&#123;"})


def escape_label(symbol: str) -> str:
    """Escape a symbol for plotly, which then shows it unchanged: it may contain any characters."""
    return symbol.translate(ENTITIES)
