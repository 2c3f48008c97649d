"""Exchange: what a dashboard sends to the pages that show it, and when."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from tickerkit.chart.desk.events import EventList
from tickerkit.chart.desk.messages import DeskRow, FeedState, FromKernel, RecordState
from tickerkit.runtime.presence import PresenceLease

__all__ = ["Exchange", "StatusReport"]

# Counts and rates change with each tick; a reader needs them less often than rows.
COUNTS_INTERVAL_S = 1.0
# A page that hears nothing for three times as long says so.
EVERY_S = 2.0
# The sign that the kernel lives is sent a little early, for a thread may wake up late.
EARLY_S = 0.1
ENDED = ("stopped",)

Collect = Callable[[bool], tuple[list[DeskRow], list[str]]]
StatusReport = tuple[list[FeedState], RecordState]


class Exchange:
    """Sends rows, state and events to the pages that show a dashboard.

    It sends at most four messages of rows and about as many of events a second, and a message of
    state each second. While no page shows the dashboard it sends only events that ask for a
    notification or a sound: the page may be hidden behind another.

    Args:
        events: the events.
        collect: returns the fields of rows that have changed, and the ids of rows gone; of all rows
            if its argument is true.
        report: returns the state of the feeds and of the recording.
        send: sends a message; called only by `flush`.
        clock: the time in seconds, monotonic.
    """

    def __init__(
        self,
        events: EventList,
        collect: Collect,
        report: Callable[[], StatusReport],
        send: Callable[[FromKernel], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._events, self._collect, self._report = events, collect, report
        self._send, self._clock = send, clock
        self._lease = PresenceLease(clock)
        self._lock = threading.Lock()
        self._pages: set[str] = set()
        # The first event that a page asks for, together with everything else.
        self._asked: int | None = None
        # The first event that was not sent yet. What happened before it is past.
        self._next_event = 0
        self._status: StatusReport | None = None
        self._status_at = -math.inf

    @property
    def is_shown(self) -> bool:
        """Whether a page shows the dashboard."""
        return bool(self._pages) and not self._lease.ended

    def take_page(self, page: str, start: object) -> None:
        """Note that a page shows the dashboard; with a number, it asks for everything whole."""
        self._lease.renew()
        with self._lock:
            self._pages.add(page)
            if isinstance(start, int) and start >= 0:
                self._asked = start if self._asked is None else min(self._asked, start)

    def drop_page(self, page: str) -> None:
        """Note that a page shows the dashboard no more."""
        with self._lock:
            self._pages.discard(page)

    def skip_past(self) -> None:
        """Take all events so far for past, and send everything whole: other feeds are shown."""
        with self._lock:
            self._next_event = self._events.stop
            self._asked = 0

    def close(self) -> None:
        """Send nothing more."""
        with self._lock:
            self._pages.clear()

    def flush(self) -> None:
        """Send what is new, in the sending thread."""
        events = self._events.since(self._next_event)
        if not self.is_shown:
            if any(each["notify"] or each["sound"] for each in events):
                self._next_event = events[-1]["number"] + 1
                self._send({"kind": "events", "is_past": False, "events": events})
            return
        with self._lock:
            asked, self._asked = self._asked, None
        is_whole = asked is not None
        self._send_status(is_whole=is_whole)
        rows, gone = self._collect(is_whole)
        if rows or gone or is_whole:
            self._send({"kind": "rows", "whole": is_whole, "rows": rows, "gone": gone})
        if asked is not None:
            stop = events[0]["number"] if events else self._events.stop
            past = [each for each in self._events.since(asked) if each["number"] < stop]
            if past:
                self._send({"kind": "events", "is_past": True, "events": past})
        if events:
            self._next_event = events[-1]["number"] + 1
            self._send({"kind": "events", "is_past": False, "events": events})

    def _send_status(self, *, is_whole: bool) -> None:
        status = self._report()
        age_s = self._clock() - self._status_at
        feeds, record = status
        if not is_whole and self._status is not None:
            is_same = status == self._status
            is_urgent = _leave_out_counts(status) != _leave_out_counts(self._status)
            is_due = age_s >= (EVERY_S - EARLY_S if is_same else COUNTS_INTERVAL_S - EARLY_S)
            if not is_urgent and not is_due:
                return
        has_ended = all(each["status"] in ENDED for each in feeds)
        if has_ended and not is_whole and status == self._status:
            return
        self._status, self._status_at = status, self._clock()
        every_s = 0.0 if has_ended else EVERY_S
        self._send({"kind": "status", "every_s": every_s, "feeds": feeds, "record": record})


def _leave_out_counts(status: StatusReport) -> object:
    """Return what of a state a user waits for."""
    feeds, record = status
    return [(each["status"], each["reason"], each["error"]) for each in feeds], record["is_on"]
