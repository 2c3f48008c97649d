"""Tap: keeps each message of a connection as it came, until a recorder fetches it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from tickerkit.protocol import Client, Subscriber

__all__ = ["Connected", "Dropped", "Frame", "Kept", "Made", "FrameBuffer"]

MAX_BYTES = 64 * 2**20
OVERHEAD_BYTES = 100


class Connected(NamedTuple):
    """A connection began; of a plain one also the epoch and seq that the feed goes on from."""

    time_ns: int
    url: str
    protocol: str
    epoch: str
    seq: int


class Made(NamedTuple):
    """A hello that nobody sent: what was known of a connection when keeping began."""

    time_ns: int
    hello: bytes


class Frame(NamedTuple):
    """A message."""

    time_ns: int
    data: str | bytes


class Dropped(NamedTuple):
    """So many messages came that there was no room for."""

    time_ns: int
    messages: int


Kept: TypeAlias = Connected | Made | Frame | Dropped


class FrameBuffer:
    """A bounded buffer between a connection, which never waits for it, and a recorder.

    Args:
        most: how many bytes it holds; what comes beyond that is dropped, and counted.

    Attributes:
        dropped: how many messages were dropped in all.
    """

    def __init__(self, most: int = MAX_BYTES) -> None:
        self.dropped = 0
        self._most = most
        self._lock = threading.Lock()
        self._kept: list[Kept] = []
        self._bytes = 0
        self._unsaid = 0
        self._begins = False
        self._connection: tuple[str, str, Subscriber] | None = None

    # --- in the connection's thread -----------------------------------------------------------

    def connected(self, time_ns: int, url: str, protocol: str, subscriber: Subscriber) -> None:
        """A connection begins."""
        with self._lock:
            self._connection = url, protocol, subscriber
            self._begins = False
            self._kept.append(self._about(time_ns))

    def join(self, url: str, protocol: str, subscriber: Subscriber) -> None:
        """A connection is there already."""
        with self._lock:
            self._connection = url, protocol, subscriber
            self._begins = True

    def take(self, time_ns: int, data: str | bytes) -> None:
        """A message has come, and was not read yet."""
        with self._lock:
            size = len(data) + OVERHEAD_BYTES
            if self._bytes + size > self._most:
                self.dropped += 1
                self._unsaid += 1
                return
            if self._unsaid:
                self._kept.append(Dropped(time_ns, self._unsaid))
                self._unsaid = 0
                self._say_hello(time_ns)
            elif self._begins:
                self._kept.append(self._about(time_ns))
                self._say_hello(time_ns)
            self._begins = False
            self._kept.append(Frame(time_ns, data))
            self._bytes += size

    def _about(self, time_ns: int) -> Connected:
        assert self._connection is not None
        url, protocol, subscriber = self._connection
        if protocol:
            return Connected(time_ns, url, protocol, "", 0)
        return Connected(time_ns, url, protocol, subscriber.epoch or "", subscriber.seq)

    def _say_hello(self, time_ns: int) -> None:
        subscriber = self._connection[2] if self._connection is not None else None
        hello = subscriber.hello() if isinstance(subscriber, Client) else None
        if hello is not None:
            self._kept.append(Made(time_ns, hello))

    # --- in the recorder's thread -------------------------------------------------------------

    def drain(self, time_ns: int, *, turn: bool = False) -> Sequence[Kept]:
        """Return what was kept since.

        Args:
            time_ns: now.
            turn: what comes next begins another file, and has to be understood without this one.
        """
        with self._lock:
            kept, self._kept, self._bytes = self._kept, [], 0
            if self._unsaid and turn:
                kept.append(Dropped(time_ns, self._unsaid))
                self._unsaid = 0
            if turn and self._connection is not None:
                self._begins = True
        return kept
