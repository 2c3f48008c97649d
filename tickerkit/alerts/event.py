"""Events: what alerts have fired, as a bounded list that readers follow by position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from tickerkit.ticks import UTC_NS

__all__ = ["MAX_EVENTS", "AlertEvent", "EventLog", "event_frame"]

MAX_EVENTS = 20_000
# The columns of `Feed.alerts`.
COLUMNS = ("alert", "kind", "symbol", "price", "value", "seq", "epoch", "time", "received", "text")
DTYPES: dict[str, Any] = {
    "price": "float64",
    "value": "float64",
    "seq": "int64",
    "time": UTC_NS,
    "received": UTC_NS,
}


class AlertEvent(NamedTuple):
    """One firing of one alert.

    Attributes:
        number: its place in the feed's list of events, from 0.
        alert: name of the alert.
        kind: "above", "below", "crossing", "move", "silence", "gap", "lag" or "when".
        symbol: the symbol; empty for a gap, which is of all.
        price: the price of the tick that fired; NaN in a quote.
        value: what was judged: the value of the column, a move in percent, the seconds of a silence
            or a lag, or how many ticks a gap has lost (NaN if that isn't known).
        seq: the tick's number in its epoch: of a silence the last tick, of a gap the first after.
        epoch: the tick's epoch.
        time: when the tick happened, in UTC.
        received: when this process got it, in UTC.
        text: a sentence, such as "AAPL is above 200: 200.05".
        notify: whether a page should show a notification.
        sound: whether a page should make a sound.
        level: the level that was crossed; NaN without one.
        alert_id: which of the feed's alerts it is; several may have the same name.
    """

    number: int
    alert: str
    kind: str
    symbol: str
    price: float
    value: float
    seq: int
    epoch: str
    time: pd.Timestamp
    received: pd.Timestamp
    text: str
    notify: bool = False
    sound: bool = False
    level: float = float("nan")
    alert_id: int = 0


class EventLog:
    """The newest events, each with a number that counts up; readers follow them by it.

    One thread adds at a time; any thread may read. Beyond `max_events` the oldest are dropped.

    Attributes:
        stop: the number that the next event gets: how many there were.
    """

    def __init__(self, max_events: int = MAX_EVENTS) -> None:
        self.max_events = max_events
        # One tuple, replaced in a single assignment: the number of the first event, and the events.
        self._state: tuple[int, list[AlertEvent]] = (0, [])

    @property
    def stop(self) -> int:
        """The number that the next event gets: how many there were."""
        first, events = self._state
        return first + len(events)

    def add(self, event: AlertEvent) -> None:
        """Add an event, whose number must be `stop`."""
        first, events = self._state
        if len(events) >= self.max_events:
            oldest = self.max_events // 8 + 1
            first, events = first + oldest, events[oldest:]
            events.append(event)
            self._state = first, events
        else:
            events.append(event)

    def read(self, start: int = 0) -> tuple[int, list[AlertEvent]]:
        """Return the number of the next event, and the events held from number `start` on."""
        first, events = self._state
        chosen = events[max(start - first, 0) :]
        return (chosen[-1].number + 1 if chosen else max(start, first + len(events))), chosen


def event_frame(events: Iterable[AlertEvent]) -> pd.DataFrame:
    """Return events as a frame with the columns of `Feed.alerts`, a row for each."""
    rows = [tuple(getattr(event, name) for name in COLUMNS) for event in events]
    values: Sequence[Sequence[object]] = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    return pd.DataFrame(
        {
            name: pd.Series(list(column), dtype=DTYPES.get(name, "str"))
            for name, column in zip(COLUMNS, values, strict=True)
        }
    )
