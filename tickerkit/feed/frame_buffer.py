"""Frame buffer: keeps each message of a connection as it arrived, until a recorder fetches it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from tickerkit.protocol import Client, Subscriber
from tickerkit.sources.raw_events import RawEvent

__all__ = [
    "Connected",
    "Dropped",
    "Entry",
    "Frame",
    "FrameBuffer",
    "FrameBuffers",
    "SyntheticHello",
]

MAX_BUFFER_BYTES = 64 * 2**20
ENTRY_OVERHEAD_BYTES = 100


class Connected(NamedTuple):
    """A connection began.

    For a plain websocket, `epoch` and `seq` are the position at which the feed continues; for
    `tickerkit.v1` they are empty and 0, since the messages carry them.
    """

    time_ns: int
    url: str
    protocol: str
    epoch: str
    seq: int


class SyntheticHello(NamedTuple):
    """A hello that the server didn't send: the state of a connection when buffering began."""

    time_ns: int
    hello: bytes


class Frame(NamedTuple):
    """A message as it arrived."""

    time_ns: int
    data: str | bytes


class Dropped(NamedTuple):
    """Messages are missing here: the buffer was full, and dropped this number of them."""

    time_ns: int
    messages: int


Entry: TypeAlias = Connected | SyntheticHello | Frame | Dropped | RawEvent


class _Connection(NamedTuple):
    """The connection whose messages arrive."""

    url: str
    protocol: str
    subscriber: Subscriber


class FrameBuffer:
    """A bounded buffer between a connection or a source, which never waits for it, and a recorder.

    Args:
        max_bytes: how many bytes it holds. Messages that don't fit are dropped and counted.

    Attributes:
        dropped: how many messages were dropped in all.
    """

    def __init__(self, max_bytes: int = MAX_BUFFER_BYTES) -> None:
        self.dropped = 0
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._bytes = 0
        self._unreported_drops = 0
        self._must_describe_connection = False
        self._connection: _Connection | None = None
        self._must_describe_source = True

    # --- in the connection's thread -----------------------------------------------------------

    def begin_connection(
        self, time_ns: int, url: str, protocol: str, subscriber: Subscriber
    ) -> None:
        """Note that a connection begins."""
        with self._lock:
            self._connection = _Connection(url, protocol, subscriber)
            self._must_describe_connection = False
            self._entries.append(self._describe_connection(time_ns))

    def join_connection(self, url: str, protocol: str, subscriber: Subscriber) -> None:
        """Note that a connection is already open; it is described before its next message."""
        with self._lock:
            self._connection = _Connection(url, protocol, subscriber)
            self._must_describe_connection = True

    def add(self, time_ns: int, data: str | bytes) -> None:
        """Keep a message. Call it before the subscriber reads the message."""
        with self._lock:
            size = len(data) + ENTRY_OVERHEAD_BYTES
            if self._bytes + size > self._max_bytes:
                self.dropped += 1
                self._unreported_drops += 1
                return
            if self._unreported_drops:
                self._entries.append(Dropped(time_ns, self._unreported_drops))
                self._unreported_drops = 0
                self._add_hello(time_ns)
            elif self._must_describe_connection:
                self._entries.append(self._describe_connection(time_ns))
                self._add_hello(time_ns)
            self._must_describe_connection = False
            self._entries.append(Frame(time_ns, data))
            self._bytes += size

    def add_event(self, event: RawEvent, describe: Callable[[], list[RawEvent]]) -> None:
        """Keep an event of a source. Call it before the source's machine acts on it."""
        with self._lock:
            size = len(event.data or "") + ENTRY_OVERHEAD_BYTES
            if self._bytes + size > self._max_bytes:
                self.dropped += 1
                self._unreported_drops += 1
                return
            if self._unreported_drops:
                self._entries.append(Dropped(event.time_ns, self._unreported_drops))
                self._unreported_drops = 0
                self._must_describe_source = True
            if self._must_describe_source:
                self._entries += describe()
                self._must_describe_source = False
            self._entries.append(event)
            self._bytes += size

    def _describe_connection(self, time_ns: int) -> Connected:
        assert self._connection is not None
        url, protocol, subscriber = self._connection
        if protocol:
            return Connected(time_ns, url, protocol, "", 0)
        return Connected(time_ns, url, protocol, subscriber.epoch or "", subscriber.seq)

    def _add_hello(self, time_ns: int) -> None:
        """Add the connection's state, so that later messages can be read without earlier ones."""
        subscriber = self._connection.subscriber if self._connection is not None else None
        hello = subscriber.current_hello() if isinstance(subscriber, Client) else None
        if hello is not None:
            self._entries.append(SyntheticHello(time_ns, hello))

    # --- in the recorder's thread -------------------------------------------------------------

    def drain(self, time_ns: int, *, new_file: bool = False) -> Sequence[Entry]:
        """Return and remove all entries.

        Args:
            time_ns: now.
            new_file: whether later entries go to another file, which must be readable without
                the entries returned here.
        """
        with self._lock:
            entries, self._entries, self._bytes = self._entries, [], 0
            if self._unreported_drops and new_file:
                entries.append(Dropped(time_ns, self._unreported_drops))
                self._unreported_drops = 0
            if new_file:
                self._must_describe_source = True
                self._must_describe_connection = self._connection is not None
        return entries


class FrameBuffers:
    """The frame buffers of a feed, and the connection whose messages they keep.

    It outlives a connection, so that recorders continue when a cell is run again. All methods but
    `remove` are called in the portal's thread.
    """

    def __init__(self) -> None:
        # Replaced, never changed: `remove` may be called in another thread.
        self._buffers: tuple[FrameBuffer, ...] = ()
        self._connection: _Connection | None = None

    def begin_connection(
        self, time_ns: int, url: str, protocol: str, subscriber: Subscriber
    ) -> None:
        """Note that a connection begins."""
        self._connection = _Connection(url, protocol, subscriber)
        for buffer in self._buffers:
            buffer.begin_connection(time_ns, url, protocol, subscriber)

    def end_connection(self) -> None:
        """Note that the connection has ended."""
        self._connection = None

    def add_frame(self, time_ns: int, data: str | bytes) -> None:
        """Keep a message in every buffer."""
        for buffer in self._buffers:
            buffer.add(time_ns, data)

    def add(self, buffer: FrameBuffer) -> None:
        """Keep each message from now on in this buffer, too."""
        if self._connection is not None:
            buffer.join_connection(*self._connection)
        self._buffers = (*self._buffers, buffer)

    def remove(self, buffer: FrameBuffer) -> None:
        """Keep no more messages in this buffer; idempotent, in any thread."""
        self._buffers = tuple(each for each in self._buffers if each is not buffer)
