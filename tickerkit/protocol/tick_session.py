"""TickSession: the base of the sessions that send every tick, for v1 and for `/ticks`.

A session is a position in the log, not a queue: a slow client costs the server no memory, and gets
larger messages when it falls behind. The next message follows from the position alone. `STATES`
lists each state with the messages that a v1 session sends in it. `TickSession.state` and the loop
in `_next_from_log` check for the states in this order. The property test of the protocol checks
every message sent against the table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from tickerkit.log import MAX_SEQ, Gap, Position
from tickerkit.protocol.outbox import Outbox
from tickerkit.protocol.publication import Publication, SlowStart
from tickerkit.protocol.segments import Segments
from tickerkit.protocol.symbols import Symbols

__all__ = ["NOT_CAUGHT_UP", "STATES", "State", "TickSession"]

# 1013 of IANA's list of close codes: try again later.
NOT_CAUGHT_UP = (1013, "this relay has not caught up; connect again")
TOO_SLOW = "the client was too slow: the server no longer holds these ticks"


class State(NamedTuple):
    """A state of a session, as `STATES` lists it.

    Attributes:
        condition: when a session is in this state, unless a state listed before applies.
        sends: the types of the messages that a v1 session sends in it, as a regular expression.
    """

    condition: str
    sends: str


# An `at` comes before a gap if the client doesn't know yet up to which seq it has every tick.
# Without the `at`, a client that later subscribes to more symbols may count ticks as lost that it
# had not subscribed to.
STATES = {
    "closed": State("`close` is set: the socket is closed once nothing is pending", ""),
    "greeting": State("the client has not subscribed", "hello "),
    "fallen": State("the next row was dropped", "(at )?(gap )*hello (gap )*"),
    "at a gap": State("a gap lies before the next row", "(at )?(gap )*(hello (gap )*)?(at )?"),
    "new epoch": State("the next row is of another epoch", "hello "),
    "behind": State("the log holds the next row", "(ticks|misfits) "),
    "ended": State("every row was sent, and the source has ended", "(book )*end "),
    "at the end": State("every row was sent", "(at )?(book )*"),
}


class TickSession(ABC):
    """The server's end of a connection that gets every tick; the base of both kinds.

    If the log drops rows before a client was sent them, the client gets a gap with their seqs, and
    continues with the oldest row that is held.

    Args:
        publication: the log and what all sessions share.
        segments: the log in the encoding that the client reads.

    Attributes:
        symbols: what the client subscribed to; None for all.
        close: the code and reason to close with, once `next_message` returns None.
        row: the row to send next; None before the client has subscribed.
        epoch: the epoch of the newest tick that was sent.
        seq: the seq of that tick, or of a later one that is missing, not subscribed to, or known to
            a client that is ahead of this relay.
    """

    def __init__(self, publication: Publication, segments: Segments) -> None:
        self.publication = publication
        self.log = publication.log
        self.symbols: Symbols = None
        self.close: tuple[int, str] | None = None if publication.is_ready else NOT_CAUGHT_UP
        self.row: int | None = None
        self.epoch = ""
        self.seq = 0
        self._announced_seq = 0  # the client knows that it has every tick up to this seq
        # Of a client that is ahead of this relay, the position at which it resumed. It gets all
        # ticks of the relay again up to there, and drops them; gaps it isn't sent again.
        self._ahead_at = Position("", 0)
        self._segments = segments
        self._slow_start = SlowStart()
        self._pending = Outbox()

    @property
    def behind(self) -> int:
        """How many rows were not sent yet."""
        return 0 if self.row is None else self.log.stop - self.row

    @property
    def state(self) -> str:
        """Which of `STATES` the session is in. Messages that are pending are sent first."""
        if self.close is not None:
            return "closed"
        if self.row is None:
            return "greeting"
        if self.row < self.log.start:
            return "fallen"
        if self.publication.gaps_at(self.row, self.epoch, self.seq):
            return "at a gap"
        if self.row < self.log.stop:
            is_new = self.publication.epoch_at(self.row) != self.epoch
            return "new epoch" if is_new else "behind"
        return "ended" if self.publication.ended else "at the end"

    def _next_from_log(self) -> bytes | None:
        """Return the next message about the log, None if the client has all there is."""
        gaps, next_segment = self.publication.gaps, self._segments.next_segment
        while self.row is not None and self.close is None:
            held = self.log.state
            if self.row < held.start:
                self._pass_dropped_rows(self.row)
            elif gaps is not None and self.row <= gaps.newest:
                self._pass_gaps(self.row)
            if self._pending:
                return self._pending.popleft()
            if self.row >= self._segments.stop:
                is_last = self.publication.ended and self.row >= held.stop
                return self._end() if is_last else None
            segment = next_segment(self.row, self.symbols, self._slow_start.rows)
            if segment.epoch != self.epoch:
                # v1 sends a hello now, and this segment next time.
                self._enter(self.row)
                continue
            if (supplement := self._next_supplement(self.row)) is not None:
                return supplement
            self.row, self.seq = segment.stop, self._or_ahead(segment.seq)
            self._slow_start.grow()
            if segment.message is not None:
                # A filtered segment may lack its last rows, so an `at` has to follow it.
                if self.symbols is None:
                    self._announced_seq = self.seq
                return segment.message
        return None

    def _pass_gaps(self, row: int) -> None:
        """Send the gaps before `row`, the next row to send, that the client doesn't know."""
        gaps = self.publication.gaps_at(row, self.epoch, self.seq)
        if not gaps:  # they were sent before, and no tick came since
            return
        self._announce_seq()
        self._send_gaps(gaps, row)
        if self.publication.epoch_at(row) != self.epoch:
            self._enter(row)
            # A client that reconnects before the next tick must resume after the gap.
            self._send_seq()
        self.seq = self._announced_seq = self.publication.seqs_at(row)[1]

    def _pass_dropped_rows(self, row: int) -> None:
        """Send gaps for the rows dropped from `row` on, and move to the oldest row held."""
        oldest, first = self.log.start, self.seq + 1
        run = self.log.run_at(oldest)[0]
        self._announce_seq()
        if run.epoch != self.epoch:
            if run.start != row:
                gaps = [Gap(self.epoch, first, None, TOO_SLOW)]
            else:  # the client has every tick of its epoch
                gaps = self.publication.gaps_at(row, self.epoch, self.seq)
                gaps = [gap for gap in gaps if gap.epoch == self.epoch]
            self._send_gaps(gaps, row)
            first = 1
        # Also in the same epoch: hello has the words that first appeared in the dropped rows, and
        # no later segment has them.
        self._enter(oldest)
        # First the dropped rows, then the gap that the source has right before the oldest row.
        before = self.publication.seqs_at(oldest)[0]
        gaps = [Gap(run.epoch, first, before, TOO_SLOW)] if before >= first else []
        gaps += self.publication.gaps_at(oldest, run.epoch, max(before, first - 1))
        self._send_gaps(gaps, oldest)
        self.row = oldest

    def _announce_seq(self) -> None:
        """Send the seq up to which the client has every tick, if it doesn't know that seq."""
        if self.seq != self._announced_seq:
            self._send_seq()

    def _enter(self, row: int) -> None:
        """Set the session's epoch and seq to those before `row`, whose tick is sent next."""
        self.epoch = self.publication.epoch_at(row)
        self.seq = self._announced_seq = self._or_ahead(self.publication.seqs_at(row)[1])

    def _or_ahead(self, seq: int) -> int:
        """Return a seq of the session's epoch, or a higher one at which the client resumed."""
        return max(seq, self._ahead_at.seq) if self.epoch == self._ahead_at.epoch else seq

    def _next_supplement(self, row: int) -> bytes | None:
        """Return a message that the client needs before the ticks from `row` on, None for none."""
        return None

    def _is_unproved(self, at: Position) -> bool:
        """Return whether an epoch that this relay doesn't know may yet come to it."""
        origin, log = self.publication.origin, self.log
        if origin is None or at.epoch == log.epoch or log.find(at.epoch, at.seq) is not None:
            return False
        return not origin.is_foreign(at.epoch)

    def _find_resume_row(self, at: Position) -> int | None:
        """Return the row after `at`, and send the gaps between them.

        None if this relay does not know the epoch, which may yet come.
        """
        self._ahead_at = Position("", 0)
        if self._is_unproved(at):
            return None
        log, is_relay = self.log, self.publication.origin is not None
        # `seq`: the client has every tick up to this one, or was sent a gap for it.
        row, seq = log.find(at.epoch, at.seq), at.seq
        unknown_epoch = row is None and at.epoch != log.epoch
        if unknown_epoch:
            reason = "the server holds nothing of this epoch, as after a restart"
            # The client chose `at.seq`, so it may be the largest number allowed.
            row, seq = log.start, 0
            self._send_gaps([Gap(at.epoch, min(at.seq + 1, MAX_SEQ), None, reason)], row)
        elif at.epoch == log.epoch and at.seq > log.last_seq:
            if is_relay:  # the ticks that the client has are on their way
                self._ahead_at = at
                return log.stop
            reason = "the client is ahead of the server, which lost these ticks"
            self._send_gaps([Gap(at.epoch, log.last_seq + 1, at.seq, reason)], log.stop)
            return log.stop
        # No tick of the log's current epoch is held: the client continues with the next tick.
        row = log.stop if row is None else row
        epoch, before = self.publication.epoch_at(row), self.publication.seqs_at(row)[0]
        if unknown_epoch or epoch == at.epoch:
            # A relay's log may begin behind the client before it holds a tick.
            if (row < log.stop or is_relay) and before > seq:
                reason = "the server no longer holds these ticks"
                self._send_gaps([Gap(epoch, seq + 1, before, reason)], row)
            seq = max(seq, before)
        gaps = self.publication.gaps_at(row, epoch if unknown_epoch else at.epoch, seq)
        if gaps and gaps[0].epoch == at.epoch != epoch and gaps[0].first > seq + 1:
            # A relay's log may begin with a gap, behind the client.
            reason = "the server no longer holds these ticks"
            gaps.insert(0, Gap(at.epoch, seq + 1, gaps[0].first - 1, reason))
        self._send_gaps(gaps, row)
        return row

    @abstractmethod
    def _send_seq(self) -> None:
        """Send the seq up to which the client has every tick."""

    @abstractmethod
    def _send_gaps(self, gaps: list[Gap], row: int) -> None:
        """Send gaps that lie before `row`."""

    def _end(self) -> bytes | None:
        """Return the last message: the source has ended, and every row was sent."""
        self.close = (1000, "the source has ended")
        return None
