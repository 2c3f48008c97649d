"""Publisher: the maker's machine, which writes a log to a stream.

What to write next follows from the log, and from the position up to which the stream holds it. That
position is the stream's newest message: each put names the number of the message that it follows,
so no other message can come between unnoticed. One message at a time is under way; the ticks that
come meanwhile go into the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tickerkit.log import Gap, Gaps, Position, Rows, TickLog
from tickerkit.streams.broker import Broker, Stored
from tickerkit.streams.codec import encode_end, encode_epoch, encode_gap, encode_ticks
from tickerkit.streams.message import StreamMessage
from tickerkit.streams.search import find_newest_message

__all__ = ["Publisher"]

# A reader takes a message of so many ticks in about a millisecond.
MAX_ROWS = 4096
MAX_OWN_EPOCHS = 4096

NOT_HELD = "the maker no longer held these ticks when the broker could be reached"
NEXT_EPOCH = "the maker began another epoch"


class _Place(NamedTuple):
    """Up to where the stream holds the log.

    Attributes:
        row: the row whose tick the stream lacks next; it may have been dropped.
        epoch: the epoch of the stream's newest message.
        seq: the stream holds all of that epoch up to here, or says that it is missing.
        is_closed: whether it says that an unknown number of ticks is missing after that.
        is_ended: whether it says that the source has ended.
    """

    row: int
    epoch: str
    seq: int
    is_closed: bool = False
    is_ended: bool = False


class _Put(NamedTuple):
    """A message under way, and up to where the stream holds the log once it is stored."""

    message: StreamMessage
    place: _Place


class Publisher:
    """Writes a log to a stream, one message at a time.

    The code that does the I/O calls `read_tail` while `needs_tail`. Otherwise it puts what
    `next_put` returns and reports the outcome: `take_ack`, or `doubt` on any error. It may call
    `doubt` at any time, as after a reconnection. All calls are made in the thread that writes to
    the log.

    At first the maker takes over: it writes an `epoch` message after the newest one, also if that
    is another maker's. The put of a former maker is refused from then on. It reads the tail, finds
    an epoch that isn't its own, and is fenced: it never writes again. So two makers can't take over
    from each other for ever.

    What the broker has lost of its stream is written again, as far as the log holds it; the rest
    is written as a gap.

    Args:
        log: the log.
        gaps: the gaps in the log.
        ended: returns whether the source has ended.

    Attributes:
        needs_tail: whether the stream's newest message must be read next.
        fenced_by: the epoch of the maker that has taken over; None if none has.
        position: up to here the stream holds the log; None before the maker has taken over.
        has_ended: whether the stream holds the whole log, and that the source has ended.
        acks: how many messages were acknowledged.
        republished: how many ticks were written again since the broker had lost them.
    """

    def __init__(self, log: TickLog, gaps: Gaps, ended: Callable[[], bool]) -> None:
        self.needs_tail = True
        self.fenced_by: str | None = None
        self.acks = 0
        self.republished = 0
        self._log = log
        self._gaps = gaps
        self._ended = ended
        self._after = 0  # the number of the stream's newest message
        self._place: _Place | None = None  # None before the take-over
        self._resumed: _Place | None = None  # where the take-over goes on in its own log
        self._under_way: _Put | None = None
        # The number of the message with which this maker took over.
        self._taken_over_at: int | None = None
        # The epochs that this maker has begun in the stream, the newest last.
        self._own: dict[str, None] = {}
        self._published_stop = 0  # the row up to which the stream held the log at most

    @property
    def position(self) -> Position | None:
        return None if self._place is None else Position(self._place.epoch, self._place.seq)

    @property
    def behind(self) -> int:
        """How many ticks of the log the stream lacks, as far as the log holds them."""
        log = self._log
        start = log.start if self._place is None else max(self._place.row, log.start)
        return log.stop - start

    @property
    def has_ended(self) -> bool:
        return self._place is not None and self._place.is_ended and not self.behind

    # --- what the broker says -----------------------------------------------------------------

    def doubt(self) -> None:
        """Read the tail before anything else: it isn't known whether the put was stored."""
        self.needs_tail = self.fenced_by is None

    def take_ack(self, number: int) -> None:
        """Note that the message under way was stored under this number."""
        put = self._under_way
        assert put is not None, "no message is under way"
        before, self._under_way = self._place, None
        self._after, self._place = number, put.place
        self.acks += 1
        if self._taken_over_at is None:
            self._taken_over_at = number
        if before is not None and put.message.kind == "ticks":
            again = min(self._published_stop, put.place.row) - before.row
            self.republished += max(min(again, put.message.count), 0)
        self._published_stop = max(self._published_stop, put.place.row)

    async def read_tail(self, broker: Broker) -> None:
        """Read the stream's newest message, and go on after it.

        Raises:
            StreamError: the broker can't be reached.
        """
        tail = await find_newest_message(broker)
        taken_over = False
        if self._under_way is not None and self._place is None and tail.number > self._after:
            # Was the take-over stored? Then it is the next message after the one that it named.
            read = [stored async for stored in broker.read(self._after + 1, 1)]
            taken_over = any(each.message and each.message.epoch in self._own for each in read)
        self._take_tail(tail, taken_over)

    def _take_tail(self, tail: Stored, taken_over: bool) -> None:
        """Go on after the stream's newest message, or find that another maker has taken over.

        Args:
            tail: the stream's number, and the newest message of any maker.
            taken_over: whether the stream holds a take-over that was in doubt.
        """
        put, self._under_way = self._under_way, None
        self.needs_tail = False
        self._after = tail.number
        message = tail.message
        is_own = message is not None and message.epoch in self._own
        if taken_over and not is_own and message is not None:
            self.fenced_by = message.epoch  # by a maker that took over later
        elif message is None or (not is_own and self._is_before_take_over(tail.number)):
            # Nothing was written yet, or the broker has lost it: take over, again if need be.
            # A stream that ends with an epoch of this log is that of a former publisher of it.
            is_held = (
                message is not None and self._log.find(message.epoch, message.last) is not None
            )
            self._resumed = self._find(message, None) if message is not None and is_held else None
            self._taken_over_at = self._place = None
        elif not is_own:
            self.fenced_by = message.epoch
        else:
            if self._taken_over_at is None:  # the take-over was stored, though no answer came
                self._taken_over_at = tail.number
            self._place = self._find(message, put)

    def _is_before_take_over(self, number: int) -> bool:
        return self._taken_over_at is None or number < self._taken_over_at

    def _find(self, message: StreamMessage, put: _Put | None) -> _Place:
        """Return up to where the stream holds the log, from its newest message."""
        if put is not None and put.message == message:
            return put.place
        epoch, seq = message.epoch, message.last
        is_closed = message.kind == "gap" and not message.count
        is_ended = message.kind == "end"
        now = self._place
        if now is not None and (now.epoch, now.seq, now.is_closed) == (epoch, seq, is_closed):
            return now._replace(is_ended=is_ended)
        row = self._log.find(epoch, seq)
        if row is None:
            # Nothing of this epoch is held. All ticks held are of later ones, or none has come.
            row = self._log.stop if epoch == self._log.epoch else -1
        return _Place(row, epoch, seq, is_closed, is_ended)

    # --- what to write ------------------------------------------------------------------------

    def next_put(self) -> tuple[StreamMessage, int] | None:
        """Return a message, and the number of the one that it must follow; None for nothing."""
        if self.needs_tail or self.fenced_by is not None:
            return None
        if self._under_way is None:
            self._under_way = self._take_over() if self._place is None else self._next(self._place)
        return None if self._under_way is None else (self._under_way.message, self._after)

    def _take_over(self) -> _Put:
        """Begin with the oldest tick that the log holds, unless the stream holds some of it."""
        if self._resumed is not None:
            return self._enter(self._resumed)
        row = self._log.start
        return self._enter(self._beginning(row, self._epoch_at(row)))

    def _enter(self, place: _Place) -> _Put:
        """Write that an epoch begins, or goes on, at a place."""
        self._own.pop(place.epoch, None)
        self._own[place.epoch] = None
        if len(self._own) > MAX_OWN_EPOCHS:
            del self._own[next(iter(self._own))]
        return _Put(encode_epoch(place.epoch, place.seq + 1, self._log.units), place)

    def _beginning(self, row: int, epoch: str) -> _Place:
        """Return the place before `row`, and before the gaps of its epoch right before it."""
        seq = next((gap.first for gap in self._gaps_at(row, epoch, 0)), self._seq_at(row))
        return _Place(row, epoch, seq - 1)

    def _next(self, place: _Place) -> _Put | None:
        log, epoch, next_seq = self._log, place.epoch, place.seq + 1
        row = max(place.row, log.start)
        here = self._epoch_at(row)
        gaps = [] if place.is_closed else self._gaps_at(row, epoch, place.seq)
        if here != epoch and place.is_closed:
            return self._enter(self._beginning(row, here))
        # The seq up to which all ticks are missing; None if that isn't known, 0 if none is.
        if gaps and gaps[0].first <= next_seq:
            last, reason = gaps[0].last, gaps[0].reason
        elif here != epoch and not gaps:
            last, reason = None, NEXT_EPOCH if place.row == row else NOT_HELD
        else:
            last, reason = (gaps[0].first if gaps else self._seq_at(row)) - 1, NOT_HELD
        if last is None or last >= next_seq:
            seq = place.seq if last is None else last
            gap = Gap(epoch, next_seq, last, reason)
            return _Put(encode_gap(gap), _Place(row, epoch, seq, is_closed=last is None))
        if row < log.stop:
            return self._next_ticks(row)
        if self._ended() and not place.is_ended:
            return _Put(encode_end(epoch, next_seq), place._replace(is_ended=True))
        return None

    def _next_ticks(self, row: int) -> _Put:
        """Encode rows of one epoch, up to the next gap."""
        log = self._log
        stop = min(row + MAX_ROWS, log.run_at(row)[1] or log.stop)
        message = encode_ticks(_without_holes(log.rows(row, stop)))
        return _Put(message, _Place(row + message.count, message.epoch, message.last))

    def _gaps_at(self, row: int, epoch: str, seq: int) -> list[Gap]:
        """Return the gaps of an epoch right before `row` that reach beyond `seq`."""
        gaps = self._gaps.at(row)
        return [g for g in gaps if g.epoch == epoch and (g.last is None or g.last > seq)]

    def _epoch_at(self, row: int) -> str:
        """Return the epoch of `row`; at the end of the log, that of the next tick."""
        return self._log.run_at(row)[0].epoch if row < self._log.stop else self._log.epoch

    def _seq_at(self, row: int) -> int:
        """Return the seq of `row`; at the end of the log, that of the next tick."""
        return self._log.seq_at(row) if row < self._log.stop else self._log.last_seq + 1


def _without_holes(rows: Rows) -> Rows:
    """Return the first rows, as far as their seqs rise by one."""
    holes = np.flatnonzero(np.diff(rows.array("seq")) != 1)
    return rows.part(rows.start, rows.start + int(holes[0]) + 1) if len(holes) else rows
