"""Follower: the relay's machine, which makes a log's events of the messages of a stream.

Where a relay stands is a position (epoch, seq), never a number of the stream: after a broker has
lost messages, their numbers are used for others. So a relay that connects looks for the first
message that has what it lacks, and reads from there. A message that doesn't join what the relay has
is looked for once more: only what the stream doesn't hold is reported as missing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from tickerkit.errors import ProtocolError
from tickerkit.log import Gap, Position
from tickerkit.protocol.messages import End, Hello
from tickerkit.protocol.subscriber import Received
from tickerkit.streams.broker import Broker, Stored
from tickerkit.streams.codec import StreamEvent, decode, is_sound
from tickerkit.streams.message import StreamMessage
from tickerkit.streams.search import Start, close, find_newest_ticks, find_news

__all__ = ["Follower", "follow"]

MAX_FORMER_EPOCHS = 4096

NOT_HELD = "the stream no longer holds these ticks"
UNREADABLE = "the message of the stream with these ticks can't be read"
NEXT_EPOCH = "the stream goes on with another epoch, as after a restart of the maker"


class Follower:
    """Makes events of a stream: each tick once and in order, and exact gaps.

    Args:
        history: how many ticks to take at first, back from the newest.

    Attributes:
        position: up to here all was taken; None before the first message.
        number: the number of the newest message that was read since the last start.
        stored_ns: when the broker stored it, in epoch ns by the broker's clock; 0 if not known.
        has_ended: whether the stream says that the source has ended.
        unreadable: how many messages could not be read, and were reported as gaps.
        starts: how many times a place to read from was sought.
    """

    def __init__(self, history: int) -> None:
        self.history = max(history, 1)
        self.position: Position | None = None
        self.number = 0
        self.stored_ns = 0
        self.has_ended = False
        self.unreadable = 0
        self.starts = 0
        # Whether an unknown number of ticks is missing after the position.
        self._is_closed = False
        # The seq up to which each former epoch was taken, the newest last.
        self._former: dict[str, int] = {}
        self._start = Start(0)

    def start(self, start: Start) -> None:
        """Note from where the stream is read on."""
        self._start = start
        self.number = 0
        self.starts += 1

    def is_news(self, message: StreamMessage) -> bool | None:
        """Return whether a message has what is lacking here; None if its epoch isn't known."""
        if self.position is None or message.epoch != self.position.epoch:
            last = self._former.get(message.epoch)
            return None if last is None else message.last > last
        if message.kind == "end":
            return not self.has_ended and message.seq > self.position.seq
        if message.kind == "gap" and not message.count:
            return not self._is_closed and message.seq > self.position.seq
        return message.last > self.position.seq

    def holds(self, tail: Stored) -> bool:
        """Return whether all up to a tail was taken, or reported missing.

        An empty stream proves nothing: the broker may have lost it, and the maker writes it again.
        """
        message = tail.message
        if message is None:
            return False
        return message.epoch in self._former or self.is_news(message) is False

    def is_behind(self, tail: Stored, number: int) -> bool:
        """Return whether the stream ends before a message that was read from it.

        The broker has lost messages since. Then the read may wait for a number that others get: end
        it, and call `follow` again.

        Args:
            tail: the stream's end.
            number: `number` from before the stream was asked for its end: what was read while the
                answer was on its way may be newer than the answer.
        """
        return tail.number < min(number, self.number)

    def take(self, stored: Stored) -> list[StreamEvent] | None:
        """Return the events of the next message that was read, which may be none.

        Returns None if the message doesn't join what was taken: look for the message that does.
        """
        message, before = stored.message, self.number
        self.stored_ns = stored.stored_ns
        follows = 0 < before == stored.number - 1
        if message is None or not is_sound(message):
            if follows:  # else something was passed over before it
                self.number = stored.number
            return []
        is_found = not before and (stored.number, message) == self._start[:2]
        position = self.position
        if position is None:
            joins = self._start.message is None  # the stream was empty
        elif message.epoch == position.epoch:
            joins = message.seq <= position.seq + 1
        else:
            # A message that begins an epoch joins the one before it, which ends the former.
            begins = message.kind == "epoch" and follows
            joins = begins or self.is_news(message) is False
        if not (joins or is_found):
            return None
        self.number = stored.number
        return self._take(message)

    def _take(self, message: StreamMessage) -> list[StreamEvent]:
        """Return the events of a message, and before them the gaps that it proves."""
        is_new_epoch = self.position is None or message.epoch != self.position.epoch
        # A hello without news may bring the units of the epoch.
        if self.is_news(message) is False and (is_new_epoch or message.kind != "epoch"):
            return []
        event = self._decode(message)
        events: list[StreamEvent] = []
        if is_new_epoch:
            events += self._enter(message, event)
        position = self.position
        assert position is not None
        seq = position.seq
        if message.seq > seq + 1:
            events.append(Gap(message.epoch, seq + 1, message.seq - 1, NOT_HELD))
            seq = message.seq - 1
        match event:
            case Received():
                new = event.seq > seq
                if not new.all():
                    event = Received(event.batch.where(new), event.epoch, event.seq[new])
                events.append(event)
                self._is_closed = self.has_ended = False
            case Gap():
                events.append(Gap(event.epoch, seq + 1, event.last, event.reason))
                self._is_closed = event.last is None
            case Hello() if not is_new_epoch:
                events.append(event)
            case End():
                self.has_ended = True
                events.append(event)
            case _:
                pass
        self.position = Position(message.epoch, max(seq, message.last))
        return events

    def _enter(self, message: StreamMessage, event: StreamEvent) -> list[StreamEvent]:
        """Return the events with which another epoch begins."""
        events: list[StreamEvent] = []
        seq = self._former.pop(message.epoch, 0)
        if self.position is None:
            seq = message.seq - 1
            if (earlier := self._start.former) is not None:
                self._former[earlier.epoch] = earlier.last
        else:
            former, last = self.position.epoch, self.position.seq
            if not self._is_closed:
                events.append(Gap(former, last + 1, None, NEXT_EPOCH))
            self._former[former] = last
            if len(self._former) > MAX_FORMER_EPOCHS:
                del self._former[next(iter(self._former))]
        self._is_closed = self.has_ended = False
        self.position = Position(message.epoch, seq)
        begin = self._start.epoch
        if not isinstance(event, Hello) and begin is not None and begin.epoch == message.epoch:
            event = self._decode(begin)
        hello = event if isinstance(event, Hello) else Hello(message.epoch, 0, 0, [], {})
        hello.first = hello.next = message.seq
        return [*events, hello]

    def _decode(self, message: StreamMessage) -> StreamEvent:
        """Return the event of a message; one like it by the headers if its body can't be read."""
        try:
            return decode(message)
        except ProtocolError:
            self.unreadable += 1
        if message.kind == "epoch":
            return Hello(message.epoch, message.seq, message.seq, [], {})
        if message.kind == "end":
            return End()
        last = message.last if message.count else None
        return Gap(message.epoch, message.seq, last, UNREADABLE)


async def follow(broker: Broker, follower: Follower) -> AsyncIterator[list[StreamEvent]]:
    """Yield the events of a stream, those of each message at once, without end.

    After an error, call it again with the same follower: it goes on where it stood.

    Raises:
        StreamError: the broker can't be reached, or is silent.
    """
    while True:
        # Nothing was read yet of the stream as it is now: it may be shorter than it was.
        follower.number = 0
        if follower.position is None:
            start = await find_newest_ticks(broker, follower.history)
        else:
            start = await find_news(broker, follower.is_news)
        follower.start(start)
        messages = broker.read(start.number)
        try:
            async for stored in messages:
                events = follower.take(stored)
                if events is None:
                    break
                if events:
                    yield events
        finally:
            await close(messages)
