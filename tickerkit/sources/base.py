"""What a source of ticks is: something that runs, and hands its ticks to an outlet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

__all__ = ["Outlet", "Source"]


class Outlet(Protocol):
    """Where a source hands its ticks to: a server's log, seen from the source's own thread."""

    async def send(self, ticks: object) -> None:
        """Hand over ticks, in any form that `read_ticks` takes; they are the source's no longer.

        Waits while too many have not reached the log. Never raises for bad ticks: these are
        refused and counted by the server.
        """

    async def gap(self, count: int | None, reason: str) -> None:
        """Say that ticks are missing here, between those sent before and those sent from now on.

        Every reader is told, also one that comes later and reads past it.

        Args:
            count: how many: their numbers are left out. None: not known; then the next tick begins
                a new epoch. Zero or less says nothing, nor does None where no tick came before.
            reason: why, in words.

        Example:
            >>> await out.gap(120, "not in the recording")
        """

    async def readers(self, count: int) -> None:
        """Return once at least `count` readers of every tick (v1) are connected."""

    async def taken(self, behind: int) -> None:
        """Return once no connected reader of every tick (v1) is more than `behind` ticks behind."""

    def report(self, error: BaseException) -> None:
        """Count an error that the source lives through, and show it in the server's stats."""


class Source(ABC):
    """Makes ticks; knows no network client.

    A source runs in a worker thread, on an event loop of its own, so that it may block. It is
    finished when `run` returns, and asked to stop by cancellation.
    """

    @abstractmethod
    async def run(self, out: Outlet) -> None:
        """Make ticks until there are no more."""

    def on_sent_to_process(self) -> None:  # noqa: B027 - most have nothing to do then
        """Take note that a copy of it was sent to a process of its own, and runs there instead."""
