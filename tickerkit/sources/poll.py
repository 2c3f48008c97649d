"""A source that asks a function every few seconds, as the tutorial's `fetch_stock_prices`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

from tickerkit.errors import SourceError
from tickerkit.sources.base import Outlet, Source

__all__ = ["PollSource", "poll"]


class PollSource(Source):
    """Calls a function every `every` seconds and hands on what it returns."""

    def __init__(self, func: Callable[[], object], every: float) -> None:
        if not callable(func):
            raise SourceError(func, "tk.poll wants a function; pass it without calling it")
        if not isinstance(every, int | float) or not every > 0:
            raise SourceError(func, f"every={every} is no time to wait; pass seconds above 0")
        self.func = func
        self.every = every

    def __repr__(self) -> str:
        name = getattr(self.func, "__name__", repr(self.func))
        return f"poll({name}, every={self.every:g})"

    async def run(self, out: Outlet) -> None:
        """Call, hand on, wait; a call that takes longer than `every` is followed by the next."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                result = self.func()
                if inspect.isawaitable(result):
                    result = await result
            except (Exception, SystemExit, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():  # it is this task that is cancelled
                    raise
                out.report(error)
            else:
                await out.send(result)
            due = max(due + self.every, loop.time())
            await asyncio.sleep(due - loop.time())


def poll(func: Callable[[], object], every: float = 10.0) -> PollSource:
    """Make a source of a function that returns the prices now.

    It is called at once and then every `every` seconds, in a thread of its own, so that it may
    block. What it returns is one update: a dict, a list of dicts, a DataFrame, or JSON text; a
    coroutine function works as well. An error it raises is counted and shown in `server.stats`,
    and the next call is made as if nothing had been.

    Args:
        func: called without arguments.
        every: seconds from one call to the next.

    Example:
        >>> tk.serve(tk.poll(fetch_stock_prices, every=5))
    """
    return PollSource(func, every)
