"""Reader: a position in a log, and the rows from there on."""

from __future__ import annotations

from typing import Protocol

from tickerkit.log.rows import Rows, Snapshot

__all__ = ["Reader"]


class Readable(Protocol):
    """What a reader needs of a log."""

    state: Snapshot


class Reader:
    """A position in a log: the rows before it were read.

    A reader holds a row number and no ticks. When it falls behind, it reads larger batches. When
    the log drops rows that it has not read, `lost` of the next `Rows` says how many.

    Attributes:
        row: number of the row to read next.
        lost: how many rows were dropped unread, in all.
    """

    def __init__(self, log: Readable, row: int) -> None:
        self.log = log
        self.row = row
        self.lost = 0

    @property
    def behind(self) -> int:
        """How many rows were appended since this position, including rows dropped unread."""
        return self.log.state.stop - self.row

    def read(self, limit: int | None = None) -> Rows:
        """Return the rows from here to the end, at most `limit`, and move past them."""
        state = self.log.state
        start = max(self.row, state.start)
        stop = state.stop if limit is None else min(start + limit, state.stop)
        lost = start - self.row
        self.lost += lost
        self.row = max(start, stop)
        return Rows(state, start, self.row, lost)
