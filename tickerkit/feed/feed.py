"""Feed: a connection that fills a log in the background, and the ways to read it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.errors import FeedFailed, InvalidArgument, Stopped, WaitTimeout
from tickerkit.feed.charts import FeedCharts
from tickerkit.feed.connection import Connection
from tickerkit.feed.freshness import symbol_freshness
from tickerkit.feed.rotation import Rotation, read_addresses
from tickerkit.feed.silence import describe_other_process, describe_unknown_messages
from tickerkit.feed.source_connection import SourceConnection
from tickerkit.feed.state import FeedState
from tickerkit.fieldmaps import Machine
from tickerkit.formatting import format_count
from tickerkit.log import Gap, Position
from tickerkit.net.tls import Trust, make_client_context
from tickerkit.net.urls import Urls
from tickerkit.protocol import Event, Hello, Received
from tickerkit.runtime.card_bundle import make_card_bundle
from tickerkit.runtime.cards import render_card
from tickerkit.runtime.interrupts import allow_interrupts, hold_interrupts
from tickerkit.runtime.loop_task import LoopTask
from tickerkit.runtime.registry import Service
from tickerkit.sources import (
    CcxtSource,
    MappedSource,
    ReplaySource,
    VenueSource,
    WebsocketSource,
)
from tickerkit.sources.raw_events import RawEvents
from tickerkit.validation import check_number

__all__ = ["Feed"]

# How soon `wait` notices a change of status, for which the log calls no hook.
WAIT_STEP_S = 0.2


class Feed(FeedCharts):
    """Ticks from a websocket, received in the background and held in a log.

    Made by `tk.connect`. A feed reconnects and resumes by itself; ranges of ticks that can't be
    fetched any more are listed in `gaps`. It holds at most `keep` ticks, however fast they come.
    Only `wait` waits for ticks.

    Args:
        url: address of the websocket or of the server's page, with or without the token; or a list
            of addresses.
        symbols: the symbols to ask for; None for all.
        history: number of ticks from before now to get first; None for all.
        keep: number of ticks to hold.
        token: the server's token.
        ssl: certificate to trust, or a context.
        retry_for: seconds without a connection after which the feed fails; None for never.
        replaces: the feed, stopped, whose log and readers this one takes over.
        resume: position of the tick to continue after.
        limit: number of ticks after which later ticks and gaps are ignored; None for no limit.
        max_unwritten: number of ticks that may wait for a recorder before the feed reads nothing
            more until they are written; None to receive at any pace.
        source: what recordings name as the source of the ticks; `url` by default.
        websocket: the source that reads `url` by a field map; None for the feed's own connection.

    Attributes:
        log: the ticks held.
        symbols: the symbols that were asked for; None for all.

    Example:
        >>> with tk.connect("ws://127.0.0.1:8000") as feed:
        ...     frame = feed.wait(100).frame()
    """

    _kind, _how_to_restart = "feed", "call tk.connect again"

    def __init__(
        self,
        url: Urls,
        symbols: Sequence[str] | None,
        history: int | None,
        keep: int,
        token: str | None,
        ssl: Trust | None = None,
        retry_for: float | None = None,
        replaces: Feed | None = None,
        resume: Position | None = None,
        limit: int | None = None,
        max_unwritten: int | None = None,
        source: str | None = None,
        websocket: WebsocketSource | None = None,
    ) -> None:
        addresses = read_addresses(url, token)
        trust = make_client_context(ssl)
        if trust is not None and not any(each.url.startswith("wss:") for each in addresses):
            expected = "None, or an address that begins with wss:// or https://"
            raise InvalidArgument("ssl", ssl, expected)
        rotation = Rotation(addresses)
        if replaces is not None:
            state = replaces._state
        else:
            state = FeedState(None if symbols is None else list(symbols), keep, history)
            if resume is not None:
                state.resume_after(resume)
        super().__init__(rotation, symbols, state, source)
        self._replaces = replaces
        self._replacement: Feed | None = None
        self._limit, self._max_unwritten = limit, max_unwritten
        self._task: LoopTask | None = None
        self._changed = threading.Condition()
        self._waited_row = self.log.stop
        self._unhook = self.log.on_append(self._notify)
        # Of which connection it is known: its address, and how many there were before it.
        self._served_by: tuple[tuple[str, int], str] = (("", 0), "")
        self._websocket = websocket
        if websocket is not None:
            self.log.units = websocket.units
            self._connection: Connection | SourceConnection = SourceConnection(
                websocket, state.plain_client, self._take, self._faults, self._is_full
            )
            return
        self._connection = Connection(
            rotation,
            state.client,
            state.plain_client,
            self._take,
            self._faults,
            frame_buffers=state.frame_buffers,
            is_full=self._is_full,
            ssl=trust,
            retry_for=retry_for,
        )

    # --- status -------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """One of "connecting", "live", "reconnecting", "ended", "stopped" and "failed"."""
        return "stopped" if self._stopped else self._connection.status

    @property
    def status_detail(self) -> str:
        """The status as a sentence: the address, what is wrong, and when the feed tries again."""
        return "stopped" if self._stopped else self._connection.status_detail

    @property
    def status_reason(self) -> str:
        """Why the feed isn't live: the newest problem, or why it ended or failed; else empty."""
        return self._connection.status_reason

    @property
    def status_since(self) -> pd.Timestamp:
        """When the status became what it is, in UTC; by this machine's clock."""
        since_ns = self._stopped_ns if self._stopped else self._connection.status_since_ns
        return pd.Timestamp(since_ns, tz="UTC")

    @property
    def served_by(self) -> str:
        """Which other program of this machine serves the ticks, such as another notebook.

        It is text such as "notebook 01_quickstart.ipynb (pid 5876)", on Linux and for programs of
        the same user. It is empty for a server of this notebook, and on another machine. `repr`
        and the card of a feed show it: `tk.connect()` takes whatever server has port 8000.
        """
        if self.status != "live":
            return ""
        connection = (self.url, self._connection.reconnects)
        if self._served_by[0] != connection:
            self._served_by = (connection, describe_other_process(self.url))
        return self._served_by[1]

    @property
    def failure(self) -> FeedFailed | None:
        """The error, if the feed has failed; otherwise None.

        `wait` raises it only while ticks are missing: ticks that have arrived satisfy a wait.
        """
        return self._connection.failure

    @property
    def fields(self) -> object:
        """The field map by which a websocket is read; None where none is needed.

        It was given, or guessed from the first messages; `fields_note` and `repr(feed)` say so.
        """
        machine = self._machine
        return None if machine is None or machine.fields is None else machine.fields.given

    @property
    def fields_note(self) -> str:
        """What to know about a guessed field map; empty for one that was given, and without one."""
        return "" if self._machine is None else self._machine.fields_note

    @property
    def freshness(self) -> pd.DataFrame:
        """How each symbol comes. A call costs time in proportion to the ticks that are new.

        Returns:
            A DataFrame with a row for each symbol that has ticks or was asked for: `status`
            ("live"; "quiet" when nothing has come for 20 of its usual intervals, and 10 seconds at
            least; "asked" before its first tick), `last` (UTC; when its newest tick came), `pace_s`
            (the mean interval of its newest 32 to 64 ticks, by their times; NaN while it has had
            few), `lag_s` (how long after its time the newest tick came) and `rows` (how many ticks
            came). Where a venue, or its raw frames, are read in this process, as by `tk.live`, the
            frame is that of `tk.venue(...).freshness()`, which knows more.
        """
        kinds = VenueSource | ReplaySource | CcxtSource
        for source in self._sources():
            if isinstance(source, kinds) and len(frame := source.freshness()):
                return frame
        with self._state.arrivals_lock:
            now_ns = time.time_ns()
            return symbol_freshness(self.log, self._state.arrivals, self.symbols, now_ns)

    @property
    def current(self) -> Feed:
        """The feed that now fills this log: this one, or the one of a later run of its cell."""
        feed = self
        while feed._replacement is not None:
            feed = feed._replacement
        return feed

    @property
    def stats(self) -> Mapping[str, Any]:
        """Counts and rates since the feed was made.

        Returns:
            `received` (ticks in all), `held` (ticks in the log), `dropped` (the oldest ticks,
            removed because of `keep`), `rate` (ticks per second over the last 5 s), `symbols`
            (number of them), `reconnects`, `lag_s` (seconds between the newest tick's `time`, by
            the source's clock, and its `received`; may be negative, NaN without ticks), `gaps` (in
            all; `feed.gaps` lists the newest 100,000), `duplicates` (ticks that arrived again and
            were left out), `refused` (messages that weren't ticks), `last_error` (the newest, of
            callbacks too, as text; an error of your own code with file and line; empty without
            errors), `misfits` (values left out of ticks, by column: by this feed, and by the server
            since the feed connected), `unknown` (messages that the field map does not name, by
            their shape), `callback_errors`, `status`, `url`.
        """
        state = self._state
        rows = self.log.rows()
        lag_s = np.nan
        if len(rows):
            lag_s = float(rows.array("received")[-1] - rows.array("time")[-1]) / 1e9
        callback_errors = sum(each.faults.count for each in state.callbacks)
        return {
            "received": self.log.stop,
            "held": len(rows),
            "dropped": self.log.start,
            "rate": self.log.rate(time.time_ns()),
            "symbols": len(self.log.symbols()),
            "reconnects": max(self._connection.reconnects, 0),
            "lag_s": lag_s,
            "gaps": state.count_gaps(),
            "duplicates": state.client.duplicates,
            "refused": self._faults.count,
            "last_error": self.last_error,
            "misfits": state.count_misfits(),
            "unknown": {} if self._machine is None else dict(self._machine.shapes.counts),
            "callback_errors": callback_errors,
            "status": self.status,
            "url": self.url,
        }

    def wait(self, ticks: int = 1, timeout: float | None = 10) -> Feed:
        """Block until ticks have arrived since the feed was made or last waited for.

        Args:
            ticks: number of ticks; ticks from before now, which the server sends first, count.
            timeout: seconds to wait at most; None for no limit. An interrupt ends the wait.

        Returns:
            The feed; also when the source ends before enough ticks have arrived.

        Raises:
            WaitTimeout: the time is up; the error says what the feed was doing, which symbols the
                server has if it lacks one, which messages a field map does not name, and the last
                error of a server in this process.
            InvalidArgument: an argument is not a number, or is negative.
            FeedFailed: the feed has failed before these ticks arrived; see `failure`.
            Stopped: the feed is stopped.

        Example:
            >>> feed.wait(100).frame()
        """
        check_number("ticks", ticks, 0, whole=True)
        check_number("timeout", timeout, 0, optional=True)
        since = self._waited_row
        deadline = time.monotonic() + (np.inf if timeout is None else timeout)
        with hold_interrupts(), self._changed:
            while (arrived := self.log.stop - since) < ticks and self.status != "ended":
                if self._connection.failure is not None:
                    raise self._connection.failure
                if self._stopped:
                    raise Stopped(self._kind, self._how_to_restart)
                if (left_s := deadline - time.monotonic()) <= 0:
                    break
                with allow_interrupts():
                    self._changed.wait(min(left_s, WAIT_STEP_S))
            else:
                self._waited_row = self.log.stop
                return self
        detail = self._connection.status_detail
        if not self.log.stop and (text := describe_unknown_messages(self.stats["unknown"])):
            detail = f"{detail}; {text}"
        # Without the lock, which the event loop needs: this may ask the process of a server.
        raise WaitTimeout(ticks, arrived, timeout or 0, self._explain_silence(detail))

    # --- start and stop -----------------------------------------------------------------------

    def start(self) -> None:
        """Connect in the background. `tk.connect` calls it, once.

        Raises:
            Stopped: the feed was started before.
        """
        self._start_service()

    def stop(self) -> None:
        """Stop receiving; idempotent. The ticks held stay readable.

        Callbacks and recorders get all ticks that have arrived, then end. If another thread is
        stopping the feed, this waits too; only in a callback it returns at once.

        An interrupt ends the wait. All the same nothing more is received, and each reader ends
        when its function returns; the feed is listed in `tk.status()` until it is stopped again.

        Raises:
            PortalError: if called in tickerkit's own thread, such as by a hook of `feed.log`; the
                feed continues.
        """
        self._stop_service(self._release)

    def own(self, service: Service) -> None:
        """Stop a service when the feed stops, such as the server that `tk.live` made for it."""
        self._owned.append(service)

    def abandon_after_fork(self) -> None:
        """Set the status of a forked child's copy to stopped: only the parent receives ticks."""
        super().abandon_after_fork()
        # A thread that the child doesn't have may hold the locks.
        self._changed = threading.Condition()
        self._state.abandon_after_fork()

    def _acquire(self) -> None:
        previous, self._replaces = self._replaces, None
        if previous is not None:
            # It gives up its readers only now, when this feed is registered and can stop them.
            previous._stop_service(previous._disconnect)
            previous._replacement = self
        # The alerts outlive the feed that this one replaces.
        self._state.alert_book.is_live = lambda: self.status == "live"
        self._task = LoopTask(self._run)
        self._task.start()

    def _release(self) -> None:
        with contextlib.ExitStack() as stack:
            for service in self._owned:
                stack.callback(service.stop)
            stack.callback(self._stop_readers)
            self._disconnect()

    def _disconnect(self) -> None:
        """Stop receiving, but keep the readers: a feed that replaces this one continues them."""
        try:
            if self._task is not None:
                self._task.stop()
        finally:
            self._unhook()
            self._notify()

    async def _run(self, set_ready: Callable[[], None]) -> None:
        set_ready()
        try:
            await self._connection.run()
        finally:
            self._notify()

    def _is_full(self) -> bool:
        """Return whether a recorder is too far behind to receive more."""
        limit = self._max_unwritten
        return limit is not None and any(each.behind >= limit for each in self.recorders)

    def _take(self, event: Event, received_ns: int) -> None:
        """Take an event of the connection, in the portal's thread."""
        if self._limit is not None and isinstance(event, Received | Gap):
            left = self._limit - self.log.stop
            if left <= 0:
                return
            if isinstance(event, Received) and event.batch.count > left:
                event = Received(event.batch.part(0, left), event.epoch, event.seq[:left])
        match event:
            case Received():
                if event.batch.refused:
                    self._faults.add(event.batch.errors[0], event.batch.refused)
                refusal = self._state.append(event, received_ns)
                if refusal is not None:
                    self._faults.add_message("symbols", str(refusal), 0)
                    self._notify()
            case Gap():
                self._state.gaps.add(event)
                self._notify()
            case Hello():
                if not self.log.runs and self._state.resume is None:
                    # Ticks before it come first, and are from before now.
                    self._state.alert_book.history = Position(event.epoch, max(event.next - 1, 0))
                self.log.units = self._state.client.units

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- representation -----------------------------------------------------------------------

    def _format_counts(self) -> str:
        count = self._state.count_gaps()
        gaps = f", {format_count(count, 'gap')}" if count else ""
        ticks = format_count(self.log.stop, "tick")
        return f"{ticks} of {format_count(len(self.log.symbols()), 'symbol')}{gaps}"

    @property
    def _machine(self) -> Machine | None:
        """What reads the messages by a field map; None where none is needed."""
        if self._websocket is not None:
            return self._websocket.machine
        for source in self._sources():
            if isinstance(source, MappedSource):
                return source.machine
        return self._state.foreign.machine

    def _raw_events(self) -> RawEvents | None:
        return super()._raw_events() if self._websocket is None else self._websocket.raw_events

    def _describe_fields(self) -> str:
        """Return a guessed field map as code, and that it is a guess; empty for another."""
        if not (note := self.fields_note):
            return ""
        return note if self.fields is None else f"{self.fields!r} ({note})"

    def __repr__(self) -> str:
        facts = [self._format_counts(), self.status_detail]
        if served_by := self.served_by:
            facts.append(f"served by {served_by}")
        facts.append(self.missing_symbols)
        if self.fields_note:
            facts.append(f"feed.fields: {self.fields_note}")
        if self.last_error and self.failure is None:  # that of a failed feed is its status already
            facts.append(f"last error: {self.last_error}")
        return f"<Feed {self.url} {self.status}, {'; '.join(filter(None, facts))}>"

    def _repr_html_(self) -> str:
        stats = self.stats
        lines = {
            "from": self.url,
            "served by": self.served_by,
            "ticks": f"{self._format_counts()}, {stats['rate']:,.0f}/s",
            "now": "" if self.status == "stopped" else self._connection.problem,
            "missing": self.missing_symbols,
            "fields": self._describe_fields(),
            "last error": stats["last_error"],
        }
        return render_card("Feed", self.status, lines)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Return a card that follows the feed's state, where the notebook shows widgets."""
        return make_card_bundle(self, self._repr_html_, self._is_stopped)

    def _is_stopped(self) -> bool:
        return self.status == "stopped"

    def _summarize(self) -> dict[str, str]:
        return {
            "kind": "feed",
            "address": self.url,
            "status": self.status,
            "about": self._format_counts(),
        }
