"""Book news: which order books a client of `tickerkit.v1` has yet to get, and when.

A book is a state: who has the newest needs none of the earlier ones. So books wait in no queue. A
client gets them in rounds, at most ten a second, and only while it has every tick: of each symbol
whose book has changed, the newest book. A round has about 128 KiB at most; what does not fit comes
in the next one, with the book that is the newest then.
"""

from __future__ import annotations

from tickerkit.errors import BadTick, ProtocolError
from tickerkit.log import Book, Books
from tickerkit.protocol.messages import BookState, encode
from tickerkit.protocol.symbols import Symbols
from tickerkit.ticks import Batch, Levels, read_side, read_ticks
from tickerkit.ticks.fields import read_symbol

__all__ = ["ROUND_S", "BookMessages", "BookNews", "decode_book"]

ROUND_S = 0.1
MAX_ROUND_BYTES = 2**17


class BookMessages:
    """The newest book of each symbol as a message, encoded once for all clients.

    Args:
        books: the books of the log.
    """

    def __init__(self, books: Books) -> None:
        self.books = books
        self._encoded: dict[str, tuple[int, bytes]] = {}

    def encode(self, book: Book) -> bytes:
        """Return a book as a message."""
        number, message = self._encoded.get(book.symbol, (0, b""))
        if number != book.number:
            state = BookState(
                book.symbol, book.seq, book.time, book.bids.tolist(), book.asks.tolist()
            )
            message = encode(state)
            self._encoded[book.symbol] = (book.number, message)
            if len(self._encoded) > 2 * len(self.books):  # symbols whose books were dropped
                self._encoded = {book.symbol: (book.number, message)}
        return message


class BookNews:
    """The books that one client has yet to get.

    Args:
        messages: the books, encoded for all clients.
    """

    def __init__(self, messages: BookMessages) -> None:
        self._messages = messages
        self._seen = 0  # the number of the newest book when the newest round began
        self._waiting: dict[str, None] = {}
        self._next_at = 0.0
        self._bytes_left = 0

    def restart(self) -> None:
        """Have all books sent again: the client has subscribed to other symbols."""
        self._seen = 0

    def due(self) -> float | None:
        """Return when the next message is due; None if there is none."""
        if self._waiting and self._bytes_left > 0:
            return 0.0
        has_news = self._waiting or self._messages.books.number != self._seen
        return self._next_at if has_news else None

    def next_message(self, symbols: Symbols, now: float) -> bytes | None:
        """Return the next message, None if there is none at `now`.

        Args:
            symbols: those that the client subscribed to; None for all.
            now: the time, in seconds.
        """
        if now >= self._next_at and (self._bytes_left <= 0 or not self._waiting):
            self._begin_round(now)
        if self._bytes_left <= 0:
            return None
        return self.take(symbols)

    def take(self, symbols: Symbols) -> bytes | None:
        """Return the next message of this round, whatever the time; None if there is none."""
        while self._waiting:
            symbol = next(iter(self._waiting))
            del self._waiting[symbol]
            if symbols is not None and symbol not in symbols:
                continue
            if (book := self._messages.books.newest(symbol)) is not None:
                message = self._messages.encode(book)
                self._bytes_left -= len(message)
                return message
        return None

    def flush(self, symbols: Symbols) -> bytes | None:
        """Return the next message without regard to rounds: no more news will come."""
        self._note_news()
        return self.take(symbols)

    def _begin_round(self, now: float) -> None:
        if self._note_news() or self._waiting:
            self._next_at = now + ROUND_S
            self._bytes_left = MAX_ROUND_BYTES

    def _note_news(self) -> bool:
        """Add the symbols whose books have changed, and return whether there are any."""
        books = self._messages.books
        if books.number == self._seen:
            return False
        changed = [book.symbol for book in books.changed(self._seen)]
        for symbol in reversed(changed):  # the oldest first; those that wait keep their place
            self._waiting.setdefault(symbol)
        self._seen = books.number
        return True


def decode_book(message: BookState) -> Batch:
    """Return a message of a server, which may be hostile, as a batch without ticks.

    Raises:
        ProtocolError: the symbol or a level is invalid.
    """
    try:
        symbol = read_symbol(message.symbol)
        bids, _ = read_side("bids", message.bids)
        asks, _ = read_side("asks", message.asks)
    except BadTick as error:
        raise ProtocolError(1007, f"a book message is invalid ({error})") from None
    batch = read_ticks([])
    batch.books = [Levels(symbol, bids, asks, message.time, message.seq)]
    return batch
