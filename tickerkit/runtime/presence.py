"""Presence: whether a page still receives a widget's messages."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

__all__ = ["LEASE_S", "PresenceLease"]

LEASE_S = 60.0


class PresenceLease:
    """Tracks whether a page still receives a widget's messages.

    A widget doesn't know its pages, and jupyter_server keeps messages to a closed laptop or a
    hidden tab in memory, without bound. So a visible page reports every 20 seconds, each report
    renews the lease for a minute, and nothing is sent once the lease has ended.

    A kernel that runs a cell may not receive those reports: ipykernel below 7 handles no message
    meanwhile. So the lease also lasts while a cell runs, and for a minute after it.

    Args:
        clock: the time in seconds, monotonic.
        idle_since: when the last cell ended, by the same clock; infinity while one runs.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        idle_since: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._idle_since = idle_since or _get_cell_activity()
        self._until = clock() + LEASE_S

    def renew(self) -> None:
        """Note that a page has reported."""
        self._until = self._clock() + LEASE_S

    @property
    def ended(self) -> bool:
        """Whether the lease has ended: no page is known to receive messages."""
        now = self._clock()
        return now > self._until and now > self._idle_since() + LEASE_S


class _CellActivity:
    """Notes when the kernel last ran a cell.

    Calling it returns the time at which the last cell ended, or infinity while a cell runs. Without
    IPython nothing reports cells; the time stays infinity, and no lease ends.
    """

    def __init__(self) -> None:
        self._idle_since = float("inf")
        ipython = sys.modules.get("IPython")
        shell = ipython and ipython.get_ipython()
        if shell is not None:
            shell.events.register("pre_execute", self._on_start)
            shell.events.register("post_execute", self._on_end)

    def __call__(self) -> float:
        return self._idle_since

    def _on_start(self) -> None:
        self._idle_since = float("inf")

    def _on_end(self) -> None:
        self._idle_since = time.monotonic()


_activity: _CellActivity | None = None


def _get_cell_activity() -> _CellActivity:
    """Return the `_CellActivity` that all leases share: IPython keeps its callbacks for ever."""
    global _activity
    if _activity is None:
        _activity = _CellActivity()
    return _activity
