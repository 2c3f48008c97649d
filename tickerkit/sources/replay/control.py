"""Replay control: plays, pauses and moves a replay from any thread, while it runs in its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from numbers import Real
from typing import TYPE_CHECKING, Any

from tickerkit.errors import SourceError, Stopped, TickerkitError
from tickerkit.sources.replay.place import parse_place
from tickerkit.sources.replay.playhead import Playhead, State
from tickerkit.validation import check_flag, check_number

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

__all__ = ["ReplayControl"]


class ReplayControl:
    """A playhead that any thread may read and command, also before and after the replay runs.

    Commands take a lock instead of joining a queue: each takes effect in `state` and `position` at
    once, and works before the thread runs that would read the queue.

    Args:
        speed: how many times as fast as recorded to play.
        loop: whether to start again at the end.
        clock: returns a time in ns that never steps back.
    """

    def __init__(self, speed: float, loop: bool, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._head = Playhead(_check_speed(speed), loop=bool(loop))
        self._init_run()

    def _init_run(self) -> None:
        """Set the attributes of this process, which are left out when the replay is pickled."""
        self._lock = threading.Lock()
        # Makes the running replay look at its playhead again; None while it doesn't run.
        self._wake: Callable[[], object] | None = None
        self._watchers: list[Callable[[], object]] = []
        self._runs_elsewhere = False

    def __getstate__(self) -> dict[str, Any]:
        local = {"_lock", "_wake", "_watchers", "_runs_elsewhere"}
        state = {name: value for name, value in vars(self).items() if name not in local}
        is_used = self.is_running or self._head.state is State.ENDED
        return state | {"_head": self._head.fresh_copy() if is_used else self._head}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._init_run()

    # --- status -------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """One of "waiting" (to be served, or for readers), "playing", "paused" and "ended"."""
        return self._head.state.value

    @property
    def is_running(self) -> bool:
        """Whether a server runs it."""
        return self._wake is not None

    @property
    def position(self) -> pd.Timestamp | None:
        """Time of the newest tick sent, in UTC; after a seek, of the next tick.

        None before the recording is read, or if it has no times.
        """
        with self._lock:
            return _timestamp(self._head.position_ns)

    @property
    def start(self) -> pd.Timestamp | None:
        """Time of the first tick, in UTC; None as for `position`."""
        return _timestamp(self._head.tape.start_ns)

    @property
    def end(self) -> pd.Timestamp | None:
        """The latest time in the recording, in UTC; None as for `position`."""
        return _timestamp(self._head.tape.end_ns)

    @property
    def sent(self) -> int:
        """Number of ticks sent since it was served."""
        return self._head.sent

    @property
    def speed(self) -> float:
        """How many times as fast as recorded it plays; may be set at any moment.

        Raises:
            SourceError: set to something that isn't a number above 0.
        """
        return self._head.speed

    @speed.setter
    def speed(self, speed: float) -> None:
        checked = _check_speed(speed)
        with self._command() as now:
            self._head.set_speed(checked, now)

    @property
    def loop(self) -> bool:
        """Whether it starts again at the end; may be set at any moment."""
        return self._head.loop

    @loop.setter
    def loop(self, loop: bool) -> None:
        check_flag("loop", loop)
        with self._command():
            self._head.loop = bool(loop)

    @property
    def hold_at_end(self) -> bool:
        """Whether it pauses at its end instead of ending, so that it can be moved back.

        May be set at any moment; `controls()` sets it. The server's readers then get no `end`.
        """
        return self._head.hold_at_end

    @hold_at_end.setter
    def hold_at_end(self, hold: bool) -> None:
        check_flag("hold_at_end", hold)
        with self._command():
            self._head.hold_at_end = bool(hold)

    # --- commands -----------------------------------------------------------------------------

    def play(self) -> None:
        """Play from where it is; from the start if it holds at its end.

        Raises:
            Stopped: it has ended, or its server is stopped. All commands raise it.
            TickerkitError: it runs in a process of its own. All commands raise it.

        Example:
            >>> day = tk.replay("ticks.csv")
            >>> day.pause()
            >>> server = tk.serve(day)
            >>> day.play()
        """
        with self._command() as now:
            self._head.play(now)

    def pause(self) -> None:
        """Stand still. Ticks that the server has taken before are still sent."""
        with self._command() as now:
            self._head.pause(now)

    def step(self, ticks: int = 1) -> None:
        """Pause, and send exactly the next ticks, at once.

        Args:
            ticks: number of ticks, at least 1; it adds to steps that are not sent yet.

        Raises:
            InvalidArgument: `ticks` is not a whole number of at least 1.
        """
        check_number("ticks", ticks, 1, whole=True)
        with self._command() as now:
            self._head.step(int(ticks), now)

    def seek(self, time: datetime | str | float) -> None:
        """Go to the first tick at or after a time, and keep playing or stay paused.

        If ticks were sent before, a new epoch begins with the next tick.

        Args:
            time: a `pd.Timestamp`, a datetime or ISO text, in UTC unless it names a zone, or
                seconds from the start. A time outside the recording is its start or end.

        Raises:
            InvalidArgument: `time` is not a time.

        Example:
            >>> day.seek("2026-11-23T10:32:05")
        """
        place = parse_place(time)
        with self._command() as now:
            self._head.seek(place, now)

    def restart(self) -> None:
        """Play from the start, in a new epoch."""
        with self._command() as now:
            self._head.restart(now)

    def watch(self, on_change: Callable[[], object]) -> Callable[[], None]:
        """Call a function after each command, and when the replay starts, pauses or ends.

        Args:
            on_change: called in any thread; it must not block.

        Returns:
            A function that stops the calls; idempotent.
        """
        self._watchers.append(on_change)

        def unwatch() -> None:
            with contextlib.suppress(ValueError):  # called before
                self._watchers.remove(on_change)

        return unwatch

    @contextlib.contextmanager
    def _command(self) -> Iterator[int]:
        """Let a command change the playhead; yields the time."""
        with self._lock:
            if self._runs_elsewhere:
                raise TickerkitError(
                    "this replay runs in a process of its own, where it can't be controlled; "
                    "serve it without process=True"
                )
            if self._head.state is State.ENDED:
                fix = "serve it again; set its `hold_at_end` to True first, and it won't end"
                raise Stopped("replay", fix)
            yield self._clock()
            if self._wake is not None:
                self._wake()
        self._notify_watchers()

    def _notify_watchers(self) -> None:
        for on_change in list(self._watchers):
            on_change()


def _check_speed(speed: float) -> float:
    if isinstance(speed, bool) or not isinstance(speed, Real) or not speed > 0:
        problem = "expected a number above 0; inf sends ticks as fast as they are read"
        raise SourceError(speed, problem, "speed")
    return float(speed)


def _timestamp(ns: int | None) -> pd.Timestamp | None:
    import pandas as pd

    return None if ns is None else pd.Timestamp(ns, unit="ns", tz="UTC")
