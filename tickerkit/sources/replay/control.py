"""Steering: a replay is played, paused and moved from any thread, while it runs in its own."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tickerkit.errors import SourceError, Stopped, TickerkitError
from tickerkit.sources.replay.playhead import Playhead, place_of
from tickerkit.validation import check_number

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

__all__ = ["ReplayControl"]


class ReplayControl:
    """A playhead that any thread may steer at any moment, also before and after it runs.

    Args:
        speed: how many times as fast as recorded.
        loop: whether to start again at the end.
        clock: a time in ns that never steps back.
    """

    def __init__(self, speed: float, loop: bool, clock: Callable[[], int]) -> None:
        self._clock = clock
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
    def hold_at_end(self) -> bool:
        """Whether it pauses at its end, from where it can be moved, rather than be finished.

        May be set; `controls()` sets it. The server then does not tell its readers of an end.
        """
        return self._head.hold_at_end

    @hold_at_end.setter
    def hold_at_end(self, hold: bool) -> None:
        with self._steering():
            self._head.hold_at_end = bool(hold)

    # --- how it is played ---------------------------------------------------------------------

    def play(self) -> None:
        """Play from where it is; at an end with `hold_at_end`, from the top.

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
                raise Stopped(
                    "replay",
                    "serve it again; set its `hold_at_end` to True first, and it won't end",
                )
            yield self._clock()
            self._wake()
        self._tell()

    def _wake(self) -> None:
        if self._worker is not None and self._changed is not None:
            self._worker.call_soon_threadsafe(self._changed.set)

    def _tell(self) -> None:
        for changed in list(self._watchers):
            changed()


def _checked_speed(speed: float) -> float:
    try:
        number = float(speed)
    except (TypeError, ValueError):
        number = math.nan
    if not number > 0:
        problem = "the speed is a number above 0; inf is as fast as can be"
        raise SourceError(speed, problem, "speed")
    return number


def _timestamp(ns: int | None) -> pd.Timestamp | None:
    import pandas as pd

    return None if ns is None else pd.Timestamp(ns, unit="ns", tz="UTC")
