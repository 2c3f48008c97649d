"""`tickerkit verify`: checks recordings for gaps, damage, duplicates and order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tickerkit.cli.each_file import go_through
from tickerkit.cli.exit_codes import FAILED, UsageError
from tickerkit.cli.reports import (
    print_between,
    print_report,
    print_unknown,
    print_unreadable,
    print_whole,
)

if TYPE_CHECKING:
    from tickerkit.storage.between_files import Part
    from tickerkit.storage.extent import Extent
    from tickerkit.storage.quick import QuickCheck
    from tickerkit.storage.verify import Report

__all__ = ["find_recordings", "verify"]


def verify(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Recordings, or folders of recordings."),
    ],
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Don't read the rows: check what the recordings say about themselves, their sizes "
            "and what is missing between them. Damage within a file isn't found.",
        ),
    ] = False,
    gaps_ok: Annotated[
        bool,
        typer.Option("--gaps-ok", help="Accept gaps that the recording itself lists."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line for each file: a JSON object.")
    ] = False,
) -> None:
    """Check whether recordings are complete and undamaged.

    Reports damaged and torn lines, duplicate and unordered ticks, values that were left out, and
    gaps, also between the files of one recording, whose names differ by a time or a folder such as
    day=2026-11-20. The last line is about all files together. Files of any size are read in little
    memory. The exit code is 1 if ticks or values are missing or damaged, even if the recording
    lists the gap itself; pass --gaps-ok to accept listed gaps. It is 2 if a file doesn't exist.
    """
    check = _Check(find_recordings(files), quick=quick, gaps_ok=gaps_ok, as_json=as_json)
    check.run()
    if len(check.paths) > 1:
        check.print_whole(files[0] if len(files) == 1 else "all")
    if not check.is_ok:
        raise typer.Exit(FAILED)


class _Check:
    """The check of some recordings, and what it has found so far."""

    def __init__(self, paths: list[Path], *, quick: bool, gaps_ok: bool, as_json: bool) -> None:
        from tickerkit.storage.whole import Whole

        self.paths, self.is_ok = paths, True
        self._quick, self._gaps_ok, self._as_json = quick, gaps_ok, as_json
        self._whole = Whole()
        self._parts: list[Part] = []
        self._checks: list[QuickCheck] = []

    def run(self) -> None:
        """Check all files, and what is between them, and print what is found.

        Raises:
            typer.Exit: the command was interrupted.
        """
        from tickerkit.storage.between_files import check_between
        from tickerkit.storage.quick import split_at_unknown

        go_through(self.paths, self._check_file, self._add_unreadable, "verifying")
        self._settle_elsewhere()
        stretches = split_at_unknown(self._checks) if self._quick else [self._parts]
        for path, count, problems in chain.from_iterable(map(check_between, stretches)):
            self.is_ok = False
            self._whole.add_problems(problems)
            print_between(path, count, problems, as_json=self._as_json)

    def _settle_elsewhere(self) -> None:
        """Find out whether what a file says is in another one of its layout is there."""
        from tickerkit.storage.between_files import ELSEWHERE, find_elsewhere

        parts = [*self._parts, *(check.part for check in self._checks)]
        found = find_elsewhere(parts)
        self._whole.drop_gaps(found)
        listed = {gap for part in parts for gap in part.gaps if gap.reason == ELSEWHERE}
        self.is_ok = self.is_ok and (self._gaps_ok or listed <= found)

    def _add_unreadable(self, path: Path, problem: str) -> None:
        self.is_ok = False
        self._whole.files += 1
        self._whole.unreadable += 1
        print_unreadable(path, problem, as_json=self._as_json)

    def _check_file(self, path: Path) -> Iterator[float]:
        """Check a file; yield the share of it that has been read, from time to time."""
        from tickerkit.storage.quick import verify_quickly
        from tickerkit.storage.verify import Verification

        if self._quick:
            found = verify_quickly(path)
            self._checks.append(found)
            if found.report is not None:
                self._add(found.report, found.extent)
            else:
                self._whole.files += 1
                self._whole.unknown += 1
                self._whole.add_problems(found.problems)
                self.is_ok = self.is_ok and not found.problems
                print_unknown(path, found.unknown, found.problems, as_json=self._as_json)
            return
        verification = Verification(path)
        yield from verification.steps()
        self._parts.append(verification.part)
        self._add(verification.report, verification.extent)

    def _add(self, report: Report, extent: Extent) -> None:
        """Add what was found in a file, and print it."""
        from tickerkit.storage.between_files import ELSEWHERE

        is_alone = len(self.paths) == 1
        missing = sum(is_alone or reason != ELSEWHERE for reason in report.gaps["reason"])
        is_ok = self._accepts(len(report.problems), missing)
        self._whole.add(report, extent)
        self.is_ok = self.is_ok and is_ok
        print_report(report, is_ok=is_ok, as_json=self._as_json)

    def _accepts(self, problems: int, gaps: int) -> bool:
        return not problems and (not gaps or self._gaps_ok)

    def print_whole(self, name: str) -> None:
        """Print the sum of all files; `name` is what they are called together."""
        print_whole(name, self._whole, is_ok=self.is_ok, as_json=self._as_json)


def find_recordings(names: list[str]) -> list[Path]:
    """Return the named files, and the recordings in the named folders and their partitions.

    Raises:
        UsageError: a file doesn't exist, or a folder has no recordings.
    """
    from tickerkit.storage.paths import recordings_in, working_path

    paths: list[Path] = []
    for name in names:
        path = Path(name).expanduser()
        if path.is_dir():
            inside = recordings_in(path)
            if not inside:
                raise UsageError(f"the folder {path} has no recordings; name another one")
            paths += inside
        elif path.exists() or working_path(path).exists():
            paths.append(path)
        else:
            raise UsageError(f"there is no file {path.absolute()}; name an existing one")
    return paths
