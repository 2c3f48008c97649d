"""Allowance: how many messages may come in a burst, and then per second (a token bucket)."""

from __future__ import annotations

__all__ = ["Allowance"]


class Allowance:
    """Counts down what is allowed; it grows again with time, up to a burst.

    Args:
        burst: how many are allowed at once.
        per_s: how many are allowed per second after that.
        now: the time in seconds.
    """

    __slots__ = ("_at", "_burst", "_left", "_per_s")

    def __init__(self, burst: float, per_s: float, now: float) -> None:
        self._burst, self._per_s = burst, per_s
        self._left, self._at = burst, now

    def take(self, now: float) -> bool:
        """Take one; return whether one was left."""
        self._left = min(self._left + (now - self._at) * self._per_s, self._burst)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
