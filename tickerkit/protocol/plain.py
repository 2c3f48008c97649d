"""Plain: the server's end of `/ticks` for clients without a subprotocol: every tick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tickerkit.formatting import format_value
from tickerkit.log import Gap, Position
from tickerkit.protocol.after import After
from tickerkit.protocol.messages import Error, encode
from tickerkit.protocol.outbox import Outbox
from tickerkit.protocol.publication import Publication
from tickerkit.protocol.subscribe import Subscribing, take_subscribe
from tickerkit.protocol.tick_session import NOT_CAUGHT_UP, TickSession

__all__ = ["EveryTickSession", "receive_subscribe"]

# How many symbols an error lists.
MAX_LISTED = 10


class PlainSession(Subscribing, Protocol):
    """A session of a client without a subprotocol.

    Attributes:
        publication: the log and what all sessions share.
    """

    publication: Publication


class EveryTickSession(TickSession):
    """The server's end of `/ticks`: every tick from now on, or after a tick, as objects.

    Ticks that will never come are sent as `{"type": "gap", "from": a, "to": b}`; `to` is null
    if an epoch ended meanwhile, or if the number of missing ticks isn't known.

    A client that says where it goes on is also sent `{"type": "at", "epoch": e, "seq": n}` before
    the first tick, and before that of another epoch: it has every tick up to there, or knows that
    it will never come. With both it can go on after any break, and miss nothing unawares.

    Args:
        publication: the log and what all sessions share.
        after: where the client goes on; an error if it has said something invalid, to which it is
            sent as the answer; None for ticks from now on.
    """

    kind = "ticks"

    def __init__(self, publication: Publication, after: After | Error | None = None) -> None:
        super().__init__(publication, publication.objects)
        self._is_resuming = isinstance(after, After)
        # The epoch of the newest `at`.
        self._sent_epoch: str | None = None
        self.row = self.log.stop
        self.epoch = self.log.epoch
        self.seq = self.log.last_seq
        if isinstance(after, Error):
            self._pending.append(encode(after))
        elif after is not None and self.close is None:
            self._resume(after)

    def _resume(self, after: After) -> None:
        """Move to the row after the client's newest tick; send the gaps, and where that is."""
        if after.seq is not None:
            at = Position(after.epoch or self.log.epoch, after.seq)
            self.row = self._find_resume_row(at)
            if self.row is None:
                self.close = NOT_CAUGHT_UP
                return
            self.epoch = self.publication.epoch_at(self.row)
            self.seq = self._or_ahead(self.publication.seqs_at(self.row)[1])
        self._send_seq()

    def receive(self, data: str | bytes, now: float) -> None:
        receive_subscribe(self, self._pending, data)

    def next_message(self, now: float) -> bytes | None:
        if self._pending:
            return self._pending.popleft()
        if self._ahead_at.seq:
            self._skip_known_rows(self._ahead_at)
        return self._next_from_log()

    def _skip_known_rows(self, at: Position) -> None:
        """Move past the rows up to `at`, which the client has from a relay that was ahead.

        A client of `tickerkit.v1` drops ticks that come again; a plain one can't.
        """
        assert self.row is not None
        self.row = max(self.row, self.log.find(at.epoch, at.seq) or 0)
        if self.row < self.log.stop:  # the log has caught up with the client
            self._ahead_at = Position("", 0)

    def due(self) -> float | None:
        return None

    def _next_supplement(self, row: int) -> bytes | None:
        if self._is_resuming and self._sent_epoch != self.epoch:
            self._send_seq()
        return self._pending.popleft() if self._pending else None

    def _send_seq(self) -> None:
        """Send the seq, if the client has said where it goes on."""
        self._announced_seq = self.seq
        if self._is_resuming:
            self._sent_epoch = self.epoch
            self._pending.append(encode({"type": "at", "epoch": self.epoch, "seq": self.seq}))

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


def receive_subscribe(session: PlainSession, pending: Outbox, data: str | bytes) -> bool:
    """Handle a message of a plain client; an invalid message or an unknown symbol is answered.

    Returns:
        Whether the client has subscribed.
    """
    if (wanted := take_subscribe(session, pending, data)) is None:
        return False
    known = session.publication.log.dictionaries["symbol"]
    unknown = [symbol for symbol in wanted.symbols or () if not known.known_codes([symbol])]
    # Before the first tick no symbol is known, and each may be right.
    if unknown and known.words:
        message = f"no tick of {_list_some(unknown)} has come so far"
        hint = f"the symbols are {_list_some(known.words)}; ticks of others are sent when they come"
        pending.append(encode(Error("unknown-symbol", message, hint)))
    return True


def _list_some(symbols: Sequence[str]) -> str:
    """Return symbols as text, and how many more there are than a message should list."""
    listed = ", ".join(format_value(symbol) for symbol in symbols[:MAX_LISTED])
    more = len(symbols) - MAX_LISTED
    return listed + (f" and {more:,} more" if more > 0 else "")
