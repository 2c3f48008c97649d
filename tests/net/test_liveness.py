"""liveness: who is gone, who is quiet, and who was only held up."""

from __future__ import annotations

import pytest

from tickerkit.net.liveness import SuspendDetector


class Clocks:
    """The time of day, and the clock that stands still while a machine sleeps."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_790_000_000.0, 17.0

    def watch(self) -> SuspendDetector:
        """Return a watch by these clocks."""
        return SuspendDetector(lambda: self.wall, lambda: self.steady)

    def work(self, seconds: float) -> None:
        """Let time pass while the machine is awake."""
        self.wall, self.steady = self.wall + seconds, self.steady + seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass while it sleeps."""
        self.wall += seconds


def test_a_sleep_is_noticed_once() -> None:
    """However long the machine was awake before, and not again for the same sleep."""
    clocks = Clocks()
    watch = clocks.watch()
    clocks.work(3600)
    assert not watch.was_suspended()
    clocks.sleep(600)
    assert watch.was_suspended()
    assert not watch.was_suspended()
    clocks.work(5)
    assert not watch.was_suspended()


def test_being_held_up_is_no_sleep() -> None:
    """A computation holds the process up; both clocks go on."""
    clocks = Clocks()
    watch = clocks.watch()
    clocks.work(30)
    assert not watch.was_suspended()


@pytest.mark.parametrize("seconds", [-3600, -1, 0, 0.5, 1.9])
def test_a_clock_that_is_set_back_or_a_little_forward_is_no_sleep(seconds: float) -> None:
    """As time servers do it."""
    clocks = Clocks()
    watch = clocks.watch()
    clocks.sleep(seconds)
    assert not watch.was_suspended()
