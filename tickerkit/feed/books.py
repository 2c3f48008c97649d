"""Feed books: the order books that a feed holds, read as frames."""

from __future__ import annotations

import pandas as pd

from tickerkit.log import TickLog, book_frame
from tickerkit.validation import check_text

__all__ = ["FeedBooks"]


class FeedBooks:
    """Reads the order books of a feed; a base of `Feed`.

    Attributes:
        log: the ticks held, and the order books beside them.
    """

    log: TickLog

    @property
    def books(self) -> list[str]:
        """The symbols that have an order book, sorted."""
        return self.log.books.symbols()

    def book(self, symbol: str) -> pd.DataFrame:
        """Return the newest order book of a symbol: its bids and asks with their sizes.

        A book comes with ticks that have `bids` and `asks`, lists of `[price, size]`, or from a
        venue's channel "book". A server sends the newest book, at most ten times a second; a
        relay of a broker's stream sends none. It is kept beside the ticks: no frame, file,
        recording or replay of ticks has it. Of each side the 1,000 best levels are held.

        Args:
            symbol: the symbol.

        Returns:
            A DataFrame with a row for each level: `side` (category, "bid" or "ask"), `price`,
            `size` and `total` (float64; the sum of the sizes from the best level to this one); the
            bids first, each side with its best level first. It has no rows if there is no book, as
            for a symbol that is not known yet. `attrs` has the book's `symbol`, `time`, `received`
            (UTC), `epoch` and `seq` (of the newest tick at that time).

        Raises:
            InvalidArgument: `symbol` is not text.

        Example:
            >>> book = feed.book("AAPL")
            >>> book[book["side"] == "bid"].head(10)
        """
        check_text("symbol", symbol, "a symbol such as 'AAPL'")
        return book_frame(self.log.books.newest(symbol))
