"""replay: a recording, served as if it were happening now."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tickerkit.errors import SourceError
from tickerkit.sources.base import Outlet, Source
from tickerkit.ticks import NO_TIME, Batch, read_ticks
from tickerkit.ticks.fields import PRICE_FIELDS, PRICE_NAMES, SYMBOL_NAMES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Replayed", "replay"]

NS = 10**9
CHUNK = 4096
# At full speed, how far ahead of its slowest reader a replay runs: enough to keep it busy.
MOST_BEHIND = 4 * CHUNK
# Rows that are due so soon after the first of a batch go with it.
TOGETHER_S = 0.005
# A time that steps back by less is a late tick; by more, a clock that was set, or a new recording.
LATEST_NS = 60 * NS
LONGEST_SLEEP_S = 3600.0


def replay(
    path_or_frame: str | PathLike[str] | pd.DataFrame, speed: float = 1.0, wait_for: int = 0
) -> Replayed:
    """Return a source that replays a recording, paced by the differences of its times.

    The recorded times are kept; `seq`, `epoch` and `received` are not: the server numbers anew. A
    tick whose time is before that of an earlier one, a late one, is due together with it; where
    times step back by more than a minute, the clock goes on from there. Without times all is due
    at once. Rows due within 5 ms go out as one batch, at most 4,096 in each; a replay that was
    held up catches up.

    Args:
        path_or_frame: a CSV recording, or a DataFrame of ticks (as it is now). A file is read
            when the replay starts, whole, into memory.
        speed: 1 for as recorded, 10 for ten times as fast; `inf` for as fast as the slowest
            connected reader of every tick takes it, never more than about 20,000 ticks ahead.
        wait_for: how many readers to wait for before the clock starts.

    Raises:
        SourceError: no such file, a frame without a symbol or a price, or a speed of 0 or less.

    Example:
        >>> server = serve(replay("ticks.csv", speed=10))
    """
    return Replayed(path_or_frame, speed, wait_for)


class Replayed(Source):
    """A recording, replayed; see `replay`.

    Args:
        path_or_frame: a CSV recording, or a DataFrame of ticks.
        speed: how many times as fast as recorded.
        wait_for: how many readers to wait for.
        clock: a time in ns that never steps back.
        sleep: waits for some seconds.

    Attributes:
        path: the recording, None where a frame was given.
        speed: how many times as fast as recorded.
        wait_for: how many readers are waited for.
    """

    def __init__(
        self,
        path_or_frame: str | PathLike[str] | pd.DataFrame,
        speed: float = 1.0,
        wait_for: int = 0,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.path: Path | None = None
        self._frame: pd.DataFrame | None = None
        if isinstance(path_or_frame, str | PathLike):
            self.path = _checked_path(path_or_frame)
        else:
            self._frame = _checked_frame(path_or_frame)
        self.speed = _checked_speed(speed)
        if isinstance(wait_for, bool) or not isinstance(wait_for, int) or wait_for < 0:
            raise SourceError(wait_for, "wait_for is a number of readers, from 0")
        self.wait_for = wait_for
        self._clock = clock
        self._sleep = sleep

    def __repr__(self) -> str:
        what = self.path if self._frame is None else f"{len(self._frame):,} ticks"
        return f"<Replayed {what} at speed {self.speed:g}>"

    async def run(self, out: Outlet) -> None:
        ticks = self._load()
        if ticks.refused or ticks.misfits:
            # Parts of a batch do not carry what was refused of the whole.
            told = ticks.part(0, 0)
            told.refused, told.errors, told.misfits = ticks.refused, ticks.errors, ticks.misfits
            await out.send(told)
        if self.wait_for:
            await out.readers(self.wait_for)
        if math.isinf(self.speed):
            await self._run_flat_out(ticks, out)
        else:
            await self._run_paced(ticks, out)

    async def _run_flat_out(self, ticks: Batch, out: Outlet) -> None:
        for start in range(0, ticks.count, CHUNK):
            await out.taken(MOST_BEHIND)
            await out.send(ticks.part(start, min(start + CHUNK, ticks.count)))

    async def _run_paced(self, ticks: Batch, out: Outlet) -> None:
        due_s = _due_ns(ticks.time) / NS / self.speed
        start = self._clock()
        sent = 0
        while sent < ticks.count:
            wait = due_s[sent] - (self._clock() - start) / NS
            if wait > 0:
                await self._sleep(min(wait, LONGEST_SLEEP_S))
                continue
            now = (self._clock() - start) / NS
            due = int(np.searchsorted(due_s, now + TOGETHER_S, side="right"))
            stop = min(due, sent + CHUNK)
            await out.send(ticks.part(sent, stop))
            sent = stop

    def _load(self) -> Batch:
        if self._frame is not None:
            return read_ticks(self._frame)
        from tickerkit.storage import read_csv

        assert self.path is not None
        return read_ticks(read_csv(self.path))


def _due_ns(times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return when each tick is due, in ns after the first; never decreasing."""
    timed = times != NO_TIME
    if not timed.any():
        return np.zeros(len(times), dtype=np.int64)
    # A tick without a time is due with the last one that has one.
    last_timed = np.maximum.accumulate(np.where(timed, np.arange(len(times)), 0))
    times = np.where(timed.cumsum() > 0, times[last_timed], times[timed][0])
    steps = np.diff(times, prepend=times[:1])
    # The highest time so far rather than the sum of the steps forward: of two interleaved streams
    # whose clocks differ, every other step is one back, and the sum of the others has no end.
    set_back = np.where(steps < -LATEST_NS, -steps, 0).cumsum()
    due: npt.NDArray[np.int64] = np.maximum.accumulate(times - times[0] + set_back)
    return due


def _checked_path(given: str | PathLike[str]) -> Path:
    path = Path(given).expanduser()
    if not path.exists():
        raise SourceError(str(given), f"there is no file at {path.absolute()}")
    if path.is_dir():
        raise SourceError(str(given), f"{path.absolute()} is a folder; pass a recording in it")
    return path


def _checked_frame(given: object) -> pd.DataFrame:
    import pandas as pd

    if not isinstance(given, pd.DataFrame):
        raise SourceError(given, "replay takes the path of a recording, or a DataFrame of ticks")
    names = {str(name) for name in given.columns}
    if names.isdisjoint(SYMBOL_NAMES):
        raise SourceError(list(names), "the frame has no column symbol")
    if names.isdisjoint((*PRICE_NAMES, *PRICE_FIELDS)):
        raise SourceError(list(names), "the frame has no column price, bid or ask")
    # Copied when either is written to: what is replayed is the frame as it is now.
    return given.copy(deep=False)


def _checked_speed(speed: float) -> float:
    try:
        number = float(speed)
    except (TypeError, ValueError):
        number = math.nan
    if not number > 0:
        raise SourceError(speed, "the speed is a number above 0; inf is as fast as can be")
    return number
