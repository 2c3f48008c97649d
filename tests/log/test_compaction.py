"""Ahead: the rows that a log goes on with, copied a few at a time."""

from __future__ import annotations

import numpy as np

from tickerkit.log.compaction import TailCopy
from tickerkit.log.rows import Snapshot


def state(arrays: dict[str, np.ndarray], base: int = 100) -> Snapshot:
    """Return the state of a log with these arrays."""
    return Snapshot(arrays, base, base, base + len(arrays["seq"]), 0, {}, {})


def test_rows_are_copied_step_by_step() -> None:
    """Each step copies the rows that the one before left, from the first row on."""
    now = state({"seq": np.arange(50)})
    ahead = TailCopy(110, 200)
    for stop in (110, 113, 130):
        ahead.copy(now, stop)
        assert ahead.copied == stop
        assert ahead.arrays["seq"][: stop - 110].tolist() == list(range(10, stop - 100))
    assert len(ahead.arrays["seq"]) == 200
    assert not np.shares_memory(ahead.arrays["seq"], now.arrays["seq"])


def test_new_columns_and_wider_codes_are_copied_whole() -> None:
    """A column that came, or whose type changed, between two steps is there from the start."""
    codes = np.arange(50, dtype=np.int8)
    ahead = TailCopy(110, 60)
    ahead.copy(state({"seq": np.arange(50), "symbol": codes}), 120)
    later = {"seq": np.arange(50), "symbol": codes.astype(np.int16), "bid": np.arange(50.0)}
    ahead.copy(state(later), 125)
    assert ahead.arrays["symbol"].dtype == np.int16
    for array in ahead.arrays.values():
        assert array[:15].tolist() == list(range(10, 25))
