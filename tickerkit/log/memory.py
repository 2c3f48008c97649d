"""Memory: the arrays of a log, which the log writes to and everything else can only read.

Why not an array with its `writeable` flag cleared? Because numpy lets anyone set that flag again,
as pandas' own documentation advises, and `Series.array` gives out arrays without it. A read-only
array made here has no owner that numpy may write to, so neither numpy nor pandas can make it or a
view of it writable. numpy 2.4 has one fault: `np.add.at` and the `at` of other ufuncs write to any
array, read-only or not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tickerkit.ticks import Array

__all__ = ["allocate", "writable"]


class _Memory:
    """The owner of some memory: numpy asks it for a description, and keeps it alive."""

    __slots__ = ("array",)

    def __init__(self, array: Array) -> None:
        self.array = array

    @property
    def __array_interface__(self) -> dict[str, Any]:
        described: dict[str, Any] = self.array.__array_interface__
        address, _ = described["data"]
        return {**described, "data": (address, True)}  # read-only


def allocate(size: int, dtype: npt.DTypeLike) -> Array:
    """Return a read-only array of memory that is not initialised, shape `(size,)`."""
    return np.asarray(_Memory(np.empty(size, dtype=dtype)))


def writable(array: Array) -> Array:
    """Return an array over the same memory as one that `allocate` returned, to write to."""
    memory = array.base
    assert isinstance(memory, _Memory)
    return memory.array
