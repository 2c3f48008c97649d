"""Placing: the rows of a replay at which the gaps of a recording lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tickerkit.log import Gap, Position
from tickerkit.sources.replay.tape import PlacedGap

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GapPlacer"]

ANOTHER_EPOCH = "another epoch begins"

Ints = npt.NDArray[np.int64]


class GapPlacer:
    """Places the gaps of one recording among its ticks, which are given piece by piece.

    A gap lies before the first later tick of its epoch. If there is no such tick, or if the gap has
    no known end, it lies after the epoch's last tick. If the recording has no tick of the epoch,
    the gap lies where the gap listed before it lies. There is also a gap where another epoch
    begins, or the same one begins again, unless one is listed there.

    Args:
        listed: the gaps that the recording lists.
        counts: how many rows the recording has of each epoch.
        last: position of the last tick before the recording; None without one.
        row: the row of the recording's first tick.

    Attributes:
        last: position of the newest tick; None without one.
    """

    def __init__(
        self, listed: Iterable[Gap], counts: Mapping[str, int], last: Position | None, row: int
    ) -> None:
        self.last = last
        self._row = row
        self._has_ticks = False
        # How many rows of each epoch are still to come, and the row after its newest tick.
        self._left = Counter(counts)
        self._ends: dict[str, int] = {}
        self._highest: dict[str, int] = {}
        # The gaps whose row is not known yet, and those that lie after the newest tick.
        self._listed = list(listed)
        self._placed: list[tuple[int, Gap]] = []

    def add(self, frame: pd.DataFrame, kept: Ints | None) -> list[PlacedGap]:
        """Return the gaps before the ticks of the next rows, in the order of play.

        Args:
            frame: the rows.
            kept: the rows of the frame that are ticks; None for all.
        """
        import pandas as pd

        has_positions = {"epoch", "seq"} <= set(frame)
        if not has_positions or not pd.api.types.is_numeric_dtype(frame["seq"]):
            self._row += len(frame) if kept is None else len(kept)
            return []
        codes, found = pd.factorize(frame["epoch"])
        names = [*(str(name) for name in found), ""]  # the last one is that of the code -1
        seqs = _read_seqs(frame["seq"])
        counts = np.bincount(codes[codes >= 0], minlength=len(found)).tolist()
        self._left.subtract(dict(zip(names[:-1], counts, strict=True)))
        if kept is not None:
            codes, seqs = codes[kept], seqs[kept]
        changes = list(self._find_changes(codes, names, seqs))
        self._place_listed(codes, names, seqs)
        start, self._row = self._row, self._row + len(codes)
        # At one row come first, 0, the ticks missing at the end of the old epoch; then, 1, another
        # epoch begins; and then, 2, the ticks missing at its start.
        ready = [each for each in self._placed if each[0] < self._row]
        self._placed = [each for each in self._placed if each[0] >= self._row]
        ranked = [(row, 2 * (names[codes[row - start]] == gap.epoch), gap) for row, gap in ready]
        ended = {row for row, rank, gap in ranked if not rank and gap.last is None}
        ranked += [(row, 1, gap) for row, gap in changes if row not in ended]
        return [PlacedGap(row, gap) for row, _, gap in sorted(ranked, key=lambda each: each[:2])]

    def finish(self) -> list[PlacedGap]:
        """Return the gaps after the last tick."""
        placed = [(max(row, self._row), gap) for row, gap in self._placed]
        placed += [(self._row, self._as_known(gap)) for gap in self._listed]
        self._placed, self._listed = [], []
        return [PlacedGap(row, gap) for row, gap in placed]

    def _find_changes(self, codes: Ints, names: list[str], seqs: Ints) -> Iterator[PlacedGap]:
        """Yield the rows at which another epoch begins, or the same one begins again."""
        if not len(codes):
            return
        if self.last is not None:
            epoch, seq = names[codes[0]], int(seqs[0])
            again = not self._has_ticks and seq <= self.last.seq
            if epoch != self.last.epoch or again:
                yield self._change(self._row, self.last)
        for index in (np.flatnonzero(np.diff(codes)) + 1).tolist():
            before = Position(names[codes[index - 1]], int(seqs[index - 1]))
            yield self._change(self._row + index, before)
        self.last, self._has_ticks = Position(names[codes[-1]], int(seqs[-1])), True

    def _change(self, row: int, before: Position) -> PlacedGap:
        return PlacedGap(row, Gap(before.epoch, before.seq + 1, None, ANOTHER_EPOCH))

    def _place_listed(self, codes: Ints, names: list[str], seqs: Ints) -> None:
        """Place the listed gaps whose rows are known with these ticks."""
        if not self._listed:
            return
        # For each epoch the rows of its ticks, and the highest seq up to each of them.
        highest: dict[str, tuple[Ints, Ints]] = {}
        listed = {gap.epoch for gap in self._listed}
        for code, name in enumerate(names[:-1]):
            if name in listed and len(rows := np.flatnonzero(codes == code)):
                so_far = np.maximum.accumulate(seqs[rows])
                highest[name] = rows, np.maximum(so_far, self._highest.get(name, 0))
                self._highest[name] = int(highest[name][1][-1])
                self._ends[name] = self._row + int(rows[-1]) + 1
        waiting: list[Gap] = []
        row_before: int | None = self._row
        for gap in self._listed:
            row_before = self._locate(gap, highest.get(gap.epoch), row_before)
            if row_before is None:
                waiting.append(gap)
            else:
                self._placed.append((max(row_before, self._row), self._as_known(gap)))
        self._listed = waiting

    def _locate(
        self, gap: Gap, highest: tuple[Ints, Ints] | None, row_before: int | None
    ) -> int | None:
        """Return the row after a gap; None while that isn't known.

        Args:
            gap: the gap.
            highest: the rows of the newest ticks of its epoch, and the highest seq up to each.
            row_before: the row of the gap listed before it; None while that isn't known.
        """
        if highest is not None and gap.last is not None:
            rows, seqs = highest
            index = int(np.searchsorted(seqs, gap.first))
            if index < len(rows):
                return self._row + int(rows[index])
        if self._left[gap.epoch] > 0:
            return None
        return self._ends.get(gap.epoch, row_before)

    def _as_known(self, gap: Gap) -> Gap:
        """Return a gap whose length is known only if the recording has ticks of its epoch."""
        known = gap.epoch in self._ends and gap.last is not None and gap.last >= gap.first
        return Gap(gap.epoch, gap.first, gap.last if known else None, gap.reason)


def _read_seqs(seqs: pd.Series[Any]) -> Ints:
    """Return a column of seqs; a missing one, as in a file of another program, is 0."""
    if seqs.dtype.kind == "f":
        seqs = seqs.fillna(0)
    return seqs.to_numpy(dtype=np.int64, na_value=0)
