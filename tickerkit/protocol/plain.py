"""Plain: the server's end for peers that do not speak tickerkit: every tick, or the prices now."""

from __future__ import annotations

from collections import deque

from tickerkit.errors import BadTick
from tickerkit.protocol.codec import Symbols
from tickerkit.protocol.messages import Error, encode
from tickerkit.protocol.publication import (
    MAX_UNSENT,
    TOO_MANY,
    Publication,
    SlowStart,
    seq_at,
    subscription,
)

__all__ = ["PRICES_S", "EveryTickSession", "PricesSession"]

PRICES_S = 0.1


class EveryTickSession:
    """The server's end of `/ticks` for a plain peer: every tick from now on, as objects.

    Who falls off the log, or passes a gap in it, is told by an object `{"type": "gap", "from": a,
    "to": b}`; `to` is null where an epoch ended meanwhile, or nobody knows how much is missing.
    """

    kind = "ticks"

    def __init__(self, publication: Publication) -> None:
        self.publication = publication
        self.log = publication.log
        self.symbols: Symbols = None
        self.close: tuple[int, str] | None = None
        self.row = self.log.stop
        self._epoch = self.log.epoch
        self._seq = self.log.last_seq
        self._pace = SlowStart()
        self._outbox: deque[bytes] = deque()

    def receive(self, data: str | bytes, now: float) -> None:
        _plain_subscribe(self, self._outbox, data)

    def next_message(self, now: float) -> bytes | None:
        if self.row < self.log.start and not self._outbox:
            self._fall()
        if self._outbox:
            return self._outbox.popleft()
        gaps, after = self.publication.gaps, self.publication.objects.after
        while self.close is None:
            if gaps is not None and self.row <= gaps.newest and self._pass_gaps():
                return self._outbox.popleft()
            if self.row >= self.log.stop:
                break
            segment = after(self.row, self.symbols, self._pace.most)
            self.row, self._epoch, self._seq = segment.stop, segment.epoch, segment.seq
            self._pace.grow()
            if segment.message is not None:
                return segment.message
        if self.publication.ended and self.close is None:
            self.close = (1000, "the source has ended")
        return None

    def _fall(self) -> None:
        """Tell what was dropped before it was sent, and go on with the oldest tick held."""
        first, start = self.log.start, self._seq + 1
        run = self.log.run_at(first)[0]
        if run.epoch != self._epoch:
            if run.start != self.row:
                self._say(start, None)
            else:  # it had all of its epoch
                for gap in self.publication.gaps_at(self.row, self._epoch, self._seq):
                    if gap.epoch == self._epoch:
                        self._say(gap.first, gap.last)
            start = 1
        stop = seq_at(self.log, first) - 1
        if stop >= start:
            self._say(start, stop)
        self.row, self._epoch, self._seq = first, run.epoch, stop

    def _pass_gaps(self) -> bool:
        """Tell the gaps before the row where the peer stands, if it was not told."""
        gaps = self.publication.gaps_at(self.row, self._epoch, self._seq)
        for gap in gaps:
            self._say(gap.first, gap.last)
        self._epoch = self.publication.epoch_at(self.row)
        self._seq = self.publication.seqs_at(self.row)[1]
        return bool(gaps)

    def _say(self, start: int, stop: int | None) -> None:
        self._outbox.append(encode({"type": "gap", "from": start, "to": stop}))

    def due(self) -> float | None:
        return None

    @property
    def behind(self) -> int:
        return self.log.stop - self.row


class PricesSession:
    """The server's end of `/` for a plain peer: the prices now, at most 10 times a second."""

    kind = "prices"

    def __init__(self, publication: Publication) -> None:
        self.publication = publication
        self.symbols: Symbols = None
        self.close: tuple[int, str] | None = None
        self._row = -1
        self._sent: bytes | None = None
        self._next_at = 0.0
        self._outbox: deque[bytes] = deque()

    def receive(self, data: str | bytes, now: float) -> None:
        _plain_subscribe(self, self._outbox, data)
        self._row = -1

    def next_message(self, now: float) -> bytes | None:
        if self._outbox:
            return self._outbox.popleft()
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


def _plain_subscribe(
    session: EveryTickSession | PricesSession, outbox: deque[bytes], data: str | bytes
) -> None:
    if len(outbox) >= MAX_UNSENT:
        session.close = TOO_MANY
        return
    try:
        wanted = subscription(data)
    except BadTick as error:
        outbox.append(encode(Error("bad-message", f"{error.field} {error.problem}", error.fix)))
        return
    if wanted is not None:
        session.symbols = None if wanted.symbols is None else frozenset(wanted.symbols)
