"""replay: recordings, served as if they were happening now."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from tickerkit.errors import SourceError
from tickerkit.sources.base import Outlet, Source
from tickerkit.sources.replay.control import ReplayControl
from tickerkit.sources.replay.playhead import CHUNK
from tickerkit.sources.replay.tape import Given, check_recordings, read

if TYPE_CHECKING:
    from tickerkit.chart.widgets.replay_controls import ReplayControls

__all__ = ["ReplaySource", "replay"]

# At full speed, how far ahead of its slowest reader a replay runs: enough to keep it busy.
MAX_BEHIND = 4 * CHUNK
LONGEST_SLEEP_S = 3600.0


def replay(what: Given, speed: float = 1.0, wait_for: int = 0, loop: bool = False) -> ReplaySource:
    """Return a source that replays recordings, paced by the differences of their times.

    The recorded times are kept; `seq`, `epoch` and `received` are not: the server numbers anew.
    What a recording lists as missing is missing here, too: readers are told of a gap. A tick
    whose time is before that of an earlier one, a late one, is due together with it; where times
    step back by more than a minute, the clock goes on from there. Without times all is due at
    once. Rows due within 5 ms go out as one batch, at most 4,096 in each; a replay that was held
    up catches up.

    It can be paused, stepped, moved and sped up while it is served, see `ReplaySource`; in a
    notebook `replay(...).controls()` shows buttons for that.

    Args:
        what: the path of a recording, as CSV, Parquet or raw JSON lines; a list of paths, played
            in their order; a folder, whose recordings are played in order of name; or a DataFrame
            of ticks (as it is now). Files are read when the replay starts, whole, into memory.
        speed: 1 for as recorded, 10 for ten times as fast; `inf` for as fast as the slowest
            connected reader of every tick takes it, never more than about 20,000 ticks ahead.
        wait_for: how many readers to wait for before the clock starts.
        loop: whether to start again at the end, in a new epoch; not more than once a second.

    Raises:
        SourceError: no such file, a folder without a recording, a frame without a symbol or a
            price, or a speed of 0 or less.

    Example:
        >>> day = replay("ticks.csv", speed=10)
        >>> server = serve(day)
        >>> day.seek("2026-11-23T10:32:05")
    """
    return ReplaySource(what, speed, wait_for, loop)


class ReplaySource(ReplayControl, Source):
    """Recordings, replayed; made by `tk.replay`.

    Its methods and attributes may be used from any thread at any moment, also before it is served:
    `pause()` then makes one that starts paused. At its end it is finished, unless it loops or
    `hold_at_end`. Served with `process=True` it can't be steered.

    Args:
        what: recordings, or a DataFrame of ticks.
        speed: how many times as fast as recorded.
        wait_for: how many readers to wait for.
        loop: whether to start again at the end.
        clock: a time in ns that never steps back.
        sleep: waits for some seconds.

    Attributes:
        path: the recording or folder, None where several or a frame were given.
        wait_for: how many readers are waited for.
    """

    def __init__(
        self,
        what: Given,
        speed: float = 1.0,
        wait_for: int = 0,
        loop: bool = False,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        super().__init__(speed, loop, clock)
        self._what = check_recordings(what)
        self.path = Path(what).expanduser() if isinstance(what, str | PathLike) else None
        if isinstance(wait_for, bool) or not isinstance(wait_for, int) or wait_for < 0:
            raise SourceError(wait_for, "it is a number of readers, from 0", "wait_for")
        self.wait_for = wait_for
        self._sleep = sleep

    def __repr__(self) -> str:
        if not isinstance(self._what, list):
            what = f"{len(self._what):,} ticks"
        elif len(self._what) > 1:
            what = f"{len(self._what)} recordings"
        else:
            what = str(self._what[0])
        return f"<Replayed {what} at speed {self.speed:g}>"

    def controls(self) -> ReplayControls:
        """Return buttons and a slider that steer it; show them as the last value of a cell.

        From now on it `hold_at_end` at its end, so that one can go back.
        """
        from tickerkit.chart.widgets.replay_controls import replay_controls

        return replay_controls(self)

    # --- in its own thread --------------------------------------------------------------------

    def on_sent_to_process(self) -> None:
        self._away = not self.is_running

    async def run(self, out: Outlet) -> None:
        with self._lock:
            if self._ended:
                self._head = self._head.anew()
            self._waits, self._ended, self._away = True, False, False
            self._worker, self._changed = asyncio.get_running_loop(), asyncio.Event()
        self._tell()
        try:
            tape = read(self._what)
            with self._lock:
                self._head.load(tape, self._clock())
            self._tell()
            for warning in tape.warnings:
                out.report(warning)
            for told in tape.refused():
                await out.send(told)
            if self.wait_for:
                await out.wait_for_readers(self.wait_for)
            with self._lock:
                self._waits = False
                self._head.begin(self._clock())
            self._tell()
            await self._play(out)
        finally:
            with self._lock:
                self._worker, self._ended = None, True
            self._tell()

    async def _play(self, out: Outlet) -> None:
        assert self._changed is not None
        paused = False
        while True:
            self._changed.clear()
            if self._head.is_flat_out:
                await out.wait_until_read(MAX_BEHIND)
            with self._lock:
                seams, ticks, wait_s, over = self._head.next_action(self._clock())
                # From here on it is too late to be moved.
                self._ended = over
            if paused != (self.state == "paused"):  # by itself: at its end
                paused = not paused
                self._tell()
            if over:
                return
            for seam in seams:
                await out.gap(seam.missing, seam.reason)
            if ticks is not None:
                await out.send(ticks)
            if wait_s:
                await self._wait(wait_s, self._changed)

    async def _wait(self, seconds: float, changed: asyncio.Event) -> None:
        """Wait so long, less if it is steered meanwhile."""
        if math.isinf(seconds):
            await changed.wait()
            return
        waits = [
            asyncio.ensure_future(changed.wait()),
            asyncio.ensure_future(self._sleep(min(seconds, LONGEST_SLEEP_S))),
        ]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            for each in waits:
                each.cancel()
