"""The server's end of the protocol: a session for each connection, a position in the log."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import msgspec
import numpy as np

from tickerkit.errors import BadTick
from tickerkit.latest import Latest
from tickerkit.log import TickLog
from tickerkit.protocol.encoding import Symbols, encode_columns, encode_latest, encode_objects
from tickerkit.protocol.messages import (
    MOST_SEQ,
    SUBPROTOCOL,
    At,
    End,
    Error,
    FromClient,
    FromServer,
    Gap,
    Hello,
    Resume,
    Subscribe,
    encode,
)
from tickerkit.protocol.segments import CACHE_BYTES, SIZES, Segments, cost

HEARTBEAT_S = 5.0
AT_S = 1.0
PRICES_S = 0.1
MOST_SYMBOLS = 10_000
MOST_UNSENT = 100
MOST_FILTERS = 1000
TOO_MANY = (1008, "too many messages at once")

_from_client: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)


class Publication:
    """What all sessions of a server share: the log, its encodings, and whether it has ended."""

    def __init__(self, log: TickLog) -> None:
        self.log = log
        self.columns = Segments(log, encode_columns)
        self.objects = Segments(log, encode_objects)
        self.latest = Latest(log)
        self.ended = False
        self._prices: dict[Symbols, bytes | None] = {}
        self._prices_bytes = 0

    def prices(self, symbols: Symbols) -> bytes | None:
        """Return the newest tick of every symbol as a message, encoded once for all who ask."""
        full = self._prices_bytes > CACHE_BYTES or len(self._prices) > MOST_FILTERS
        if self.latest.update() or full:
            self._prices.clear()
            self._prices_bytes = 0
        if symbols not in self._prices:
            self._prices[symbols] = message = encode_latest(self.latest, symbols)
            self._prices_bytes += cost(message, symbols)
        return self._prices[symbols]


class Session(Protocol):
    """The server's end of one connection.

    Attributes:
        kind: how the peer listens: "v1", "ticks" or "prices".
        symbols: what it subscribed to; None for all.
        close: the code and reason to close with, once `next` gives None.
    """

    kind: str
    symbols: Symbols
    close: tuple[int, str] | None

    def receive(self, data: str | bytes, now: float) -> None:
        """Take a message of the peer's."""

    def next(self, now: float) -> bytes | None:
        """Return the next message to send, None where there is nothing to send now."""

    def due(self) -> float | None:
        """Return when `next` may have something although nothing was appended."""

    def behind(self) -> int:
        """Return how many ticks were not sent yet."""


def session_for(
    publication: Publication, subprotocol: str | None, path: str, now: float
) -> Session:
    """Return the session for a connection, by how the peer asked."""
    if subprotocol == SUBPROTOCOL:
        return Columnar(publication, now)
    if path.partition("?")[0].rstrip("/").endswith("/ticks"):
        return EveryTick(publication)
    return Prices(publication)


def _subscription(data: str | bytes) -> Subscribe | None:
    """Read a subscribe message, or raise a `BadTick` that says what is wrong with it.

    None for a client's error, which is not answered: it may be the answer to one.
    """
    fix = 'send {"type": "subscribe", "symbols": ["AAPL"]}, or null for all symbols'
    try:
        wanted = _from_client.decode(data)
    except RecursionError:
        raise BadTick("message", data, "is nested too deep", fix) from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        problem = f"is no subscribe message ({str(error)[:200]})"
        raise BadTick("message", data, problem, fix) from None
    if isinstance(wanted, Error):
        return None
    if wanted.symbols is not None and len(wanted.symbols) > MOST_SYMBOLS:
        raise BadTick(
            "symbols", len(wanted.symbols), "are too many", f"name at most {MOST_SYMBOLS}"
        )
    return wanted


class _Pace:
    """How many rows at once: few first, so that each connection gets further on a bad wire."""

    def __init__(self) -> None:
        self.most = SIZES[-1]

    def grow(self) -> None:
        """Take more rows the next time."""
        self.most = min(self.most * SIZES[0] // SIZES[1], SIZES[0])


class Columnar:
    """The server's end of `tickerkit.v1`: every tick, columnar, with resume.

    Its whole state is a position: the row to send next, and the (epoch, seq) that was sent last.
    A client that is slow gets larger segments; one that fell off the log is told which seqs are
    gone, and goes on with the oldest that is held.
    """

    kind = "v1"

    def __init__(self, publication: Publication, now: float) -> None:
        self.publication = publication
        self.log = publication.log
        self.symbols: Symbols = None
        self.close: tuple[int, str] | None = None
        self.row: int | None = None
        self.epoch = ""
        self.seq = 0
        self._told_seq = 0
        self._sent_at = now
        self._pace = _Pace()
        self._outbox: deque[bytes] = deque()
        self._greet(self.log.next)

    def receive(self, data: str | bytes, now: float) -> None:
        if isinstance(data, bytes):
            self.close = (1003, "tickerkit speaks text frames of JSON")
            return
        if len(self._outbox) >= MOST_UNSENT:
            self.close = TOO_MANY
            return
        try:
            wanted = _subscription(data)
        except BadTick as error:
            hint = error.fix
            self._say(Error("bad-message", f"{error.field} {error.problem}", hint))
            return
        if wanted is None:
            return
        self.symbols = None if wanted.symbols is None else frozenset(wanted.symbols)
        resume = wanted.resume
        self.row = self._history(wanted.history) if resume is None else self._resume(resume)
        if self._is_news(self.row):
            self._greet(self.row)
        self.seq = self._told_seq = self._seq_before(self.row)
        self._say(At(self.seq))

    def next(self, now: float) -> bytes | None:
        message = self._outbox.popleft() if self._outbox else self._news()
        if message is None and (due := self.due()) is not None and now >= due:
            message = encode(At(self.seq))
            self._told_seq = self.seq
        if message is not None:
            self._sent_at = now
        return message

    def _news(self) -> bytes | None:
        """Return the next message about the log, None where the client has all there is."""
        if self.row is None or self.close is not None:
            return None
        if self.row < self.log.first:
            self._fall()
            return self._outbox.popleft()
        while self.row < self.log.next:
            after = self.publication.columns.after
            segment = after(self.row, self.symbols, self._pace.most)
            if segment.epoch != self.epoch:
                self._greet(self.row)
                self.seq = self._told_seq = self._seq_before(self.row)
                return self._outbox.popleft()
            self.row, self.seq = segment.stop, segment.seq
            self._pace.grow()
            if segment.message is not None:
                # Of a filtered one the last rows may be left out: then an `at` is to follow.
                if self.symbols is None:
                    self._told_seq = self.seq
                return segment.message
        if self.publication.ended:
            self.close = (1000, "the source has ended")
            return encode(End())
        return None

    def due(self) -> float | None:
        if self.row is None or self.close is not None:
            return None
        return self._sent_at + (HEARTBEAT_S if self.seq == self._told_seq else AT_S)

    def behind(self) -> int:
        return 0 if self.row is None else self.log.next - self.row

    def _say(self, message: FromServer) -> None:
        self._outbox.append(encode(message))

    def _greet(self, row: int) -> None:
        """Say the epoch of `row`, and every word so far."""
        log, rows = self.log, self.log.rows()
        columns: dict[str, str | list[str]] = {
            name: list(log.words[name].words) if name in log.words else "number"
            for name in rows.names()
            if name not in ("seq", "time", "symbol", "received", "epoch")
        }
        self.epoch, first, last = log.epoch, log.last_seq + 1, log.last_seq
        if len(rows):
            run, stop = log.run_at(row)
            self.epoch = run.epoch
            first = _seq_of(log, max(run.start, log.first))
            last = log.last_seq if stop is None else _seq_of(log, stop - 1)
        self._version = log.state.version
        self._say(Hello(self.epoch, first, last + 1, log.symbols(), columns))

    def _is_news(self, row: int) -> bool:
        """Whether the client was not told the epoch of `row`, or words that began before it."""
        log = self.log
        epoch = log.run_at(row)[0].epoch if row < log.next else log.epoch
        return epoch != self.epoch or log.state.version != self._version

    def _fall(self) -> None:
        """Tell what was dropped before it was sent, and go on with the oldest tick held."""
        assert self.row is not None
        reason = "the client was too slow: the server no longer holds these"
        first, start = self.log.first, self.seq + 1
        run = self.log.run_at(first)[0]
        if self.seq != self._told_seq:  # else who asks for more later may think it lost
            self._say(At(self.seq))
        if run.epoch != self.epoch:
            if run.start != self.row:  # else it had all of its epoch
                self._say(Gap(self.epoch, start, None, reason))
            start = 1
        # Words that began in the rows that were missed are in no segment that follows.
        self._greet(first)
        stop = self._seq_before(first)
        if stop >= start:
            self._say(Gap(run.epoch, start, stop, reason))
        self.row = first
        self.seq = self._told_seq = stop

    def _seq_before(self, row: int) -> int:
        """Return the seq after which row `row` comes, in the epoch of that row."""
        if row >= self.log.next:
            return self.log.last_seq
        if row > self.log.first and self.log.run_at(row)[0].start < row:
            return _seq_of(self.log, row - 1)
        return _seq_of(self.log, row) - 1

    def _history(self, wanted: int | None) -> int:
        """Return the row from which `wanted` ticks of the symbols are left to send."""
        log = self.log
        if wanted is None:
            return log.first
        if self.symbols is None:
            return max(log.first, log.next - wanted)
        rows = log.rows()
        of_them = np.isin(rows.array("symbol"), log.symbol_codes(sorted(self.symbols)))
        index = np.flatnonzero(of_them)
        return (
            rows.start + int(index[max(len(index) - wanted, 0)])
            if wanted and len(index)
            else log.next
        )

    def _resume(self, at: Resume) -> int:
        """Return the row after `at`, and tell what between them is gone."""
        log = self.log
        row, since = log.find(at.epoch, at.seq), at.seq
        foreign = row is None and at.epoch != log.epoch
        if foreign:
            reason = "the server holds nothing of this epoch, as after a restart"
            # A client of a liar's may stand at the last number there is.
            self._say(Gap(at.epoch, min(at.seq + 1, MOST_SEQ), None, reason))
            row, since = log.first, 0
        elif at.epoch == log.epoch and at.seq > log.last_seq:
            reason = "the client is ahead of the server, which lost these"
            self._say(Gap(at.epoch, log.last_seq + 1, at.seq, reason))
            return log.next
        if row is None or row == log.next:
            return log.next
        epoch, gone = log.run_at(row)[0].epoch, self._seq_before(row)
        if gone > since and (foreign or epoch == at.epoch):
            if self._is_news(row):
                self._greet(row)
            self._say(Gap(epoch, since + 1, gone, "the server no longer holds these"))
        return row


class EveryTick:
    """The server's end of `/ticks` for a plain peer: every tick from now on, as objects.

    Who falls off the log is told by an object `{"type": "gap", "from": a, "to": b}`; `to` is null
    where an epoch ended meanwhile.
    """

    kind = "ticks"

    def __init__(self, publication: Publication) -> None:
        self.publication = publication
        self.log = publication.log
        self.symbols: Symbols = None
        self.close: tuple[int, str] | None = None
        self.row = self.log.next
        self._epoch = self.log.epoch
        self._seq = self.log.last_seq
        self._pace = _Pace()
        self._outbox: deque[bytes] = deque()

    def receive(self, data: str | bytes, now: float) -> None:
        _plain_subscribe(self, self._outbox, data)

    def next(self, now: float) -> bytes | None:
        if self.row < self.log.first and not self._outbox:
            self._fall()
        if self._outbox:
            return self._outbox.popleft()
        while self.row < self.log.next and self.close is None:
            after = self.publication.objects.after
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
        first, start = self.log.first, self._seq + 1
        run = self.log.run_at(first)[0]
        if run.epoch != self._epoch:
            if run.start != self.row:
                self._outbox.append(encode({"type": "gap", "from": start, "to": None}))
            start = 1
        stop = _seq_of(self.log, first) - 1
        if stop >= start:
            self._outbox.append(encode({"type": "gap", "from": start, "to": stop}))
        self.row, self._epoch, self._seq = first, run.epoch, stop

    def due(self) -> float | None:
        return None

    def behind(self) -> int:
        return self.log.next - self.row


class Prices:
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

    def next(self, now: float) -> bytes | None:
        if self._outbox:
            return self._outbox.popleft()
        if self._row != self.publication.log.next and now >= self._next_at and self.close is None:
            self._row, self._next_at = self.publication.log.next, now + PRICES_S
            message = self.publication.prices(self.symbols)
            if message is not None and message != self._sent:
                self._sent = message
                return message
        if self.close is None and self.publication.ended and self._row == self.publication.log.next:
            self.close = (1000, "the source has ended")
        return None

    def due(self) -> float | None:
        return self._next_at if self._row != self.publication.log.next else None

    def behind(self) -> int:
        return 0


def _plain_subscribe(session: EveryTick | Prices, outbox: deque[bytes], data: str | bytes) -> None:
    if len(outbox) >= MOST_UNSENT:
        session.close = TOO_MANY
        return
    try:
        wanted = _subscription(data)
    except BadTick as error:
        outbox.append(encode(Error("bad-message", f"{error.field} {error.problem}", error.fix)))
        return
    if wanted is not None:
        session.symbols = None if wanted.symbols is None else frozenset(wanted.symbols)


def _seq_of(log: TickLog, row: int) -> int:
    return int(log.rows(row, row + 1).array("seq")[0])
