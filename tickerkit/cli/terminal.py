"""Terminal: what the commands print to a terminal or a pipe."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from tickerkit.runtime.cards import status_level

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = [
    "console",
    "escape_controls",
    "format_retry",
    "format_status_dot",
    "is_live",
    "print_error",
    "print_line",
    "show_busy",
    "silence_stdout",
    "wide_console",
]

STYLES = {"good": "green", "waiting": "yellow", "bad": "red", "": "dim"}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Print nothing more: rich would end the command, whose work is not to print."""
        self.quiet = True
        silence_stdout()


console = _Console(highlight=False)
# For tables in a pipe: no row is too wide, since what reads the pipe breaks lines itself.
wide_console = _Console(highlight=False, width=100_000)


def silence_stdout() -> None:
    """Print nothing more: the reader of the pipe has ended, as `| head` does."""
    # Python flushes stdout once more at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_live() -> bool:
    """Return whether stdout is a terminal on which lines can be redrawn."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def escape_controls(text: object) -> str:
    """Return text on one line, with escapes in place of control characters.

    A symbol that a peer sent must not clear the screen or reverse the direction of text.
    """
    line = " ".join(str(text).split())
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in line
    )


def print_line(text: str, style: str = "") -> None:
    """Print a line without markup, and without a break inside an address that is copied."""
    console.print(Text(text, style=style), soft_wrap=True)


def print_error(message: object) -> None:
    """Print one line to stderr, if anybody reads it."""
    with suppress(BrokenPipeError):
        print(f"tickerkit: {escape_controls(message)}", file=sys.stderr, flush=True)


def format_status_dot(status: str) -> Text:
    """Return a dot in the colour of a server's or a feed's status."""
    return Text("●", style=STYLES[status_level(status)])


def format_retry(feed: Feed) -> str:
    """Return why a feed that retries isn't connected; empty in any other state.

    The wait before the next attempt is left out, so that an unchanged reason is printed once.
    """
    if feed.status not in ("connecting", "reconnecting") or not feed.status_reason:
        return ""
    return f"{feed.status} to {feed.url}: {feed.status_reason}"


def show_busy(text: str) -> AbstractContextManager[object]:
    """Return a context that shows a spinner and a text on a terminal, and nothing in a pipe."""
    return console.status(Text(escape_controls(text))) if is_live() else nullcontext()
