"""Tape: the ticks of a replay in the order of play; only those near its playhead are in memory."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tickerkit.log import Gap
from tickerkit.sources.replay.clock import TimeCarry, Timeline
from tickerkit.sources.replay.place import Place
from tickerkit.ticks import NO_TIME, NS_PER_S, Batch, Text

__all__ = ["Outline", "PlacedGap", "Stretch", "Tape"]

# Ticks that are not needed now stay in memory up to this size: a recording of a million ticks is
# read once, however it is moved.
MAX_IDLE_BYTES = 2**26
# No time is further than this from another: 292 years.
MAX_LENGTH_NS = 2.0**63


class PlacedGap(NamedTuple):
    """A gap, and the row of the tape that comes right after it."""

    row: int
    gap: Gap


class Stretch(NamedTuple):
    """Successive ticks of one recording.

    Attributes:
        start: row of the first tick.
        ticks: the ticks, at least one.
        timeline: when they were recorded, and when they are due.
    """

    start: int
    ticks: Batch
    timeline: Timeline

    @property
    def size_bytes(self) -> int:
        """The memory that its arrays take."""
        columns = self.ticks.columns.values()
        arrays = [each.codes if isinstance(each, Text) else each for each in columns]
        return sum(each.nbytes for each in [*arrays, self.ticks.time, *self.timeline[:3]])

    def part(self, start: int, stop: int) -> Batch:
        """Return the rows `start` to `stop`."""
        return self.ticks.part(start - self.start, stop - self.start)

    def time_at(self, row: int) -> int:
        """Return when a tick was recorded, in ns; `NO_TIME` while no time is known."""
        return int(self.timeline.times[row - self.start])

    def due_at(self, row: int) -> int:
        """Return when a tick is due, in ns after the first tick of the tape."""
        return int(self.timeline.due[row - self.start])

    def find_due(self, at_ns: float) -> int:
        """Return the row after the last tick of the stretch that is due at a time."""
        return self.start + int(np.searchsorted(self.timeline.due, at_ns, side="right"))


class Outline(NamedTuple):
    """What is kept of a stretch whose ticks are forgotten.

    Attributes:
        start: row of the first tick.
        stop: the row after the last tick.
        before: what the times of the ticks before mean for these.
        latest_ns: the latest time up to the last tick; `NO_TIME` while no time is known.
    """

    start: int
    stop: int
    before: TimeCarry
    latest_ns: int


class Tape:
    """The ticks of a replay, in the order of play; rows count through all recordings from 0.

    Its stretches are added in their order, while it is played. Those that are forgotten leave an
    `Outline`, and can be put back. The first one stays: there a loop and a restart go on at once.

    Args:
        known_end_ns: the latest time, if it is known before all ticks are read.

    Attributes:
        outlines: one for each stretch that was added.
        gaps: the gaps so far, in order of row. A gap whose end isn't known ends its epoch: the next
            tick begins another epoch.
        states: the states of a venue's subscriptions so far, as in `Recording.states`.
        is_whole: whether all stretches were added.
    """

    def __init__(self, known_end_ns: int | None = None) -> None:
        self.outlines: list[Outline] = []
        self.gaps: list[PlacedGap] = []
        self.states: list[tuple[int, Mapping[str, Any]]] = []
        self.is_whole = False
        self._carry = TimeCarry()
        self._known_end_ns = known_end_ns
        self._loaded: dict[int, Stretch] = {}

    @classmethod
    def from_batches(cls, batches: Iterable[Batch], gaps: Sequence[PlacedGap] = ()) -> Tape:
        """Return a whole tape of ticks that are in memory, each batch a stretch."""
        tape = cls()
        for batch in batches:
            if batch.count:
                tape.add(batch)
        tape.gaps += gaps
        tape.is_whole = True
        return tape

    # --- what is in memory --------------------------------------------------------------------

    def add(self, ticks: Batch) -> None:
        """Add the next stretch."""
        timeline = Timeline.from_times(ticks.time, self._carry)
        start = self.count
        self._loaded[len(self.outlines)] = Stretch(start, ticks, timeline)
        latest_ns = timeline.carry.latest
        self.outlines.append(Outline(start, start + ticks.count, self._carry, latest_ns))
        self._carry = timeline.carry

    def put_back(self, number: int, ticks: Batch) -> None:
        """Put a stretch back that was forgotten."""
        outline = self.outlines[number]
        timeline = Timeline.from_times(ticks.time, outline.before)
        self._loaded[number] = Stretch(outline.start, ticks, timeline)

    def keep(self, numbers: Collection[int]) -> None:
        """Keep the stretches of these numbers and the first one; forget others if they are large.

        Those that were read first are forgotten first.
        """
        idle = {n: each for n, each in self._loaded.items() if n and n not in numbers}
        size_bytes = sum(each.size_bytes for each in idle.values())
        for number, stretch in idle.items():
            if size_bytes <= MAX_IDLE_BYTES:
                break
            del self._loaded[number]
            size_bytes -= stretch.size_bytes

    def find_missing(self, numbers: Iterable[int]) -> int | None:
        """Return the first of some numbers whose stretch is not in memory; None if all are.

        For a stretch that was not added yet, that is the number of the next one.
        """
        for number in numbers:
            if number >= len(self.outlines):
                return None if self.is_whole else len(self.outlines)
            if number not in self._loaded:
                return number
        return None

    def number_at(self, row: int) -> int:
        """Return the number of the stretch that has a row."""
        return bisect.bisect_right(self.outlines, row, key=_stop)

    def stretch_at(self, row: int) -> Stretch | None:
        """Return the stretch that has a row; None if it isn't in memory."""
        return self._loaded.get(self.number_at(row))

    # --- what is known ------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Number of ticks so far."""
        return self.outlines[-1].stop if self.outlines else 0

    @property
    def start_ns(self) -> int | None:
        """The first time; None without times."""
        return None if self._carry.first == NO_TIME else self._carry.first

    @property
    def end_ns(self) -> int | None:
        """The latest time; None without times, and while it is not known."""
        if self.start_ns is None or self.is_whole:
            return None if self.start_ns is None else self._carry.latest
        return None if self._known_end_ns is None else max(self._known_end_ns, self._carry.latest)

    def next_break(self, row: int) -> int:
        """Return the row before which a batch that begins at `row` must end.

        That is where its stretch ends, or at a gap.
        """
        stop = self.outlines[self.number_at(row)].stop
        after = bisect.bisect_right(self.gaps, row, key=_row)
        return min(stop, self.gaps[after].row) if after < len(self.gaps) else stop

    def time_of(self, place: Place) -> int | None:
        """Return the time of a place, moved into the tape as far as known; None without times."""
        start, end = self.start_ns, self.end_ns
        if start is None:
            return None
        if isinstance(place, float):
            place = start + round(min(max(place * NS_PER_S, 0.0), MAX_LENGTH_NS))
        return max(place if end is None else min(place, end), start)

    def find(self, place: Place) -> tuple[int, int | None]:
        """Find the first tick at or after a place. A place outside the tape is its nearer end.

        Returns:
            The number of its stretch, and its row: None if the stretch isn't in memory. The number
            is that of the next stretch if it isn't known yet where the tick is.
        """
        if not self.outlines:
            return 0, None
        time_ns = self.time_of(place)
        if time_ns is None:
            is_start = self.is_whole or (isinstance(place, float) and place <= 0)
            return (0, 0) if is_start else (len(self.outlines), None)
        if time_ns == self.start_ns:
            return 0, 0
        number = bisect.bisect_left(self.outlines, time_ns, key=_latest)
        stretch = self._loaded.get(number)
        if stretch is None:
            return number, None
        return number, stretch.start + int(np.searchsorted(stretch.timeline.latest, time_ns))


def _row(placed: PlacedGap) -> int:
    return placed.row


def _stop(outline: Outline) -> int:
    return outline.stop


def _latest(outline: Outline) -> int:
    return outline.latest_ns
