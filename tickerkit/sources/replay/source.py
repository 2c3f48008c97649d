"""replay: a source of recordings, served as if they were live."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickerkit.errors import SourceError
from tickerkit.sources.base import Outlet, Source
from tickerkit.sources.replay.ahead import ReadAhead
from tickerkit.sources.replay.control import ReplayControl
from tickerkit.sources.replay.inputs import Recordings, check_recordings, find_units
from tickerkit.sources.replay.playhead import MAX_BATCH_TICKS, State
from tickerkit.sources.venue_tables import freshness_frame
from tickerkit.ticks import NS_PER_S, Batch
from tickerkit.validation import check_flag

if TYPE_CHECKING:
    import pandas as pd

    from tickerkit.chart.widgets.replay_controls import ReplayControls

__all__ = ["ReplaySource", "replay"]

# How far ahead of its slowest reader an unpaced replay runs: enough that the reader never waits.
MAX_BEHIND = 4 * MAX_BATCH_TICKS
MAX_SLEEP_S = 3600.0


def replay(
    what: Recordings, speed: float = 1.0, wait_for: int = 0, loop: bool = False
) -> ReplaySource:
    """Return a source that replays recordings, paced by the differences of their times.

    The recorded times are kept; `seq`, `epoch` and `received` are made by the server. Gaps that a
    recording lists are gaps of the replay, too. Raw frames of a venue or of a mapped websocket
    (`ticks.raw.jsonl`) are read by the machine that read them live, with the recorded clock: the
    ticks and gaps are the same, and `freshness()` shows the states of a venue's subscriptions. A
    late tick, whose time is before that of an
    earlier tick, is due together with it; where times step back by more than a minute, the clock
    continues from there. Without times all ticks are due at once. Ticks due within 5 ms are sent
    as one batch of at most 4,096. A replay that was delayed catches up.

    It can be paused, stepped, moved and sped up while it is served, see `ReplaySource`; in a
    notebook `replay(...).controls()` shows buttons for that.

    Args:
        what: path of a recording, as CSV, Parquet or raw JSON lines; a list of paths, played in
            their order; a folder, whose recordings are played in order of name; or a DataFrame of
            ticks, as it is now. Files are read while they are played, a little ahead, so their
            size doesn't matter; they must stay as they are until then.
        speed: 1 for as recorded, 10 for ten times as fast; `inf` for as fast as the slowest
            connected reader of every tick reads, at most about 20,000 ticks ahead of it.
        wait_for: number of readers to wait for before the clock starts.
        loop: whether to start again at the end, in a new epoch; at most once a second.

    Returns:
        The source, to be served.

    Raises:
        SourceError: a file doesn't exist, a folder has no recording, a frame has no symbol or no
            price, `speed` isn't above 0, or `wait_for` isn't a whole number of at least 0.

    Example:
        >>> day = tk.replay("ticks.csv", speed=10)
        >>> server = tk.serve(day)
        >>> day.seek("2026-11-23T10:32:05")
    """
    return ReplaySource(what, speed, wait_for, loop)


class ReplaySource(ReplayControl, Source):
    """Replayed recordings; made by `tk.replay`.

    Its methods and attributes may be used from any thread at any moment, also before it is served:
    a replay that was paused then starts paused. At its end it is finished, unless it loops or
    `hold_at_end` is set. Served with `process=True` it can't be controlled.

    Args:
        what: recordings or a DataFrame of ticks, as for `tk.replay`.
        speed: how many times as fast as recorded to play.
        wait_for: number of readers to wait for.
        loop: whether to start again at the end.
        clock: returns a time in ns that never steps back.
        sleep: waits for a number of seconds.

    Attributes:
        path: path of the recording or folder; None for several recordings or a frame.
        wait_for: number of readers to wait for.
        max_behind: how many ticks ahead of its slowest reader a paced replay may be, however many
            are due; None for any number, as a live source does not wait either.
    """

    def __init__(
        self,
        what: Recordings,
        speed: float = 1.0,
        wait_for: int = 0,
        loop: bool = False,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        check_flag("loop", loop)
        super().__init__(speed, loop, clock)
        self._what = check_recordings(what)
        self.units = find_units(self._what)
        self.path = Path(what).expanduser() if isinstance(what, str | PathLike) else None
        if isinstance(wait_for, bool) or not isinstance(wait_for, int) or wait_for < 0:
            raise SourceError(
                wait_for, "expected a whole number of readers, at least 0", "wait_for"
            )
        self.wait_for = wait_for
        self.max_behind: int | None = None
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
        """Return buttons and a slider that control it; show them as the last value of a cell.

        Sets `hold_at_end`, so that the slider can be moved back from the end.

        Raises:
            Stopped: it has ended.
            TickerkitError: it runs in a process of its own.
        """
        from tickerkit.chart.widgets.replay_controls import replay_controls

        return replay_controls(self)

    def freshness(self) -> pd.DataFrame:
        """Return the state of each subscription of a venue at the replay's position.

        Only raw frames of a venue have states: the machine that read the venue reads them again.

        Returns:
            A frame with the columns of `VenueSource.freshness`; without rows for other recordings,
            and before the replay has read its files.
        """
        tape, position = self._head.tape, self.position
        states = tape.states if position is not None else ()
        at_ns = 0 if position is None else position.value
        if self._head.is_at_end:
            # At the end also the states after the last tick.
            at_ns = max((time_ns for time_ns, _ in states), default=at_ns)
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for time_ns, row in states:
            if time_ns <= at_ns:
                age_s = row["last_s"]
                if age_s is not None:
                    age_s += (at_ns - time_ns) / NS_PER_S
                found[row["symbol"], row["channel"]] = {**row, "last_s": age_s}
        return freshness_frame(list(found.values()), at_ns)

    # --- in its own thread --------------------------------------------------------------------

    def on_sent_to_process(self) -> None:
        self._runs_elsewhere = not self.is_running

    async def run(self, out: Outlet) -> None:
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            if self._head.state is State.ENDED:
                self._head = self._head.fresh_copy()
            self._runs_elsewhere = False
            self._wake = lambda: loop.call_soon_threadsafe(changed.set)
        self._notify_watchers()
        ahead = ReadAhead(self._what, self._head, self._lock, self._clock, changed.set)
        try:
            await ahead.open()
            self._notify_watchers()
            await self._report(out, ahead)
            if self.wait_for:
                await out.wait_for_readers(self.wait_for)
            with self._lock:
                self._head.begin(self._clock())
            self._notify_watchers()
            await self._play(out, ahead, changed)
        finally:
            ahead.close()
            with self._lock:
                self._wake = None
                self._head.end()
            self._notify_watchers()

    async def _play(self, out: Outlet, ahead: ReadAhead, changed: asyncio.Event) -> None:
        end = self._head.tape.end_ns
        while True:
            changed.clear()
            max_behind = MAX_BEHIND if self._head.is_unpaced else self.max_behind
            if max_behind is not None:
                await out.wait_until_read(max_behind)
            with self._lock:
                before = self._head.state
                action = self._head.next_action(self._clock())
                state, known_end = self._head.state, self._head.tape.end_ns
                ahead.note_wanted()
            await self._report(out, ahead)
            if state is State.ENDED:
                return
            if state is not before or known_end != end:  # paused at its end, or that was found
                self._notify_watchers()
            end = known_end
            for gap in action.gaps:
                await out.gap(gap.count, gap.reason)
            if action.ticks is not None:
                await out.send(action.ticks)
            if action.wait_s:
                await self._wait(action.wait_s, changed)

    async def _report(self, out: Outlet, ahead: ReadAhead) -> None:
        """Report the damage that was found, and the rows that are no ticks."""
        while ahead.reports:
            match ahead.reports.popleft():
                case Batch() as rejections:
                    await out.send(rejections)
                case warning:
                    out.report(warning)

    async def _wait(self, seconds: float, changed: asyncio.Event) -> None:
        """Wait for some seconds, or until a command comes."""
        if math.isinf(seconds):
            await changed.wait()
            return
        waits = [
            asyncio.ensure_future(changed.wait()),
            asyncio.ensure_future(self._sleep(min(seconds, MAX_SLEEP_S))),
        ]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            for each in waits:
                each.cancel()
