"""PresenceLease: how long a page counts as present."""

from __future__ import annotations

from tickerkit.runtime.presence import LEASE_S, PresenceLease


def test_lease_ends_a_minute_after_the_last_report() -> None:
    """It lasts while a cell runs and a minute longer, since the kernel may not handle reports."""
    now, idle_since = [0.0], [float("inf")]
    lease = PresenceLease(lambda: now[0], lambda: idle_since[0])
    now[0] = 10 * LEASE_S
    assert not lease.ended
    idle_since[0] = now[0]
    assert not lease.ended
    now[0] += LEASE_S + 1
    assert lease.ended
    lease.renew()
    assert not lease.ended
