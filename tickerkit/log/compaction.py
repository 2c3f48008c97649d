"""Ahead: the arrays that a log goes on with once its own are full, filled while they fill."""

from __future__ import annotations

import numpy as np

from tickerkit.log.rows import Snapshot
from tickerkit.ticks import Array

__all__ = ["TailCopy"]


class TailCopy:
    """Arrays with the rows of a log from `start` on, not seen by any reader yet.

    Filled a few rows with each append, so that none has to wait until ten million are copied.

    Args:
        start: number of the first row.
        size: how many rows there will be room for.

    Attributes:
        arrays: the columns.
        copied: number of the row that is copied next.
    """

    def __init__(self, start: int, size: int) -> None:
        self.start = start
        self.size = size
        self.arrays: dict[str, Array] = {}
        self.copied = start

    def copy(self, state: Snapshot, stop: int) -> None:
        """Copy the rows up to `stop`, of new columns and of codes that were widened all."""
        for name, column in state.arrays.items():
            begin, array = self.copied, self.arrays.get(name)
            if array is None or array.dtype != column.dtype:
                begin, array = self.start, np.empty(self.size, dtype=column.dtype)
                self.arrays[name] = array
            part = column[begin - state.base : stop - state.base]
            array[begin - self.start : stop - self.start] = part
        self.copied = stop
