"""A simulated clock for asyncio: its time jumps to what is due next, and nothing waits for it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

__all__ = ["SimulatedLoop", "run_simulated"]


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Does not wait: the time that it would wait for is over at once."""

    loop: SimulatedLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise AssertionError("nothing is due, and nothing can come")
        self.loop.now += max(timeout, 0.0)
        return list(super().select(0))


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is simulated.

    Attributes:
        now: the simulated time, in seconds.
    """

    def __init__(self) -> None:
        self.now = 0.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def run_simulated(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on a loop with a simulated clock."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(main)
