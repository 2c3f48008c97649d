"""Masks: whether all or any rows of a batch are chosen.

`mask.all()` and `mask.any()` take 0.7 µs for a few rows, these 0.2 µs. A venue's ticks come one by
one, and a batch is asked such questions about thirty times on its way to the log.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["is_all", "is_any"]


def is_all(mask: npt.NDArray[Any]) -> bool:
    """Return whether all values of a mask, shape (N,), are true; so it is for N = 0."""
    return int(np.count_nonzero(mask)) == len(mask)


def is_any(mask: npt.NDArray[Any]) -> bool:
    """Return whether any value of a mask, shape (N,), is true."""
    return bool(np.count_nonzero(mask))
