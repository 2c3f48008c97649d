"""Segments: a log encoded once for all readers.

A segment is a stretch of rows encoded as one message. Its ends are chosen so that readers share
them: those at the front all get the same newest segment; those behind get larger ones, aligned to
row numbers, in which they meet again wherever they came from.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tickerkit.log import Rows, TickLog
from tickerkit.protocol.codec import Symbols

if TYPE_CHECKING:  # it reads this package itself
    from tickerkit.log import Gaps

Encode: TypeAlias = Callable[[Rows, Symbols], bytes | None]
Wanted: TypeAlias = tuple[int, int, Symbols]

SIZES = (4096, 512, 64)
LARGEST = SIZES[0]
# A websocket client takes messages of up to 1 MiB by default, that of a student's ten lines too.
LARGEST_BYTES = 2**19
CUTS_KEPT = 1024
CACHE_BYTES = 32 * 2**20
ENTRY_BYTES, SYMBOL_BYTES = 300, 150
FRONT_KEPT = 16


class Segment(NamedTuple):
    """A stretch of rows of one epoch as a message.

    Attributes:
        stop: the row after its last.
        message: what to send; None where there is nothing to say.
        epoch: of its rows.
        seq: of its last row.
    """

    stop: int
    message: bytes | None
    epoch: str
    seq: int


class Segments:
    """A log encoded once for all readers, in one of the ways to encode it.

    Args:
        log: the log.
        encode: makes a message of some rows; None where there is nothing to say of them.
        gaps: the holes in it, none of which lies within a segment.
    """

    def __init__(self, log: TickLog, encode: Encode, gaps: Gaps | None = None) -> None:
        self.log = log
        self._gaps = gaps
        self._encode = encode
        self._cuts = [log.stop]
        self._cache: OrderedDict[Wanted, Segment] = OrderedDict()
        self._cached_bytes = 0
        # What was asked since the last append: a thousand readers at the front ask the same.
        self._front: dict[Wanted, Segment] = {}
        self._end = log.stop

    def after(self, row: int, symbols: Symbols, most: int = LARGEST) -> Segment:
        """Return what to send next from `row`.

        Args:
            row: the first row to send.
            symbols: of these only; None for all.
            most: how many rows at once, one of `SIZES`.
        """
        if self._end != self.log.stop or len(self._front) > FRONT_KEPT:
            self._front.clear()
            self._end = self.log.stop
        key = (row, most, symbols)
        segment = self._front.get(key)
        if segment is None:
            segment = self._front[key] = self._after(row, symbols, most)
        return segment

    def _after(self, row: int, symbols: Symbols, most: int) -> Segment:
        stop = self._stop(row, most)
        key = (row, stop, symbols)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        message = self._encode(self.log.rows(row, stop), symbols)
        while len(message or b"") > LARGEST_BYTES and stop - row > 1:
            stop = row + (stop - row) // 2
            message = self._encode(self.log.rows(row, stop), symbols)
        last = self.log.rows(stop - 1, stop).array("seq")
        segment = Segment(stop, message, self.log.run_at(row)[0].epoch, int(last[0]))
        self._cache[key] = segment
        self._cached_bytes += cost(message, symbols)
        while self._cached_bytes > CACHE_BYTES or len(self._cache) > CUTS_KEPT:
            (*_, names), old = self._cache.popitem(last=False)
            self._cached_bytes -= cost(old.message, names)
        return segment

    def _stop(self, row: int, most: int) -> int:
        _, next_run = self.log.run_at(row)
        end = self.log.stop if next_run is None else next_run
        if self._gaps is not None and (hole := self._gaps.after(row)) is not None:
            end = min(end, hole)
        if row >= self._cuts[-1]:
            # At the front: all there is, one tick when idle, thousands when busy.
            stop = min(end, row + most)
            self._cuts += [row, stop]
            if len(self._cuts) > 2 * CUTS_KEPT:
                del self._cuts[:CUTS_KEPT]
            return stop
        index = bisect_right(self._cuts, row)
        cut = self._cuts[index]
        # To large blocks by way of smaller ones: what a reader shares with nobody is less than the
        # smallest.
        sizes = (
            size for size in SIZES if size == SIZES[-1] or (size <= most and row % (size // 8) == 0)
        )
        blocks = ((row // size + 1) * size for size in sizes)
        block = next((block for block in blocks if block <= end), None)
        at_cut = index > 0 and self._cuts[index - 1] == row
        if block is None or (at_cut and block <= cut <= row + most):
            return min(cut, end, row + most)
        return block


def cost(message: bytes | None, symbols: Symbols) -> int:
    """Return about how many bytes a message in a cache takes, with the symbols that it is of."""
    # Even one with nothing in it takes some.
    return ENTRY_BYTES + len(message or b"") + SYMBOL_BYTES * len(symbols or ())
