"""Coverage: which of the ticks that recordings list as missing are there after all, in another one.

Two recorders of one server each list what they missed. Of both together, only what neither has is
missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np
import pandas as pd

from tickerkit.log import MAX_SEQ, Gap
from tickerkit.storage.content import runs
from tickerkit.storage.extent import EpochRuns

__all__ = ["Coverage"]


class Coverage:
    """Finds which ticks of listed gaps are there.

    Args:
        gaps: the gaps of all recordings.
        epochs: the epochs in order of arrival: the order of the gaps that are left.
    """

    def __init__(self, gaps: Iterable[Gap], epochs: Sequence[str]) -> None:
        self._order = {epoch: place for place, epoch in enumerate(epochs)}
        ranges: dict[str, list[tuple[int, int]]] = {}
        for gap in sorted(gaps, key=lambda gap: gap.first):
            known = ranges.setdefault(gap.epoch, [])
            last = MAX_SEQ if gap.last is None else gap.last
            if known and gap.first <= known[-1][1]:
                known[-1] = known[-1][0], max(known[-1][1], last)
            else:
                known.append((gap.first, last))
        self._ranges = {epoch: np.array(each, dtype=np.int64) for epoch, each in ranges.items()}
        # The first and last seq of each run of ticks that are there, by epoch, in order.
        self._found: dict[str, list[tuple[int, int]]] = {}

    def add(self, frame: pd.DataFrame) -> None:
        """Add the next ticks; those of an epoch come in order of seq."""
        if not self._ranges or not len(frame):
            return
        for epoch, _, seqs in EpochRuns(frame).runs():
            if (ranges := self._ranges.get(epoch)) is None:
                continue
            place = np.searchsorted(ranges[:, 0], seqs, side="right") - 1
            here = seqs[(place >= 0) & (seqs <= ranges[place, 1])]
            if len(here):
                found = runs(np.unique(here)).tolist()
                self._note(self._found.setdefault(epoch, []), found)

    def _note(self, known: list[tuple[int, int]], found: Iterable[tuple[int, int]]) -> None:
        for first, last in found:
            if known and first <= known[-1][1] + 1:
                known[-1] = known[-1][0], max(known[-1][1], last)
            else:
                known.append((first, last))

    def subtract(self, gaps: Iterable[Gap]) -> list[Gap]:
        """Return what is missing of some gaps; each seq is in one gap only."""
        end = len(self._order)
        by_epoch: dict[str, list[Gap]] = {}
        for gap in sorted(gaps, key=lambda gap: (self._order.get(gap.epoch, end), gap.first)):
            by_epoch.setdefault(gap.epoch, []).append(gap)
        return [left for epoch, each in by_epoch.items() for left in self._left(epoch, each)]

    def _left(self, epoch: str, gaps: Sequence[Gap]) -> Iterator[Gap]:
        found, reach, place = self._found.get(epoch, []), 0, 0
        for gap in gaps:
            first, last = max(gap.first, reach), MAX_SEQ if gap.last is None else gap.last
            while place < len(found) and found[place][1] < first:
                place += 1
            at = place
            while first <= last:
                stop, resume = found[at] if at < len(found) else (MAX_SEQ, MAX_SEQ)
                until = min(last, stop - 1) if at < len(found) else last
                if first <= until:
                    yield _cut(gap, first, until)
                first, at = resume + 1, at + 1
            reach = max(reach, last + 1)


def _cut(gap: Gap, first: int, last: int) -> Gap:
    """Return a part of a gap, with the times that are still those beside it."""
    end = None if last == MAX_SEQ else last
    return msgspec.structs.replace(
        gap,
        first=first,
        last=end,
        last_before=gap.last_before if first == gap.first else None,
        first_after=gap.first_after if end == gap.last else None,
    )
