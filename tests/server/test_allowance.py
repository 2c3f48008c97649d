"""allowance: a burst of messages is allowed, and then so many per second."""

from __future__ import annotations

from tickerkit.server.allowance import Allowance


def test_burst_is_allowed_and_then_a_number_per_second() -> None:
    """What was left unused is not saved up beyond a burst."""
    allowance = Allowance(3, 2, 100.0)
    assert [allowance.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.take(100.5), allowance.take(100.5)] == [True, False]
    assert [allowance.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_vain_tries_cost_nothing() -> None:
    """Who goes on trying is allowed as much as who waits."""
    allowance = Allowance(1, 1, 0.0)
    assert sum(allowance.take(number / 16) for number in range(161)) == 11
