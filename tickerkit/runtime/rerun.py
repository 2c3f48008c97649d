"""Cell re-runs: which notebook cell is running, and what its last run made.

When a cell is run again, its new server, feed or figure takes the place of the one that the cell
made before. If the cell is unknown (a plain Python, a front end that sends no cell ids), no call
counts as a re-run.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any, Generic, TypeVar

from tickerkit.runtime.forking import on_fork
from tickerkit.runtime.hosts import find_marimo_cell

__all__ = ["CellSlot", "cell_slot"]

T = TypeVar("T")

# By cell id, key and call number: what the call made when it last ran.
_made: dict[tuple[object, ...], Any] = {}
# By cell id: the run, and how many calls of each key it has made so far.
_calls: dict[str, tuple[str, Counter[tuple[object, ...]]]] = {}


class CellSlot(Generic[T]):
    """Keeps the object that one call in one cell made, until the cell runs again."""

    def __init__(self, key: tuple[object, ...] | None) -> None:
        self._key = key

    def last(self) -> T | None:
        """Return the object that the same call made when the cell last ran; None without one."""
        return None if self._key is None else _made.get(self._key)

    def fill(self, made: T) -> None:
        """Keep the object that the call made this time."""
        if self._key is not None:
            _made[self._key] = made


def cell_slot(*key: object) -> CellSlot[Any]:
    """Return the slot of this call: the n-th call with `key` in this run of this cell."""
    cell = _current_cell()
    if cell is None:
        return CellSlot(None)
    cell_id, run = cell
    last_run, calls = _calls.get(cell_id, ("", Counter()))
    if last_run != run:
        calls = Counter()
        _calls[cell_id] = (run, calls)
    calls[key] += 1
    return CellSlot((cell_id, *key, calls[key]))


def _current_cell() -> tuple[str, str] | None:
    """Return the ids of the running cell and of this run of it; None if they are unknown."""
    if marimo_cell := find_marimo_cell():
        return marimo_cell
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    try:
        parent = kernel.get_parent("shell")
        return str(parent["metadata"]["cellId"]), str(parent["header"]["msg_id"])
    except (KeyError, TypeError, LookupError, AttributeError):
        return None


def _reset_after_fork() -> None:
    """Forget, in a forked child, the objects that cells made: they run in the parent only."""
    _made.clear()
    _calls.clear()


on_fork(in_child=_reset_after_fork)
