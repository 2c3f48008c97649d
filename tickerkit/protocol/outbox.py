"""Outbox: messages that wait to be sent to a client, almost all of them answers to its own."""

from __future__ import annotations

__all__ = ["MAX_PENDING_MESSAGES", "MAX_PENDING_BYTES", "TOO_MANY", "Outbox"]

MAX_PENDING_MESSAGES = 100
# A quarter of what a server keeps for a client by default. One answer more may go beyond it.
MAX_PENDING_BYTES = 2**17
TOO_MANY = (1008, "too many messages at once")


class Outbox:
    """Messages that wait to be sent, in their order.

    Attributes:
        pending_bytes: how many bytes they have.
    """

    def __init__(self) -> None:
        self.pending_bytes = 0
        # Not a deque: an empty one takes 700 bytes, and almost every client's is empty.
        self._messages: list[bytes] = []

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def is_full(self) -> bool:
        """Whether a client that sends another message has sent too many at once."""
        return len(self) >= MAX_PENDING_MESSAGES or self.pending_bytes > MAX_PENDING_BYTES

    def append(self, message: bytes) -> None:
        """Add a message."""
        self._messages.append(message)
        self.pending_bytes += len(message)

    def popleft(self) -> bytes:
        """Return the next message, and remove it."""
        message = self._messages.pop(0)
        self.pending_bytes -= len(message)
        return message
