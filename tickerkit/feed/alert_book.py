"""AlertBook: a feed's alerts, the threads that judge them, and the events that they fired."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from tickerkit.alerts import AlertEvent, AlertSpec, EventLog, Fired, Judge, Watch
from tickerkit.alerts.bars import OnBars, OwnBarCondition
from tickerkit.alerts.own import OwnCondition
from tickerkit.feed.alert import Alert
from tickerkit.feed.alert_delivery import JOIN_S
from tickerkit.log import Gaps, Position, Rows, TickLog
from tickerkit.runtime.workers import Follower

__all__ = ["AlertBook"]

# How often silences are judged while no tick comes.
IDLE_S = 1.0
# How much later the clock notices a silence than a tick does: ticks may be on their way.
MARGIN_NS = 1_000_000_000
# How long an alert also judges what its feed has received so far: a replay at full speed may be
# over before the next line of a script makes the alert.
NEW_S = 5.0
# Ticks that are older belong to a replay, whose time does not follow this machine's clock.
MAX_LIVE_LAG_NS = 60_000_000_000


class JudgeThread:
    """A thread that judges the rows of a log, for alerts that wait for each other.

    Args:
        book: takes what fired.
        judge: continues with the row at which it stands.
    """

    def __init__(self, book: AlertBook, judge: Judge) -> None:
        # Reentrant: the condition of an alert may stop its alert.
        self.lock = threading.RLock()
        self.judge = judge
        self._book = book
        self.follower = Follower(
            judge.log,
            self._take,
            reader=judge.log.reader(judge.row),
            idle_s=IDLE_S,
            name="tickerkit alerts",
        )

    def _take(self, rows: Rows) -> None:
        with self.lock:
            # What it only looked through, to know the values before its first row, is no loss.
            if (lost := min(rows.lost, rows.start - self.judge.first_row)) > 0:
                self._book.note_lost(self.judge, lost)
            if len(rows):
                self._book.publish(self.judge.take(rows))
            elif not rows.lost and self._book.may_wake():
                self._book.publish(self.judge.wake(time.time_ns() - MARGIN_NS, MAX_LIVE_LAG_NS))


class AlertBook:
    """The alerts of a feed; it outlives the feed, as the log does, when a cell is run again.

    Alerts whose condition is a function of the user's are judged in a thread each, all others in
    one thread.

    Args:
        log: the feed's log.
        gaps: its gaps.

    Attributes:
        events: what has fired.
        alerts: the alerts that are not stopped, oldest first.
        history: the newest tick from before the feed connected; None if that isn't known.
        is_live: returns whether the feed has a connection; a silence is judged by the clock only
            then.
    """

    def __init__(self, log: TickLog, gaps: Gaps) -> None:
        self.log, self.gaps = log, gaps
        self.events = EventLog()
        self.alerts: list[Alert] = []
        self.history: Position | None = None
        self.is_live: Callable[[], bool] = lambda: False
        self._made = 0
        self._made_at_s = time.monotonic()
        self._lock = threading.RLock()  # held while alerts are added or removed
        self._publishing = threading.Lock()
        self._threads: dict[Alert, JudgeThread] = {}
        self._watches: dict[Alert, Watch] = {}
        self._by_watch: dict[Watch, Alert] = {}

    def make_alert(self, spec: AlertSpec, name: str | None) -> Alert:
        """Return a new alert, which is not judged yet."""
        self._made += 1
        return Alert(self, self._made, spec, name or spec.describe())

    def has_made(self, alert: Alert) -> bool:
        """Return whether an alert is of this feed."""
        return alert.book is self

    def start(
        self, alert: Alert, when: Callable[..., Any] | None, replaced: Alert | None = None
    ) -> None:
        """Judge an alert from now on: from the row at which the others are judged.

        Its condition first sees the ticks held from before, so that it knows the values before the
        next tick; what it finds there is left out, unless `spec.past` asks for it or the feed is
        new. An alert that
        ended with the feed, and is the same, is continued from the row up to which it was judged.

        Args:
            alert: the alert.
            when: the function that judges, if `spec.is_own`.
            replaced: the alert of the last run of the cell, which is stopped at the same row.
        """
        conditions = alert.spec.make_conditions(when, alert.name)
        watch = Watch(conditions, alert.spec.symbols, alert.faults.add)
        with self._lock:
            self._watches[alert], self._by_watch[watch] = watch, alert
            self.alerts = [*self.alerts, alert]
            shared = None if alert.spec.is_own else self._find_shared()
            row = self.log.stop if shared is None else shared.judge.row
            is_new = replaced is None and time.monotonic() - self._made_at_s < NEW_S
            if not alert.spec.past and not is_new:
                alert.first_row = row
            if replaced is not None and replaced.ended_row is not None:
                alert.first_row, alert.count = replaced.ended_row, replaced.count
            judge = Judge(self.log, self.gaps, self.log.start, alert.first_row)
            judge.watches = [watch]
            ended = None
            if not alert.spec.is_own:  # a function of the user's is called in its thread only
                self._catch_up(judge, row)
            if shared is None:
                self._threads[alert] = JudgeThread(self, judge)
                if replaced is not None:
                    ended = self._detach(replaced)
            else:
                with shared.lock:
                    self._catch_up(judge, shared.judge.row)
                    shared.judge.adopt(judge)
                    self._threads[alert] = shared
                    if replaced is not None:
                        ended = self._detach(replaced)
        # Without the locks: a delivery may block.
        if replaced is not None:
            self._end(replaced, ended)

    def set_function(self, alert: Alert, when: Callable[..., Any]) -> bool:
        """Replace the function that judges an alert; what it said of the newest ticks stays.

        Returns:
            Whether the function before is not in a call that blocks. Otherwise the alert has to be
            replaced by one that is continued from the same row.
        """
        thread, watch = self._threads.get(alert), self._watches.get(alert)
        if thread is None or watch is None:
            return True
        # Without the other lock: the function may be waiting for it.
        if not thread.lock.acquire(timeout=JOIN_S):
            alert.ended_row = thread.judge.row
            return False
        try:
            for condition in watch.conditions:
                parts = condition.conditions if isinstance(condition, OnBars) else [condition]
                for part in parts:
                    if isinstance(part, OwnCondition | OwnBarCondition):
                        part.function = when
        finally:
            thread.lock.release()
        return True

    def remove(self, alert: Alert) -> None:
        """Stop an alert; idempotent."""
        self._end(alert, self._detach(alert))

    def _detach(self, alert: Alert) -> JudgeThread | None:
        """Judge an alert no more; return its thread if that judges no other alert.

        It doesn't wait for what the thread is judging: a function of the user's may block.
        """
        with self._lock:
            self.alerts = [each for each in self.alerts if each is not alert]
            thread, watch = self._threads.pop(alert, None), self._watches.pop(alert, None)
            if watch is not None:
                with self._publishing:
                    self._by_watch.pop(watch, None)
            if thread is not None:
                judge = thread.judge
                judge.watches = [each for each in judge.watches if each is not watch]
            is_last = thread not in self._threads.values()
        alert.begin_stop()
        return thread if is_last else None

    def _end(self, alert: Alert, thread: JudgeThread | None) -> None:
        """Wait for an alert's deliveries, and for its thread if there is one."""
        if thread is not None:
            thread.follower.stop()
        alert.end_deliveries(time.monotonic() + JOIN_S)

    def stop(self) -> None:
        """Judge all ticks that have arrived, deliver what fired, and stop every alert."""
        with self._lock:
            alerts, threads = self.alerts, {*self._threads.values()}
        for thread in threads:
            thread.follower.stop(0.0)  # all of them end together
        deadline_s = time.monotonic() + JOIN_S
        for thread in threads:
            thread.follower.stop(max(deadline_s - time.monotonic(), 0.0))
        for alert in alerts:
            alert.begin_stop()
            if (judged := self._threads.get(alert)) is not None:
                alert.ended_row = judged.judge.row
        deadline_s = time.monotonic() + JOIN_S
        for alert in alerts:
            alert.end_deliveries(deadline_s)
        for alert in alerts:
            self._detach(alert)

    def is_judged(self, alert: Alert) -> bool:
        """Return whether a thread judges an alert."""
        thread = self._threads.get(alert)
        return thread is not None and not thread.follower.ended

    def has_failed(self, alert: Alert) -> bool:
        """Return whether the condition of an alert raised an error when it last judged."""
        watch = self._watches.get(alert)
        return watch is not None and watch.has_failed

    def has_value(self, alert: Alert) -> bool:
        """Return whether a tick of an alert's symbols has had a number in its column."""
        thread, watch = self._threads.get(alert), self._watches.get(alert)
        if thread is None or watch is None:
            return False
        return thread.judge.has_value(watch, alert.spec.column)

    def count_unjudged(self) -> int:
        """Return how many rows some alert has not judged yet."""
        rows = [each.judge.row for each in list(self._threads.values())]
        return max(self.log.stop - min(rows, default=self.log.stop), 0)

    def may_wake(self) -> bool:
        """Return whether silences may be judged by the clock."""
        return self.is_live()

    def publish(self, fired: Iterable[Fired]) -> None:
        """Add events to the list, and have them delivered."""
        for watch, firing, tick, row, position in fired:
            with self._publishing:
                alert = self._by_watch.get(watch)
                if alert is None or row < alert.first_row:  # stopped meanwhile, or begun later
                    continue
                if not alert.spec.past and self._is_history(position):
                    continue
                event = AlertEvent(
                    number=self.events.stop,
                    alert=alert.name,
                    kind=firing.kind,
                    symbol=tick.symbol,
                    price=tick.price,
                    value=firing.value,
                    seq=tick.seq,
                    epoch=tick.epoch,
                    time=pd.Timestamp(tick.time_ns, tz="UTC"),
                    received=pd.Timestamp(tick.received_ns, tz="UTC"),
                    text=f"{tick.symbol} {firing.text}".lstrip(),
                    notify=alert.notify,
                    sound=alert.sound,
                    level=firing.level,
                    alert_id=alert.id,
                )
                self.events.add(event)
                alert.count += 1
            alert.wake()

    def note_lost(self, judge: Judge, count: int) -> None:
        """Note that the log has dropped rows before they were judged."""
        problem = f"{count:,} ticks were dropped from the log before they were judged"
        for watch in judge.watches:
            if (alert := self._by_watch.get(watch)) is not None:
                alert.faults.add_message("dropped", problem, count)

    def abandon_after_fork(self) -> None:
        """Replace the locks, in a forked child: a thread of the parent may have held them."""
        self._lock, self._publishing = threading.RLock(), threading.Lock()
        self.alerts, self._threads = [], {}

    def _is_history(self, position: Position | None) -> bool:
        """Return whether a tick is one from before the feed connected."""
        history = self.history
        if position is None or history is None:
            return False
        return position.epoch == history.epoch and position.seq <= history.seq

    def _find_shared(self) -> JudgeThread | None:
        """Return the thread that judges the alerts without a function of the user's."""
        for alert, thread in self._threads.items():
            if not alert.spec.is_own and not thread.follower.ended:
                return thread
        return None

    def _catch_up(self, judge: Judge, row: int) -> None:
        """Have a new alert see the rows before it begins."""
        self.publish(judge.take(self.log.rows(judge.row, row)))
        judge.row = max(judge.row, row)
