"""Feed alerts: conditions on a feed's ticks that fire once for each crossing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from tickerkit.alerts import AlertEvent, event_frame, parse_spec
from tickerkit.errors import InvalidArgument
from tickerkit.feed.alert import Alert, Sink
from tickerkit.feed.alert_sinks import CsvSink, Webhook
from tickerkit.feed.callbacks import UserFunction, check_callback
from tickerkit.feed.readers import FeedReaders
from tickerkit.formatting import format_line
from tickerkit.runtime.interrupts import uninterrupted
from tickerkit.runtime.rerun import cell_slot
from tickerkit.validation import check_flag, check_text

__all__ = ["FeedAlerts"]


class FeedAlerts(FeedReaders):
    """Makes alerts on a feed's ticks, and lists what they fired; a base of `Feed`."""

    @uninterrupted
    def alert(
        self,
        symbol: str | Sequence[str] | None = None,
        *,
        above: float | None = None,
        below: float | None = None,
        crossing: float | None = None,
        column: str = "price",
        move: float | None = None,
        within: str | float | timedelta | None = None,
        silence: bool | str | float | timedelta | None = None,
        gap: bool = False,
        lag: float | None = None,
        when: Callable[[pd.DataFrame], Any] | None = None,
        bars: str | float | timedelta | None = None,
        past: bool = False,
        call: Callable[[AlertEvent], object] | None = None,
        webhook: str | None = None,
        csv: str | Path | None = None,
        notify: bool = False,
        sound: bool = False,
        name: str | None = None,
    ) -> Alert:
        """Notify when a condition becomes true: exactly once each time.

        Ticks are judged in the order of the log, each symbol by itself, in a thread of its own;
        after a break the judging continues with the tick after the last. It judges by the ticks
        alone, so a replay of a recording, at any speed, fires at the same ticks (with `past=True`,
        also from the first tick on). Events are listed in `feed.alerts`, and marked in charts and
        dashboards of this feed.

        A condition fires when it becomes true. So the first tick of a symbol never fires, and a
        price that stays above a level fires once. Pass one of `above` (or `below`, or both),
        `crossing`, `move`, `silence`, `gap`, `lag` and `when`.

        Running the cell again continues the alert: nothing fires twice, and nothing is missed. A
        changed condition begins with the next tick.

        Args:
            symbol: one symbol, a list, or text such as "AAPL,MSFT"; all by default.
            above: fires when the value goes from at most this level to more.
            below: fires when the value goes from at least this level to less.
            crossing: fires when the value goes to the other side of this level, up or down.
            column: the column of these values, such as "bid" or "temperature". While no tick has
                had a number in it, `alert.status` is "waiting".
            move: fires when the value has risen from its lowest, or fallen from its highest, by
                this percentage within the time `within`. It then measures from this tick on.
            within: that time: "5min", a timedelta, or seconds.
            silence: fires when no tick of a symbol has come for this time, such as "30s"; True for
                20 times the usual interval between its ticks, and at least 10 seconds. Time passes
                with the ticks of all symbols; while no tick comes at all, with this machine's
                clock. It stands still in gaps, and while there is no connection.
            gap: fires at the first tick after each gap of `feed.gaps`.
            lag: fires when a tick is received more than this many seconds after its time.
            when: a function of your own. It gets a frame of successive ticks, with the columns of
                `feed.frame()`, and returns a truth value for each row. It fires where that becomes
                true for a symbol. A frame may have any number of rows, so judge each row by itself.
                The function is called in its own thread, and may be slow.
            bars: judge the bars of `column` of this length, such as "1min", instead of ticks: their
                closes, for levels and moves. `when` gets the newest bars of one symbol, at most
                1,000, with the columns of `feed.bars()`, and returns whether the last fulfils it.
                A bar is judged once, when the first tick of a later bar closes it; the event has
                that tick. A tick that comes late for a closed bar is left out.
            past: also judge earlier ticks: those that the feed holds, and the history that it gets
                when it connects. In the first five seconds of a feed, what it has received since it
                connected is judged without it: a replay at full speed may be over before the next
                line of the cell runs.
            call: called with each `AlertEvent`, in a thread of its own; may be a coroutine
                function. What it raises is counted in `alert.faults`, and the calls continue.
            webhook: address to which each event is posted as JSON, in a thread of its own. It is
                tried again for about ten minutes while the server can't be reached, answers with
                an HTTP status of 5xx, or asks to wait. A server may get an event twice, if only its
                answer was lost: two with the same `number` are the same event.
            csv: file to which a line is appended for each event; alerts may share one.
            notify: have the dashboard's page show a notification by the browser.
            sound: have the dashboard's page make a sound.
            name: name of the alert; by default what it watches, such as "AAPL > 200".

        Returns:
            The alert: `alert.count`, `alert.status`, and `alert.stop()`. It ends with the feed.

        Raises:
            InvalidArgument: an argument is invalid, or there is no condition, or more than one.

        Example:
            >>> feed.alert("AAPL", above=200, call=print)
            >>> feed.alert(move=1.0, within="5min", notify=True)
            >>> feed.alert("AAPL", when=lambda ticks: ticks["ask"] - ticks["bid"] > 0.05)
            >>> feed.alert(
            ...     bars="1min", when=lambda bars: bars["close"] > bars["close"].rolling(20).mean()
            ... )
        """
        spec = parse_spec(
            symbol,
            above=above,
            below=below,
            crossing=crossing,
            column=column,
            move=move,
            within=within,
            silence=silence,
            gap=gap,
            lag=lag,
            when=when,
            bars=bars,
            past=past,
        )
        if when is not None:
            check_callback(when, "when")
        sinks = _make_sinks(call, webhook, csv)
        check_flag("notify", notify)
        check_flag("sound", sound)
        if name is not None:
            check_text("name", name, "text")
            if not name.strip():
                raise InvalidArgument("name", name, "text")
            name = format_line(name)
        book = self._state.alert_book
        cell = cell_slot("alert", self._source)
        previous: Alert | None = cell.last()
        if previous is not None and not book.has_made(previous):
            previous.stop()
            previous = None
        made = previous
        continues = previous is not None and previous.spec == spec and previous in book.alerts
        if previous is not None and continues and when is not None:
            continues = book.set_function(previous, when)
        if not continues:
            made = book.make_alert(spec, name)
        assert made is not None
        made.name = name or spec.describe()
        made.notify, made.sound = notify, sound
        made.deliver_to(sinks, book.events.stop)
        if made is not previous:
            # One that ended with the feed is continued where it was if nothing else has changed.
            if previous is not None and previous.spec != spec:
                previous.ended_row = None
            book.start(made, when, previous)
        cell.fill(made)
        if self._stopped:
            made.stop()
        return made

    @property
    def alerts(self) -> pd.DataFrame:
        """What alerts have fired.

        Returns:
            A DataFrame with a row for each event, the newest last: `alert` (its name), `kind`,
            `symbol`, `price` and `value` (float64), `seq` (int64), `epoch`, `time` and `received`
            (UTC, ns) of the tick that fired, and `text`. `AlertEvent` explains them. Of more than
            20,000 events the oldest are dropped.

        Example:
            >>> feed.alerts.query("symbol == 'AAPL'")
        """
        return event_frame(self._state.alert_book.events.read()[1])

    def alert_events(self, start: int = 0) -> tuple[int, list[AlertEvent]]:
        """Return the events from a number on; a reader that polls passes the number it got last.

        Returns:
            The number of the next event, and the events held that have `start` or a higher number.

        Example:
            >>> next_number, events = feed.alert_events(next_number)
        """
        return self._state.alert_book.events.read(start)

    @property
    def active_alerts(self) -> list[Alert]:
        """The alerts of this feed that are not stopped, oldest first."""
        return list(self._state.alert_book.alerts)

    @property
    def unjudged(self) -> int:
        """How many ticks have arrived that alerts have not judged yet; 0 without alerts."""
        return self._state.alert_book.count_unjudged()


def _make_sinks(call: object, webhook: object, csv: object) -> dict[str, Sink]:
    sinks: dict[str, Sink] = {}
    if call is not None:
        check_callback(call, "call", "an AlertEvent")
        sinks["call"] = UserFunction(call)  # type: ignore[arg-type]
    if webhook is not None:
        sinks["webhook"] = Webhook(webhook)
    if csv is not None:
        sinks["csv"] = CsvSink(csv)
    return sinks
