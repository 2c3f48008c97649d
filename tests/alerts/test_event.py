"""Tests of the list of events: bounded, and followed by position."""

from __future__ import annotations

import pandas as pd

from tickerkit.alerts import AlertEvent, EventLog, event_frame

NOW = pd.Timestamp("2026-01-02T03:04:05Z").as_unit("ns")


def event(number: int) -> AlertEvent:
    """Return an event."""
    return AlertEvent(
        number, "A > 2", "above", "A", 3.0, 3.0, number + 1, "e", NOW, NOW, "A is above 2: 3"
    )


def test_reader_gets_each_event_once() -> None:
    """It goes on from the number that it got last, also beyond what is held."""
    log = EventLog(max_events=16)
    assert log.read() == (0, [])
    position, seen = 0, []
    for number in range(100):
        log.add(event(number))
        if number % 7 == 0:
            position, events = log.read(position)
            seen += [each.number for each in events]
    position, events = log.read(position)
    assert seen + [each.number for each in events] == list(range(100))
    assert (position, log.stop) == (100, 100)
    assert log.read(position) == (100, [])


def test_oldest_events_are_dropped() -> None:
    """The numbers of those that stay do not change."""
    log = EventLog(max_events=16)
    for number in range(100):
        log.add(event(number))
    position, events = log.read(0)
    assert (position, events[-1].number) == (100, 99)
    assert 8 < len(events) <= 16
    assert [each.number for each in events] == list(range(events[0].number, 100))


def test_frame_has_the_same_columns_without_events() -> None:
    """And the same types."""
    empty, one = event_frame([]), event_frame([event(0)])
    assert (empty.dtypes == one.dtypes).all()
    assert one["time"][0] == NOW
