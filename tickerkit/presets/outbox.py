"""Outbox: the messages to a venue, sent no faster than it allows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

__all__ = ["Outbox", "Request"]

# The venue counts when messages arrive, which is not quite when they were sent.
MARGIN = 1.05


@dataclass(slots=True)
class Request:
    """A message to a venue.

    Attributes:
        text: the message.
        number: its number; 0 for none.
        asked: the subscriptions that it asks for.
    """

    text: str
    number: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)


class Outbox:
    """Messages that wait to be sent: never more than `messages_per_s` within any second."""

    def __init__(self, messages_per_s: float) -> None:
        self._limit = max(int(messages_per_s), 1)
        self._window_s = max(1.0, 1.0 / messages_per_s) * MARGIN
        self._queue: deque[Request] = deque()
        self._sent_at: deque[float] = deque(maxlen=self._limit)

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def waiting(self) -> list[Request]:
        """The messages that wait."""
        return list(self._queue)

    def add(self, request: Request, *, first: bool = False) -> None:
        """Add a message; `first` if it shall be sent before those that wait."""
        if first:
            self._queue.appendleft(request)
        else:
            self._queue.append(request)

    def due(self) -> float | None:
        """Return when a message can be sent; None if none waits."""
        if not self._queue:
            return None
        is_full = len(self._sent_at) == self._limit
        return self._sent_at[0] + self._window_s if is_full else 0.0

    def take(self, now: float) -> list[Request]:
        """Return the messages to send at `now`."""
        taken: list[Request] = []
        while (due := self.due()) is not None and due <= now:
            taken.append(self._queue.popleft())
            self._sent_at.append(now)
        return taken
