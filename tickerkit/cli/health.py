"""`tickerkit health`: says whether a recording is well, by the file that it writes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from tickerkit.cli.health_file import Health, find_problem
from tickerkit.cli.options import parse_duration
from tickerkit.cli.terminal import escape_controls, print_line
from tickerkit.errors import TickerkitError

__all__ = ["health"]


def health(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file of `tickerkit record --health FILE`.")
    ],
    max_age: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Fail also if no tick has come for this time, such as 30s. Leave it out where a "
            "market has quiet hours.",
        ),
    ] = None,
) -> None:
    """Say in a line whether a recording is well.

    The exit code is 0 if it is, else 1. It is not if its process has written nothing to FILE
    for 30 seconds, if ticks can't be written, or if there has been no connection for 30
    seconds. Docker, Kubernetes and other supervisors can run this command as their check.
    """
    max_age_s = None if max_age is None else parse_duration("max-age", max_age)
    try:
        found = Health.read(file)
    except FileNotFoundError:
        raise TickerkitError(f"{file} does not exist; no recording writes it yet") from None
    if problem := find_problem(found, time.time(), max_age_s):
        raise TickerkitError(f"{found.file}: {problem}; {found.describe()}")
    print_line(f"{escape_controls(found.file)}: {found.describe()}")
