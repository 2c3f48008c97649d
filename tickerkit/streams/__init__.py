"""Streams: a log as messages on a broker: who writes them, and who fills a log from them; no I/O.

A stream is one list of messages that the broker numbers. One maker writes it, any number of relays
read it. A message is a piece of the maker's log with the log's own numbering: (epoch, first seq,
count). Whether ticks follow each other is decided by that numbering alone, never by the stream's
numbers: a broker may skip, trim, or go back to an older copy without a word.
"""

from tickerkit.streams.broker import Broker, Stored
from tickerkit.streams.message import Kind, StreamMessage

__all__ = ["Broker", "Kind", "Stored", "StreamMessage"]
