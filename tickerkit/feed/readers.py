"""Feed readers: callbacks, charts and recorders, each reading a feed's log in its own thread."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pandas as pd

from tickerkit.feed.callbacks import Callback, check_callback
from tickerkit.feed.data import FeedData
from tickerkit.feed.frame_buffer import FrameBuffer
from tickerkit.feed.pipe_recorder import PipeRecorder
from tickerkit.feed.recorder import Recorder, start_recorder
from tickerkit.feed.rotation import Rotation
from tickerkit.feed.silence import (
    describe_missing_symbols,
    describe_source_problem,
    find_server_error,
    find_server_source,
)
from tickerkit.feed.state import FeedState
from tickerkit.log import Reader, Rows
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.interrupts import uninterrupted
from tickerkit.runtime.lifecycle import Lifecycle
from tickerkit.runtime.portal import portal
from tickerkit.runtime.registry import Service
from tickerkit.runtime.rerun import cell_slot
from tickerkit.runtime.workers import Follower
from tickerkit.sources import VenueSource
from tickerkit.sources.mapped import ReconnectingSource
from tickerkit.sources.raw_events import RawEvents
from tickerkit.storage.files import MODES
from tickerkit.validation import check_choice, check_flag, check_number

if TYPE_CHECKING:
    from tickerkit.storage.files import Mode

__all__ = ["FeedReaders"]

IDLE_S = 1.0
MAX_FLUSH_S = 3600.0


class FeedReaders(FeedData, Lifecycle):
    """Starts readers of a feed's log, and stops them with the feed.

    Each reader has its own position in the log and its own thread, so a slow one can't hold up
    the feed or the other readers.
    """

    def __init__(
        self,
        rotation: Rotation,
        symbols: Sequence[str] | None,
        state: FeedState,
        source: str | None = None,
    ) -> None:
        Lifecycle.__init__(self)
        FeedData.__init__(self, rotation, None if symbols is None else list(symbols), state, source)
        self._faults = ErrorLog(f"feed from {rotation.name}")
        self._owned: list[Service] = []

    @property
    def last_error(self) -> str:
        """The newest error of the connection, of a chart, a callback or an alert, as text."""
        state = self._state
        logs = [self._faults, *(each.faults for each in state.callbacks)]
        logs += [each.faults for each in state.alert_book.alerts]
        return max(logs, key=lambda log: log.last_at_s).last

    @uninterrupted
    def on_ticks(self, callback: Callable[[pd.DataFrame], object]) -> Callback:
        """Call a function with each batch of new ticks, in a thread of its own.

        A batch has the ticks that came since the last call: mostly one in a calm market, hundreds
        in a busy one. What compares ticks with earlier ones, such as a crossing or a mean, needs a
        state that outlasts a call: see the second example. `feed.alert` keeps such a state, and
        fires exactly once for each crossing; `feed.bars(indicators=)` has means and more.

        The function may block, and may be a coroutine function. If it is slower than the feed,
        its batches get larger; ticks that the log drops before the function gets them are counted
        as errors. An exception that it raises is counted in `stats["callback_errors"]`, and the
        calls continue; `stats["last_error"]` names its file and line, and the card of the handle
        and the log "tickerkit" show its traceback.
        Running the cell again replaces the function, without a tick lost or repeated.

        Args:
            callback: called with a DataFrame, as `frame()` returns it.

        Returns:
            A handle; `handle.stop()` stops the calls, and `handle.status` is "failing" while they
            raise exceptions.

        Raises:
            InvalidArgument: `callback` is not a function, or can't take one argument.

        Example:
            >>> feed.on_ticks(lambda frame: print(frame["price"].max()))
            >>> was_above = {}  # by symbol: it outlasts a call
            >>> def note_crossings(frame):
            ...     for tick in frame.dropna(subset=["price"]).itertuples():
            ...         if tick.price > 200 and was_above.get(tick.symbol) is False:
            ...             print(f"{tick.symbol} rose above 200 at {tick.time}")
            ...         was_above[tick.symbol] = tick.price > 200
            >>> feed.on_ticks(note_crossings)
        """
        check_callback(callback)
        cell = cell_slot("on_ticks", self._source)
        previous: Callback | None = cell.last()
        reader = None
        if previous is not None:
            reader = previous.hand_over(self.log)
            if previous in self._state.callbacks:
                self._state.callbacks.remove(previous)
        handle = Callback(self.log, callback, reader)
        self._state.callbacks.append(handle)
        cell.fill(handle)
        if self._stopped:
            handle.stop()
        return handle

    @uninterrupted
    def follow(
        self,
        take: Callable[[Rows], None],
        *,
        reader: Reader,
        every_s: float | Callable[[], float],
        name: str,
        finish: Callable[[], None] | None = None,
        books: bool = False,
    ) -> Follower:
        """Call a function with new rows, in a thread of its own, until the feed is stopped.

        Charts use it. `take` is called at least once a second, without rows if none are new. An
        exception that it raises is counted in `stats`, and the calls continue.

        Args:
            take: called with the new rows.
            reader: where to begin.
            every_s: minimum seconds between two calls, or a function that returns them.
            name: name of the thread.
            finish: called in the thread before it ends.
            books: call it also, without rows, when only order books have come.

        Returns:
            The follower; `follower.stop()` stops the calls.
        """

        def guarded(rows: Rows) -> None:
            try:
                take(rows)
            except Exception as error:
                self._faults.add(error)

        follower = Follower(
            self.log,
            guarded,
            finish=finish,
            reader=reader,
            every_s=every_s,
            idle_s=IDLE_S,
            name=name,
            without_rows=books,
        )
        # A chart that is shown again has stopped its earlier follower.
        alive = [each for each in self._state.followers if not each.ended]
        self._state.followers = [*alive, follower]
        if self._stopped:
            follower.stop()
        return follower

    @uninterrupted
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
        partition: str | Sequence[str] | None = None,
        max_disk: str | int | None = None,
        raw: bool = False,
    ) -> Recorder:
        """Write each tick that arrives from now on to a file, in a thread of its own.

        The recorder can't hold up the feed. The file is valid to its last row at any moment: a
        crash costs at most the ticks since the last flush. Gaps are listed beside the file, as
        `tk.read_gaps` returns them. When a write fails (the disk is full), the feed continues,
        the ticks wait in the log and each flush tries again; ticks that the log drops meanwhile
        become a gap. Running the cell again continues in the same file; stopping the feed
        finishes the file.

        Args:
            path: a file that ends in .csv, .csv.gz, .csv.zst or .parquet; or a folder, whose files
                are named by the time at which they begin; or a template of folders, such as
                `data/day={date}/symbol={symbol}/ticks.parquet`, see `partition`. Missing folders
                are created. Any program can read a Parquet file at any moment while it grows: each
                131,072 ticks become a row group, or each minute's if some thousand came. The newest
                ticks are in a CSV beside it, and `tk.read` reads both. Where ticks get a new
                column, `ticks.csv` continues in `ticks.part2.csv`; `tk.read_csv("ticks.csv")` reads
                both.
            mode: "append" continues an existing recording without repeating a tick, "new" refuses
                to touch one, "overwrite" replaces it. In a folder each file is new.
            flush_s: seconds for which ticks are gathered before they are written, at most an hour.
            fsync: wait for the disk at each flush, so that a power failure loses nothing older.
            rotate: begin a new file each "day" or "hour" (UTC), or at a size such as "100MB"; a
                folder rotates each day by default.
            compression: "gzip" or "zstd", for the CSV files of a folder.
            format: "csv" or "parquet", for the files of a folder.
            partition: "day", "hour", "symbol" or several: lay the Parquet files of a folder out
                as `day=2026-11-29/symbol=AAPL/….parquet`, by the UTC day of `time`, as DuckDB,
                Polars, Spark and pyarrow read data sets. They appear when a file is finished: each
                day, as `rotate` says, and at the end; until then its rows are in the folder
                `_recording`. `tk.replay(folder)` reads them in the order in which they came. Not
                with `raw`: record the messages elsewhere.
            max_disk: disk space that the recording may take, such as "10GB"; what earlier runs have
                recorded of this address and these symbols counts. With rotation, the oldest
                finished files are removed, and a file has at most an eighth of the space; without,
                writing stops at the limit.
            raw: also keep each message of the websocket as it arrived, in `ticks.raw.jsonl` beside
                the file. For a venue, or a websocket that a field map reads, the file also has what
                was sent, the answers to REST requests, and how connections began and ended, without
                keys and tokens; `tk.replay` and `tk.read_gaps` run the same machine over it, which
                gives the same ticks and gaps. At most 64 MB of messages wait to be written; further
                ones are dropped and counted in `recorder.stats["frames_dropped"]`.

        Returns:
            The recorder: `recorder.status` and `recorder.stats` show its progress, and
            `recorder.stop()` finishes the file.

        Raises:
            RecordingExists: the file exists, and mode is "new".
            RecordingError: the existing file isn't a recording, or is being recorded to.
            InvalidArgument: an argument is invalid.
            OSError: the file can't be created.

        Example:
            >>> recorder = feed.record("captures/")
        """
        check_number("flush_s", flush_s, 0, MAX_FLUSH_S)
        check_choice("mode", mode, MODES)
        for name, flag in (("fsync", fsync), ("raw", raw)):
            check_flag(name, flag)
        cell = cell_slot("record", self._source)
        recorder = start_recorder(
            self.log,
            self._state.gaps,
            path,
            previous=cell.last(),
            before=self._state.resume,
            keep_frames=self._keep_frames if raw else None,
            flush_s=flush_s,
            misfits=self._state.count_misfits,
            source=self._source,
            symbols=self.symbols,
            mode=mode,
            fsync=fsync,
            rotate=rotate,
            compression=compression,
            format=format,
            partition=partition,
            max_disk=max_disk,
        )
        cell.fill(recorder)
        self._add_recorder(recorder)
        return recorder

    @uninterrupted
    def pipe(self, file: int, *, format: str = "csv", flush_s: float = 0.0) -> PipeRecorder:  # noqa: A002
        """Write each tick that arrives from now on as a line to an open file, such as a pipe.

        The lines are those of a recording: CSV has one header, JSON lines are objects. They are
        written as soon as ticks arrive. A program that reads the pipe slowly does not hold up the
        feed: ticks wait in the log, and those that the log drops are counted in
        `stats["lost"]`. CSV has the columns of its first ticks; values of a column that comes later
        are counted in `stats["misfits"]`. When the program ends, later ticks are passed over, and
        `recorder.has_reader` is False.

        Args:
            file: the file descriptor, such as `sys.stdout.fileno()`. It is not closed.
            format: "csv" or "jsonl".
            flush_s: seconds for which ticks are gathered before they are written.

        Returns:
            The recorder; stopping the feed stops it.

        Raises:
            InvalidArgument: an argument is invalid.

        Example:
            >>> recorder = feed.pipe(sys.stdout.fileno(), format="jsonl")
        """
        check_number("flush_s", flush_s, 0, MAX_FLUSH_S)
        recorder = PipeRecorder(
            self.log,
            self._state.gaps,
            file,
            format=format,
            flush_s=flush_s,
            misfits=self._state.count_misfits,
        )
        self._add_recorder(recorder)
        return recorder

    def _add_recorder(self, recorder: Recorder) -> None:
        self._state.recorders = [*self.recorders, recorder]
        if self._stopped:
            recorder.stop()

    @property
    def recorders(self) -> list[Recorder]:
        """The recorders of this feed that run, oldest first."""
        return [each for each in self._state.recorders if each.status != "stopped"]

    @property
    def name(self) -> str:
        """A short name of what the ticks come from: "kraken:BTC/USD", or "127.0.0.1:8000"."""
        addresses = (getattr(each, "address", "") for each in self._sources())
        return str(next(filter(None, addresses), "")) or urlsplit(self.url).netloc

    @property
    def source_problem(self) -> str:
        """Why the source of `tk.live`, such as a venue, has no connection; empty while it has."""
        return next(filter(None, map(describe_source_problem, self._sources())), "")

    @property
    def missing_symbols(self) -> str:
        """Which symbols were asked for that the server does not have, as text; empty if none."""
        state = self._state
        known = state.client.known_symbols() or state.plain_client.known_symbols()
        return describe_missing_symbols(self.symbols, known)

    def _sources(self) -> list[object]:
        """Return the source that runs for this feed alone, that of `tk.live`."""
        return [getattr(each, "source", None) for each in self._owned]

    def _explain_silence(self, detail: str) -> str:
        """Return what the feed is doing, and what this process knows of why no tick comes."""
        causes = [detail, self.missing_symbols]
        if self._faults.last:
            causes.append(f"its last error: {self._faults.last}")
        if error := find_server_error(self.url):
            causes.append(f"the last error of its server: {error}")
        return "; ".join(filter(None, causes))

    def _raw_events(self) -> RawEvents | None:
        """Return what happens on the connections of the source that the ticks come from."""
        source = find_server_source(self.url)
        if not isinstance(source, VenueSource | ReconnectingSource):
            return None
        return None if source.raw_events.runs_elsewhere else source.raw_events

    def _keep_frames(self, buffer: FrameBuffer) -> Callable[[], None]:
        """Keep each message from now on in a buffer; return a function that ends it.

        If a source in this process reads another server, keep what that source receives.
        """
        if (raw_events := self._raw_events()) is not None:
            raw_events.add(buffer)
            return partial(raw_events.remove, buffer)
        buffers = self._state.frame_buffers

        async def add() -> None:
            buffers.add(buffer)

        def remove() -> None:
            buffers.remove(buffer)

        if not self._stopped:
            try:
                portal.call(add)
            except BaseException:  # an interrupt: `add` may still be waiting to be called
                portal.post(remove)
                raise
        return remove

    def _stop_readers(self) -> None:
        """Stop every reader, the last first, even if one raises or an interrupt ends a wait."""
        state = self._state
        with contextlib.ExitStack() as stack:
            stack.callback(state.alert_book.stop)
            for readers in (state.followers, state.callbacks, state.recorders):
                for each in readers:
                    stack.callback(each.stop)
