"""Seqs: whether the ticks of a recording are complete, once and in order, in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.errors import MAX_PLACES, Problem
from tickerkit.formatting import format_value
from tickerkit.log import Gap
from tickerkit.storage.content import RowLabels, runs
from tickerkit.storage.extent import EpochRuns

__all__ = ["SeqCheck", "SeqSet", "merge_gaps"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

Page: TypeAlias = npt.NDArray[np.uint16] | npt.NDArray[np.uint8]

# The end of a gap whose end isn't known.
ENDLESS = 2**62
# Seqs of one page of a `SeqSet`.
PAGE = 2**16
# A page with fewer seqs is a list of them: it is smaller than its 65,536 bits.
MAX_LISTED = PAGE // 16
# What a page costs besides its content: an array, and its place in a dictionary.
PAGE_BYTES = 200
# The most memory for the seqs of a recording that is out of order.
MAX_SET_BYTES = 2**28
# The most epochs that are checked, and the most ranges that are kept exactly. Beyond that, a file
# is noise rather than a recording, and must not fill the memory.
MAX_EPOCHS = 100_000
MAX_RANGES = 1_000_000


class SeqSet:
    """A set of seqs: at most two bytes for each, and an eighth of one where they are dense.

    Attributes:
        size_bytes: the memory that it takes.
    """

    def __init__(self) -> None:
        self.size_bytes = 0
        # By the upper bits of the seqs: their lower 16 bits in order, or a bit for each seq.
        self._pages: dict[int, Page] = {}

    def add(self, seqs: Ints) -> Bools:
        """Add seqs in any order, shape (n,); return which of them were there before."""
        order = np.argsort(seqs, kind="stable")
        ordered = seqs[order]
        known = np.zeros(len(seqs), dtype=np.bool_)
        known[1:] = ordered[1:] == ordered[:-1]
        fresh = np.flatnonzero(~known)
        pages = ordered[fresh] // PAGE
        cuts = [0, *(np.flatnonzero(pages[1:] != pages[:-1]) + 1).tolist(), len(fresh)]
        for start, stop in pairwise(cuts):
            if start < stop:
                places = fresh[start:stop]
                known[places] = self._add_to_page(int(pages[start]), ordered[places] % PAGE)
        found = np.empty_like(known)
        found[order] = known
        return found

    def _add_to_page(self, page: int, places: Ints) -> Bools:
        before = self._pages.get(page)
        bits = np.zeros(PAGE, dtype=np.bool_) if before is None else _to_bits(before)
        known: Bools = bits[places]
        bits[places] = True
        listed = np.flatnonzero(bits)
        after = listed.astype(np.uint16) if len(listed) < MAX_LISTED else np.packbits(bits)
        self._pages[page] = after
        self.size_bytes += after.nbytes
        self.size_bytes += PAGE_BYTES if before is None else -before.nbytes
        return known

    def missing(self) -> Iterator[Ints]:
        """Yield the ranges of seqs between the lowest and the highest that are not there.

        Each array has the shape (ranges, 2): first and last seqs.
        """
        reach: int | None = None
        for page in sorted(self._pages):
            there = runs(np.flatnonzero(_to_bits(self._pages[page]))) + page * PAGE
            before = np.concatenate([[there[0, 0] - 1 if reach is None else reach], there[:-1, 1]])
            holes = np.column_stack([before + 1, there[:, 0] - 1])
            yield holes[holes[:, 0] <= holes[:, 1]]
            reach = int(there[-1, 1])


def _to_bits(page: Page) -> Bools:
    """Return whether each seq of a page is there."""
    if page.dtype == np.uint8:
        return np.unpackbits(page.view(np.uint8)).view(np.bool_)
    bits = np.zeros(PAGE, dtype=np.bool_)
    bits[page] = True
    return bits


class RowRanges:
    """Ranges of rows, of which the first million are kept.

    Attributes:
        count: how many ranges there are.
        row_count: how many rows they have.
    """

    def __init__(self) -> None:
        self.count = self.row_count = 0
        self._ranges: list[Ints] = []
        self._last = -2

    def add(self, rows: Ints) -> None:
        """Add rows in ascending order, all after those that were added before."""
        if not len(rows):
            return
        found = runs(rows)
        if found[0, 0] == self._last + 1 and self._ranges:
            self._ranges[-1][-1, 1] = found[0, 1]
            found = found[1:]
        if self.count < MAX_RANGES and len(found):
            self._ranges.append(found)
        self.count += len(found)
        self.row_count += len(rows)
        self._last = int(rows[-1])

    @property
    def ranges(self) -> Ints:
        """The ranges that are kept: first and last rows, shape (ranges, 2)."""
        return np.concatenate(self._ranges) if self._ranges else np.empty((0, 2), dtype=np.int64)

    def describe(self, labels: RowLabels) -> str:
        """Return the rows in words."""
        first = [row for start, stop in self.ranges[:3] for row in range(start, stop + 1)[:3]]
        return labels.describe(np.array(first[:3], dtype=np.int64), self.row_count)


@dataclass(slots=True)
class _Epoch:
    """What is known of an epoch's seqs: the newest one, and either the jumps or all seqs."""

    newest: int
    jumps: list[Ints] = field(default_factory=list)
    seen: SeqSet | None = None


class SeqCheck:
    """Checks the seqs of rows that come piece by piece.

    While each seq is higher than the one before, or the same, only the newest and the jumps must be
    remembered. Otherwise, all seqs must be: an eighth of a byte to two bytes for each tick.

    Args:
        keeps_all: whether to remember all seqs.

    Attributes:
        returns: the rows where an epoch continues after another one began.
        is_full: whether the seqs were too many to remember: those of later rows are not checked for
            duplicates and jumps.
    """

    def __init__(self, *, keeps_all: bool = False) -> None:
        self.returns = RowRanges()
        self.is_full = False
        self._keeps_all = keeps_all
        self._epochs: dict[str, _Epoch] = {}
        self._newest_epoch: str | None = None
        self._repeats = RowRanges()
        # Of the rows whose seq goes back: the row, its seq, and that of the row before it.
        self._back: list[tuple[int, int, int]] = []
        self._back_count = self._jump_count = self._set_bytes = 0

    def add(self, row: int, frame: pd.DataFrame) -> bool:
        """Add rows; return False if they need a check that keeps all seqs.

        Args:
            row: number of the first row.
            frame: the rows, with a column `seq`.
        """
        if not len(frame):
            return True
        epochs = EpochRuns(frame)
        self._find_returns(row, epochs)
        repeats: list[Ints] = []
        backs: list[tuple[int, int, int]] = []
        for name, rows, seqs in epochs.runs():
            epoch = self._epochs.get(name)
            if epoch is None and len(self._epochs) >= MAX_EPOCHS:
                self.is_full = True
                continue
            before = np.concatenate([[seqs[0] - 1 if epoch is None else epoch.newest], seqs[:-1]])
            back = np.flatnonzero(seqs < before)
            if len(back) and not self._keeps_all:
                return False
            if epoch is None:
                epoch = self._epochs[name] = _Epoch(0, seen=SeqSet() if self._keeps_all else None)
            epoch.newest = int(seqs[-1])
            known = self._note(epoch, seqs, before)
            repeats.append(rows[known] + row)
            self._back_count += len(back)
            backs += [(int(rows[i]) + row, int(seqs[i]), int(before[i])) for i in back[:MAX_PLACES]]
        self._repeats.add(np.sort(np.concatenate([*repeats, np.empty(0, dtype=np.int64)])))
        if len(self._back) < MAX_PLACES:
            self._back += sorted(backs)
        return True

    def _note(self, epoch: _Epoch, seqs: Ints, before: Ints) -> Bools:
        """Note seqs, and those before each; return which of them were there before."""
        if epoch.seen is None:
            jumps = np.flatnonzero(seqs - 1 > before)
            if len(jumps) and self._jump_count < MAX_RANGES:
                epoch.jumps.append(np.column_stack([before[jumps] + 1, seqs[jumps] - 1]))
            self._jump_count += len(jumps)
            repeated: Bools = seqs == before
            return repeated
        if not self.is_full:
            size = epoch.seen.size_bytes
            known = epoch.seen.add(seqs)
            self._set_bytes += epoch.seen.size_bytes - size
            self.is_full = self._set_bytes > MAX_SET_BYTES
            return known
        return np.zeros(len(seqs), dtype=np.bool_)

    def _find_returns(self, row: int, epochs: EpochRuns) -> None:
        """Note the rows where an epoch continues after another one began."""
        starts, names = epochs.starts, epochs.names_at_starts
        if names[0] == self._newest_epoch:
            starts, names = starts[1:], names[1:]
        if len(names):
            self._newest_epoch = names[-1]
        begun: set[str] = set()
        returns = []
        for start, name in zip(starts.tolist(), names, strict=True):
            if name in self._epochs or name in begun:
                returns.append(start + row)
            begun.add(name)
        self.returns.add(np.array(returns, dtype=np.int64))

    # --- the result ---------------------------------------------------------------------------

    def problems(self, labels: RowLabels) -> Iterator[Problem]:
        """Yield the seqs that go back, and those that come twice."""
        if self._back:
            back = self._back[:MAX_PLACES]
            at = labels.labels(np.array([row for row, _, _ in back], dtype=np.int64))
            found = Problem.from_ranges(
                "order",
                labels.unit,
                np.column_stack([at, at]),
                lambda i: f"seq {back[i][1]:,} comes after {back[i][2]:,}",
            )
            yield replace(found, count=self._back_count)
        if self._repeats.count:
            kept = self._repeats.ranges
            ranges = labels.ranges(kept)
            about = "there before, with the same seq"
            found = Problem.from_ranges("duplicates", labels.unit, ranges, about)
            yield replace(found, count=self._repeats.count + len(ranges) - len(kept))

    def unlisted(self, gaps: Iterable[Gap]) -> Iterator[Problem]:
        """Yield the seqs that are missing and in no listed gap."""
        listed: dict[str, list[Gap]] = {}
        for gap in gaps:
            listed.setdefault(gap.epoch, []).append(gap)
        places: list[tuple[int, int, str]] = []
        count = kept = 0
        for name, epoch in self._epochs.items():
            known = merge_gaps(listed.get(name, ()))
            of = f" of epoch {format_value(name)[1:-1]}" if len(self._epochs) > 1 else ""
            about = f"missing{of}, and not among the gaps listed"
            for ranges in self._missing(epoch):
                kept += len(ranges)
                missing = ranges[~_are_within(ranges, *known)]
                count += len(missing)
                room = MAX_PLACES - len(places)
                places += [(first, last, about) for first, last in missing[:room].tolist()]
        count += max(self._jump_count - kept, 0)
        if places:
            named = [(first, last) for first, last, _ in places]
            found = Problem.from_ranges("unlisted gap", "seq", named, lambda i: places[i][2])
            yield replace(found, count=count)

    def _missing(self, epoch: _Epoch) -> Iterable[Ints]:
        if epoch.seen is None:
            return epoch.jumps
        return () if self.is_full else epoch.seen.missing()


def merge_gaps(gaps: Iterable[Gap]) -> tuple[Ints, Ints]:
    """Return the first and last seqs of the gaps of one epoch; adjacent gaps become one."""
    listed = sorted(gaps, key=lambda gap: gap.first)
    first = np.array([gap.first for gap in listed], dtype=np.int64)
    last = np.array([ENDLESS if gap.last is None else gap.last for gap in listed], dtype=np.int64)
    if not len(first):
        return first, last
    last = np.maximum.accumulate(last)
    starts = np.concatenate([[0], np.flatnonzero(first[1:] > last[:-1] + 1) + 1])
    return first[starts], last[np.concatenate([starts[1:], [len(last)]]) - 1]


def _are_within(ranges: Ints, first: Ints, last: Ints) -> Bools:
    """Return whether each of some ranges lies within one of others, which are in order."""
    at = np.searchsorted(first, ranges[:, 0], side="right") - 1
    within: Bools = at >= 0
    within[within] = last[at[within]] >= ranges[within, 1]
    return within
