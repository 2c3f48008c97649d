"""LockedFigure: a plotly FigureWidget that several threads may change."""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import plotly.graph_objects as go

from tickerkit.runtime.forking import on_fork

__all__ = ["LOCKED_METHODS", "LockedFigure", "make_lock"]

FORK_TIMEOUT_S = 1.0

# Every way in which a figure changes: assignments (`_restyle_child`, `_relayout_child`), plotly's
# own methods, messages to the page and messages from it. Names with an underscore are private to
# plotly: `compatibility` checks that a version has them.
LOCKED_METHODS = (
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
)

_locks: weakref.WeakSet[threading.RLock] = weakref.WeakSet()


class LockedFigure(go.FigureWidget):  # type: ignore[misc]
    """A `FigureWidget` whose messages and mutations are serialised by a lock.

    Why: plotly sends a change by setting a trait, and traits are not thread-safe. Of 800 updates
    of a plain `FigureWidget` from several threads 394 reached the page, without an error; even one
    thread beside the main thread lost 4 of 100. A lock only around `append` would not help, since
    plotly's own methods change the same data.

    The lock is reentrant, because plotly's methods call each other. A subclass sets `_lock` before
    it calls `__init__`, which already sends.

    While one thread gathers changes in `batch_update`, as each `update` does, others wait before
    they send theirs. Plotly would take theirs for a part of the batch, and might drop them at its
    end.
    """

    _lock: threading.RLock
    _batch_thread: int | None = None

    @property
    def _in_batch_mode(self) -> bool:
        """Whether this thread gathers changes; plotly asks for each assignment."""
        return self._batch_thread == threading.get_ident()

    @_in_batch_mode.setter
    def _in_batch_mode(self, value: bool) -> None:
        self._batch_thread = threading.get_ident() if value else None

    @contextlib.contextmanager
    def batch_update(self) -> Iterator[None]:
        """Gather changes, and send them together at the end, as plotly does."""
        with self._lock, super().batch_update():
            yield


def make_lock() -> threading.RLock:
    """Return a lock for a figure, which a forked child never inherits in a locked state."""
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def _with_lock(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call_with_lock(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return method(self, *args, **kwargs)

    return call_with_lock


for _name in LOCKED_METHODS:
    if hasattr(LockedFigure, _name):  # else `compatibility` reports it
        setattr(LockedFigure, _name, _with_lock(getattr(LockedFigure, _name)))
LockedFigure.data = property(go.FigureWidget.data.fget, _with_lock(go.FigureWidget.data.fset))


# A forked child has only the thread that forked. A lock held by another thread would stay locked in
# the child for ever, with half-changed data. So the forking thread takes all locks during the fork.
# It skips a lock that it can't get within a second, rather than hold up the fork.
_held: list[threading.RLock] = []


def _acquire_all() -> None:
    _held.extend(lock for lock in list(_locks) if lock.acquire(timeout=FORK_TIMEOUT_S))


def _release_all() -> None:
    while _held:
        _held.pop().release()


on_fork(before=_acquire_all, in_parent=_release_all, in_child=_release_all)
