"""Relays in memory: logs that are filled with the events of a stream, and the sources of servers.

The events are made by hand. A test decides how far each relay has read, and what it has missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import numpy as np

from tickerkit.log import Gaps, TickLog
from tickerkit.protocol import CaughtUp, Hello, Origin, Publication, Received, Taken, Taker
from tickerkit.sources import Outlet, Source
from tickerkit.ticks import read_ticks

__all__ = ["Relay", "RelayedEvents", "hello", "ticks"]


def hello(epoch: str, first: int = 1) -> Hello:
    """Return the event that an epoch begins, of which the stream holds the ticks from `first`."""
    return Hello(epoch, first, first, [], {})


def ticks(epoch: str, first: int, last: int, symbols: str = "A") -> Received:
    """Return the event that ticks have come, of the symbols in turn; prices are seqs."""
    seqs = range(first, last + 1)
    batch = read_ticks([{"symbol": symbols[n % len(symbols)], "price": n, "time": n} for n in seqs])
    return Received(batch, epoch, np.array(seqs, dtype=np.int64))


class Relay:
    """A relay's log, and what fills it.

    Args:
        events: what it has taken of the stream so far.
        keep: how many ticks its log holds.
        is_ready: whether it has caught up with the stream.
    """

    def __init__(self, *events: Taken, keep: int = 10_000, is_ready: bool = True) -> None:
        self.log = TickLog(keep)
        self.gaps = Gaps(self.log, forget=True)
        self.origin = Origin()
        self.taker = Taker(self.log, self.gaps, self.origin)
        self.publication = Publication(self.log, self.gaps, self.origin)
        self.take(*events)
        if is_ready:
            self.take(CaughtUp(0))

    def take(self, *events: Taken) -> None:
        """Take events of the stream."""
        for event in events:
            self.taker.take(event, 0)


class RelayedEvents(Source):
    """A source that sends events of a stream, and then waits, returns or fails.

    As that of a real relay, its hook for questions works only while it runs.

    Args:
        events: the events.
        error: what it fails with.
        is_finished: whether it returns.
    """

    def __init__(
        self,
        events: Iterable[Taken],
        error: Exception | None = None,
        *,
        is_finished: bool = False,
    ) -> None:
        self.origin = Origin()
        self.events = list(events)
        self.error = error
        self.is_finished = is_finished

    async def run(self, out: Outlet) -> None:
        loop = asyncio.get_running_loop()
        self.origin.on_question = lambda: loop.call_soon_threadsafe(str)
        await out.take(self.events)
        if self.error is not None:
            raise self.error
        if not self.is_finished:
            await asyncio.Event().wait()
