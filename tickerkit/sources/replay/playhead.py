"""Playhead: where a replay is, whether it plays, and what it sends next."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from tickerkit.formatting import format_time
from tickerkit.log import Gap
from tickerkit.sources.replay.clock import ReplayClock
from tickerkit.sources.replay.place import Place
from tickerkit.sources.replay.tape import PlacedGap, Stretch, Tape
from tickerkit.ticks import NO_TIME, NS_PER_S, Batch

__all__ = ["MAX_BATCH_TICKS", "Action", "Playhead", "State"]

MAX_BATCH_TICKS = 4096
# Ticks that are due this soon after the first of a batch are sent with it.
TOGETHER_NS = 5_000_000
# How many stretches after the current one are in memory, so that the playhead waits for none.
STRETCHES_AHEAD = 2
# The shortest round of a loop: each round is an epoch, and a recording may take no time at all.
MIN_ROUND_NS = NS_PER_S
STARTS_AGAIN = "the replay starts again"


class State(StrEnum):
    """What a replay does.

    Attributes:
        WAITING: it will play once `begin` is called: when it is served and its readers are there.
        PLAYING: it sends ticks as they become due.
        PAUSED: it stands still, also before `begin`; it sends only the ticks that `step` requests.
        ENDED: it is finished.
    """

    WAITING = "waiting"
    PLAYING = "playing"
    PAUSED = "paused"
    ENDED = "ended"


class Action(NamedTuple):
    """The next action of a replay: what it sends, and how long it then waits.

    Attributes:
        gaps: gaps to report before the ticks. A gap whose end isn't known begins a new epoch.
        ticks: ticks to send.
        wait_s: seconds to wait before the next action; `inf` until something is changed.
    """

    gaps: Sequence[Gap] = ()
    ticks: Batch | None = None
    wait_s: float = 0.0


class Playhead:
    """Where a replay is in its tape, which is read while it is played.

    Where the next tick isn't in memory, its actions are to wait: `wanted` is what to read, and the
    clock goes on. It knows no threads. Every `now` is a time in ns that never steps back.

        WAITING ── begin ──▶ PLAYING ── the end ──▶ ENDED
          ▲ │                  ▲ │
     play │ │ pause, step      │ │ pause, step, or the end where it holds there
          │ ▼                  │ ▼
        PAUSED ─── begin ──▶ PAUSED

    Args:
        speed: how many times as fast as recorded it plays; `inf` for as fast as ticks are read.
        loop: whether it starts again at the end.

    Attributes:
        state: see `State`.
        loop: as given; may be set.
        hold_at_end: whether it pauses at the end instead of ending; may be set.
        tape: the ticks; empty and whole before `load`.
        row: row of the next tick.
        sent: number of ticks sent.
    """

    def __init__(self, speed: float, *, loop: bool) -> None:
        self.state = State.WAITING
        self.loop = loop
        self.hold_at_end = False
        self.tape = Tape.from_batches([])
        self.row = self.sent = 0
        self._clock = ReplayClock(speed)
        self._has_begun = False
        self._steps_left = 0
        # The place to go to once its tick is in memory; None if it is there.
        self._target: Place | None = 0.0
        # Time of the newest tick sent, or of the next tick after a move; `NO_TIME` without one.
        self._position_ns = NO_TIME
        # The gap of the tape that is reported next.
        self._next_gap = 0
        # Why the next tick begins a new epoch; empty if it doesn't.
        self._move_reason = ""
        self._epoch_has_ticks = False
        self._round_starts = 0

    def fresh_copy(self) -> Playhead:
        """Return a playhead with the same settings that has not begun."""
        head = Playhead(self.speed, loop=self.loop)
        head.hold_at_end = self.hold_at_end
        return head

    # --- status -------------------------------------------------------------------------------

    @property
    def speed(self) -> float:
        """How many times as fast as recorded it plays."""
        return self._clock.speed

    @property
    def is_unpaced(self) -> bool:
        """Whether it now sends ticks as fast as they are read."""
        is_playing = self.state is State.PLAYING and math.isinf(self.speed)
        return is_playing and self._stretch is not None

    @property
    def position_ns(self) -> int | None:
        """Time of the newest tick sent; after a move, of the next tick. None without times.

        While the tick of a place that was sought is read, the time of the place.
        """
        if self._target is not None and self.tape.count:
            return self.tape.time_of(self._target)
        if self.is_at_end:
            return self.tape.end_ns
        return self.tape.start_ns if self._position_ns == NO_TIME else self._position_ns

    @property
    def is_at_end(self) -> bool:
        """Whether no tick is left."""
        tape = self.tape
        is_empty = tape.is_whole and not tape.count
        return is_empty or (self._target is None and tape.is_whole and self.row == tape.count)

    @property
    def needed(self) -> list[int]:
        """The numbers of the stretches that should be in memory, the most urgent one first."""
        first = self.tape.number_at(self.row)
        needed = list(range(first, first + 1 + STRETCHES_AHEAD))
        return needed if self._target is None else [self.tape.find(self._target)[0], *needed[:1]]

    @property
    def wanted(self) -> int | None:
        """The number of the stretch to read next; None if none is needed.

        If the end is not known, all are read once, since it is shown; but not while ticks are sent
        as fast as they are read, which would take longer then.
        """
        tape = self.tape
        missing = tape.find_missing(self.needed)
        if missing is None and tape.end_ns is None and not (tape.is_whole or self.is_unpaced):
            return len(tape.outlines)
        return missing

    @property
    def _stretch(self) -> Stretch | None:
        """The stretch of the next tick; None at the end, or while it isn't in memory."""
        return self.tape.stretch_at(self.row) if self._target is None else None

    # --- commands -----------------------------------------------------------------------------

    def load(self, tape: Tape, now: int) -> None:
        """Take the tape, whose first stretch was added, and go to the place sought before."""
        self.tape = tape
        self.row = 0
        self._target = 0.0 if self._target is None else self._target
        self.settle(now)

    def settle(self, now: int) -> None:
        """Go to the place that was sought, if its tick is in memory now."""
        if self._target is not None and self.tape.count:
            row = self.tape.find(self._target)[1]
            if row is not None:
                self._target = None
                self._move(row, now)

    def begin(self, now: int) -> None:
        """Start to play, unless it was paused before."""
        self._has_begun = True
        self._round_starts = now
        if self.state is State.WAITING:
            self._play(now)

    def play(self, now: int) -> None:
        """Play from where it is; from the start if it holds at its end."""
        if self._has_begun and self.is_at_end and self.tape.count and self.hold_at_end:
            self._move(0, now, STARTS_AGAIN)
        self._play(now)

    def pause(self, now: int) -> None:
        """Stand still."""
        self.state, self._steps_left = State.PAUSED, 0
        self._clock.stop(now)

    def step(self, ticks: int, now: int) -> None:
        """Stand still after this many more ticks, which are sent at once."""
        self.state = State.PAUSED
        self._steps_left += ticks
        self._clock.stop(now)

    def seek(self, place: Place, now: int) -> None:
        """Go to the first tick at or after a place."""
        self._target = place
        self.settle(now)

    def restart(self, now: int) -> None:
        """Play from the start."""
        self.seek(0.0, now)
        self._play(now)

    def set_speed(self, speed: float, now: int) -> None:
        """Continue at another speed."""
        self._clock.set_speed(speed, now)

    def end(self) -> None:
        """End, wherever it is."""
        self.state = State.ENDED

    def _play(self, now: int) -> None:
        self._steps_left = 0
        self.state = State.PLAYING if self._has_begun else State.WAITING
        if self._has_begun:
            self._clock.run(now)

    def _move(self, row: int, now: int, reason: str = "") -> None:
        """Go to a row that is in memory."""
        self.row = row
        stretch = self._stretch
        assert stretch is not None
        self._position_ns = stretch.time_at(row)
        # A gap right before the row lies before the place that was sought: it is reported only
        # when playing from the start.
        self._next_gap = bisect.bisect_right(self.tape.gaps, row if row else -1, key=_row)
        self._move_reason = reason or f"the replay was moved to {self._format_position()}"
        self._clock.move_to(float(stretch.due_at(row)), now)
        self._round_starts = now

    def _format_position(self) -> str:
        start, position, end = self.tape.start_ns, self.position_ns, self.tape.end_ns
        if start is None or position is None:
            return "its start"
        is_one_day = _utc(start).date() == _utc(position if end is None else end).date()
        return format_time(_utc(position), date=not is_one_day)

    # --- the next action ----------------------------------------------------------------------

    def next_action(self, now: int) -> Action:
        """Return the next action, and count it as done. `state` is then ENDED if none is left."""
        if self.state is not State.PLAYING and not self._steps_left:
            return Action(wait_s=math.inf)
        if self.is_at_end:
            if gaps := self._take_gaps():
                return Action(gaps)
            if not self.loop or not self.tape.count:
                return self._finish(now)
            next_round = max(self._round_starts + MIN_ROUND_NS, now)
            self._move(0, now, STARTS_AGAIN)
            self._round_starts = next_round
        stretch = self._stretch
        if stretch is None:  # it is being read
            return Action(wait_s=math.inf)
        if now < self._round_starts:
            self._clock.move_to(float(stretch.due_at(self.row)), self._round_starts)
            return Action(wait_s=(self._round_starts - now) / NS_PER_S)
        stop = self.row + MAX_BATCH_TICKS
        if self._steps_left:
            stop = min(stop, self.row + self._steps_left)
        elif not math.isinf(self.speed):
            clock_ns = self._clock.at_ns(now)
            wait_s = (float(stretch.due_at(self.row)) - clock_ns) / self.speed / NS_PER_S
            if wait_s > 0:
                return Action(wait_s=wait_s)
            until_ns = clock_ns + TOGETHER_NS * self.speed
            stop = min(stop, stretch.find_due(until_ns))
        return self._take_ticks(stretch, stop, now)

    def _take_ticks(self, stretch: Stretch, stop: int, now: int) -> Action:
        """Return the ticks before row `stop`, or fewer if a batch must end earlier."""
        gaps = self._take_gaps()
        stop = min(stop, self.tape.next_break(self.row))
        ticks = stretch.part(self.row, stop)
        self.row = stop
        self._position_ns = stretch.time_at(stop - 1)
        self.sent += ticks.count
        self._epoch_has_ticks = True
        if self._steps_left or math.isinf(self.speed):
            self._clock.move_to(float(stretch.due_at(stop - 1)), now)
        self._steps_left = max(self._steps_left - ticks.count, 0)
        return Action(gaps, ticks)

    def _take_gaps(self) -> list[Gap]:
        """Return the gaps before the next tick.

        A gap that ends an epoch is left out if the epoch has no ticks yet, so that several such
        gaps in a row begin only one new epoch.
        """
        # The server makes its own seqs: it uses only the count and the reason of a gap.
        found = [Gap("", 0, None, self._move_reason)] if self._move_reason else []
        self._move_reason = ""
        listed = self.tape.gaps
        while self._next_gap < len(listed) and listed[self._next_gap].row <= self.row:
            found.append(listed[self._next_gap].gap)
            self._next_gap += 1
        gaps = []
        for gap in found:
            if gap.count is not None or self._epoch_has_ticks:
                gaps.append(gap)
            if gap.count is None:
                self._epoch_has_ticks = False
        return gaps

    def _finish(self, now: int) -> Action:
        """End; or pause, if `hold_at_end` is set or the last tick was a step."""
        if self.state is State.PLAYING and not (self.hold_at_end and self.tape.count):
            self.end()
            return Action()
        self.pause(now)
        return Action(wait_s=math.inf)


def _row(placed: PlacedGap) -> int:
    return placed.row


def _utc(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // NS_PER_S, UTC)
