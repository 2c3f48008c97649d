"""Which notebook cell is running, and what it made when it last ran.

A cell that is run again replaces what it made. Where the cell can't be told (a plain Python, a
front end that sends no cell ids), nothing is ever taken for a re-run.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import Any, Generic, TypeVar

__all__ = ["CellSlot", "cell_slot"]

T = TypeVar("T")

_made: dict[tuple[object, ...], Any] = {}
_calls: dict[str, tuple[str, Counter[tuple[object, ...]]]] = {}


class CellSlot(Generic[T]):
    """The place of what one call in one cell makes."""

    def __init__(self, key: tuple[object, ...] | None) -> None:
        self._key = key

    def last(self) -> T | None:
        """Return what the same call made when the cell last ran."""
        return None if self._key is None else _made.get(self._key)

    def fill(self, thing: T) -> None:
        """Remember what the call made this time."""
        if self._key is not None:
            _made[self._key] = thing


if hasattr(os, "register_at_fork"):

    def _forget() -> None:
        """Begin anew, in a forked child: what a cell made runs in its parent."""
        _made.clear()
        _calls.clear()

    os.register_at_fork(after_in_child=_forget)


def cell_slot(*what: object) -> CellSlot[Any]:
    """Return the slot of this call: the n-th call for `what` in this run of this cell."""
    cell = _current()
    if cell is None:
        return CellSlot(None)
    cell_id, run = cell
    last_run, calls = _calls.get(cell_id, ("", Counter()))
    if last_run != run:
        calls = Counter()
        _calls[cell_id] = (run, calls)
    calls[what] += 1
    return CellSlot((cell_id, *what, calls[what]))


def _current() -> tuple[str, str] | None:
    """Return the id of the running cell and of this run of it, where the front end tells."""
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
