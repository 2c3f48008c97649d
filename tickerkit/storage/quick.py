"""Quick verification: what is wrong by the numbers in sidecars and footers; no row is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tickerkit.errors import HARMLESS, Problem
from tickerkit.formatting import format_count, format_value
from tickerkit.log import Gap, gap_frame
from tickerkit.storage.between_files import Part
from tickerkit.storage.extent import EpochExtent, Extent
from tickerkit.storage.outline import Outline, read_outline
from tickerkit.storage.seqs import merge_gaps
from tickerkit.storage.verify import Report, misfit_problems

__all__ = ["QuickCheck", "split_at_unknown", "verify_quickly"]


class QuickCheck(NamedTuple):
    """What is found of a recording whose rows aren't read.

    Attributes:
        report: what the recording says that it holds, and what is wrong with it; None if only its
            rows tell that.
        extent: how far its ticks reach.
        part: what must be known of the file to compare it with others.
        unknown: why there is no report.
        problems: what is wrong with a file that has no report.
    """

    report: Report | None
    extent: Extent
    part: Part
    unknown: str
    problems: list[Problem]


def verify_quickly(path: Path) -> QuickCheck:
    """Check what a recording says about itself; some milliseconds for each file.

    Ticks that were missing, twice or out of order when the recording was written are found by their
    number. So is a file whose size has changed since. What has changed within the rows isn't found.

    Args:
        path: a recording of any format.

    Raises:
        RecordingError: there is no such file, or it can't be read.
    """
    outline = read_outline(path)
    about, extent = outline.about, outline.extent or Extent(0, [])
    problems = [each for each in outline.problems if each.kind not in HARMLESS]
    problems += misfit_problems(about)
    part = Part.from_extent(path, about, extent)
    if outline.extent is None:
        return QuickCheck(None, extent, part, outline.unknown, problems)
    problems += _count_problems(outline, extent)
    notes = []
    if extent.rows and not extent.epochs:
        notes.append("it has no seq: missing and duplicated ticks can't be found")
    report = Report(
        path,
        extent.rows,
        extent.symbol_count,
        about.symbols,
        extent.earliest,
        extent.latest,
        len(extent.epochs),
        list(outline.kinds),
        gap_frame(about.gaps),
        problems,
        notes,
        is_quick=True,
    )
    return QuickCheck(report, extent, part, "", problems)


def split_at_unknown(checks: Iterable[QuickCheck]) -> list[list[Part]]:
    """Return the files between which something can be compared, in lists.

    Next to a file of which only the rows tell how far they reach, nothing is known to be missing.
    """
    stretches: dict[tuple[object, int], list[Part]] = {}
    unknown: Counter[object] = Counter()
    for check in checks:
        name = check.part.key[:2]
        if check.report is None:
            unknown[name] += 1
        else:
            stretches.setdefault((name, unknown[name]), []).append(check.part)
    return list(stretches.values())


def _count_problems(outline: Outline, extent: Extent) -> Iterator[Problem]:
    """Yield what is wrong by the numbers of ticks."""
    if not extent.ascending:
        about = "some ticks are out of order, or there twice; without --quick, they are named"
        yield Problem.from_ranges("order", "file", [(0, 0)], about)
    elif outline.about.symbols is None:
        missing = []
        for epoch in extent.epochs:
            count = epoch.last - epoch.first + 1 - epoch.rows
            count -= _count_listed(epoch, outline.about.gaps)
            if count > 0:
                of = f" of epoch {format_value(epoch.epoch)[1:-1]}" if epoch.epoch else ""
                about = f"{format_count(count, 'tick')}{of} missing, and in no gap that is listed"
                missing.append((epoch.first, epoch.last, about))
        if missing:
            ranges = [(first, last) for first, last, _ in missing]
            yield Problem.from_ranges("unlisted gap", "seq", ranges, lambda i: missing[i][2])


def _count_listed(epoch: EpochExtent, gaps: list[Gap]) -> int:
    """Return how many seqs between the first and the last tick of an epoch are in listed gaps."""
    first, last = merge_gaps(gap for gap in gaps if gap.epoch == epoch.epoch)
    first, last = np.maximum(first, epoch.first), np.minimum(last, epoch.last)
    return int(np.maximum(last - first + 1, 0).sum())
