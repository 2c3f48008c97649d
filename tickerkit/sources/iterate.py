"""A source of any iterable or async iterable of ticks: a list, a generator, a queue's reader."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Iterable

from tickerkit.sources.base import Outlet, Source

__all__ = ["Iterated"]


class Iterated(Source):
    """Hands on each item as it comes: a tick, a list of ticks, a frame or JSON text.

    It is iterated in a worker thread and may block there. One that raises is finished, and the
    error is shown in the server's stats.
    """

    def __init__(self, items: Iterable[object] | AsyncIterable[object]) -> None:
        self.items = items

    def __repr__(self) -> str:
        return f"ticks of a {type(self.items).__name__}"

    async def run(self, out: Outlet) -> None:
        """Hand on all items; a generator is closed in the end, so that its `finally` runs."""
        # The sleeps: an iterator that never waits would leave no moment in which to be cancelled.
        if isinstance(self.items, AsyncIterable):
            async for item in self.items:
                await out.send(item)
                await asyncio.sleep(0)
            return
        try:
            for item in self.items:
                await out.send(item)
                await asyncio.sleep(0)
        finally:
            if inspect.isgenerator(self.items):
                self.items.close()
