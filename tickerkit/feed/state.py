"""Feed state: all that a feed hands over to its replacement when a cell is run again."""

from __future__ import annotations

import threading
from pathlib import Path

from tickerkit.bars import Bars
from tickerkit.errors import BadTick
from tickerkit.feed.alert_book import AlertBook
from tickerkit.feed.callbacks import Callback
from tickerkit.feed.frame_buffer import FrameBuffers
from tickerkit.feed.recorder import Recorder
from tickerkit.fieldmaps import ForeignReader
from tickerkit.log import Gaps, Latest, Position, TickLog, append_or_note
from tickerkit.log.pace import Arrivals
from tickerkit.protocol import Client, PlainClient, Received
from tickerkit.runtime.workers import Follower

__all__ = ["FeedState"]

# 30 MB: a hostile server may send gaps without end.
MAX_GAPS = 100_000


class FeedState:
    """State that outlives a `Feed`: when its cell is run again, the new feed takes it over.

    Args:
        symbols: the symbols to ask for; None for all.
        keep: how many ticks the log holds.
        history: how many earlier ticks the first connection asks for; None for all.

    Attributes:
        resume: position of the tick before the log's first row, if the feed resumed after one.
    """

    def __init__(self, symbols: list[str] | None, keep: int, history: int | None) -> None:
        self.log = TickLog(keep)
        self.gaps = Gaps(self.log, max_gaps=MAX_GAPS)
        self.client = Client(symbols, history)
        self.foreign = ForeignReader()
        self.plain_client = PlainClient(symbols, self.foreign)
        self.latest = Latest(self.log)
        self.latest_lock = threading.Lock()
        self.bars = Bars(self.log)
        # A user's indicator may ask the feed for bars.
        self.bars_lock = threading.RLock()
        self.arrivals = Arrivals(self.log)
        self.arrivals_lock = threading.Lock()
        self.alert_book = AlertBook(self.log, self.gaps)
        self.callbacks: list[Callback] = []
        self.followers: list[Follower] = []
        self.recorders: list[Recorder] = []
        self.frame_buffers = FrameBuffers()
        self.resume: Position | None = None
        # How many values were left out before the last export to each file, by column.
        self.exported_misfits: dict[Path, dict[str, int]] = {}

    def resume_after(self, position: Position) -> None:
        """Make the first connection resume after this tick, as later connections do."""
        self.resume = position
        for client in (self.client, self.plain_client):
            client.epoch, client.seq = position.epoch, position.seq

    def append(self, event: Received, received_ns: int) -> BadTick | None:
        """Append ticks to the log, and list those that it has no room for as gaps.

        Returns:
            Why ticks were refused; None if all were appended.
        """
        return append_or_note(
            self.log,
            event.batch,
            event.seq,
            epoch=event.epoch,
            received=received_ns,
            note=self.gaps.add,
        )

    def count_gaps(self) -> int:
        """Return how many gaps there were, those that are no longer listed included."""
        return len(self.gaps) + self.gaps.dropped

    def count_misfits(self) -> dict[str, int]:
        """Return how many values were left out, by column: by the log, and by the server."""
        # Both dicts only ever grow, in another thread: `dict` copies each at once.
        counts = dict(self.log.misfits)
        for name, count in dict(self.client.misfits).items():
            counts[name] = counts.get(name, 0) + count
        return counts

    def abandon_after_fork(self) -> None:
        """Replace the locks, in a forked child: a thread of the parent may have held them."""
        self.latest_lock = threading.Lock()
        # The thread may have been computing them.
        self.bars = Bars(self.log)
        self.bars_lock = threading.RLock()
        self.arrivals_lock = threading.Lock()
        self.alert_book.abandon_after_fork()
