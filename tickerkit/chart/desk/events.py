"""Events: alerts, gaps and messages of a dashboard's feeds, numbered as they come."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Literal

from tickerkit.chart.desk.messages import DeskEvent
from tickerkit.formatting import format_count
from tickerkit.log import Gap

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["MAX_EVENTS", "EventList", "FeedEvents"]

MAX_EVENTS = 200
# A sentence of a server or of a venue may be a page long.
MAX_TEXT_LENGTH = 300
# What a feed does between these is not worth an event: it is connecting, and says so.
QUIET_STATUSES = ("connecting", "stopped")


class EventList:
    """The newest 200 events, each with its number; any thread may add and read.

    Attributes:
        stop: the number of the next event.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: deque[DeskEvent] = deque(maxlen=MAX_EVENTS)
        self.stop = 0

    def add(
        self,
        kind: Literal["alert", "gap", "message"],
        text: str,
        *,
        feed: int = 0,
        symbol: str = "",
        time_ms: float | None = None,
        notify: bool = False,
        sound: bool = False,
    ) -> None:
        """Add an event; without a time it is of now."""
        short = text if len(text) <= MAX_TEXT_LENGTH else f"{text[: MAX_TEXT_LENGTH - 1]}…"
        with self._lock:
            self._events.append(
                {
                    "number": self.stop,
                    "type": kind,
                    "feed": feed,
                    "symbol": symbol,
                    "text": short,
                    "time_ms": time.time() * 1000 if time_ms is None else time_ms,
                    "notify": notify,
                    "sound": sound,
                }
            )
            self.stop += 1

    def since(self, number: int) -> list[DeskEvent]:
        """Return the events from a number on that are still held."""
        with self._lock:
            return [each for each in self._events if each["number"] >= number]


class FeedEvents:
    """Reads what happens to a feed, each from a position, and adds it to a list of events.

    Args:
        events: the list.
        index: the number of the feed in its dashboard.
    """

    def __init__(self, events: EventList, index: int) -> None:
        self._events = events
        self._index = index
        self._gaps = 0
        self._alerts = 0
        self._status = "connecting"

    def read(self, feed: Feed) -> None:
        """Add what is new: of more than 200 gaps or alerts, the newest."""
        self._gaps, gaps = feed.gaps_since(self._gaps)
        for gap in gaps[-MAX_EVENTS:]:
            at_ns = gap.first_after if gap.last_before is None else gap.last_before
            time_ms = None if at_ns is None else at_ns / 1e6
            self._events.add("gap", _describe_gap(gap), feed=self._index, time_ms=time_ms)
        self._alerts, alerts = feed.alert_events(self._alerts)
        for alert in alerts[-MAX_EVENTS:]:
            self._events.add(
                "alert",
                alert.text,
                feed=self._index,
                symbol=alert.symbol,
                time_ms=alert.time.value / 1e6,
                notify=alert.notify,
                sound=alert.sound,
            )
        status, reason = feed.status, feed.status_reason
        if status != self._status:
            was_lost = self._status not in (*QUIET_STATUSES, "live")
            if status not in QUIET_STATUSES and (status != "live" or was_lost):
                text = f"{status}: {reason}" if reason else status
                self._events.add("message", text, feed=self._index)
            self._status = status


def _describe_gap(gap: Gap) -> str:
    """Return a gap as a sentence."""
    if gap.count is None:
        text = f"ticks are missing from {gap.first:,} on"
    elif gap.count == 1:
        text = f"1 tick is missing ({gap.first:,})"
    else:
        text = f"{format_count(gap.count, 'tick')} are missing ({gap.first:,} to {gap.last:,})"
    return f"{text}: {gap.reason}" if gap.reason else text
