"""A message of a stream says which ticks of which epoch it has."""

from __future__ import annotations

from tickerkit.streams import StreamMessage


def test_a_message_names_the_last_of_its_ticks() -> None:
    """It is seq 150 for 50 ticks from 101 on."""
    assert StreamMessage("ticks", "a1", 101, 50, b"").last == 150


def test_a_message_without_ticks_ends_before_the_next_one() -> None:
    """Its `seq` is the next tick's."""
    assert StreamMessage("epoch", "a1", 1, 0, b"").last == 0
