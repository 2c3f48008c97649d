"""Playhead: what of a recording is to be sent next, and when, however it is played."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from numbers import Real
from typing import NamedTuple, TypeAlias

import numpy as np

from tickerkit.errors import BadTick
from tickerkit.formatting import format_time
from tickerkit.sources.replay.clock import ReplayClock, due_ns, forward_fill
from tickerkit.sources.replay.tape import Seam, Tape
from tickerkit.ticks import NO_TIME, NS_PER_S, Batch
from tickerkit.ticks.fields import read_time

__all__ = ["CHUNK", "Next", "Place", "Playhead", "place_of"]

CHUNK = 4096
# A shorter recording that is looped begins no sooner again: each round is an epoch.
ROUND_S = 1.0
AGAIN = "the replay starts again"

# Seconds from the start, or a time in ns since 1970.
Place: TypeAlias = float | int


class Next(NamedTuple):
    """What is to be done next.

    Attributes:
        seams: what is to be told as missing, before the ticks.
        ticks: what is to be sent then.
        wait_s: how long to wait before asking again; `inf` until something is changed.
        over: whether all is done.
    """

    seams: Sequence[Seam] = ()
    ticks: Batch | None = None
    wait_s: float = 0.0
    over: bool = False


def place_of(time: object) -> Place:
    """Return a time as it is sought: seconds from the start as a float, any other in ns.

    Raises:
        ValueError: if it is no time.
    """
    if isinstance(time, Real) and not isinstance(time, bool):
        if not math.isnan(time):
            return float(time)
    elif isinstance(time, str | datetime | np.datetime64):
        try:
            moment = read_time(time)
        except BadTick:
            moment = NO_TIME
        if moment != NO_TIME:
            return moment
    raise ValueError(
        f"{time!r} is no time in a replay; give a timestamp, text such as "
        "'2026-11-23T10:32:05', or seconds from the start"
    )


class Playhead:
    """Where a replay is in its ticks, which may not have been read yet.

    Knows no threads; `now` is a time in ns that never steps back.

    Attributes:
        loop: whether it begins again at the end.
        hold_at_end: whether it pauses at the end, rather than be over.
        playing: whether it plays, or will once it is started.
        times: of the ticks, in ns; a tick without has that of the one before.
        row: the next tick.
        sent: how many ticks were given out.
    """

    def __init__(self, speed: float, *, loop: bool) -> None:
        self.loop = loop
        self.hold_at_end = False
        self.playing = True
        self.row = self.sent = 0
        self.times = np.empty(0, dtype=np.int64)
        self._tape = Tape([], [])
        self._pace = ReplayClock(self.times, speed)
        self._started = False
        self._place: Place | None = None
        self._steps = self._from = self._seam = 0
        # Whether the epoch has a tick, and else why it has begun.
        self._begun = False
        self._moved = ""
        self._begins = 0

    def anew(self) -> Playhead:
        """Return one that is played in the same way, and not started."""
        head = Playhead(self.speed, loop=self.loop)
        head.hold_at_end = self.hold_at_end
        return head

    # --- where it is --------------------------------------------------------------------------

    @property
    def speed(self) -> float:
        """How many times as fast as recorded it plays."""
        return self._pace.speed

    @property
    def is_flat_out(self) -> bool:
        """Whether it now gives out ticks as fast as they are taken."""
        return self.playing and self._started and not self._at_end and math.isinf(self.speed)

    @property
    def timed(self) -> bool:
        """Whether any tick has a time."""
        return bool(len(self.times)) and int(self.times[0]) != NO_TIME

    @property
    def start_ns(self) -> int | None:
        """Time of the first tick."""
        return int(self.times[0]) if self.timed else None

    @property
    def end_ns(self) -> int | None:
        """The latest time."""
        return int(self._latest[-1]) if self.timed else None

    @property
    def position_ns(self) -> int | None:
        """Time of the newest tick that was given out; after a move, of the one to come."""
        if not self.timed:
            return None
        if self._at_end:
            return self.end_ns
        return int(self.times[self.row - 1 if self.row > self._from else self.row])

    @property
    def _at_end(self) -> bool:
        return self.row == self._tape.count

    # --- how it is played ---------------------------------------------------------------------

    def load(self, tape: Tape, now: int) -> None:
        """Take the ticks, and go to where it was told to be."""
        self._tape = tape
        self.times = forward_fill(tape.times)
        self._latest = np.maximum.accumulate(self.times)
        self._pace = ReplayClock(due_ns(tape.times), self.speed)
        self._move(0 if self._place is None else self._row_at(self._place), now)
        self._moved, self._place = "", None

    def begin(self, now: int) -> None:
        """Start: the readers are there."""
        self._started = True
        self._begins = now
        if self.playing:
            self._pace.run(now)

    def play(self, now: int) -> None:
        """Play; from the top where it stays at the end."""
        if self._started and self._at_end and self.hold_at_end:
            self._move(0, now, AGAIN)
        self.playing, self._steps = True, 0
        if self._started:
            self._pace.run(now)

    def pause(self, now: int) -> None:
        """Stand still."""
        self.playing, self._steps = False, 0
        self._pace.stand(now)

    def step(self, ticks: int, now: int) -> None:
        """Stand still after so many ticks more."""
        self.playing = False
        self._steps += ticks
        self._pace.stand(now)

    def seek(self, place: Place, now: int) -> None:
        """Go to the first tick at or after a time."""
        if not self._tape.count:
            self._place = place
            return
        self._move(self._row_at(place), now)

    def restart(self, now: int) -> None:
        """Play from the top."""
        self.seek(0.0, now)
        self.playing, self._steps = True, 0
        if self._started:
            self._pace.run(now)

    def go_at(self, speed: float, now: int) -> None:
        """Go on at another speed."""
        self._pace.go_at(speed, now)

    def _row_at(self, place: Place) -> int:
        if not self.timed:
            return 0
        start, end = int(self.times[0]), int(self._latest[-1])
        if isinstance(place, float):
            place = start + round(min(max(place * NS_PER_S, 0.0), float(end - start)))
        return int(np.searchsorted(self._latest, min(max(place, start), end)))

    def _move(self, row: int, now: int, reason: str = "") -> None:
        self.row = self._from = row
        # What is missing right before the row is told at the top alone: else it was before it.
        self._seam = bisect.bisect_right(self._tape.seams, row if row else -1, key=_row)
        self._moved = reason or f"the replay was moved to {self._clock()}"
        self._pace.move(row, now)
        self._begins = now

    def _clock(self) -> str:
        if self.position_ns is None:
            return "its start"
        moment = _utc(self.position_ns)
        one_day = _utc(int(self.times[0])).date() == _utc(int(self._latest[-1])).date()
        return format_time(moment, date=not one_day)

    # --- what is next -------------------------------------------------------------------------

    def next_action(self, now: int) -> Next:
        """Return what is to be done now, and count it as done."""
        if not self.playing and not self._steps:
            return Next(wait_s=math.inf)
        if self._at_end:
            if seams := self._seams():
                return Next(seams)
            if not self.loop or not self._tape.count:
                return self._end(now)
            begins = self._begins + round(ROUND_S * NS_PER_S)
            self._move(0, now, AGAIN)
            self._begins = max(begins, now)
        if now < self._begins:
            self._pace.move(self.row, self._begins)
            return Next(wait_s=(self._begins - now) / NS_PER_S)
        stop = self.row + CHUNK
        if self._steps:
            stop = min(stop, self.row + self._steps)
        elif not math.isinf(self.speed):
            wait_s = self._pace.wait_s(self.row, now)
            if wait_s > 0:
                return Next(wait_s=wait_s)
            stop = min(stop, self._pace.due_by(now))
        return self._given(stop, now)

    def _given(self, stop: int, now: int) -> Next:
        seams = self._seams()
        ends = self._tape.ends
        stop = min(stop, ends[bisect.bisect_right(ends, self.row)])
        ticks = self._tape.part(self.row, stop)
        self.row = stop
        self.sent += ticks.count
        self._begun = True
        if self._steps:
            self._steps -= ticks.count
            self._pace.move(stop - 1, now)
        elif math.isinf(self.speed):
            self._pace.move(stop - 1, now)
        return Next(seams, ticks)

    def _end(self, now: int) -> Next:
        if self.playing and not (self.hold_at_end and self._tape.count):
            return Next(over=True)
        self.pause(now)
        return Next(wait_s=math.inf)

    def _seams(self) -> list[Seam]:
        """Return what is missing before the next tick; an epoch that has no tick begins once."""
        seams = [Seam(self.row, None, self._moved)] if self._moved else []
        self._moved = ""
        listed = self._tape.seams
        while self._seam < len(listed) and listed[self._seam].row <= self.row:
            seams.append(listed[self._seam])
            self._seam += 1
        told = []
        for seam in seams:
            if seam.missing is not None or self._begun:
                told.append(seam)
            if seam.missing is None:
                self._begun = False
        return told


def _row(seam: Seam) -> int:
    return seam.row


def _utc(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // NS_PER_S, UTC)
