"""Gate: whether frames pass freely, at a rate, or one by one."""

from __future__ import annotations

__all__ = ["Gate"]

SECOND_NS = 1_000_000_000


class Gate:
    """Admits frames: all of them, some per second, or each when it is asked to.

    Attributes:
        is_free: whether all frames pass.
        rate: how many frames pass per second; None if all do, or none.
    """

    def __init__(self, *, is_held: bool = False) -> None:
        self.is_free = not is_held
        self.rate: float | None = None
        self._steps = 0
        self._next_ns = 0

    def hold(self) -> None:
        """Admit no frame."""
        self.is_free, self.rate, self._steps = False, None, 0

    def step(self, frames: int = 1) -> None:
        """Admit so many frames, while the others wait."""
        if self.is_free:
            self.hold()
        self._steps += frames

    def run(self, rate: float | None = None) -> None:
        """Admit all frames, or so many per second."""
        self.is_free, self.rate, self._steps = rate is None, rate, 0
        self._next_ns = 0

    def admits(self, now_ns: int) -> bool:
        """Return whether a frame may pass now, and count it."""
        if self.is_free:
            return True
        if self._steps:
            self._steps -= 1
            return True
        if self.rate is None or now_ns < self._next_ns:
            return False
        self._next_ns = now_ns + int(SECOND_NS / self.rate)
        return True

    @property
    def due_ns(self) -> int | None:
        """When a frame that waits may pass; None if only a call can let it pass."""
        return self._next_ns if self.rate is not None else None
