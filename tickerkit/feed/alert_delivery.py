"""Delivery: takes an alert's events to a callback, a webhook or a CSV file.

Each delivery reads the feed's list of events from its own position, in its own thread. So a slow
callback or a dead webhook delays neither the judging nor other deliveries.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from tickerkit.alerts import AlertEvent, EventLog
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.interrupts import hold_interrupts
from tickerkit.runtime.threads import BackgroundThread, UserThread, start_thread

__all__ = ["Delivery", "NotDelivered"]

JOIN_S = 1.0
FIRST_DELAY_S, MAX_DELAY_S = 0.5, 30.0
# With the delays above, about ten minutes.
MAX_ATTEMPTS = 25


class NotDelivered(Exception):
    """An event could not be delivered.

    Attributes:
        may_retry: whether another attempt may succeed.
    """

    def __init__(self, problem: str, *, may_retry: bool) -> None:
        self.may_retry = may_retry
        super().__init__(problem)


class Delivery:
    """Hands over each event of one alert, in order, in a thread that begins with the first.

    Args:
        events: the feed's list of events.
        alert_id: of which alert.
        hand_over: called with each event. After `NotDelivered` that allows it, the event is tried
            again, for about ten minutes; then, and after any other error, it is left out.
        faults: counts the errors.
        start: number of the first event to hand over.
        close: called in the thread before it ends.

    Attributes:
        is_failing: whether the newest attempt failed.
        next: number of the event to look at next.
    """

    def __init__(
        self,
        events: EventLog,
        alert_id: int,
        hand_over: Callable[[AlertEvent], object],
        faults: ErrorLog,
        start: int,
        close: Callable[[], object],
    ) -> None:
        self.is_failing = False
        self.next = start
        self._events, self._alert_id = events, alert_id
        self._hand_over, self._close, self._faults = hand_over, close, faults
        self._new, self._stopping = threading.Event(), threading.Event()
        self._is_replaced = self._is_handed_on = False
        self._lock = threading.Lock()
        self._thread: BackgroundThread | None = None

    def wake(self) -> None:
        """Note that the alert has a new event."""
        self._new.set()
        # The lock: `hand_on` must see a thread that is about to start.
        with hold_interrupts(), self._lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = start_thread(self._run, "tickerkit alert delivery", UserThread)

    def begin_stop(self) -> None:
        """Deliver what is left, with a last attempt for each, without waiting for it."""
        with hold_interrupts(), self._lock:
            self._stopping.set()
        self._new.set()

    def stop(self, timeout_s: float = JOIN_S) -> bool:
        """Deliver what is left, end the thread, and return whether it has ended; idempotent."""
        self.begin_stop()
        return self._thread is None or self._thread.join_within(timeout_s)

    def hand_on(self) -> int:
        """Stop, and return the number of the first event that another delivery has to take.

        An event that waits to be tried again is that one. If a call blocks, it is the event after
        the one that is being handed over.
        """
        with hold_interrupts(), self._lock:
            self._is_replaced = True
        self.stop()
        with hold_interrupts(), self._lock:
            self._is_handed_on = True
            return self.next

    def _run(self) -> None:
        while True:
            self._new.wait()
            self._new.clear()
            is_last = self._stopping.is_set()
            self._deliver()
            if is_last:
                break
        self._close()

    def _deliver(self) -> None:
        """Hand over the events from the position on."""
        while True:
            stop, events = self._events.read(self.next)
            if events and (lost := events[0].number - self.next) > 0:
                problem = f"up to {lost:,} events were dropped before they were delivered"
                self._faults.add_message("dropped events", problem)
            for event in events:
                with self._lock:
                    if self._is_replaced:
                        return
                    self.next = event.number + 1
                if event.alert_id == self._alert_id:
                    self._try(event)
            if not events:
                self.next = stop
                return

    def _try(self, event: AlertEvent) -> None:
        delay_s = FIRST_DELAY_S
        for attempt in range(MAX_ATTEMPTS):
            try:
                self._hand_over(event)
            except NotDelivered as problem:
                self.is_failing = True
                may_retry = problem.may_retry and attempt < MAX_ATTEMPTS - 1
                is_left = may_retry and self._leave(event)
                has_ended = not may_retry or self._stopping.is_set()
                more = "; this event is left out" if has_ended and not is_left else "; trying again"
                self._faults.add_message("delivery", f"{problem}{more}")
                if has_ended or is_left:
                    return
            except BaseException as error:  # also SystemExit, and a cancelled task
                self.is_failing = True
                self._faults.add(error)
                return
            else:
                self.is_failing = False
                return
            self._stopping.wait(delay_s)
            if self._leave(event):
                return
            delay_s = min(2 * delay_s, MAX_DELAY_S)

    def _leave(self, event: AlertEvent) -> bool:
        """Leave an event to the delivery that replaces this one; return whether there is one."""
        with self._lock:
            if self._is_replaced and not self._is_handed_on:
                self.next = event.number
                return True
            return False
