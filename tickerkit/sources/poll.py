"""poll: a source that calls a function, such as fetch_stock_prices, every few seconds."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from numbers import Real

from tickerkit.errors import SourceError
from tickerkit.sources.base import Outlet, Source
from tickerkit.sources.units import check_units

__all__ = ["PollSource", "check_every", "poll"]


class PollSource(Source):
    """Calls a function every `every` seconds, and sends what it returns; made by `tk.poll`."""

    def __init__(
        self, func: Callable[[], object], every: float, units: Mapping[str, str] | None = None
    ) -> None:
        if not callable(func):
            fix = "pass the function itself, without calling it"
            raise SourceError(func, "tk.poll expects a function", "func", fix)
        check_every(every)
        if units is not None:
            self.units = check_units(units)
        self.func = func
        self.every = every

    def __repr__(self) -> str:
        name = getattr(self.func, "__name__", repr(self.func))
        return f"poll({name}, every={self.every:g})"

    async def run(self, out: Outlet) -> None:
        """Call the function, send what it returns, and wait; no wait after a slow call."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                result = self.func()
                if inspect.isawaitable(result):
                    result = await result
            except (Exception, SystemExit, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                # The server cancels this task; any other cancellation is the function's own.
                if task is not None and task.cancelling():
                    raise
                out.report(error)
            else:
                await out.send(result)
            due = max(due + self.every, loop.time())
            await asyncio.sleep(due - loop.time())


def check_every(every: object) -> None:
    """Check an interval in seconds.

    Raises:
        SourceError: it is not a number above 0.
    """
    if isinstance(every, bool) or not isinstance(every, Real) or not every > 0:  # type: ignore[operator]
        raise SourceError(every, "expected a number of seconds above 0", "every")


def poll(
    func: Callable[[], object], every: float = 10.0, units: Mapping[str, str] | None = None
) -> PollSource:
    """Make a source of a function that returns the current prices.

    The function is called at once and then every `every` seconds, in a worker thread, so it may
    block. A call that takes longer than `every` is followed by the next at once; calls never
    overlap. An error that the function raises is counted and shown in `server.stats`; the calls
    continue.

    Args:
        func: called without arguments. It returns one update: a dict, a list of dicts, a
            DataFrame, or JSON text; it may be a coroutine function.
        every: seconds from one call to the next.
        units: the unit of each column that has one, as in `{"cpu": "%"}`, for charts and tables.

    Returns:
        The source, to be served.

    Raises:
        SourceError: `func` isn't a function, or `every` isn't above 0.
        InvalidArgument: `units` is invalid.

    Example:
        >>> tk.serve(tk.poll(fetch_stock_prices, every=5))
    """
    return PollSource(func, every, units)
