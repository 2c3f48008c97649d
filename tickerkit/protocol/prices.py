"""Prices: the server's end of `/` for clients without a subprotocol: the newest prices."""

from __future__ import annotations

from tickerkit.limits import MAX_SEGMENT_BYTES
from tickerkit.protocol.codec import encode_latest
from tickerkit.protocol.messages import Error, encode
from tickerkit.protocol.outbox import Outbox
from tickerkit.protocol.plain import receive_subscribe
from tickerkit.protocol.publication import Publication
from tickerkit.protocol.segments import MAX_ROWS
from tickerkit.protocol.symbols import Symbols
from tickerkit.protocol.tick_session import NOT_CAUGHT_UP

__all__ = ["PRICES_S", "PricesSession"]

PRICES_S = 0.1


class PricesSession:
    """The server's end of `/` for a plain client: the newest prices, at most 10 times a second.

    A message is an array with the newest tick of every symbol. Beyond 4,096 symbols or 512 kB it
    comes in several arrays, since the client may accept no larger message. From then on the client
    gets only the symbols that have changed, and each array makes it wait 0.1 s longer for the next
    ones, so that it costs at most 5 MB/s.

    Args:
        publication: the log and what all sessions share.
        problem: what is wrong with the client's address, which it is sent first; None if nothing.
    """

    kind = "prices"

    def __init__(self, publication: Publication, problem: Error | None = None) -> None:
        self.publication = publication
        self.symbols: Symbols = None
        self.close: tuple[int, str] | None = None if publication.is_ready else NOT_CAUGHT_UP
        self._pending = Outbox()
        if problem is not None:
            self._pending.append(encode(problem))
        self._next_at = 0.0
        self._sent: bytes | None = None
        self._restart()

    def _restart(self) -> None:
        """Begin again with the newest tick of every symbol."""
        self._row = -1  # the end of the log at the newest update
        self._in_parts = False
        # Of an update in parts: the row from which on symbols have changed, and the code of the
        # next symbol to send; None once all are sent.
        self._since = -1
        self._next_code: int | None = None

    def receive(self, data: str | bytes, now: float) -> None:
        if receive_subscribe(self, self._pending, data):
            self._restart()

    def next_message(self, now: float) -> bytes | None:
        if self._pending:
            return self._pending.popleft()
        if self.close is not None:
            return None
        publication = self.publication
        if self._next_code is None and self._row != publication.log.stop and now >= self._next_at:
            self._since, self._row = self._row, publication.log.stop
            self._next_at = now + PRICES_S
            if (message := self._whole_message()) is not None and message != self._sent:
                self._sent = message
                return message
        if self._next_code is not None and (part := self._next_part()) is not None:
            return part
        if publication.ended and self._row == publication.log.stop:
            self.close = (1000, "the source has ended")
        return None

    def _whole_message(self) -> bytes | None:
        """Return an update as one message; None if it is empty or comes in parts."""
        if not self._in_parts:
            self._in_parts = len(self.publication.price_codes(self.symbols)) > MAX_ROWS
        if not self._in_parts:
            message = self.publication.prices(self.symbols)
            if message is None or len(message) <= MAX_SEGMENT_BYTES:
                return message
            self._in_parts = True
        self._next_code = 0
        return None

    def _next_part(self) -> bytes | None:
        """Return the next array of an update in parts; None if all were sent."""
        latest = self.publication.latest
        codes = self.publication.price_codes(self.symbols)
        codes = codes[(codes >= self._next_code) & (latest.newest_row[codes] >= self._since)]
        if not len(codes):
            self._next_code = None
            return None
        part = codes[:MAX_ROWS]
        message = encode_latest(latest, part)
        while len(message) > MAX_SEGMENT_BYTES and len(part) > 1:
            part = part[: len(part) // 2]
            message = encode_latest(latest, part)
        self._next_code = int(part[-1]) + 1
        self._next_at += PRICES_S
        return message

    def due(self) -> float | None:
        return self._next_at if self._row != self.publication.log.stop else None

    @property
    def behind(self) -> int:
        return 0
