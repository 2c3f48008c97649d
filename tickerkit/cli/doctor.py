"""`tickerkit doctor`: prints versions, and the known problems of this machine with their fixes."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from tickerkit import __version__
from tickerkit.cli.exit_codes import FAILED
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.terminal import console, escape_controls, print_line
from tickerkit.formatting import format_count

if TYPE_CHECKING:
    from tickerkit.cli.checks import Finding

__all__ = ["doctor"]

MARKS = {"ok": ("✓", "green"), "note": ("!", "yellow"), "problem": ("✗", "red")}
VERSIONS_PER_LINE = 3
NAME_WIDTH = 14


def doctor() -> None:
    """Find known problems of this machine, and the fix for each.

    The exit code is 1 if there is a problem.
    """
    from tickerkit.cli.checks import CHECKS, Finding

    _print_versions()
    problems = 0
    for name, check in CHECKS.items():
        try:
            for finding in check():
                problems += finding.level == "problem"
                _print_finding(finding)
        except Exception as error:
            problems += 1
            about = f"the check failed: {type(error).__name__}: {error}"
            _print_finding(Finding(name, about, level="problem"))
        if interrupt.requested:
            raise typer.Exit
    print_line("")
    if problems:
        print_line(f"{format_count(problems, 'problem')} found.", "bold red")
        raise typer.Exit(FAILED)
    print_line("No problems found.", "bold green")


def _print_versions() -> None:
    from tickerkit.cli.checks import PACKAGES, find_version

    print_line(
        f"tickerkit {__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.release()} {platform.machine()}",
        "bold",
    )
    table = Table.grid(padding=(0, 3, 0, 1))
    cells = [
        Text.assemble(f"{name:<{NAME_WIDTH}} ", (find_version(name) or "–", "cyan"))
        for name in PACKAGES
    ]
    for index in range(0, len(cells), VERSIONS_PER_LINE):
        table.add_row(*cells[index : index + VERSIONS_PER_LINE])
    console.print(table)
    print_line("")


def _print_finding(finding: Finding) -> None:
    mark, colour = MARKS[finding.level]
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(width=NAME_WIDTH, overflow="fold")
    table.add_column(overflow="fold")
    name, about = Text(escape_controls(finding.name)), Text(escape_controls(finding.about))
    table.add_row(Text(mark, colour), name, about)
    console.print(table)
    if finding.fix:
        # On a line of its own, so that it can be copied.
        print_line(f"{'':{NAME_WIDTH + 3}}→ {escape_controls(finding.fix)}", colour)
