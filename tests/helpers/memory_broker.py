"""A broker in memory, which loses, trims and forgets on demand, and tasks that run step by step.

Each verb pauses before it does anything, so a test decides what happens between two of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Coroutine, Generator
from typing import Any, Literal

from tickerkit.errors import StreamError
from tickerkit.streams import Stored, StreamMessage

__all__ = ["MemoryBroker", "Task", "finish", "wait"]

Outcome = Literal["stored", "doubtful", "lost"]


class _Pause:
    """What a task awaits: `step` returns whether it waits for others."""

    def __init__(self, waits: bool) -> None:
        self.waits = waits

    def __await__(self) -> Generator[bool, None, None]:
        yield self.waits


async def wait() -> None:
    """Wait until something else has happened."""
    await _Pause(True)


class _Killed(BaseException):
    """A task was killed."""


class Task:
    """A coroutine that runs only when a test says so.

    Attributes:
        is_done: whether it has returned.
        result: what it returned.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.is_done = False
        self.result: Any = None
        self._coroutine = coroutine

    def step(self) -> bool:
        """Run up to the next pause; return whether there is more to do right now."""
        if self.is_done:
            return False
        try:
            return not self._coroutine.send(None)
        except StopIteration as stop:
            self.is_done, self.result = True, stop.value
            return False
        except BaseException:
            self.is_done = True
            raise

    def run(self) -> None:
        """Run until the task is done, or waits for others."""
        while self.step():
            pass

    def kill(self) -> None:
        """End the task where it is."""
        # Not `close`: before Python 3.13, it does not end the generators that the task waits for.
        if not self.is_done:
            self.is_done = True
            # A coroutine that was collected together with its task has ended already.
            with contextlib.suppress(_Killed, RuntimeError):
                self._coroutine.throw(_Killed)

    def __del__(self) -> None:
        self.kill()


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, and return its result."""
    task = Task(coroutine)
    task.run()
    assert task.is_done, "it waits"
    return task.result


class MemoryBroker:
    """A stream in memory, see `tickerkit.streams.Broker`.

    Attributes:
        stored: the messages, by number, oldest first.
        last: the number of the newest message that was ever stored.
        is_up: whether the verbs answer.
        outcome: what happens to the next put: `doubtful` is stored, but answered with an error.
        skips: how many messages the next readers pass over without an error.
        reads: how many reads were begun.
    """

    def __init__(self) -> None:
        self.stored: dict[int, StreamMessage | None] = {}
        self.last = 0
        self.is_up = True
        self.outcome: Outcome = "stored"
        self.skips = 0
        self.reads = 0
        self._connection = 0  # counts up when all reads end

    # --- the verbs ----------------------------------------------------------------------------

    async def tail(self) -> Stored:
        await self._answer()
        return Stored(self.last, self.stored.get(self.last))

    async def put(self, message: StreamMessage, after: int) -> int:
        await self._answer()
        outcome, self.outcome = self.outcome, "stored"
        if after != self.last or outcome == "lost":
            raise self._error(f"wrong last number: {self.last}, not {after}")
        self.write(message)
        if outcome == "doubtful":
            raise self._error("no answer")
        return self.last

    async def read(self, start: int, count: int | None = None) -> AsyncIterator[Stored]:
        self.reads += 1
        connection = self._connection
        while count is None or count > 0:
            await self._answer()
            if connection != self._connection:
                raise self._error("the connection was lost")
            number = min((each for each in self.stored if each >= start), default=None)
            if number is None:
                if count is not None:
                    return
                await wait()
                continue
            start = number + 1
            if self.skips and count is None:
                self.skips -= 1
                continue
            count = None if count is None else count - 1
            yield Stored(number, self.stored[number])

    async def first(self) -> int:
        await self._answer()
        return next(iter(self.stored), self.last + 1)

    async def _answer(self) -> None:
        await _Pause(False)
        if not self.is_up:
            raise self._error("can't be reached")

    def _error(self, problem: str) -> StreamError:
        return StreamError("memory://broker", problem)

    # --- what a test makes happen -------------------------------------------------------------

    def write(self, message: StreamMessage | None) -> None:
        """Append a message; None is one that tickerkit didn't write."""
        self.last += 1
        self.stored[self.last] = message

    def cut(self) -> None:
        """End all reads with an error."""
        self._connection += 1

    def trim(self, count: int) -> None:
        """Drop all but the newest `count` messages."""
        for number in list(self.stored)[: max(len(self.stored) - count, 0)]:
            del self.stored[number]

    def copy(self) -> tuple[dict[int, StreamMessage | None], int]:
        """Return a copy of the stream, for `restore`."""
        return dict(self.stored), self.last

    def restore(self, copy: tuple[dict[int, StreamMessage | None], int]) -> None:
        """Go back to an older copy; all connections are lost."""
        self.stored, self.last = dict(copy[0]), copy[1]
        self.cut()

    def purge(self) -> None:
        """Delete all messages; the next one gets the next number."""
        self.stored = {}

    def delete(self) -> None:
        """Delete the stream, and make it again."""
        self.restore(({}, 0))
