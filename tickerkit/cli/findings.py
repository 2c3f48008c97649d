"""Finding: the result of a check of `tickerkit doctor`, and how it is printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich.table import Table
from rich.text import Text

from tickerkit.cli.terminal import console, escape_controls, print_line

__all__ = ["NAME_WIDTH", "Finding", "Level", "print_finding"]

Level = Literal["ok", "note", "problem"]

MARKS = {"ok": ("✓", "green"), "note": ("!", "yellow"), "problem": ("✗", "red")}
NAME_WIDTH = 14


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    Attributes:
        name: what was checked.
        about: what was found.
        fix: what to do; empty if nothing.
        level: "problem" if something documented will not work, "note" for other facts worth
            knowing, else "ok".
        line: the line of a preset that is no longer true; empty for none.
    """

    name: str
    about: str
    fix: str = ""
    level: Level = "ok"
    line: str = ""


def print_finding(finding: Finding) -> None:
    """Print a finding: what was found, the line of a preset, and what to do."""
    mark, colour = MARKS[finding.level]
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(width=NAME_WIDTH, overflow="fold")
    table.add_column(overflow="fold")
    name, about = Text(escape_controls(finding.name)), Text(escape_controls(finding.about))
    table.add_row(Text(mark, colour), name, about)
    console.print(table)
    indent = " " * (NAME_WIDTH + 3)
    if finding.line:
        print_line(f"{indent}{escape_controls(finding.line)}", "dim")
    if finding.fix:
        # On a line of its own, so that it can be copied.
        print_line(f"{indent}→ {escape_controls(finding.fix)}", colour)
