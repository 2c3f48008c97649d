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

    A reader costs an integer, however many there are. When it falls behind, it reads larger
    batches; when rows are dropped before it has read them, the next `Rows` says how many in `lost`.

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
        """How many rows are ahead of this position, those dropped unread included."""
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
