"""replay: recordings, served as if they were happening now."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickerkit.arguments import check_number
from tickerkit.errors import SourceError, Stopped, TickerkitError
from tickerkit.sources.base import Outlet, Source
from tickerkit.sources.playhead import CHUNK, Playhead, place_of
from tickerkit.sources.playlist import Given, checked, read

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from tickerkit.chart.transport import Transport

__all__ = ["Replayed", "replay"]

# At full speed, how far ahead of its slowest reader a replay runs: enough to keep it busy.
MOST_BEHIND = 4 * CHUNK
LONGEST_SLEEP_S = 3600.0


def replay(what: Given, speed: float = 1.0, wait_for: int = 0, loop: bool = False) -> Replayed:
    """Return a source that replays recordings, paced by the differences of their times.

    The recorded times are kept; `seq`, `epoch` and `received` are not: the server numbers anew.
    What a recording lists as missing is missing here, too: readers are told of a gap. A tick
    whose time is before that of an earlier one, a late one, is due together with it; where times
    step back by more than a minute, the clock goes on from there. Without times all is due at
    once. Rows due within 5 ms go out as one batch, at most 4,096 in each; a replay that was held
    up catches up.

    It can be paused, stepped, moved and sped up while it is served, see `Replayed`; in a notebook
    `replay(...).controls()` shows buttons for that.

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
    return Replayed(what, speed, wait_for, loop)


class Replayed(Source):
    """Recordings, replayed; made by `tk.replay`.

    Its methods and attributes may be used from any thread at any moment, also before it is served:
    `pause()` then makes one that starts paused. At its end it is finished, unless it loops or
    `stays`. Served with `process=True` it can't be steered.

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
        self._what = checked(what)
        self.path = Path(what).expanduser() if isinstance(what, str | PathLike) else None
        if isinstance(wait_for, bool) or not isinstance(wait_for, int) or wait_for < 0:
            raise SourceError(wait_for, "wait_for is a number of readers, from 0")
        self.wait_for = wait_for
        self._clock = clock
        self._sleep = sleep
        self._head = Playhead(_checked_speed(speed), loop=bool(loop))
        self._settle()

    def _settle(self) -> None:
        """Begin as one that does not run, and has not."""
        self._lock = threading.Lock()
        self._worker: asyncio.AbstractEventLoop | None = None
        self._changed: asyncio.Event | None = None
        self._watchers: list[Callable[[], object]] = []
        self._waits = True
        self._ended = self._away = False

    def __getstate__(self) -> dict[str, Any]:
        runs = {"_lock", "_worker", "_changed", "_watchers", "_waits", "_ended", "_away"}
        state = {name: value for name, value in vars(self).items() if name not in runs}
        return state | {"_head": self._head.anew() if self._ended or self._worker else self._head}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._settle()

    def __repr__(self) -> str:
        if not isinstance(self._what, list):
            what = f"{len(self._what):,} ticks"
        elif len(self._what) > 1:
            what = f"{len(self._what)} recordings"
        else:
            what = str(self._what[0])
        return f"<Replayed {what} at speed {self.speed:g}>"

    # --- where it is --------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """In one word: waiting (for readers, or to be served), playing, paused or ended."""
        if self._ended:
            return "ended"
        if not self._head.playing:
            return "paused"
        return "waiting" if self._waits else "playing"

    @property
    def is_running(self) -> bool:
        """Whether a server runs it."""
        return self._worker is not None

    @property
    def position(self) -> pd.Timestamp | None:
        """Time of the newest tick that was sent, after a seek of the one to come; UTC.

        None while the recording is not read yet, or where it has no times.
        """
        with self._lock:
            return _timestamp(self._head.position_ns)

    @property
    def start(self) -> pd.Timestamp | None:
        """Time of the first tick, in UTC; None as for `position`."""
        return _timestamp(self._head.start_ns)

    @property
    def end(self) -> pd.Timestamp | None:
        """The latest time, in UTC; None as for `position`."""
        return _timestamp(self._head.end_ns)

    @property
    def sent(self) -> int:
        """How many ticks were sent since it was served."""
        return self._head.sent

    @property
    def speed(self) -> float:
        """How many times as fast as recorded; set, it goes on from where it is at the new one."""
        return self._head.speed

    @speed.setter
    def speed(self, speed: float) -> None:
        checked = _checked_speed(speed)
        with self._steering() as now:
            self._head.go_at(checked, now)

    @property
    def loop(self) -> bool:
        """Whether it starts again at the end; may be set."""
        return self._head.loop

    @loop.setter
    def loop(self, loop: bool) -> None:
        with self._steering():
            self._head.loop = bool(loop)

    @property
    def stays(self) -> bool:
        """Whether it pauses at its end, from where it can be moved, rather than be finished.

        May be set; `controls()` sets it. The server then does not tell its readers of an end.
        """
        return self._head.stays

    @stays.setter
    def stays(self, stays: bool) -> None:
        with self._steering():
            self._head.stays = bool(stays)

    # --- how it is played ---------------------------------------------------------------------

    def play(self) -> None:
        """Play from where it is; at an end where it `stays`, from the top.

        Raises:
            Stopped: if it is at its end, or its server is stopped; this and all that follow.
            TickerkitError: if it runs in a process of its own; this and all that follow.
        """
        with self._steering() as now:
            self._head.play(now)

    def pause(self) -> None:
        """Stand still; what was handed to the server before is still sent."""
        with self._steering() as now:
            self._head.pause(now)

    def step(self, ticks: int = 1) -> None:
        """Pause, and send exactly the next `ticks`, at once."""
        check_number("ticks", ticks, 1, whole=True)
        with self._steering() as now:
            self._head.step(int(ticks), now)

    def seek(self, time: datetime | str | float) -> None:
        """Go to the first tick at or after a time; it goes on playing, or stays paused.

        Where some ticks were sent already, a new epoch begins with the next.

        Args:
            time: a `pd.Timestamp`, a datetime or ISO text, in UTC unless it says otherwise, or
                seconds from the start. One outside of the recording is its start or end.

        Raises:
            ValueError: if it is no time.
        """
        place = place_of(time)
        with self._steering() as now:
            self._head.seek(place, now)

    def restart(self) -> None:
        """Play from the top, in a new epoch."""
        with self._steering() as now:
            self._head.restart(now)

    def controls(self) -> Transport:
        """Return buttons and a slider that steer it; show them as the last value of a cell.

        From now on it `stays` at its end, so that one can go back.
        """
        from tickerkit.chart.transport import transport

        return transport(self)

    def watch(self, changed: Callable[[], object]) -> Callable[[], None]:
        """Have a function called whenever it is steered, begins or ends; return how to stop that.

        Called in any thread; it must not block.
        """
        self._watchers.append(changed)

        def unwatch() -> None:
            with contextlib.suppress(ValueError):  # twice is no complaint
                self._watchers.remove(changed)

        return unwatch

    @contextlib.contextmanager
    def _steering(self) -> Iterator[int]:
        with self._lock:
            if self._away:
                raise TickerkitError(
                    "this replay runs in a process of its own, where it can't be steered; "
                    "serve it without process=True"
                )
            if self._ended:
                raise Stopped("replay", "serve it again; with stays=True it does not end by itself")
            yield self._clock()
            self._wake()
        self._tell()

    def _wake(self) -> None:
        if self._worker is not None and self._changed is not None:
            self._worker.call_soon_threadsafe(self._changed.set)

    def _tell(self) -> None:
        for changed in list(self._watchers):
            changed()

    # --- in its own thread --------------------------------------------------------------------

    def sent_away(self) -> None:
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
            for told in tape.refused():
                await out.send(told)
            if self.wait_for:
                await out.readers(self.wait_for)
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
                await out.taken(MOST_BEHIND)
            with self._lock:
                seams, ticks, wait_s, over = self._head.next(self._clock())
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


def _checked_speed(speed: float) -> float:
    try:
        number = float(speed)
    except (TypeError, ValueError):
        number = math.nan
    if not number > 0:
        raise SourceError(speed, "the speed is a number above 0; inf is as fast as can be")
    return number


def _timestamp(ns: int | None) -> pd.Timestamp | None:
    import pandas as pd

    return None if ns is None else pd.Timestamp(ns, unit="ns", tz="UTC")
