"""ReadAhead: reads a replay's stretches, in a thread of its own, before its playhead is there."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tickerkit.sources.replay.playhead import Playhead
from tickerkit.sources.replay.stretches import Found, StretchReader
from tickerkit.sources.replay.tape import Tape
from tickerkit.ticks import Batch

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ReadAhead"]

T = TypeVar("T")


class ReadAhead:
    """Reads the stretches that a playhead wants, while others are played.

    Its methods are called on one event loop; the recordings are read in another thread, so that a
    large piece delays no tick.

    Args:
        what: the recordings, or a frame.
        head: the playhead whose tape is read.
        lock: held while the playhead is used.
        clock: returns a time in ns that never steps back.
        on_read: called after each stretch, and when reading has failed.

    Attributes:
        reports: the damage of recordings, and empty batches that carry rejected rows, as they are
            found.
    """

    def __init__(
        self,
        what: list[Path] | pd.DataFrame,
        head: Playhead,
        lock: threading.Lock,
        clock: Callable[[], int],
        on_read: Callable[[], object],
    ) -> None:
        self.reports: deque[Warning | Batch] = deque()
        self._head, self._lock, self._clock, self._on_read = head, lock, clock, on_read
        self._reader = StretchReader(what)
        self._is_wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Read the first stretch, give the playhead its tape, and begin to read ahead.

        Raises:
            RecordingError: a file can't be read.
        """
        tape = Tape(await _run_in_thread(self._reader.open))
        self._add(tape, await _run_in_thread(self._reader.read_on))
        with self._lock:
            self._head.load(tape, self._clock())
        self._task = asyncio.ensure_future(self._run())

    def note_wanted(self) -> None:
        """Read what the playhead wants; call it, with the lock held, when that may have changed.

        Raises:
            RecordingError: a file can't be read any more.
        """
        if self._head.wanted is not None:
            self._is_wanted.set()
        if self._task is not None and self._task.done():
            self._task.result()

    def close(self) -> None:
        """Read no more, without waiting for what is being read."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            while True:
                self._is_wanted.clear()
                with self._lock:
                    wanted = self._head.wanted
                if wanted is None:
                    await self._is_wanted.wait()
                else:
                    await self._read(wanted)
                    self._on_read()
        finally:
            self._on_read()

    async def _read(self, number: int) -> None:
        """Read the stretch of a number, and put it on the tape."""
        tape = self._head.tape
        if number < len(tape.outlines):
            ticks = await _run_in_thread(partial(self._reader.read_again, number))
            with self._lock:
                tape.put_back(number, ticks)
        else:
            found = await _run_in_thread(self._reader.read_on)
            with self._lock:
                self._add(tape, found)
        with self._lock:
            self._head.settle(self._clock())
            tape.keep(self._head.needed)

    def _add(self, tape: Tape, found: Found) -> None:
        if found.ticks is not None:
            tape.add(found.ticks)
        tape.gaps += found.gaps
        tape.states += found.states
        tape.is_whole = found.is_last
        self.reports += found.reports


async def _run_in_thread(function: Callable[[], T]) -> T:
    """Run a function in a thread of its own.

    An executor's thread would not do: the program could not exit before the function returns, which
    takes long where a large compressed file is read from its beginning.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except Exception as error:  # raised where it is awaited
            future.set_exception(error)

    future.set_running_or_notify_cancel()
    threading.Thread(target=run, name="tickerkit replay reader", daemon=True).start()
    return await asyncio.wrap_future(future)
