"""Iterable: a source of the ticks of an iterable or async iterable, such as a list or generator."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, TypeAlias

from tickerkit.sources.base import Outlet, Source

__all__ = ["IterableSource"]

Items: TypeAlias = Iterable[object] | AsyncIterable[object]


class IterableSource(Source):
    """Sends each item of an iterable: a tick, a list of ticks, a frame or JSON text.

    The items are iterated in a worker thread, so the iterable may block. If it raises, the source
    is finished, and the error is shown in the server's stats.

    Args:
        items: the ticks.
        make: a function that makes the items again. It is pickled in place of the items, since
            generators can't be pickled.
    """

    def __init__(self, items: Items, make: Callable[[], Items] | None = None) -> None:
        self.items = items
        self._make = make

    @classmethod
    def from_function(cls, make: Callable[[], Items]) -> IterableSource:
        """Return a source of the ticks that a generator function yields."""
        return cls(make(), make)

    def __reduce__(self) -> tuple[Any, ...]:
        return (
            (IterableSource, (self.items,))
            if self._make is None
            else (IterableSource.from_function, (self._make,))
        )

    def __repr__(self) -> str:
        return f"ticks of a {type(self.items).__name__}"

    async def run(self, out: Outlet) -> None:
        """Send all items; at the end, close a generator, so that its `finally` runs."""
        # sleep(0) lets the server cancel this task, even if the iterator and `send` never wait.
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
