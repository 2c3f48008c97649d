"""Plain: the server's end for clients without a subprotocol: every tick, or the prices now."""

from __future__ import annotations

from collections import deque

from tickerkit.errors import BadTick
from tickerkit.log import Gap
from tickerkit.protocol.codec import Symbols
from tickerkit.protocol.messages import Error, encode
from tickerkit.protocol.publication import MAX_PENDING, TOO_MANY, Publication, read_subscribe
from tickerkit.protocol.tick_session import TickSession

__all__ = ["PRICES_S", "EveryTickSession", "PricesSession"]

# The shortest time between two messages of prices.
PRICES_S = 0.1


class EveryTickSession(TickSession):
    """The server's end of `/ticks`: every tick from now on, as objects.

    Ticks that will never come are sent as `{"type": "gap", "from": a, "to": b}`; `to` is null
    if an epoch ended meanwhile, or if the number of missing ticks isn't known.
    """

    kind = "ticks"

    def __init__(self, publication: Publication) -> None:
        super().__init__(publication, publication.objects)
        self.row = self.log.stop
        self.epoch = self.log.epoch
        self.seq = self.log.last_seq

    def receive(self, data: str | bytes, now: float) -> None:
        _receive_subscribe(self, self._pending, data)

    def next_message(self, now: float) -> bytes | None:
        return self._pending.popleft() if self._pending else self._next_from_log()

    def due(self) -> float | None:
        return None

    def _send_seq(self) -> None:
        """Send nothing: the plain protocol has no message for a seq."""

    def _send_gaps(self, gaps: list[Gap], row: int) -> None:
        ranges: list[tuple[str, int, int | None]] = []
        for gap in gaps:
            # Merge adjacent gaps: only their reasons differ, which aren't sent to a plain client.
            if ranges and ranges[-1][0] == gap.epoch and ranges[-1][2] == gap.first - 1:
                ranges[-1] = (gap.epoch, ranges[-1][1], gap.last)
            else:
                ranges.append((gap.epoch, gap.first, gap.last))
        for _, first, last in ranges:
            self._pending.append(encode({"type": "gap", "from": first, "to": last}))


class PricesSession:
    """The server's end of `/` for a plain client: the prices now, at most 10 times a second."""

    kind = "prices"

    def __init__(self, publication: Publication) -> None:
        self.publication = publication
        self.symbols: Symbols = None
        self.close: tuple[int, str] | None = None
        self._row = -1
        self._sent: bytes | None = None
        self._next_at = 0.0
        self._pending: deque[bytes] = deque()

    def receive(self, data: str | bytes, now: float) -> None:
        _receive_subscribe(self, self._pending, data)
        self._row = -1

    def next_message(self, now: float) -> bytes | None:
        if self._pending:
            return self._pending.popleft()
        if self._row != self.publication.log.stop and now >= self._next_at and self.close is None:
            self._row, self._next_at = self.publication.log.stop, now + PRICES_S
            message = self.publication.prices(self.symbols)
            if message is not None and message != self._sent:
                self._sent = message
                return message
        if self.close is None and self.publication.ended and self._row == self.publication.log.stop:
            self.close = (1000, "the source has ended")
        return None

    def due(self) -> float | None:
        return self._next_at if self._row != self.publication.log.stop else None

    @property
    def behind(self) -> int:
        return 0


def _receive_subscribe(
    session: EveryTickSession | PricesSession, pending: deque[bytes], data: str | bytes
) -> None:
    if len(pending) >= MAX_PENDING:
        session.close = TOO_MANY
        return
    try:
        wanted = read_subscribe(data)
    except BadTick as error:
        pending.append(encode(Error("bad-message", f"{error.field} {error.problem}", error.fix)))
        return
    if wanted is not None:
        session.symbols = None if wanted.symbols is None else frozenset(wanted.symbols)
