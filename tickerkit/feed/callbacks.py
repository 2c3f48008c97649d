"""Callbacks: a user's function that gets each batch of new ticks, in a thread of its own."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pandas as pd

from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.formatting import format_count
from tickerkit.log import Reader, Rows, TickLog
from tickerkit.runtime.cards import render_card
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.workers import Follower

__all__ = ["Callback", "UserFunction", "check_callback"]


class UserFunction:
    """A function of the user's, which may be a coroutine function; called in one thread.

    Args:
        function: the function, of one argument.
    """

    def __init__(self, function: Callable[[Any], object]) -> None:
        self.function = function
        self._runner: asyncio.Runner | None = None

    @property
    def name(self) -> str:
        """Name of the function."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def __call__(self, argument: object) -> None:
        """Call the function, and wait for what it returns if that can be awaited."""
        result = self.function(argument)
        if inspect.isawaitable(result):
            self._await(result)

    def close(self) -> None:
        """Close the event loop, if the function needed one; in the thread of the calls."""
        if self._runner is not None:
            self._runner.close()

    def _await(self, result: Any) -> None:
        # Runner.run accepts a coroutine only; the function may return any awaitable.
        async def wait() -> None:
            await result

        if self._runner is None:
            self._runner = asyncio.Runner()
        self._runner.run(wait())


class Callback:
    """Calls a function with each batch of new ticks, as a frame. Made by `feed.on_ticks`.

    A function that is slower than the feed gets larger batches: batches never queue up. An
    exception that it raises is counted, and the calls continue; the card shows its traceback.

    Args:
        log: the log to read.
        function: called with a DataFrame; may be a coroutine function.
        reader: where to begin; at the end of the log by default.

    Attributes:
        function: the function that is called.
        faults: the function's errors: `count`, `last` as text with file and line, and
            `last_traceback`.
    """

    def __init__(
        self,
        log: TickLog,
        function: Callable[[pd.DataFrame], object],
        reader: Reader | None = None,
    ) -> None:
        self.function = function
        self._caller = UserFunction(function)
        name = self._caller.name
        self.faults = ErrorLog(f"on_ticks({name})")
        self._is_failing = False
        self._log = log
        self._follower = Follower(
            log, self._call, finish=self._caller.close, reader=reader, name=f"tickerkit {name}"
        )

    def hand_over(self, log: TickLog) -> Reader | None:
        """Stop, and return a reader of the rows after the last call.

        Returns:
            None if this callback was stopped before, or reads another log.
        """
        continues = not self._follower.ended and log is self._log
        self.stop()
        return log.reader(self._follower.reader.row) if continues else None

    def stop(self) -> None:
        """Call the function a last time, with the ticks that have arrived; idempotent.

        If a call blocks, this waits for it for at most one second.
        """
        self._follower.stop()

    @property
    def status(self) -> str:
        """One of "running", "failing" (the newest call raised an exception) and "stopped"."""
        if self._follower.ended:
            return "stopped"
        return "failing" if self._is_failing else "running"

    def __repr__(self) -> str:
        errors = (
            f", {format_count(self.faults.count, 'error')}, last {self.faults.last}"
            if self.faults.count
            else ""
        )
        return f"<Callback {self._caller.name} {self.status}{errors}>"

    def _repr_html_(self) -> str:
        lines = {
            "function": self._caller.name,
            "errors": f"{self.faults.count:,}" if self.faults.count else "",
            "last error": self.faults.last,
        }
        return render_card("Callback", self.status, lines, traceback=self.faults.last_traceback)

    def _call(self, rows: Rows) -> None:
        if rows.lost:
            problem = f"{rows.lost:,} ticks were dropped from the log before they were read"
            self.faults.add_message("dropped", problem, rows.lost)
        if not len(rows):
            return
        try:
            self._caller(rows.frame())
            self._is_failing = False
        except BaseException as error:  # also SystemExit, and a cancelled task
            self._is_failing = True
            self.faults.add(error)


def check_callback(function: object, name: str = "callback", argument: str = "a DataFrame") -> None:
    """Check that a function can be called with one argument.

    Args:
        function: the function.
        name: name of the argument that it was given by, for the error.
        argument: what it will be called with, for the error.

    Raises:
        InvalidArgument: it can't, or a call would only make a generator, which runs nothing.
    """
    expected = f"a function that takes one argument, {argument}"
    if not callable(function):
        raise InvalidType(name, function, expected)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidArgument(name, function, f"{expected}, and does not yield")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a function written in C
        return
    try:
        signature.bind(None)
    except TypeError:
        raise InvalidArgument(name, function, expected) from None
