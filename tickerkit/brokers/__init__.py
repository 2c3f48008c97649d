"""Brokers: where streams are kept: their addresses, and NATS JetStream as a `Broker`."""

from tickerkit.brokers.address import STREAM_SCHEMES, StreamAddress
from tickerkit.brokers.nats import NatsBroker
from tickerkit.brokers.settings import StreamLimits
from tickerkit.brokers.stream import Stream, stream

__all__ = ["STREAM_SCHEMES", "NatsBroker", "Stream", "StreamAddress", "StreamLimits", "stream"]
