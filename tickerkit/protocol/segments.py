"""Segments: a log encoded once for all readers.

A segment is a range of rows encoded as one message. Why not encode the rows that each reader lacks,
and cache them by their range? Because readers drift apart: soon no two ask for the same range, and
each of a thousand costs an encoding of its own (measured: 18 times the work). So the log determines
the boundaries of segments, not the readers:

- At the front (the newest rows), a segment has every row up to the end of the log: one tick when
  idle, thousands when busy. Both its boundaries are recorded as cuts. Readers that have all older
  rows get the same newest segment.
- Behind the front, a reader gets the rows from cut to cut until it comes to a multiple of a block
  size. From there it gets whole blocks, aligned to row numbers, small ones before large ones. So
  readers that started at different rows soon ask for the same segments.

A crowd is served in rounds, which take a while. Then the front is where the round began, for all of
them: rows that are appended meanwhile come in the next round.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from tickerkit.limits import MAX_SEGMENT_BYTES
from tickerkit.log import Gaps, Rows, TickLog
from tickerkit.protocol.symbols import Symbols

Encode: TypeAlias = Callable[[Rows, Symbols], bytes | None]
Key: TypeAlias = tuple[int, int, Symbols]

# The sizes of blocks, in rows, largest first.
BLOCK_SIZES = (4096, 512, 64)
MAX_ROWS = BLOCK_SIZES[0]
MAX_CUTS = 1024
MAX_CACHE_BYTES = 32 * 2**20
# About how many bytes a cache entry takes beside its message, and each symbol in its key.
ENTRY_BYTES, SYMBOL_BYTES = 300, 150
MAX_FRONT_ENTRIES = 16


class Segment(NamedTuple):
    """A range of rows of one epoch, as a message.

    Attributes:
        stop: the row after its last row.
        message: what to send; None if there is nothing to send.
        epoch: the epoch of its rows.
        seq: the seq of its last row.
    """

    stop: int
    message: bytes | None
    epoch: str
    seq: int


class Segments:
    """A log encoded once for all readers, in one encoding.

    The cache of segments takes at most 32 MiB.

    Args:
        log: the log.
        encode: returns the message of some rows; None if there is nothing to send.
        gaps: the gaps in the log. None of them lies within a segment.
    """

    def __init__(self, log: TickLog, encode: Encode, gaps: Gaps | None = None) -> None:
        self.log = log
        self._gaps = gaps
        self._encode = encode
        self._cuts = [log.stop]
        self._cache: OrderedDict[Key, Segment] = OrderedDict()
        self._cached_bytes = 0
        self._dictionaries = log.dictionaries
        # The results since the last append: a thousand readers at the front ask for the same rows.
        self._front: dict[Key, Segment] = {}
        self._front_stop = log.stop
        self._horizon: int | None = None

    @property
    def stop(self) -> int:
        """The row up to which readers get segments: the end of the log, or where it is held."""
        horizon, held = self._horizon, self.log.state
        # A log that holds less than a round brings has dropped all rows before the horizon.
        return held.stop if horizon is None or horizon <= held.start else horizon

    def hold(self, horizon: int | None) -> None:
        """Give readers the rows up to `horizon` only, until the next call; None for all."""
        self._horizon = horizon
        self._front.clear()
        if horizon is not None:
            self._add_cuts(*range(self._cuts[-1] + MAX_ROWS, horizon, MAX_ROWS), horizon)

    def _add_cuts(self, *cuts: int) -> None:
        self._cuts += [cut for cut in cuts if cut > self._cuts[-1]]
        if len(self._cuts) > 2 * MAX_CUTS:
            del self._cuts[:-MAX_CUTS]

    def next_segment(self, row: int, symbols: Symbols, max_rows: int = MAX_ROWS) -> Segment:
        """Return what to send next from `row`.

        Args:
            row: the first row to send.
            symbols: only these; None for all.
            max_rows: how many rows at most, one of `BLOCK_SIZES`.
        """
        if self._dictionaries is not self.log.dictionaries:
            # A column of text may have given up its dictionary: no later hello has the words of the
            # codes in cached segments.
            self._dictionaries = self.log.dictionaries
            self._cache.clear()
            self._front.clear()
            self._cached_bytes = 0
        if self._front_stop != self.log.stop or len(self._front) > MAX_FRONT_ENTRIES:
            self._front.clear()
            self._front_stop = self.log.stop
        key = (row, max_rows, symbols)
        segment = self._front.get(key)
        if segment is None:
            segment = self._front[key] = self._cached_segment(row, symbols, max_rows)
        return segment

    def _cached_segment(self, row: int, symbols: Symbols, max_rows: int) -> Segment:
        stop = self._find_stop(row, max_rows)
        key = (row, stop, symbols)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        message = self._encode(self.log.rows(row, stop), symbols)
        while len(message or b"") > MAX_SEGMENT_BYTES and stop - row > 1:
            stop = row + (stop - row) // 2
            message = self._encode(self.log.rows(row, stop), symbols)
        epoch, seq = self.log.run_at(row)[0].epoch, self.log.seq_at(stop - 1)
        segment = self._cache[key] = Segment(stop, message, epoch, seq)
        self._cached_bytes += cached_bytes(message, symbols)
        while self._cached_bytes > MAX_CACHE_BYTES or len(self._cache) > MAX_CUTS:
            (*_, names), old = self._cache.popitem(last=False)
            self._cached_bytes -= cached_bytes(old.message, names)
        return segment

    def _find_stop(self, row: int, max_rows: int) -> int:
        """Return the end of the segment that begins at `row`: never across an epoch or a gap."""
        _, next_run = self.log.run_at(row)
        end = self.stop if next_run is None else min(next_run, self.stop)
        if self._gaps is not None and (gap_row := self._gaps.next_row(row)) is not None:
            end = min(end, gap_row)
        if row >= self._cuts[-1]:  # at the front
            stop = min(end, row + max_rows)
            self._add_cuts(row, stop)
            return stop
        index = bisect_right(self._cuts, row)
        next_cut = self._cuts[index]
        # Use a larger block only if `row` is a multiple of the next smaller size, an eighth. So a
        # reader gets smaller blocks first, and fewer rows than the smallest block for itself alone.
        sizes = (
            size
            for size in BLOCK_SIZES
            if size == BLOCK_SIZES[-1] or (size <= max_rows and row % (size // 8) == 0)
        )
        blocks = ((row // size + 1) * size for size in sizes)
        block = next((block for block in blocks if block <= end), None)
        at_cut = index > 0 and self._cuts[index - 1] == row
        if block is None or (at_cut and block <= next_cut <= row + max_rows):
            return min(next_cut, end, row + max_rows)
        return block


def cached_bytes(message: bytes | None, symbols: Symbols) -> int:
    """Return about how many bytes a cache takes for a message and the symbols in its key.

    An entry without a message takes some, too.
    """
    return ENTRY_BYTES + len(message or b"") + SYMBOL_BYTES * len(symbols or ())
