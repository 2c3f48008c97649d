"""The server's end of the protocol: a session for each connection, a position in the log."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

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

if TYPE_CHECKING:  # it reads this package itself
    from tickerkit.gaps import Gaps

HEARTBEAT_S = 5.0
AT_S = 1.0
PRICES_S = 0.1
MOST_SYMBOLS = 10_000
MOST_UNSENT = 100
MOST_FILTERS = 1000
TOO_MANY = (1008, "too many messages at once")

_from_client: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)


class Publication:
    """What all sessions of a server share: the log, its encodings, and whether it has ended.

    Args:
        log: the log.
        gaps: the holes in it, which every reader that passes one is told.
    """

    def __init__(self, log: TickLog, gaps: Gaps | None = None) -> None:
        self.log = log
        self.gaps = gaps
        self.columns = Segments(log, encode_columns, gaps)
        self.objects = Segments(log, encode_objects, gaps)
        self.latest = Latest(log)
        self.ended = False
        self._prices: dict[Symbols, bytes | None] = {}
        self._prices_bytes = 0

    def epoch_at(self, row: int) -> str:
        """Return the epoch of `row`, or of the next tick."""
        return self.log.run_at(row)[0].epoch if row < self.log.next else self.log.epoch

    def gaps_at(self, row: int, epoch: str, seq: int) -> list[Gap]:
        """Return what is to be told before `row` to a reader that stands there.

        Args:
            row: the next that it gets.
            epoch: which it stands in: that of the row before, or already that of `row`.
            seq: up to where it has, or was told, all of that epoch.
        """
        if self.gaps is None or row > self.gaps.newest:
            return []
        here, told = self.epoch_at(row), []
        for gap in self.gaps.at(row):
            if gap.epoch == epoch:
                known = seq
            elif gap.epoch == here:  # which it is about to enter
                known = 0
            else:  # which it has left
                continue
            if gap.stop is None or gap.stop > known:
                told.append(Gap(gap.epoch, max(gap.start, known + 1), gap.stop, gap.reason))
        return told

    def seqs_at(self, row: int) -> tuple[int, int]:
        """Return the seqs, in the epoch of `row`, before and behind the gap that lies before it.

        They are the same where there is none.
        """
        log = self.log
        if self.gaps is not None and row <= self.gaps.newest:
            here = self.epoch_at(row)
            for gap in self.gaps.at(row):
                if gap.epoch == here and gap.stop is not None:
                    return gap.start - 1, gap.stop
        if row >= log.next:
            seq = log.last_seq
        elif row > log.first and log.run_at(row)[0].start < row:
            seq = _seq_of(log, row - 1)
        else:
            seq = _seq_of(log, row) - 1
        return seq, seq

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
        before, behind = self.publication.seqs_at(self.row)
        # What lies before history is nobody's; all there is begins with what never came.
        every = resume is None and wanted.history is None and self.row == 0
        self.seq = self._told_seq = before if every else behind
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
        gaps, after = self.publication.gaps, self.publication.columns.after
        while True:
            if gaps is not None and self.row <= gaps.newest and self._pass_gaps():
                return self._outbox.popleft()
            if self.row >= self.log.next:
                break
            segment = after(self.row, self.symbols, self._pace.most)
            if segment.epoch != self.epoch:
                self._enter(self.row)
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

    @property
    def position(self) -> tuple[int, str, int] | None:
        """The row, epoch and seq that the client was sent; None while messages of that wait."""
        return None if self.row is None or self._outbox else (self.row, self.epoch, self.seq)

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
            if (start := max(run.start, log.first)) < log.next:
                first = _seq_of(log, start)
            last = log.last_seq if stop is None else _seq_of(log, stop - 1)
        self._version = log.state.version
        self._say(Hello(self.epoch, first, last + 1, log.symbols(), columns))

    def _is_news(self, row: int) -> bool:
        """Whether the client was not told the epoch of `row`, or words that began before it."""
        epoch = self.publication.epoch_at(row)
        return epoch != self.epoch or self.log.state.version != self._version

    def _enter(self, row: int) -> None:
        """Say the epoch of `row`, where the client comes to it from another."""
        self._greet(row)
        self.seq = self._told_seq = self.publication.seqs_at(row)[1]

    def _pass_gaps(self) -> bool:
        """Tell the gaps before the row where the client stands, if it was not told."""
        assert self.row is not None
        gaps = self.publication.gaps_at(self.row, self.epoch, self.seq)
        if not gaps:
            return False
        if self.seq != self._told_seq:
            self._say(At(self.seq))
        self._tell(gaps, self.row)
        if self.publication.epoch_at(self.row) != self.epoch:
            self._enter(self.row)
            # So that it stands behind the gap, should it come back before a tick came.
            self._say(At(self.seq))
        self.seq = self._told_seq = self.publication.seqs_at(self.row)[1]
        return True

    def _tell(self, gaps: list[Gap], row: int) -> None:
        for gap in gaps:
            if gap.epoch == self.publication.epoch_at(row) and gap.epoch != self.epoch:
                self._greet(row)
            self._say(gap)

    def _fall(self) -> None:
        """Tell what was dropped before it was sent, and go on with the oldest tick held."""
        assert self.row is not None
        reason = "the client was too slow: the server no longer holds these"
        first, start = self.log.first, self.seq + 1
        run = self.log.run_at(first)[0]
        if self.seq != self._told_seq:  # else who asks for more later may think it lost
            self._say(At(self.seq))
        if run.epoch != self.epoch:
            if run.start != self.row:
                self._say(Gap(self.epoch, start, None, reason))
            else:  # it had all of its epoch
                for gap in self.publication.gaps_at(self.row, self.epoch, self.seq):
                    if gap.epoch == self.epoch:
                        self._say(gap)
            start = 1
        # Words that began in the rows that were missed are in no segment that follows.
        self._greet(first)
        before, behind = self.publication.seqs_at(first)
        if before >= start:
            self._say(Gap(run.epoch, start, before, reason))
        self._tell(self.publication.gaps_at(first, run.epoch, max(before, start - 1)), first)
        self.row = first
        self.seq = self._told_seq = behind

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
        row = log.next if row is None else row
        epoch, gone = self.publication.epoch_at(row), self.publication.seqs_at(row)[0]
        if foreign or epoch == at.epoch:
            if row < log.next and gone > since:
                if self._is_news(row):
                    self._greet(row)
                self._say(Gap(epoch, since + 1, gone, "the server no longer holds these"))
            since = max(since, gone)
        self._tell(self.publication.gaps_at(row, epoch if foreign else at.epoch, since), row)
        return row


class EveryTick:
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
        gaps, after = self.publication.gaps, self.publication.objects.after
        while self.close is None:
            if gaps is not None and self.row <= gaps.newest and self._pass_gaps():
                return self._outbox.popleft()
            if self.row >= self.log.next:
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
        first, start = self.log.first, self._seq + 1
        run = self.log.run_at(first)[0]
        if run.epoch != self._epoch:
            if run.start != self.row:
                self._say(start, None)
            else:  # it had all of its epoch
                for gap in self.publication.gaps_at(self.row, self._epoch, self._seq):
                    if gap.epoch == self._epoch:
                        self._say(gap.start, gap.stop)
            start = 1
        stop = _seq_of(self.log, first) - 1
        if stop >= start:
            self._say(start, stop)
        self.row, self._epoch, self._seq = first, run.epoch, stop

    def _pass_gaps(self) -> bool:
        """Tell the gaps before the row where the peer stands, if it was not told."""
        gaps = self.publication.gaps_at(self.row, self._epoch, self._seq)
        for gap in gaps:
            self._say(gap.start, gap.stop)
        self._epoch = self.publication.epoch_at(self.row)
        self._seq = self.publication.seqs_at(self.row)[1]
        return bool(gaps)

    def _say(self, start: int, stop: int | None) -> None:
        self._outbox.append(encode({"type": "gap", "from": start, "to": stop}))

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
