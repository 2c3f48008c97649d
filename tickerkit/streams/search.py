"""Search: finds messages of a stream by their epochs and seqs, a few reads at a time.

The messages of an epoch follow each other in a stream, and their seqs rise. So what is true of the
newest message, and false from some message back, is found in steps that double, as a binary search
from the end. Numbers between two messages may be missing, and messages that others wrote are passed
over. The stream may change meanwhile: what is found is only where to read from, and the follower
checks what comes from there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from tickerkit.streams.broker import Broker, Stored
from tickerkit.streams.codec import is_sound
from tickerkit.streams.message import StreamMessage

__all__ = ["Start", "close", "find_news", "find_newest_message", "find_newest_ticks"]

# How far to look for the newest message of a maker, behind those that others have written.
MAX_OTHERS = 256


class Start(NamedTuple):
    """Where to read a stream from.

    Attributes:
        number: from this number on.
        message: the message that was found there; None if the next one to be written is awaited.
        epoch: the first message of its epoch that the stream holds, if that is another one.
        former: the newest message of the epoch before.
    """

    number: int
    message: StreamMessage | None = None
    epoch: StreamMessage | None = None
    former: StreamMessage | None = None


class _Found(NamedTuple):
    """A message that tickerkit wrote, and its number."""

    number: int
    message: StreamMessage


async def find_newest_message(broker: Broker) -> Stored:
    """Return the stream's tail, with the newest message that tickerkit wrote.

    Its message is None if the stream has none, or others have written 256 messages since.
    """
    tail = await broker.tail()
    if tail.message is None or not is_sound(tail.message):
        lowest = max(await broker.first(), tail.number - MAX_OTHERS)
        found = await _find_before(broker, tail.number, lowest)
        return tail._replace(message=None if found is None else found.message)
    return tail


async def find_newest_ticks(broker: Broker, count: int) -> Start:
    """Return where the newest `count` ticks of a stream begin, or where it begins if it has fewer.

    The first message may begin with ticks before those.
    """
    tail = await find_newest_message(broker)
    if tail.message is None:
        return Start(tail.number + 1)
    first, newest = await broker.first(), _Found(tail.number, tail.message)
    while True:
        # Count from the newest tick, not from a gap or an end behind it: the first thing that a log
        # is given of an epoch should be a tick.
        epoch, ticks = newest.message.epoch, newest
        while ticks.message.kind != "ticks" and ticks.message.epoch == epoch:
            before = await _find_before(broker, ticks.number, first)
            if before is None:
                break
            ticks = before
        begin = await _find_earliest(broker, first, newest, _of_epoch(epoch))
        before = await _find_before(broker, begin.number, first)
        former = None if before is None else before.message
        if ticks.message.kind == "ticks" and ticks.message.epoch == epoch:
            lowest = ticks.message.last - count + 1
            if begin.message.seq <= lowest:
                found = await _find_earliest(broker, first, ticks, _of_epoch(epoch, lowest))
                return Start(*found, None if found == begin else begin.message, former)
            count -= ticks.message.last - begin.message.seq + 1
        if before is None:
            return Start(*begin)
        newest = before


async def find_news(broker: Broker, is_news: Callable[[StreamMessage], bool | None]) -> Start:
    """Return where a stream begins to have what a reader lacks.

    Args:
        broker: the stream.
        is_news: returns whether a message has what the reader lacks; None if its epoch isn't known.
    """
    tail = await find_newest_message(broker)
    start = Start(tail.number + 1)
    if tail.message is None:
        return start
    first, newest = await broker.first(), _Found(tail.number, tail.message)
    while True:
        epoch, news = newest.message.epoch, is_news(newest.message)
        if news is False:
            return start
        found = await _find_earliest(broker, first, newest, _news_of(epoch, is_news))
        start = Start(*found)
        before = None if news else await _find_before(broker, found.number, first)
        if before is None:
            return start
        newest = before


async def close(messages: AsyncIterator[Stored]) -> None:
    """End a read that isn't iterated over to its end."""
    if (aclose := getattr(messages, "aclose", None)) is not None:
        await aclose()


async def _find_earliest(
    broker: Broker, first: int, newest: _Found, is_wanted: Callable[[StreamMessage], bool]
) -> _Found:
    """Return the earliest message that is wanted.

    Args:
        broker: the stream.
        first: the number of its oldest message.
        newest: a message that is wanted; so are those before it, back to the one to be found.
        is_wanted: returns whether a message is wanted.
    """
    # All messages below `low` are unwanted; of those from `high` on, `found` is the earliest.
    found, low, high, step = newest, first, newest.number, 1
    while low < high:
        number = max(high - step, low) if step else (low + high) // 2
        at = await _find_from(broker, number, high)
        if at is None or is_wanted(at.message):
            found, high, step = at or found, number, step * 2
        else:
            low, step = at.number + 1, 0
    return found


async def _find_from(broker: Broker, start: int, stop: int) -> _Found | None:
    """Return the oldest message that tickerkit wrote with a number from `start` up to `stop`."""
    while start < stop:
        read = [stored async for stored in broker.read(start, 1)]
        if not read or read[0].number >= stop:
            return None
        number, message, _ = read[0]
        if message is not None and is_sound(message):
            return _Found(number, message)
        start = number + 1
    return None


async def _find_before(broker: Broker, stop: int, first: int) -> _Found | None:
    """Return the newest message that tickerkit wrote with a number from `first` up to `stop`."""
    step = 1
    while stop > first:
        start = max(stop - step, first)
        found = None
        async for number, message, _ in broker.read(start, stop - start):
            if message is not None and is_sound(message) and number < stop:
                found = _Found(number, message)
        if found is not None:
            return found
        stop, step = start, step * 2
    return None


def _of_epoch(epoch: str, lowest: int | None = None) -> Callable[[StreamMessage], bool]:
    """Return a function that returns whether a message is of an epoch, and reaches a seq."""
    return lambda message: message.epoch == epoch and (lowest is None or message.last >= lowest)


def _news_of(
    epoch: str, is_news: Callable[[StreamMessage], bool | None]
) -> Callable[[StreamMessage], bool]:
    """Return a function that returns whether a message of an epoch has what a reader lacks."""
    return lambda message: message.epoch == epoch and is_news(message) is not False
