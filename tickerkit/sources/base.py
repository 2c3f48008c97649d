"""Source and Outlet: what a source of ticks is, and where it sends its ticks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

from tickerkit.protocol import Origin, Taken

__all__ = ["Outlet", "Source"]


class Outlet(Protocol):
    """The server's log, as a source sees it from its own thread.

    Attributes:
        keep: how many ticks the log holds at most.
    """

    keep: int = 1_000_000

    async def send(self, ticks: object) -> None:
        """Send ticks to the log, in any form that `read_ticks` takes.

        Waits while too many sent ticks have not reached the log yet. Never raises for invalid
        ticks: the server refuses and counts them.

        Args:
            ticks: a dict, a list, a frame, JSON text or a `Batch`. The source must not change a
                `Batch` afterwards; other forms are copied.

        Raises:
            asyncio.CancelledError: the server has stopped.

        Example:
            >>> await out.send({"symbol": "AAPL", "price": 187.25})
        """

    async def gap(self, count: int | None, reason: str) -> None:
        """Note that ticks are missing between those sent before and those sent from now on.

        Every reader gets the gap, also a reader that connects later.

        Args:
            count: number of missing ticks, whose seqs are left out. None: the number isn't known,
                and the next tick begins a new epoch. Zero or less has no effect. None has no
                effect before the first tick of an epoch.
            reason: the reason, as text.

        Raises:
            asyncio.CancelledError: the server has stopped.

        Example:
            >>> await out.gap(120, "not in the recording")
        """

    async def take(self, events: Iterable[Taken]) -> None:
        """Put ticks into the log that another log has numbered, and what else happened there.

        For sources that have an `origin`. Their `send` and `gap` are refused with a `SourceError`:
        they would count on in the numbering of the other log. Waits while too many events have not
        reached the log yet.

        Args:
            events: `Received`, `Gap`, `Hello`, `End` and so on, see `Taker`. The source must not
                change them afterwards.

        Raises:
            asyncio.CancelledError: the server has stopped.
        """

    async def wait_for_readers(self, count: int) -> None:
        """Wait until at least `count` readers of every tick (v1) are connected."""

    async def wait_until_read(self, max_behind: int) -> None:
        """Wait until no connected reader of every tick (v1) is more than `max_behind` behind."""

    def report(self, error: BaseException) -> None:
        """Count an error after which the source continues, and show it in the server's stats."""


class Source(ABC):
    """Makes ticks, and sends them to an `Outlet`. A source knows nothing of clients.

    A source runs in a worker thread, on an event loop of its own, so it may block. It is finished
    when `run` returns; the server stops it by cancelling `run`.

    Attributes:
        units: the unit of each column that has one, such as `{"temperature": "°C"}`; shown in
            charts, tables and on the page.
        origin: what a source knows of the log whose numbering its ticks carry; None if the server
            numbers its ticks.

    Example:
        >>> class Clock(tk.Source):
        ...     async def run(self, out):
        ...         while True:
        ...             await out.send({"symbol": "TIME", "price": time.time()})
        ...             await asyncio.sleep(1)
    """

    units: Mapping[str, str] = MappingProxyType({})
    origin: Origin | None = None

    @abstractmethod
    async def run(self, out: Outlet) -> None:
        """Make ticks until there are no more, and send them to `out`."""

    def on_sent_to_process(self) -> None:  # noqa: B027 - most sources have nothing to do then
        """Note that a copy of this source was sent to another process, and runs there instead."""
