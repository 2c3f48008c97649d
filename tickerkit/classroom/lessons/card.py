"""Cards: what a lesson shows, as HTML for notebooks and as plain text for everything else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tickerkit.runtime.cards import GREEN, GREY, YELLOW, escape

__all__ = ["Card", "Line", "Mood"]

Mood: TypeAlias = Literal["good", "open", "plain"]
# Its name, and its text.
Line: TypeAlias = tuple[str, str]

COLOURS: Mapping[Mood, str] = {"good": GREEN, "open": YELLOW, "plain": GREY}
SIGNS: Mapping[Mood, str] = {"good": "✓ ", "open": "○ ", "plain": ""}
MAX_BOXES = 16
WIDTH = 12
# Lines whose text is made by a program.
CODE_LINES = ("called with", "came", "it printed", "your line")
# In JupyterLab, MathJax typesets text between dollar signs in HTML output; these classes stop it.
NO_FORMULAS = "tex2jax_ignore mathjax_ignore"
MONOSPACE = "font-family:var(--jp-code-font-family,monospace)"
BOX = (
    f"display:inline-block;{MONOSPACE};text-align:center;border:1px solid rgba(128,128,128,.55);"
    "border-radius:3px;padding:.1em .35em;margin:0 3px 3px 0;line-height:1.25"
)
NAME = "opacity:.65;padding:.15em 1em .15em 0;text-align:left;vertical-align:top;white-space:nowrap"
VALUE = "text-align:left;padding:.15em 0;white-space:pre-wrap"
INLINE = f"{MONOSPACE};background:rgba(128,128,128,.14);border-radius:3px;padding:0 .25em"
CODE = (
    f"{MONOSPACE};margin:.4em 0 0;padding:.5em .8em;background:rgba(128,128,128,.12);"
    "border-radius:4px;overflow:auto;max-height:24em;white-space:pre"
)


@dataclass(frozen=True)
class Card:
    """A card of a lesson.

    Attributes:
        title: what it is about, such as "2b".
        state: a word or two, such as "passed".
        mood: chooses colour and sign.
        text: the main sentence.
        lines: name and text of each line below; lines without text are left out.
        boxes: bytes that are shown as boxes.
        code: source, or a traceback.
        footer: the last line, shown small.
    """

    title: str
    state: str
    mood: Mood
    text: str = ""
    lines: Sequence[Line] = field(default=())
    boxes: bytes = b""
    code: str = ""
    footer: str = ""

    def _repr_html_(self) -> str:
        colour = COLOURS[self.mood]
        head = (
            f"<b>{escape(self.title)}</b> "
            f'<b style="color:{colour}">{SIGNS[self.mood]}{render_text(self.state)}</b>'
        )
        rows = "".join(
            f'<tr style="background:none"><td style="{NAME}">{escape(name)}</td>'
            f'<td style="{VALUE}">{content}</td></tr>'
            for name, content in self._make_rows()
        )
        parts = [
            f'<div style="margin:.15em 0">{render_text(self.text)}</div>' if self.text else "",
            f'<table style="margin:.2em 0 0;border:0;font-size:inherit">{rows}</table>'
            if rows
            else "",
            f'<pre style="{CODE}">{escape(self.code)}</pre>' if self.code else "",
            f'<div style="opacity:.65;margin:.2em 0 0">{render_text(self.footer)}</div>'
            if self.footer
            else "",
        ]
        return (
            f'<div class="{NO_FORMULAS}" style="border-left:4px solid {colour};'
            f'padding:.25em 0 .25em .9em;margin:.3em 0;max-width:60em">{head}{"".join(parts)}</div>'
        )

    def __repr__(self) -> str:
        lines = [f"{self.title} {SIGNS[self.mood]}{self.state}"]
        lines += [f"  {self.text}"] if self.text else []
        rows = [*self.lines, ("bytes", format_hex(self.boxes))]
        indent = f"\n{' ' * (WIDTH + 2)}"
        lines += [
            f"  {name:<{WIDTH}}{indent.join(text.splitlines())}" for name, text in rows if text
        ]
        lines += [f"  | {line}" for line in self.code.splitlines()]
        lines += [f"  {self.footer}"] if self.footer else []
        return "\n".join(lines)

    def _make_rows(self) -> list[Line]:
        rows = [
            (name, render_code(text) if name in CODE_LINES else render_text(text))
            for name, text in self.lines
            if text
        ]
        return [*rows, ("bytes", render_boxes(self.boxes))] if self.boxes else rows


def render_text(text: str) -> str:
    """Return text as HTML; what is between backticks is shown as code."""
    return re.sub(r"`([^`]+)`", lambda found: render_code(found[1], is_escaped=True), escape(text))


def render_code(text: str, *, is_escaped: bool = False) -> str:
    """Return text as HTML in the font of code."""
    return f'<span style="{INLINE}">{text if is_escaped else escape(text)}</span>'


def format_hex(data: bytes) -> str:
    """Return the first bytes in hex."""
    return data[:MAX_BOXES].hex(" ") + _count_rest(data)


def render_boxes(data: bytes) -> str:
    """Return the first bytes as boxes of HTML, each in hex, with its bits below."""
    boxes = "".join(
        f'<span style="{BOX}"><b>{byte:02x}</b><br>'
        f'<span style="font-size:80%;opacity:.7">{byte >> 4:04b} {byte & 15:04b}</span></span>'
        for byte in data[:MAX_BOXES]
    )
    return boxes + escape(_count_rest(data))


def _count_rest(data: bytes) -> str:
    rest = len(data) - MAX_BOXES
    return f" … and {rest:,} more" if rest > 0 else ""
