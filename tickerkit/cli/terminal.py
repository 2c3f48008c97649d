"""What the commands write to: the terminal or a pipe, and how text may stand there."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from tickerkit.runtime.cards import status_level

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = [
    "busy",
    "complain",
    "console",
    "dot",
    "format_retry",
    "is_live",
    "number",
    "printable",
    "say",
]

STYLES = {"good": "green", "waiting": "yellow", "bad": "red", "": "dim"}

console = Console(highlight=False)


def is_live() -> bool:
    """Return whether stdout is a terminal on which lines can be drawn anew."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def printable(text: object) -> str:
    """Return text on one line, with what would steer a terminal made visible.

    Everything that came over a wire is data: a symbol must not clear the screen, or turn the
    direction of what is written.
    """
    line = " ".join(str(text).split())
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in line
    )


def say(text: str, style: str = "") -> None:
    """Print a line as it is: no markup, and no break within an address that is to be copied."""
    console.print(Text(text, style=style), soft_wrap=True)


def complain(message: object) -> None:
    """Print one line to stderr."""
    print(f"tickerkit: {printable(message)}", file=sys.stderr, flush=True)


def dot(status: str) -> Text:
    """Return a dot in the colour of a server's or a feed's status."""
    return Text("●", style=STYLES[status_level(status)])


def format_retry(feed: Feed) -> str:
    """Return why a feed is not connected while it tries again; empty in any other state."""
    if feed.status not in ("connecting", "reconnecting") or not feed.status_reason:
        return ""
    return f"{feed.status} to {feed.url}: {feed.status_reason}"


def number(value: float, decimals: int = 0) -> str:
    """Return a number for reading: as many decimals as it has, but at least so many."""
    if value != value:
        return "–"
    if value and not 1e-6 <= abs(value) < 1e15:
        return f"{value:g}"
    whole, _, part = f"{value:,.8f}".rstrip("0").partition(".")
    part = part.ljust(decimals, "0")
    return f"{whole}.{part}" if part else whole


def busy(doing: str) -> AbstractContextManager[object]:
    """Return a block during which the terminal tells what is done; in a pipe nothing."""
    return console.status(Text(printable(doing))) if is_live() else nullcontext()
