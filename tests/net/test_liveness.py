"""liveness: suspends are distinguished from busy times and clock changes."""

from __future__ import annotations

import pytest

from tickerkit.net.liveness import SuspendDetector


class Clocks:
    """The time of day, and the clock that stops during a suspend."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_790_000_000.0, 17.0

    def detector(self) -> SuspendDetector:
        """Return a detector that reads these clocks."""
        return SuspendDetector(lambda: self.wall, lambda: self.steady)

    def work(self, seconds: float) -> None:
        """Let time pass while the machine is awake."""
        self.wall, self.steady = self.wall + seconds, self.steady + seconds

    def suspend(self, seconds: float) -> None:
        """Let time pass while the machine is suspended."""
        self.wall += seconds


def test_suspend_is_detected_once() -> None:
    """A suspend is reported by one call, however long the machine ran before."""
    clocks = Clocks()
    detector = clocks.detector()
    clocks.work(3600)
    assert not detector.was_suspended()
    clocks.suspend(600)
    assert detector.was_suspended()
    assert not detector.was_suspended()
    clocks.work(5)
    assert not detector.was_suspended()


def test_busy_process_is_not_a_suspend() -> None:
    """While a computation blocks the process, both clocks advance."""
    clocks = Clocks()
    detector = clocks.detector()
    clocks.work(30)
    assert not detector.was_suspended()


@pytest.mark.parametrize("seconds", [-3600, -1, 0, 0.5, 1.9])
def test_small_clock_change_is_not_a_suspend(seconds: float) -> None:
    """Corrections by a time server are not taken for a suspend."""
    clocks = Clocks()
    detector = clocks.detector()
    clocks.suspend(seconds)
    assert not detector.was_suspended()
