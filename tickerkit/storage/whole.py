"""Whole: the sum of what was found in several files, such as those of a folder."""

from __future__ import annotations

from collections.abc import Iterable

from tickerkit.errors import Problem
from tickerkit.log import Gap
from tickerkit.storage.extent import Extent, ExtentBuilder
from tickerkit.storage.verify import Report

__all__ = ["Whole"]


class Whole:
    """The sum of what was found in several files.

    Attributes:
        files: how many files there are.
        problems: how many problems were found, those between files included.
        gaps: how many gaps the files list; one that two files list counts once.
        unreadable: how many files can't be read.
        unknown: of how many files nothing is known, as their rows weren't read.
    """

    def __init__(self) -> None:
        self.files = self.problems = self.gaps = self.unreadable = self.unknown = 0
        self._builder = ExtentBuilder()
        self._gaps: set[tuple[object, ...]] = set()

    def add(self, report: Report, extent: Extent) -> None:
        """Add what was found in a file."""
        self.files += 1
        self.add_problems(report.problems)
        self._builder.add_extent(extent)
        self._gaps.update(report.gaps[["epoch", "from", "to"]].itertuples(index=False, name=None))
        self.gaps = len(self._gaps)

    def drop_gaps(self, gaps: Iterable[Gap]) -> None:
        """Forget gaps of a file whose ticks other files have."""
        self._gaps -= {(gap.epoch, gap.first, gap.last) for gap in gaps}
        self.gaps = len(self._gaps)

    def add_problems(self, problems: Iterable[Problem]) -> None:
        """Add problems that were found between files."""
        self.problems += sum(problem.count for problem in problems)

    @property
    def extent(self) -> Extent:
        """How far the ticks of all files reach."""
        return self._builder.extent
