"""A source of any iterable or async iterable of ticks: a list, a generator, a queue's reader."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, TypeAlias

from tickerkit.sources.base import Outlet, Source

__all__ = ["IterableSource"]

Items: TypeAlias = Iterable[object] | AsyncIterable[object]


class IterableSource(Source):
    """Hands on each item as it comes: a tick, a list of ticks, a frame or JSON text.

    It is iterated in a worker thread and may block there. One that raises is finished, and the
    error is shown in the server's stats.

    Args:
        items: the ticks.
        make: what made them, if it can make them again: pickled in their place, as generators
            can't be.
    """

    def __init__(self, items: Items, make: Callable[[], Items] | None = None) -> None:
        self.items = items
        self._make = make

    @classmethod
    def made_by(cls, make: Callable[[], Items]) -> IterableSource:
        """Return the ticks that a generator function gives."""
        return cls(make(), make)

    def __reduce__(self) -> tuple[Any, ...]:
        return (
            (IterableSource, (self.items,))
            if self._make is None
            else (IterableSource.made_by, (self._make,))
        )

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
