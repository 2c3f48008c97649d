"""Ledger: the trade ids of one symbol: which have come, which are missing, which came twice.

Where a venue's ids count up by one for each symbol (dense ids), a missing trade is known by its id.
Where they only differ (unique ids), a trade that came twice is known, and nothing else.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tickerkit.ticks.masks import is_all

__all__ = ["Hole", "Ledger"]

# Newest ids that are known one by one, of ids that are not dense.
MAX_RECENT = 20_000


class Hole(NamedTuple):
    """Trade ids that have not come, both inclusive."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many trades are missing."""
        return self.last - self.first + 1


class Ledger:
    """The trade ids of one symbol.

    Args:
        is_dense: whether they count up by one.

    Attributes:
        newest: the largest id that has come; 0 for none.
        count: how many trades have come.
        holes: ids below `newest` that have not come, oldest first; of dense ids.
    """

    def __init__(self, is_dense: bool) -> None:
        self.is_dense = is_dense
        self.newest = 0
        self.count = 0
        self.holes: list[Hole] = []
        self._recent: set[int] = set()
        self._order: deque[int] = deque()

    def add(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Add the ids of trades in the order in which they came; shape (T,).

        Returns:
            Which of them are new, shape (T,).
        """
        if not len(ids):
            return np.ones(0, dtype=bool)
        is_next = self.is_dense and (not self.newest or ids[0] == self.newest + 1)
        # Nearly always: the next ids, without a hole.
        if is_next and (len(ids) == 1 or is_all(np.diff(ids) == 1)):
            self.newest = int(ids[-1])
            self.count += len(ids)
            return np.ones(len(ids), dtype=bool)
        is_new = self._is_new_dense if self.is_dense else self._is_new_unique
        new = np.array([is_new(each) for each in ids.tolist()], dtype=bool)
        self.count += int(new.sum())
        return new

    def open_until(self, last: int) -> None:
        """Note that trades up to an id exist, of dense ids."""
        if self.newest and last > self.newest:
            self.holes.append(Hole(self.newest + 1, last))
            self.newest = last

    def close(self, holes: list[Hole]) -> list[Hole]:
        """Give up trades that have not come; return the holes that were still open of them."""
        closed = [
            Hole(max(hole.first, each.first), min(hole.last, each.last))
            for hole in self.holes
            for each in holes
            if hole.first <= each.last and hole.last >= each.first
        ]
        for each in closed:
            self._cut(each)
        return closed

    def _is_new_dense(self, trade_id: int) -> bool:
        if not self.newest:
            self.newest = trade_id
            return True
        if trade_id > self.newest:
            self.open_until(trade_id - 1)
            self.newest = trade_id
            return True
        for hole in self.holes:
            if hole.first <= trade_id <= hole.last:
                self._cut(Hole(trade_id, trade_id))
                return True
        return False

    def _is_new_unique(self, trade_id: int) -> bool:
        if trade_id in self._recent:
            return False
        self._recent.add(trade_id)
        self._order.append(trade_id)
        if len(self._order) > MAX_RECENT:
            self._recent.discard(self._order.popleft())
        self.newest = max(self.newest, trade_id)
        return True

    def _cut(self, part: Hole) -> None:
        """Take ids out of the holes."""
        holes: list[Hole] = []
        for hole in self.holes:
            if part.last < hole.first or part.first > hole.last:
                holes.append(hole)
                continue
            if hole.first < part.first:
                holes.append(Hole(hole.first, part.first - 1))
            if hole.last > part.last:
                holes.append(Hole(part.last + 1, hole.last))
        self.holes = holes
