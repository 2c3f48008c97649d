"""Columnar: the server's end of `tickerkit.v1`."""

from __future__ import annotations

from collections import deque

import numpy as np

from tickerkit.errors import BadTick
from tickerkit.log import MAX_SEQ, Gap, Position
from tickerkit.protocol.codec import Symbols
from tickerkit.protocol.messages import At, End, Error, FromServer, Hello, encode
from tickerkit.protocol.publication import (
    MAX_UNSENT,
    TOO_MANY,
    Publication,
    SlowStart,
    seq_at,
    subscription,
)

__all__ = ["AT_S", "HEARTBEAT_S", "V1Session"]

HEARTBEAT_S = 5.0
AT_S = 1.0


class V1Session:
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
        self._pace = SlowStart()
        self._outbox: deque[bytes] = deque()
        self._greet(self.log.stop)

    def receive(self, data: str | bytes, now: float) -> None:
        if isinstance(data, bytes):
            self.close = (1003, "tickerkit speaks text frames of JSON")
            return
        if len(self._outbox) >= MAX_UNSENT:
            self.close = TOO_MANY
            return
        try:
            wanted = subscription(data)
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

    def next_message(self, now: float) -> bytes | None:
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
        if self.row < self.log.start:
            self._fall()
            return self._outbox.popleft()
        gaps, after = self.publication.gaps, self.publication.columns.after
        while True:
            if gaps is not None and self.row <= gaps.newest and self._pass_gaps():
                return self._outbox.popleft()
            if self.row >= self.log.stop:
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

    @property
    def behind(self) -> int:
        return 0 if self.row is None else self.log.stop - self.row

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
            name: list(log.dictionaries[name].words) if name in log.dictionaries else "number"
            for name in rows.names()
            if name not in ("seq", "time", "symbol", "received", "epoch")
        }
        self.epoch, first, last = log.epoch, log.last_seq + 1, log.last_seq
        if len(rows):
            run, stop = log.run_at(row)
            self.epoch = run.epoch
            if (start := max(run.start, log.start)) < log.stop:
                first = seq_at(log, start)
            last = log.last_seq if stop is None else seq_at(log, stop - 1)
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
        first, start = self.log.start, self.seq + 1
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
            return log.start
        if self.symbols is None:
            return max(log.start, log.stop - wanted)
        rows = log.rows()
        of_them = np.isin(rows.array("symbol"), log.symbol_codes(sorted(self.symbols)))
        index = np.flatnonzero(of_them)
        return (
            rows.start + int(index[max(len(index) - wanted, 0)])
            if wanted and len(index)
            else log.stop
        )

    def _resume(self, at: Position) -> int:
        """Return the row after `at`, and tell what between them is gone."""
        log = self.log
        row, since = log.find(at.epoch, at.seq), at.seq
        foreign = row is None and at.epoch != log.epoch
        if foreign:
            reason = "the server holds nothing of this epoch, as after a restart"
            # A client of a liar's may stand at the last number there is.
            self._say(Gap(at.epoch, min(at.seq + 1, MAX_SEQ), None, reason))
            row, since = log.start, 0
        elif at.epoch == log.epoch and at.seq > log.last_seq:
            reason = "the client is ahead of the server, which lost these"
            self._say(Gap(at.epoch, log.last_seq + 1, at.seq, reason))
            return log.stop
        row = log.stop if row is None else row
        epoch, gone = self.publication.epoch_at(row), self.publication.seqs_at(row)[0]
        if foreign or epoch == at.epoch:
            if row < log.stop and gone > since:
                if self._is_news(row):
                    self._greet(row)
                self._say(Gap(epoch, since + 1, gone, "the server no longer holds these"))
            since = max(since, gone)
        self._tell(self.publication.gaps_at(row, epoch if foreign else at.epoch, since), row)
        return row
