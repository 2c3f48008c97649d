"""Streams: a log as messages on a broker, which a maker writes and relays read; no I/O.

A stream is one list of messages that the broker numbers. One maker writes it, any number of relays
read it. A message is a piece of the maker's log with the log's own numbering: (epoch, first seq,
count). Whether ticks follow each other is decided by that numbering alone, never by the stream's
numbers: a broker may skip, trim, or go back to an older copy without notice.

The maker's end is `Publisher`, a machine. The relay's is `Follower`, also a machine, and `follow`,
which runs it on a `Broker`: it awaits the broker's verbs and nothing else.
"""

from tickerkit.streams.broker import Broker, Stored
from tickerkit.streams.codec import StreamEvent
from tickerkit.streams.follower import Follower, follow
from tickerkit.streams.message import Kind, StreamMessage
from tickerkit.streams.publisher import Publisher
from tickerkit.streams.search import find_newest_message

__all__ = [
    "Broker",
    "Follower",
    "Kind",
    "Publisher",
    "Stored",
    "StreamEvent",
    "StreamMessage",
    "find_newest_message",
    "follow",
]
