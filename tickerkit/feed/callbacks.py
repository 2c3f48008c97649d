"""Callbacks: a function of the user's that is given each batch of new ticks, in its own thread."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pandas as pd

from tickerkit.log import Reader, Rows, TickLog
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.workers import Follower

__all__ = ["Callback"]


class Callback:
    """Calls a function with each batch of ticks that is new, as a frame.

    A function that is slower than the feed gets larger batches, never a queue. What it raises is
    counted and stops nothing.

    Attributes:
        function: the function.
        faults: its errors: `count`, and `last` in words.
    """

    def __init__(
        self,
        log: TickLog,
        function: Callable[[pd.DataFrame], object],
        reader: Reader | None = None,
    ) -> None:
        self.function = function
        name = getattr(function, "__name__", "callback")
        self.faults = ErrorLog(f"on_ticks({name})")
        self._runner: asyncio.Runner | None = None
        self._follower = Follower(
            log, self._call, finish=self._finish, reader=reader, name=f"tickerkit {name}"
        )
        self._log = log

    def give_way(self, log: TickLog) -> Reader | None:
        """Stop; return a reader of what comes after, if it ran until now and is of that log."""
        ran = not self._follower.ended
        self.stop()
        return log.reader(self._follower.reader.row) if ran and log is self._log else None

    def stop(self) -> None:
        """Call it with what there is and no more after; twice is no complaint."""
        self._follower.stop()

    def __repr__(self) -> str:
        errors = (
            f", {self.faults.count} errors, last {self.faults.last}" if self.faults.count else ""
        )
        return f"<Callback {getattr(self.function, '__name__', self.function)}{errors}>"

    def _call(self, rows: Rows) -> None:
        if rows.lost:
            lost = f"{rows.lost:,} ticks were dropped from the log before it came to them"
            self.faults.add_message("dropped", lost, rows.lost)
        if not len(rows):
            return
        try:
            result = self.function(rows.frame())
            if inspect.isawaitable(result):
                self._await(result)
        except BaseException as error:  # also of SystemExit, and of a task that was cancelled
            self.faults.add(error)

    def _finish(self) -> None:
        if self._runner is not None:
            self._runner.close()

    def _await(self, result: Any) -> None:
        async def done() -> None:
            await result

        if self._runner is None:
            self._runner = asyncio.Runner()
        self._runner.run(done())
