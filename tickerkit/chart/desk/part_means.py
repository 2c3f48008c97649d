"""PartMeans: the mean of each symbol's values in each part of a sliding window, kept as they come.

A sparkline is these means. The cost of an update grows with the number of new values and of
symbols, not with the window.
"""

from __future__ import annotations

import numpy as np

from tickerkit.ticks import Array

__all__ = ["ALL", "PartMeans"]

# The codes of all symbols.
ALL = slice(None)

# Before every part that has a number.
NEVER = np.iinfo(np.int64).min // 2


class PartMeans:
    """Sums and counts of values, for each symbol and each of the newest parts of a window.

    Parts are numbered by whoever adds values: the seconds since 1970, for example. The window of a
    symbol is its newest part, which still grows, and the complete parts before it.

    Args:
        parts: how many complete parts the window has.

    Attributes:
        parts: as given.
        heads: the number of the newest part of each symbol, int64, shape (S,); S is the number of
            symbols or more.
    """

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self._size = parts + 1
        self.heads: Array = np.zeros(0, dtype=np.int64)
        # By symbol and by number modulo the size, shape (S, size) each.
        self._sums: Array = np.zeros((0, self._size))
        self._counts: Array = np.zeros((0, self._size))
        # The first value of the part that a change can be measured from: neither NaN nor zero.
        self._firsts: Array = np.zeros((0, self._size))

    def make_room(self, symbols: int) -> None:
        """Make room for this many symbols."""
        more = symbols - len(self.heads)
        if more <= 0:
            return
        more += symbols  # seldom new arrays
        self.heads = np.concatenate([self.heads, np.full(more, NEVER)])
        self._sums = np.concatenate([self._sums, np.zeros((more, self._size))])
        self._counts = np.concatenate([self._counts, np.zeros((more, self._size))])
        self._firsts = np.concatenate([self._firsts, np.full((more, self._size), np.nan)])

    def add(self, codes: Array, numbers: Array, values: Array) -> None:
        """Add values; those before the window of their symbol are left out.

        Args:
            codes: the symbols, shape (n,).
            numbers: the part of each value, int64, shape (n,).
            values: the values, shape (n,); NaN counts for nothing.
        """
        has_value = np.isfinite(values)
        codes, numbers, values = codes[has_value], numbers[has_value], values[has_value]
        if not len(codes):
            return
        heads = self.heads.copy()
        np.maximum.at(heads, codes, numbers)
        self.advance(heads)
        is_in = numbers > self.heads[codes] - self._size
        codes, slots, values = codes[is_in], numbers[is_in] % self._size, values[is_in]
        np.add.at(self._sums, (codes, slots), values)
        np.add.at(self._counts, (codes, slots), 1)
        can_be_first = (values != 0) & np.isnan(self._firsts[codes, slots])
        # Backwards: where a part comes several times, numpy keeps the value assigned last.
        chosen = np.flatnonzero(can_be_first)[::-1]
        self._firsts[codes[chosen], slots[chosen]] = values[chosen]

    def advance(self, heads: Array | int) -> None:
        """Move the windows on, so that these parts are the newest; windows never move back.

        Args:
            heads: the number of the newest part, for each symbol, shape (S,), or for all.
        """
        new = np.maximum(self.heads, heads)
        moved = np.flatnonzero(new > self.heads)
        if not len(moved):
            return
        # The number that each slot has from now on, shape (moved, size).
        slots = np.arange(self._size)
        numbers = new[moved, None] - (new[moved, None] - slots) % self._size
        is_new = numbers > self.heads[moved, None]
        for array, empty in ((self._sums, 0.0), (self._counts, 0.0), (self._firsts, np.nan)):
            part = array[moved]
            part[is_new] = empty
            array[moved] = part
        self.heads = new

    def means(self, codes: Array | slice = ALL) -> Array:
        """Return the means of the complete parts of symbols, oldest first, shape (S, parts).

        A part without a value has NaN.
        """
        order = self._order(codes)[:, :-1]
        counts = np.take_along_axis(self._counts[codes], order, axis=1)
        sums = np.take_along_axis(self._sums[codes], order, axis=1)
        means: Array = np.full(sums.shape, np.nan)
        np.divide(sums, counts, out=means, where=counts > 0)
        return means

    def counts(self, codes: Array | slice = ALL) -> Array:
        """Return how many values the complete parts of symbols have in all, shape (S,)."""
        heads, counts = self.heads[codes], self._counts[codes]
        whole: Array = counts.sum(axis=1) - counts[np.arange(len(heads)), heads % self._size]
        return whole

    def firsts(self, codes: Array | slice = ALL) -> Array:
        """Return the first value in each window that is not zero, shape (S,); NaN for none."""
        ordered = np.take_along_axis(self._firsts[codes], self._order(codes), axis=1)
        index = np.argmax(~np.isnan(ordered), axis=1)
        found: Array = ordered[np.arange(len(ordered)), index]
        return found

    def _order(self, codes: Array | slice) -> Array:
        """Return the slots of the parts of symbols, oldest first, shape (S, size)."""
        steps = np.arange(1, self._size + 1)
        order: Array = (self.heads[codes, None] + steps) % self._size
        return order
