"""What keeps a venue's limits, and proves that a subscription is mute or unknown to the venue."""

from __future__ import annotations

import random

import pytest

from tickerkit.presets.mute import CHECK_EVERY_S, CONFIRM_S, MuteCheck
from tickerkit.presets.outbox import Outbox, Request
from tickerkit.presets.suspects import MAX_STRIKES, Suspects


@pytest.mark.parametrize("messages_per_s", [0.5, 1, 2, 4, 9.5])
def test_outbox_never_sends_more_than_allowed_within_any_second(messages_per_s: float) -> None:
    """Also not at its beginning, when nothing was sent yet."""
    rng, outbox = random.Random(1), Outbox(messages_per_s)
    sent: list[float] = []
    now = 0.0
    for _ in range(400):
        now += rng.uniform(0.0, 0.3)
        for _ in range(rng.choice([0, 0, 1, 6])):
            outbox.add(Request("text"))
        due = outbox.due()
        taken = outbox.take(now)
        assert bool(taken) == (due is not None and due <= now)
        sent += [now] * len(taken)
    for at in sent:
        assert sum(at - 1.0 < each <= at for each in sent) <= max(messages_per_s, 1)
    assert len(sent) > 0.5 * messages_per_s * now


def test_outbox_sends_a_ping_before_what_waits() -> None:
    """A long list of subscriptions does not keep the connection from its pings."""
    outbox = Outbox(2)
    for number in range(9):
        outbox.add(Request(str(number)))
    assert [each.text for each in outbox.take(0.0)] == ["0", "1"]
    outbox.add(Request("ping"), first=True)
    assert [each.text for each in outbox.take(2.0)] == ["ping", "2"]


@pytest.mark.parametrize("newest", [0, 100])
def test_mute_is_proved_by_a_trade_that_does_not_come(newest: int) -> None:
    """REST has a newer trade, and a while later the websocket still has not brought it."""
    check = MuteCheck()
    if not newest:
        assert not check.is_mute(0, 100, 0.0)  # traded before the subscription, perhaps
        assert check.due_at == CONFIRM_S
    assert not check.is_mute(newest, 107, 10.0)
    assert check.due_at == 10.0 + CONFIRM_S
    assert check.is_mute(newest, 109, 10.0 + CONFIRM_S)


def test_mute_is_not_proved_by_a_trade_that_comes_late() -> None:
    """REST may be faster than the websocket."""
    check = MuteCheck()
    assert not check.is_mute(100, 101, 0.0)
    assert not check.is_mute(101, 101, CONFIRM_S)
    assert not check.is_mute(101, 102, 40.0)
    assert not check.is_mute(102, 103, 40.0 + CONFIRM_S)


def test_mute_is_not_proved_where_nothing_trades() -> None:
    """However often REST is asked."""
    check = MuteCheck()
    assert not any(check.is_mute(0, 55, 10.0 * number) for number in range(99))


def test_suspicion_is_looked_into_before_quiet_subscriptions() -> None:
    """Also where REST has not answered: soon again, and not when the routine has it."""
    quiet, suspicious = MuteCheck(), MuteCheck()
    assert not quiet.is_mute(100, 100, 0.0)
    assert not suspicious.is_mute(100, 107, 0.0)
    assert suspicious.rank < MuteCheck().rank < quiet.rank
    assert suspicious.due_at == CONFIRM_S < quiet.due_at
    suspicious.begin(10.0)  # and there is no answer
    assert suspicious.due_at == 10.0 + CONFIRM_S
    assert suspicious.rank < quiet.rank


def test_quiet_subscription_is_checked_rarely() -> None:
    """Also one that never brought anything: only the second look follows soon."""
    check = MuteCheck()
    assert not check.is_mute(0, 55, 0.0)
    assert check.due_at == CONFIRM_S
    assert not check.is_mute(0, 55, CONFIRM_S)
    assert check.due_at == CONFIRM_S + CHECK_EVERY_S


def test_suspect_is_refused_after_it_alone_was_the_cause() -> None:
    """Those that were asked for with it are not."""
    suspects = Suspects()
    assert suspects.add(["AAA", "NOPE"]) is None
    assert "AAA" in suspects
    suspects.clear("AAA")
    results = [suspects.add(["NOPE"]) for _ in range(MAX_STRIKES)]
    assert results == [None] * (MAX_STRIKES - 1) + ["NOPE"]
    assert "AAA" not in suspects
