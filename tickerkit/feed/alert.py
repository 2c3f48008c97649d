"""Alert: the handle of one alert: its name, its state, and where its events are delivered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

from tickerkit.alerts import AlertSpec, EventLog
from tickerkit.feed.alert_delivery import Delivery
from tickerkit.feed.alert_sinks import CsvSink, Webhook
from tickerkit.feed.callbacks import UserFunction
from tickerkit.formatting import format_count
from tickerkit.log import TickLog
from tickerkit.runtime.cards import render_card
from tickerkit.runtime.error_log import ErrorLog

__all__ = ["Alert", "Sink"]

Sink = UserFunction | Webhook | CsvSink


class Book(Protocol):
    """What an alert needs of the book that it is in."""

    log: TickLog
    events: EventLog

    def is_judged(self, alert: Alert) -> bool: ...

    def has_failed(self, alert: Alert) -> bool: ...

    def has_value(self, alert: Alert) -> bool: ...

    def remove(self, alert: Alert) -> None: ...


class Alert:
    """An alert of a feed. Made by `feed.alert`; it fires until it, or the feed, is stopped.

    Attributes:
        name: its name, as in `feed.alerts`.
        spec: what it watches.
        count: how many times it fired.
        faults: the errors of its condition and its deliveries: `count`, and `last` as text.
    """

    def __init__(self, book: Book, alert_id: int, spec: AlertSpec, name: str) -> None:
        self.id = alert_id
        self.name = name
        self.spec = spec
        self.count = 0
        # Events at earlier rows are from before the alert was made.
        self.first_row = 0
        # The row up to which it was judged when the feed stopped; None if it was not.
        self.ended_row: int | None = None
        self.faults = ErrorLog(f"alert {name}")
        self.notify = self.sound = False
        self.has_stopped = False
        self.book = book
        self._sinks: dict[str, Sink] = {}
        self._deliveries: dict[str, Delivery] = {}

    @property
    def status(self) -> str:
        """One of "running", "waiting", "failing" and "stopped".

        It is waiting until one of its symbols has had a tick with a number in the column that it
        watches, and failing while its condition or a delivery raises errors.
        """
        if self.has_stopped or not self.book.is_judged(self):
            return "stopped"
        if self.book.has_failed(self) or any(e.is_failing for e in self._deliveries.values()):
            return "failing"
        return "waiting" if self._describe_missing() else "running"

    def stop(self) -> None:
        """Fire no more; what has fired is still delivered. Idempotent.

        If a delivery blocks, this waits for it for at most one second.
        """
        self.book.remove(self)

    def deliver_to(self, sinks: Mapping[str, Sink], start: int) -> None:
        """Deliver to these sinks from now on; those that stay the same continue.

        Args:
            sinks: the sinks by their kind.
            start: number of the first event to deliver to a sink of a kind that is new.
        """
        # Replaced as a whole: the thread that judges wakes them meanwhile.
        deliveries = {**self._deliveries}
        for kind in self._deliveries:
            if kind not in sinks:
                deliveries.pop(kind).stop()
        for kind, sink in sinks.items():
            previous = self._deliveries.get(kind)
            if previous is not None and _is_same(sink, self._sinks[kind]):
                if sink is not self._sinks[kind]:
                    sink.close()
                sinks = {**sinks, kind: self._sinks[kind]}
                continue
            first = start if previous is None else previous.hand_on()
            deliveries[kind] = Delivery(
                self.book.events, self.id, sink, self.faults, first, close=sink.close
            )
        self._sinks, self._deliveries = dict(sinks), deliveries
        for delivery in deliveries.values():
            if delivery.next < self.book.events.stop:  # an event came meanwhile
                delivery.wake()

    def wake(self) -> None:
        """Have the newest events delivered."""
        for delivery in self._deliveries.values():
            delivery.wake()

    def begin_stop(self) -> None:
        """Have the deliveries end, without waiting for them."""
        self.has_stopped = True
        for delivery in self._deliveries.values():
            delivery.begin_stop()

    def end_deliveries(self, deadline_s: float) -> None:
        """Wait for the deliveries until a time of the monotonic clock."""
        for delivery in self._deliveries.values():
            delivery.stop(max(deadline_s - time.monotonic(), 0.0))

    def __repr__(self) -> str:
        fired = f"fired {format_count(self.count, 'time')}"
        more, status = "", self.status
        if status == "waiting":
            status += f" for {self._describe_missing()}"
        if self.faults.count:
            more = f", {format_count(self.faults.count, 'error')}, last {self.faults.last}"
        return f"<Alert {self.name!r} {status}, {fired}{more}>"

    def _repr_html_(self) -> str:
        lines = {
            "alert": self.name,
            "watches": self.spec.describe(),
            "fired": format_count(self.count, "time"),
            "waiting for": self._describe_missing() if self.status == "waiting" else "",
            "errors": f"{self.faults.count:,}" if self.faults.count else "",
            "last error": self.faults.last,
        }
        if lines["watches"] == self.name:
            del lines["watches"]
        return render_card("Alert", self.status, lines, traceback=self.faults.last_traceback)

    def _describe_missing(self) -> str:
        """Return what must come before the alert can fire: "a tick"; empty if it has come."""
        known = self.book.log.dictionaries["symbol"].codes
        names = self.spec.symbols
        if not (bool(known) if names is None else any(name in known for name in names)):
            return "a tick"
        if self.spec.needs_column and not self.book.has_value(self):
            return f"a tick with a number in the column {self.spec.column!r}"
        return ""


def _is_same(one: Sink, other: Sink) -> bool:
    """Return whether two sinks lead to the same place."""
    match one, other:
        case (Webhook(), Webhook()):
            return one.url == other.url
        case (CsvSink(), CsvSink()):
            return one.path == other.path
        case (UserFunction(), UserFunction()):
            return one.function is other.function
    return False
