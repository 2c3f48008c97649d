"""`tickerkit doctor`: what runs here, and which of the known traps this machine has."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from tickerkit import __version__
from tickerkit.cli.interrupt import ending
from tickerkit.cli.terminal import console, printable, say

if TYPE_CHECKING:
    from tickerkit.cli.checks import Finding

__all__ = ["doctor"]

MARKS = {"fine": ("✓", "green"), "note": ("!", "yellow"), "wrong": ("✗", "red")}
BESIDE = 3
NAME_WIDTH = 14


def doctor() -> None:
    """Find the known traps on this machine, and the fix for each.

    The exit code is 1 when something is wrong.
    """
    from tickerkit.cli.checks import CHECKS, Finding

    _tell_versions()
    found = []
    for check in CHECKS:
        try:
            for finding in check():
                found.append(finding)
                _tell(finding)
        except Exception as error:
            about = f"the check fails: {type(error).__name__}: {error}"
            found.append(Finding(check.__name__, about, level="wrong"))
            _tell(found[-1])
        if ending.asked:
            raise typer.Exit
    count = sum(finding.level == "wrong" for finding in found)
    say("")
    if count:
        say(f"{count} {'thing is' if count == 1 else 'things are'} wrong.", "bold red")
        raise typer.Exit(1)
    say("Nothing is wrong.", "bold green")


def _tell_versions() -> None:
    from tickerkit.cli.checks import PACKAGES, version

    say(
        f"tickerkit {__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.release()} {platform.machine()}",
        "bold",
    )
    table = Table.grid(padding=(0, 3, 0, 1))
    cells = [
        Text.assemble(f"{name:<{NAME_WIDTH}} ", (version(name) or "–", "cyan")) for name in PACKAGES
    ]
    for index in range(0, len(cells), BESIDE):
        table.add_row(*cells[index : index + BESIDE])
    console.print(table)
    say("")


def _tell(finding: Finding) -> None:
    mark, colour = MARKS[finding.level]
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(width=NAME_WIDTH, overflow="fold")
    table.add_column(overflow="fold")
    name, about = Text(printable(finding.name)), Text(printable(finding.about))
    table.add_row(Text(mark, colour), name, about)
    console.print(table)
    if finding.fix:
        # By itself, so that it can be copied whole.
        say(f"{'':{NAME_WIDTH + 3}}→ {printable(finding.fix)}", colour)
