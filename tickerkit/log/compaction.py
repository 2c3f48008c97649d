"""Compaction: moves the rows that a log keeps into fresh arrays, a few with each append.

Rows are never overwritten, since frames show them. So when the arrays are full, the log continues
in fresh arrays that begin with the rows it keeps.

Why not copy these rows when the arrays are full? Because that append would copy all of them at
once: half a second for ten million rows, during which no tick is received. Instead, the copy
begins before the arrays are full, and each append copies a few rows. The longest append of 1,000
ticks then takes 13 ms. The price is memory: the rows copied so far are held twice. A copy takes
the last eighth of the ticks that come between two moves.
"""

from __future__ import annotations

from tickerkit.log.memory import allocate, writable
from tickerkit.log.rows import Snapshot
from tickerkit.log.shared_frames import SharedFrames
from tickerkit.ticks import Array

__all__ = ["Compaction"]

MIN_ROWS = 1024
# While the log holds at most this many rows, its arrays double. Beyond that, the next arrays have
# room for all rows that the log keeps: unwritten memory takes only addresses, so doubling would
# save little.
MAX_DOUBLED_ROWS = 65_536
# How many rows are copied for each row that is appended. A larger number would make the longest
# append longer; a smaller one would hold more rows twice.
COPIED_PER_ROW = 32


class Compaction:
    """Allocates a log's arrays, and moves its rows to fresh arrays before they are full.

    Args:
        keep: how many rows the log holds.

    Attributes:
        first_size: how many rows the first arrays have room for.
        room: how many rows the largest arrays have room for.
    """

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.room = keep + max(keep // 4, MIN_ROWS)
        self.first_size = min(MIN_ROWS, self.room)
        self._copy: _TailCopy | None = None

    def make_room(self, state: Snapshot, count: int) -> Snapshot:
        """Return a log's state in arrays with room for `count` more rows.

        Returns `state` itself while its arrays have room.
        """
        size = len(state.arrays["seq"])
        if state.stop - state.base + count <= size:
            self._copy_ahead(state, count)
            return state
        start = min(max(state.start, state.stop + count - self.keep), state.stop)
        held = state.stop - start
        copy, self._copy = self._copy, None
        # Copy from the start if there is no copy, or if it lacks rows to keep or room for `count`.
        if copy is None or copy.start > start or state.stop + count > copy.start + copy.size:
            copy = _TailCopy(start, self._next_size(held, max(size, held + count)))
        copy.advance(state, state.stop)
        return state._replace(
            arrays=copy.arrays, base=copy.start, start=start, frames=SharedFrames()
        )

    def _copy_ahead(self, state: Snapshot, count: int) -> None:
        """Copy the rows that must be in the fresh arrays once `count` more are appended.

        After that append, at most `COPIED_PER_ROW` rows remain to copy for each free row.
        """
        size = len(state.arrays["seq"])
        end = state.base + size
        start = self._copy.copied if self._copy else max(state.start, end - self.keep)
        if (due := state.stop - COPIED_PER_ROW * (end - state.stop - count)) > start:
            if self._copy is None:
                self._copy = _TailCopy(start, self._next_size(end - start, size))
            self._copy.advance(state, due)

    def _next_size(self, held: int, minimum: int) -> int:
        """Return how many rows the next arrays have room for; `held` rows are copied into them."""
        return self.room if held > MAX_DOUBLED_ROWS else min(self.room, max(minimum, 2 * held))


class _TailCopy:
    """Fresh arrays with the rows of a log from `start` on, which no reader sees yet.

    Args:
        start: number of the first row.
        size: how many rows the arrays have room for.

    Attributes:
        arrays: the columns.
        copied: number of the row to copy next.
    """

    def __init__(self, start: int, size: int) -> None:
        self.start = start
        self.size = size
        self.arrays: dict[str, Array] = {}
        self.copied = start

    def advance(self, state: Snapshot, stop: int) -> None:
        """Copy the rows `copied` to `stop`; if a column's array or type is new, from `start`."""
        for name, column in state.arrays.items():
            begin, array = self.copied, self.arrays.get(name)
            if array is None or array.dtype != column.dtype:
                begin, array = self.start, allocate(self.size, column.dtype)
                self.arrays[name] = array
            part = column[begin - state.base : stop - state.base]
            writable(array)[begin - self.start : stop - self.start] = part
        self.copied = stop
