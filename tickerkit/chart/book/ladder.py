"""Ladder: a widget that shows the newest order book of a symbol in the pages of a notebook."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np

from tickerkit.chart.book.messages import BookMessage
from tickerkit.chart.book.page_side import read_page_side, read_style
from tickerkit.decimals import Decimals
from tickerkit.log import Book, Rows
from tickerkit.runtime.presence import PresenceLease
from tickerkit.runtime.rerun import cell_slot
from tickerkit.runtime.scheduler import SENDER
from tickerkit.runtime.subshells import deliver_as_addressed
from tickerkit.runtime.workers import Follower
from tickerkit.ticks import NO_LEVELS, Side
from tickerkit.validation import check_number, check_text

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["Ladder", "show_ladder"]

MAX_MESSAGES_PER_S = 10
MAX_SHOWN_LEVELS = 100
# Sizes such as 0.00011621 of a coin have more digits than a column of numbers has room for: as many
# are shown as the largest total needs for seven.
SIZE_DIGITS = 7


class Ladder(anywidget.AnyWidget):
    """Shows the best levels of a symbol's order book while they change. Made by `feed.ladder`.

    It reads the feed in a thread of its own, and sends at most ten messages a second to the pages,
    and none while no page shows it. `close()` ends it.
    """

    _esm = read_page_side()
    _css = read_style()
    min_interval_s = 1 / MAX_MESSAGES_PER_S

    def __init__(self) -> None:
        self.closed = False
        self._feed: Feed | None = None
        self._symbol: str | None = None
        self._levels = 0
        self._follower: Follower | None = None
        self._lock = threading.Lock()
        self._lease = PresenceLease()
        self._pages: set[str] = set()
        self._sent: object = None
        self._number = 0
        self._decimals, self._size_decimals = Decimals(), Decimals(0)
        super().__init__()
        self.on_msg(self._handle_message)
        deliver_as_addressed(self)

    def show(self, feed: Feed, symbol: str | None, levels: int) -> None:
        """Show the book of a symbol from now on, in place of the one before.

        Args:
            feed: the feed.
            symbol: the symbol; None for the first that has a book.
            levels: how many levels of each side to show.
        """
        if self._follower is not None:
            self._follower.stop()
        with self._lock:
            self._feed, self._symbol, self._levels = feed, symbol, levels
            self._number, self._sent = 0, None
            self._decimals, self._size_decimals = Decimals(), Decimals(0)
        self._follower = feed.follow(
            self._note_rows,
            reader=feed.log.reader(),
            every_s=1 / MAX_MESSAGES_PER_S,
            name="tickerkit ladder",
            finish=self._request,
            books=True,
        )
        self._request()

    def _note_rows(self, _: Rows) -> None:
        self._request()

    def _request(self) -> None:
        if not self.closed:
            SENDER.request(self)

    def _handle_message(self, _: Any, content: Any, __: list[memoryview]) -> None:
        """Take a message of a page; unknown messages are ignored."""
        if not isinstance(content, dict) or not isinstance(page := content.get("page"), str):
            return
        if content.get("kind") == "here":
            self._lease.renew()
            with self._lock:
                self._pages.add(page)
                if "from" in content:
                    self._sent = None
            self._request()
        elif content.get("kind") == "away":
            with self._lock:
                self._pages.discard(page)

    def flush(self) -> None:
        """Send the newest book if it has changed and a page shows it, in the sending thread."""
        with self._lock:
            feed, is_shown = self._feed, bool(self._pages) and not self._lease.ended
            if feed is None or self.closed or not is_shown:
                return
            feed = feed.current
            if self._symbol is None:
                self._symbol = next(iter(feed.books), None)
            book = None if self._symbol is None else feed.log.books.newest(self._symbol)
            number = 0 if book is None else book.number
            state = (number, feed.status, feed.status_reason)
            if state == self._sent:
                return
            self._sent = state
            message = self._make_message(feed, book)
        self.send(message)

    def _make_message(self, feed: Feed, book: Book | None) -> BookMessage:
        bids = asks = NO_LEVELS
        note = feed.status_reason
        if book is not None:
            bids, asks = book.bids[: self._levels], book.asks[: self._levels]
            if book.number != self._number:
                self._number = book.number
                shown = np.concatenate([bids, asks])
                self._decimals.add(shown[:, 0])
                self._size_decimals.add(shown[:, 1])
        elif not note:
            name = self._symbol or "a symbol"
            note = f"waiting for the order book of {name}"
        return {
            "kind": "book",
            "symbol": self._symbol or "",
            "levels": self._levels,
            "decimals": self._decimals.count,
            "size_decimals": min(self._size_decimals.count, _find_room(bids, asks)),
            "time_ms": None if book is None else book.time / 1e6,
            "status": feed.status,
            "note": note,
            "bids": [(price, size) for price, size in bids.tolist()],
            "asks": [(price, size) for price, size in asks.tolist()],
        }

    def __repr__(self) -> str:
        state = "closed" if self.closed or self._feed is None else self._feed.current.status
        return f"<Ladder of {self._symbol or 'the first book'} {state}>"

    def close(self) -> None:
        """Close the widget, and end its thread; idempotent."""
        self.closed = True
        if self._follower is not None:
            self._follower.stop()
        SENDER.discard(self)
        super().close()


def _find_room(*sides: Side) -> int:
    """Return how many decimals there is room for, beside the digits of the largest total."""
    largest = max(float(side[:, 1].sum()) for side in sides)
    return max(SIZE_DIGITS - len(f"{largest:.0f}"), 0)


def show_ladder(feed: Feed, symbol: str | None, levels: int) -> Ladder:
    """Return a ladder of a symbol's book; the one of the cell's last run, if it is run again.

    The arguments are those of `Feed.ladder`.

    Raises:
        InvalidArgument: an argument is invalid.
    """
    if symbol is not None:
        check_text("symbol", symbol, "a symbol such as 'AAPL', or None for the first with a book")
    check_number("levels", levels, 1, MAX_SHOWN_LEVELS, whole=True)
    cell = cell_slot("ladder", symbol, levels)
    ladder: Ladder | None = cell.last()
    if ladder is None or ladder.closed:
        ladder = Ladder()
        cell.fill(ladder)
    ladder.show(feed, symbol, levels)
    return ladder
