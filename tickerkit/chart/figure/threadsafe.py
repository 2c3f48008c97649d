"""LockedFigure: a FigureWidget that several threads may change at once."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go

from tickerkit.runtime.forking import on_fork

__all__ = ["LockedFigure", "new_lock"]

FORK_S = 1.0

_locks: weakref.WeakSet[threading.RLock] = weakref.WeakSet()


class LockedFigure(go.FigureWidget):  # type: ignore[misc]
    """A FigureWidget of which all messages, out and in, and all changes of its data take turns.

    A widget's traits lose updates when two threads set them at once.

    Attributes:
        _lock: what is held meanwhile; set in `__dict__` before this class begins.
    """

    _lock: threading.RLock


def _locked(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.__dict__["_lock"]:
            return method(self, *args, **kwargs)

    return locked


def new_lock() -> threading.RLock:
    """Return a lock for a figure: one that a forked child does not inherit locked."""
    lock = threading.RLock()
    _locks.add(lock)
    return lock


# Held during a fork, so that no other thread, which the child would not have, holds a lock or is in
# the middle of a change. A lock that isn't free in time is skipped rather than hold up the fork.
_held: list[threading.RLock] = []


def _hold() -> None:
    _held.extend(lock for lock in list(_locks) if lock.acquire(timeout=FORK_S))


def _release() -> None:
    while _held:
        _held.pop().release()


on_fork(before=_hold, in_parent=_release, in_child=_release)


for _name in (
    "_handle_msg",
    "_relayout_child",
    "_restyle_child",
    "_send_addTraces_msg",
    "_send_animate_msg",
    "_send_deleteTraces_msg",
    "_send_moveTraces_msg",
    "_send_relayout_msg",
    "_send_restyle_msg",
    "_send_update_msg",
    "add_traces",
    "plotly_relayout",
    "plotly_restyle",
    "plotly_update",
    "to_dict",
):
    setattr(LockedFigure, _name, _locked(getattr(LockedFigure, _name)))
LockedFigure.data = property(go.FigureWidget.data.fget, _locked(go.FigureWidget.data.fset))
