"""Feed: what a client holds: a connection that fills a log, and ways to read it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from tickerkit.bars import Bars
from tickerkit.errors import Stopped, WaitTimeout
from tickerkit.feed.callbacks import Callback
from tickerkit.feed.connection import Connection
from tickerkit.feed.frame_buffer import FrameBuffer
from tickerkit.log import (
    Gap,
    Gaps,
    Latest,
    Position,
    Reader,
    Rows,
    TickLog,
    gap_frame,
    select,
)
from tickerkit.net.tls import Trust, client_context
from tickerkit.net.urls import hide_secrets, websocket_url
from tickerkit.protocol import Client, Event, PlainClient, Received
from tickerkit.runtime.cards import card
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.portal import portal
from tickerkit.runtime.registry import Service, register, unregister
from tickerkit.runtime.rerun import cell_slot
from tickerkit.runtime.workers import Follower
from tickerkit.validation import check_number, check_token

if TYPE_CHECKING:
    from tickerkit.chart import Dashboard, LiveFigure
    from tickerkit.feed.recorder import Recorder
    from tickerkit.storage.atomic import Mode

__all__ = ["Feed", "connect"]

TURN_S = 0.2
IDLE_S = 1.0


class HasUrl(Protocol):
    """A server, as far as a feed needs to know it."""

    @property
    def url(self) -> str:
        """Address of its websocket."""


class FeedState:
    """What a feed holds, and hands to the one that a new run of its cell makes.

    Attributes:
        owner: the feed that goes on with it.
    """

    def __init__(self, owner: Feed, keep: int, history: int | None) -> None:
        self.owner = owner
        self.log = TickLog(keep)
        self.client = Client(owner.symbols, history)
        self.plain = PlainClient(owner.symbols)
        self.gaps = Gaps(self.log)
        self.latest = Latest(self.log)
        self.latest_lock = threading.Lock()
        self.bars = Bars(self.log)
        self.bars_lock = threading.Lock()
        self.callbacks: list[Callback] = []
        self.followers: list[Follower] = []
        self.recorders: list[Recorder] = []
        self.taps: list[FrameBuffer] = []

    def resume_after(self, position: Position) -> None:
        """Have the first connection resume after this tick, as a later one would."""
        for client in (self.client, self.plain):
            client.epoch, client.seq = position.epoch, position.seq


class Feed:
    """Ticks from a websocket, received in the background and held in a log.

    Made by `tk.connect`. It reconnects and resumes by itself; what can't be had any more is listed
    in `gaps`. Every method returns at once but `wait`.

    Attributes:
        url: where the ticks come from, without the token.
        log: the ticks held.
        symbols: the symbols asked for; None for all.

    With a `limit` it holds exactly that many ticks, and ignores every later tick and gap.
    """

    def __init__(
        self,
        url: str,
        symbols: Sequence[str] | None,
        history: int | None,
        keep: int,
        token: str | None,
        ssl: Trust | None = None,
        retry_for: float | None = None,
        heir_of: Feed | None = None,
        resume: Position | None = None,
        limit: int | None = None,
    ) -> None:
        address, url_token = websocket_url(url)
        if wanted := token or url_token:
            check_token(wanted)
        trust = client_context(ssl)
        if trust is not None and not address.startswith("wss:"):
            raise ValueError("ssl is for addresses that begin with wss:// or https://")
        self.url = hide_secrets(address)
        self.symbols = None if symbols is None else list(symbols)
        self._faults = ErrorLog(f"feed from {self.url}")
        self._stopped = False
        self._limit = limit
        self._task: asyncio.Task[None] | None = None
        self._changed = threading.Condition()
        self._owned: list[Service] = []
        self._held: FeedState = FeedState(self, keep, history) if heir_of is None else heir_of._held
        if heir_of is None and resume is not None:
            self._held.resume_after(resume)
        self._held.owner = self
        self.log = self._held.log
        self._waited = self.log.stop
        self._unhook = self.log.on_append(self._notify)
        self._connection = Connection(
            address,
            wanted,
            self._held.client,
            self._held.plain,
            self._take,
            self._faults,
            trust,
            retry_for,
        )
        self._connection.taps = self._held.taps

    # --- what it is ---------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """In one word: connecting, live, reconnecting, ended, stopped or failed."""
        return "stopped" if self._stopped else self._connection.status

    @property
    def current(self) -> Feed:
        """The feed that goes on with these ticks: this one, or that of a later run of its cell."""
        return self._held.owner

    @property
    def stats(self) -> Mapping[str, Any]:
        """What the feed did so far.

        Returns:
            `received` (ticks in all), `held`, `dropped` (beyond `keep`, the oldest), `rate` (ticks
            per second over the last 5 s), `symbols`, `reconnects`, `lag_s` (how much later the
            newest tick was received than it happened, by the source's clock; may be negative),
            `gaps`, `duplicates` (came again and were left out), `refused` (messages that were no
            ticks), `last_error` (the newest, in words), `misfits` (values left out by column),
            `callback_errors`, `status`.
        """
        rows = self.log.rows()
        lag_s = np.nan
        if len(rows):
            lag_s = float(rows.array("received")[-1] - rows.array("time")[-1]) / 1e9
        failed = [each.faults.last for each in self._held.callbacks if each.faults.count]
        return {
            "received": self.log.stop,
            "held": len(rows),
            "dropped": self.log.start,
            "rate": self.log.rate(time.time_ns()),
            "symbols": len(self.log.symbols()),
            "reconnects": max(self._connection.reconnects, 0),
            "lag_s": lag_s,
            "gaps": len(self._held.gaps),
            "duplicates": self._held.client.duplicates,
            "refused": self._faults.count,
            "last_error": self._faults.last or next(iter(failed), ""),
            "misfits": dict(self.log.misfits),
            "callback_errors": sum(each.faults.count for each in self._held.callbacks),
            "status": self.status,
        }

    @property
    def gaps(self) -> pd.DataFrame:
        """Every range of ticks that will never come.

        Returns:
            A DataFrame of `epoch`, `from` and `to` (the seqs, nullable: where the end can't be
            known), `last_before` and `first_after` (UTC: times of the ticks on both sides, NaT
            where there are none), and `reason`.
        """
        return self._held.gaps.frame()

    # --- reading ------------------------------------------------------------------------------

    def frame(
        self,
        symbol: str | Sequence[str] | None = None,
        last: int | str | timedelta | None = None,
        mark_gaps: bool = False,
    ) -> pd.DataFrame:
        """Return the ticks held as a DataFrame, a snapshot that costs nothing.

        Args:
            symbol: one or several; all by default.
            last: only the newest 1000 ticks, or those at most "5min" older than the newest.
            mark_gaps: add a column `gap`, true where ticks are missing before this one.

        Returns:
            The columns that `TickLog.frame` tells, oldest tick first.

        Example:
            >>> feed.frame("AAPL", last="5min")["price"].mean()
            >>> marked = feed.frame("AAPL", mark_gaps=True)
            >>> moves = marked["price"].diff().mask(marked["gap"])  # none over a gap
        """
        if not mark_gaps:
            return self.log.frame(symbol, last)
        return self._held.gaps.mark(*self.log.select(symbol, last))

    def latest(self) -> pd.DataFrame:
        """Return one row for each symbol, by its symbol: the newest value of each field."""
        with self._held.latest_lock:
            self._held.latest.update()
            return self._held.latest.frame()

    def bars(
        self, interval: str | float | timedelta, symbol: str | Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return the trades held as bars.

        Args:
            interval: "10s", "1min", a timedelta, or seconds.
            symbol: one symbol gives an index of `time`; several, or all, one of (symbol, time).

        Returns:
            A DataFrame of `open`, `high`, `low`, `close`, `volume` and `ticks`, by the time at
            which each bar begins; times without a trade have no bar. Asked for again, it costs
            by the ticks that are new and the bars that there are.
        """
        with self._held.bars_lock:
            return self._held.bars.frame(interval, symbol)

    def wait(self, ticks: int = 1, timeout: float | None = 10) -> Feed:
        """Block until ticks have come since the feed was made or last waited for.

        Args:
            ticks: how many; those from before now that the server sends first count.
            timeout: for how many seconds; None for ever. An interrupt ends it.

        Returns:
            The feed, also when the source ends before so many have come.

        Raises:
            WaitTimeout: when the time is up; it says what the feed was doing.
            FeedFailed: when the feed has failed.
            Stopped: when the feed is stopped.
        """
        since, end = self._waited, time.monotonic() + (np.inf if timeout is None else timeout)
        with self._changed:
            while (came := self.log.stop - since) < ticks and self.status != "ended":
                if self._connection.failure is not None:
                    raise self._connection.failure
                if self._stopped:
                    raise Stopped("feed", "call tk.connect again")
                if (left := end - time.monotonic()) <= 0:
                    doing = self._connection.status_detail
                    if self._faults.last:
                        doing += f"; its last error: {self._faults.last}"
                    raise WaitTimeout(ticks, came, timeout or 0, doing)
                self._changed.wait(min(left, TURN_S))
        self._waited = self.log.stop
        return self

    def on_ticks(self, callback: Callable[[pd.DataFrame], object]) -> Callback:
        """Have a function called with each batch of new ticks, as a frame, in its own thread.

        It may block or be async. When it is slower than the feed, its batches get larger. What it
        raises is counted in `stats`, and stops nothing. Running the cell again replaces it.

        Returns:
            A handle; `handle.stop()` ends it.
        """
        cell = cell_slot("on_ticks", self.url)
        last: Callback | None = cell.last()
        rest = None
        if last is not None:
            rest = last.give_way(self.log)  # what comes meanwhile is for the new one
            if last in self._held.callbacks:
                self._held.callbacks.remove(last)
        handle = Callback(self.log, callback, rest)
        self._held.callbacks.append(handle)
        cell.fill(handle)
        if self._stopped:
            handle.stop()
        return handle

    def follow(
        self, take: Callable[[Rows], None], *, reader: Reader, every_s: float, name: str
    ) -> Follower:
        """Have new rows taken in a thread of its own until the feed is stopped; what draws uses it.

        At least once a second `take` is called, with no rows if there are none.
        """

        def guarded(rows: Rows) -> None:
            try:
                take(rows)
            except Exception as error:
                self._faults.add(error)

        follower = Follower(
            self.log, guarded, reader=reader, every_s=every_s, idle_s=IDLE_S, name=name
        )
        # A chart that is drawn anew leaves its follower behind, ended.
        alive = [each for each in self._held.followers if not each.ended]
        self._held.followers = [*alive, follower]
        if self._stopped:
            follower.stop()
        return follower

    # --- at rest ------------------------------------------------------------------------------

    def record(
        self,
        path: str | Path,
        *,
        mode: Mode = "append",
        flush_s: float = 1.0,
        fsync: bool = False,
        rotate: str | int | None = None,
        compression: str | None = None,
        format: str | None = None,  # noqa: A002
        max_disk: str | int | None = None,
        raw: bool = False,
    ) -> Recorder:
        """Write each tick that comes from now on to a file, in a thread of its own.

        It can't hold up the feed. The file is valid to its last row at any moment: a crash costs
        at most what came since the last flush. What is missing is listed, `tk.read_gaps` tells.
        When the disk is full or a write fails, the feed goes on, the ticks wait in the log, and it
        tries again; what the log has dropped by then is a gap. Running the cell again goes on with
        the same file; stopping the feed finishes it.

        Args:
            path: a file that ends in .csv, .csv.gz, .csv.zst or .parquet; or a folder, whose files
                have the time of their begin in their names. What is missing of it is made.
                A Parquet file grows as a CSV beside it until it is finished.
            mode: "append" goes on with a recording that is there, without a tick twice; "new"
                refuses, "overwrite" begins anew. In a folder each file is new.
            flush_s: how long ticks are gathered before they are written.
            fsync: have them on the disk then: no power failure loses them.
            rotate: go on in a new file each "day" or "hour" (UTC), or when it has a size such as
                "100MB"; of a folder each day by default.
            compression: "gzip" or "zstd", of a folder's CSV files.
            format: "csv" or "parquet", of a folder's files.
            max_disk: how much it may take, such as "10GB": the oldest files that it has finished
                are removed; one that does not rotate stops writing. Where it rotates, a file has
                an eighth of that at most.
            raw: keep each message of the websocket as it came, too, in `ticks.raw.jsonl` beside.

        Returns:
            The recorder: `recorder.status` and `stats` tell, `recorder.stop()` ends it.

        Raises:
            RecordingExists: there is a file, and mode is "new".
            RecordingError: what is to be gone on with is no recording, or is being recorded to.
            ValueError: an argument is none that will do.
            OSError: the file can't be made.

        Example:
            >>> recorder = feed.record("captures/")
        """
        from tickerkit.feed.recorder import record

        check_number("flush_s", flush_s, 0)
        return record(
            self,
            path,
            flush_s,
            mode=mode,
            fsync=fsync,
            rotate=rotate,
            compression=compression,
            format=format,
            max_disk=max_disk,
            raw=raw,
        )

    @property
    def recorders(self) -> list[Recorder]:
        """The recorders of this feed that run."""
        return [each for each in self._held.recorders if each.status != "stopped"]

    def to_csv(
        self,
        path: str | Path,
        symbol: str | Sequence[str] | None = None,
        last: int | str | timedelta | None = None,
        start: object = None,
        end: object = None,
        *,
        mode: Mode = "new",
        escape_formulas: bool = False,
    ) -> Path:
        """Write the ticks held to a CSV file, which `tk.read_csv` reads back identical.

        Args:
            path: where to; `.gz` and `.zst` are compressed. Missing folders are made.
            symbol: one or several; all by default.
            last: only the newest 1000 ticks, or those at most "5min" older than the newest.
            start: only those of this time and later: a datetime or ISO text, UTC if it says none.
            end: only those before this time.
            mode: "new" refuses a path at which a file is, "overwrite" replaces it, "append" adds.
            escape_formulas: for spreadsheets: mark text that they would run as a formula.

        Returns:
            The path.

        Raises:
            RecordingExists: there is a file, and mode is "new".
            ValueError: the path is that of a Parquet file.
            OSError: the file can't be written; what was there is as it was.

        Example:
            >>> feed.to_csv("ticks.csv", symbol="AAPL", start="2026-11-24T14:30")
        """
        from tickerkit.storage import write_csv

        frame, gaps = self._chosen(symbol, last, start, end)
        names = self._names(symbol)
        return write_csv(
            frame,
            path,
            gaps=gaps,
            mode=mode,
            escape_formulas=escape_formulas,
            source=self.url,
            symbols=names,
        )

    def to_parquet(
        self,
        path: str | Path,
        symbol: str | Sequence[str] | None = None,
        last: int | str | timedelta | None = None,
        start: object = None,
        end: object = None,
        *,
        mode: Mode = "new",
    ) -> Path:
        """Write the ticks held to a Parquet file; the arguments are those of `to_csv`.

        Raises:
            RecordingExists: there is a file, and mode is "new".
            ValueError: the path is that of a CSV.
            OSError: the file can't be written; what was there is as it was.

        Example:
            >>> feed.to_parquet("ticks.parquet", last="1h")
        """
        from tickerkit.storage import write_parquet

        frame, gaps = self._chosen(symbol, last, start, end)
        names = self._names(symbol)
        return write_parquet(frame, path, gaps=gaps, mode=mode, source=self.url, symbols=names)

    def _names(self, symbol: str | Sequence[str] | None) -> list[str] | None:
        if symbol is None:
            return self.symbols
        return [symbol] if isinstance(symbol, str) else list(symbol)

    def _chosen(
        self,
        symbol: str | Sequence[str] | None,
        last: int | str | timedelta | None,
        start: object,
        end: object,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return some of the ticks held, and the gaps between them."""
        rows = self.log.rows()
        return select(
            rows.frame(),
            gap_frame(self._held.gaps.between(rows.start, rows.stop + 1)),
            symbols=[symbol] if isinstance(symbol, str) else symbol,
            last=last,
            start=None if start is None else _utc(start),
            end=None if end is None else _utc(end),
            complete=self.symbols is None,
        )

    @property
    def gap_rows(self) -> list[int]:
        """Return the row of the log after each gap: where a line is to be broken."""
        return self._held.gaps.rows()

    def chart(
        self,
        kind: str = "line",
        symbols: str | Sequence[str] | None = None,
        window: int | str = "5min",
        **options: Any,
    ) -> LiveFigure:
        """Return a live plotly FigureWidget of these ticks; show it as the last value of a cell.

        Args:
            kind: "line", "candles" or "candles+volume".
            symbols: which; all by default, and new ones as they come.
            window: how much is shown: a time such as "5min", or a number of ticks.
            **options: further arguments of `tickerkit.chart.chart`.
        """
        from tickerkit.chart import chart

        return chart(self, kind, symbols, window, **options)

    def dashboard(self, **options: Any) -> Dashboard:
        """Return a chart, the prices and controls, live; show it as the last value of a cell."""
        from tickerkit.chart import dashboard

        return dashboard(self, **options)

    # --- its life -----------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, in the background; once, `connect` does it."""
        if self._task is not None:
            raise Stopped("feed", "call tk.connect again")
        portal.enter()
        portal.call(self._start)
        register(self)

    def stop(self) -> None:
        """Stop receiving; what is held stays. Callbacks are given what there is, and end."""
        if self._disconnect():
            # All of them, the last first, even if one raises or an interrupt ends its waiting.
            with contextlib.ExitStack() as ends:
                held = self._held
                for things in (self._owned, held.followers, held.callbacks, held.recorders):
                    for each in things:
                        ends.callback(each.stop)

    def tap(self, tap: FrameBuffer) -> Callable[[], None]:
        """Have each message kept as it comes; return a function that ends it."""
        taps = self._held.taps

        async def join() -> None:
            self._connection.tap(tap)

        def end() -> None:
            if tap in taps:
                taps.remove(tap)

        if self._stopped:
            return end
        portal.call(join)
        return end

    def owns(self, thing: Service) -> None:
        """Have something stopped with the feed: the server that `tk.live` made for it."""
        self._owned.append(thing)

    def _disconnect(self) -> bool:
        """Stop receiving; return whether it was receiving until now."""
        if not unregister(self):
            return False
        self._stopped = True
        try:
            portal.call(self._cancel)
        finally:
            self._unhook()
            portal.leave()
            self._notify()
        return True

    def abandon_after_fork(self) -> None:
        """Count as stopped, in a forked child: it receives in the parent alone."""
        self._stopped = True
        # They may have been locked by threads that the child does not have.
        self._changed = threading.Condition()
        self._held.latest_lock = threading.Lock()
        self._held.bars_lock = threading.Lock()

    async def _start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._connection.run()
        finally:
            self._notify()

    async def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _take(self, event: Event) -> None:
        """Take what came; in the portal's thread."""
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
                # As it is kept with the message itself, where one records these.
                received = self._connection.received_ns or time.time_ns()
                self.log.append(event.batch, received=received, epoch=event.epoch, seq=event.seq)
            case Gap():
                self._held.gaps.add(event)
                self._notify()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _about(self) -> str:
        gaps = f", {len(self._held.gaps)} gaps" if len(self._held.gaps) else ""
        return f"{self.log.stop:,} ticks of {len(self.log.symbols())} symbols{gaps}"

    @property
    def status_reason(self) -> str:
        """Why the feed isn't live: the newest problem, or why it ended or failed; else empty."""
        return self._connection.status_reason

    @property
    def status_detail(self) -> str:
        """Return the status in a few words more: to where, what is wrong, what is done."""
        return "stopped" if self._stopped else self._connection.status_detail

    def __repr__(self) -> str:
        return f"<Feed {self.url} {self.status}, {self._about()}; {self.status_detail}>"

    def _repr_html_(self) -> str:
        stats = self.stats
        doing = "" if self.status in ("live", "stopped") else self.status_detail
        lines = {
            "from": self.url,
            "ticks": f"{self._about()}, {stats['rate']:,.0f}/s",
            "now": doing,
            "last error": stats["last_error"],
        }
        return card("Feed", self.status, lines)

    def summary(self) -> dict[str, str]:
        """Return what `tk.status` shows of it."""
        about = self._about()
        return {"kind": "feed", "address": self.url, "status": self.status, "about": about}


def connect(
    url: str | HasUrl = "ws://127.0.0.1:8000/",
    symbols: str | Sequence[str] | None = None,
    history: int | None = 10_000,
    keep: int = 5_000_000,
    token: str | None = None,
    ssl: Trust | None = None,
    retry_for: float | None = None,
    resume: Position | tuple[str, int] | None = None,
) -> Feed:
    """Connect to a websocket of ticks; returns at once and receives in the background.

    With a tickerkit server it resumes after a break at exactly the tick it has, or lists in `gaps`
    what is gone. Any other websocket that sends ticks as JSON will do; then each break is a gap.
    Running the cell again goes on with the same log: no ticks are thrown away.

    Args:
        url: of the websocket, or of the server's page; or the server itself.
        symbols: only these; all by default.
        history: how many ticks from before now to get first; 0 for none, None for all.
        keep: how many to hold; beyond it the oldest go, counted in `stats["dropped"]`.
        token: what the server wants to see; may also be in the url.
        ssl: of a `wss://` address: the path of a certificate to trust, of a school's own server
            for one, or a context; by default the server must be one that the system trusts.
        retry_for: after so many seconds without a connection the feed fails; None for never.
        resume: epoch and seq of a tick, the last of a recording for one, to go on after: `history`
            is then all that came since, and what the server no longer has is in `gaps`.

    Returns:
        The feed. A server that is not up yet is waited for; `feed.status` tells.

    Example:
        >>> feed = tk.connect("ws://127.0.0.1:8000")
        >>> feed.wait(100).frame()
    """
    url = url if isinstance(url, str) else url.url
    wanted = _wanted(symbols)
    check_number("history", history, 0, whole=True, optional=True)
    check_number("keep", keep, 1, whole=True)
    check_number("retry_for", retry_for, 0, optional=True)
    if resume is not None:
        resume = resume if isinstance(resume, Position) else Position(*resume)
        check_number("the seq of resume", resume.seq, 0, whole=True)
    # A server that was started anew may have another token, and is the same address.
    address, _ = websocket_url(url)
    cell = cell_slot("feed", address, None if wanted is None else tuple(wanted), keep)
    last: Feed | None = cell.last()
    if last is not None:
        last._disconnect()
    feed = Feed(url, wanted, history, keep, token, ssl, retry_for, last, resume)
    feed.start()
    cell.fill(feed)
    return feed


def _utc(moment: object) -> pd.Timestamp:
    """Return a time that a user gave, in UTC if it says no zone."""
    time = pd.Timestamp(moment)  # type: ignore[arg-type]
    return time.tz_localize("UTC") if time.tz is None else time.tz_convert("UTC")


def _wanted(symbols: object) -> list[str] | None:
    """Return the symbols that a user named as a list, None for all."""
    if symbols is None:
        return None
    wanted = [symbols] if isinstance(symbols, str) else symbols
    if isinstance(wanted, Iterable):
        wanted = list(wanted)
        if wanted and all(isinstance(each, str) and each for each in wanted):
            return wanted
    raise TypeError(f"symbols is {symbols!r}; give one, or a list of them, or None for all")
