"""RoundTrips: how long a connection's pings take to be answered."""

from __future__ import annotations

__all__ = ["RoundTrips"]

PAYLOAD_BYTES = 4
# Pings that wait for their pong. Who answers none is disconnected before it was sent more.
MAX_OPEN = 8


class RoundTrips:
    """Numbers pings, and measures the time until the pong with the same number.

    Attributes:
        newest_s: the newest round trip in seconds; None before the first.
    """

    __slots__ = ("_number", "_sent_at", "newest_s")

    def __init__(self) -> None:
        self.newest_s: float | None = None
        self._number = 0
        self._sent_at: dict[int, float] = {}

    def send(self, now: float) -> bytes:
        """Return the payload of a ping that is sent now."""
        self._number = (self._number + 1) % 2 ** (8 * PAYLOAD_BYTES)
        if len(self._sent_at) >= MAX_OPEN:
            del self._sent_at[next(iter(self._sent_at))]
        self._sent_at[self._number] = now
        return self._number.to_bytes(PAYLOAD_BYTES, "big")

    def receive(self, payload: bytes, now: float) -> None:
        """Take the payload of a pong; one that answers no open ping is ignored."""
        number = int.from_bytes(payload, "big")
        if len(payload) != PAYLOAD_BYTES or number not in self._sent_at:
            return
        self.newest_s = now - self._sent_at[number]
        # A pong also answers the pings before its own (RFC 6455, section 5.5.3).
        for earlier in list(self._sent_at):
            del self._sent_at[earlier]
            if earlier == number:
                break
