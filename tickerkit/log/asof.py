"""As-of matches: for each tick of one log the nearest one of another, kept while ticks come.

Each side's ticks are kept by symbol, in order of time. New ticks change only matches from the time
of the newest earlier tick on. A late tick therefore has the tail behind it matched again, and
nothing before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np

from tickerkit.ticks import Array

__all__ = ["AsofMatches", "Direction"]

Direction: TypeAlias = Literal["backward", "forward", "nearest"]


class AsofMatches:
    """The row on the right that matches each row on the left, as `pandas.merge_asof` finds it.

    Rows are numbered as in their logs, so that those of dropped rows don't come back.

    Args:
        direction: "backward" matches the last tick at or before the time, "forward" the first at
            or after it, "nearest" the nearer of both.
        tolerance: the longest distance of a match; None for any.

    Attributes:
        rows: the row on the right that matches each row on the left from `start` on, -1 for none.
        start: number of the first row on the left.
    """

    def __init__(self, direction: Direction, tolerance: float | None) -> None:
        self._direction, self._tolerance = direction, tolerance
        self._left: dict[int, _Sorted] = {}
        self._right: dict[int, _Sorted] = {}
        self._right_start = 0
        self.rows = np.empty(0, dtype=np.int64)
        self.start = 0

    def drop(self, left_start: int, right_start: int) -> None:
        """Forget the rows before these; the rows that matched one of them are matched again."""
        if right_start > self._right_start:
            for key, right in self._right.items():
                right.drop(right_start)
                if (left := self._left.get(key)) is None:
                    continue
                known = self.rows[left.rows - self.start]
                gone = np.flatnonzero((known >= 0) & (known < right_start))
                self._match(left, right, gone)
            self._right_start = right_start
        if left_start > self.start:
            for left in self._left.values():
                left.drop(left_start)
            self.rows = self.rows[left_start - self.start :].copy()
            self.start = left_start

    def add(self, left: tuple[int, Array, Array], right: tuple[int, Array, Array]) -> None:
        """Add new rows of both sides.

        Args:
            left: the number of the first row; the time of each, shape (n,); and the key of each,
                shape (n,): only rows of the same key match. The rows follow those known, or the
                log has dropped the rows between.
            right: the same for the other side.
        """
        if not len(self.rows):
            self.start = left[0]
        self.rows = np.concatenate([self.rows, np.full(len(left[1]), -1, dtype=np.int64)])
        # For each key, the first place in the order of time at which something is new.
        firsts: dict[int, int] = {}
        for key, times, rows in _by_key(*right):
            side = self._right.setdefault(key, _Sorted())
            place = side.add(times, rows)
            before = self._left.get(key)
            if before is not None:
                since = np.searchsorted(before.times, side.times[place - 1]) if place else 0
                firsts[key] = int(since)
        for key, times, rows in _by_key(*left):
            place = self._left.setdefault(key, _Sorted()).add(times, rows)
            firsts[key] = min(place, firsts.get(key, place))
        for key, first in firsts.items():
            if (other := self._right.get(key)) is not None:
                side = self._left[key]
                self._match(side, other, slice(first, None))

    def _match(self, left: _Sorted, right: _Sorted, places: slice | Array) -> None:
        """Match the rows at some places of the left side's order."""
        found = _find(left.times[places], right.times, self._direction, self._tolerance)
        # The last entry is for the place -1: no match.
        self.rows[left.rows[places] - self.start] = np.append(right.rows, -1)[found]


class _Sorted:
    """The rows of one key in order of time; of the same time, in the order in which they came.

    Attributes:
        times: shape (n,).
        rows: shape (n,), int64: the number of each.
    """

    def __init__(self) -> None:
        self.times = self.rows = np.empty(0, dtype=np.int64)

    def add(self, times: Array, rows: Array) -> int:
        """Add rows; return the first place at which the order is another than before."""
        place = len(self.rows)
        if place and times.min() < self.times[-1]:
            place = int(np.searchsorted(self.times, times.min(), side="right"))
        times = np.concatenate([self.times[place:], times])
        rows = np.concatenate([self.rows[place:], rows])
        order = np.argsort(times, kind="stable")
        self.times = np.concatenate([self.times[:place], times[order]])
        self.rows = np.concatenate([self.rows[:place], rows[order]])
        return place

    def drop(self, start: int) -> None:
        """Forget the rows before a number."""
        held = self.rows >= start
        if not held.all():
            self.times, self.rows = self.times[held], self.rows[held]


def _by_key(start: int, times: Array, keys: Array) -> Iterator[tuple[int, Array, Array]]:
    """Yield each key with the times and numbers of its rows, in the order in which they came."""
    if not len(keys):
        return
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.diff(keys[order])) + 1
    for places in np.split(order, ends):
        yield int(keys[places[0]]), times[places], start + places


def _find(left: Array, right: Array, direction: Direction, tolerance: float | None) -> Array:
    """Return the place in `right` that matches each time of `left`, -1 for none, shape (n,).

    Args:
        left: times, shape (n,).
        right: times in order, shape (m,).
        direction: see `AsofMatches`.
        tolerance: see `AsofMatches`.
    """
    if not len(right):
        return np.full(len(left), -1, dtype=np.int64)
    before: Array = np.searchsorted(right, left, side="right") - 1
    if direction == "backward":
        found = before
    else:
        after: Array = np.searchsorted(right, left, side="left")
        after[after == len(right)] = -1
        found = after
        if direction == "nearest":
            is_nearer = (after < 0) | (left - right[before] <= right[after] - left)
            found = np.where((before >= 0) & is_nearer, before, after)
    if tolerance is not None:
        found = np.where(np.abs(left - right[found]) <= tolerance, found, -1)
    return found
