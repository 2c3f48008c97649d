"""Recorder: writes what a feed brings to a file, in its own thread, until it is stopped."""

from __future__ import annotations

import contextlib
import errno
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickerkit.feed.frame_buffer import Connected, Dropped, FrameBuffer, Kept, Made
from tickerkit.formatting import format_size
from tickerkit.log import Gaps, Reader, Rows, TickLog
from tickerkit.runtime.cards import card
from tickerkit.runtime.error_log import ErrorLog, describe
from tickerkit.runtime.registry import register, unregister
from tickerkit.runtime.rerun import cell_slot
from tickerkit.runtime.workers import Follower
from tickerkit.storage.frames.file import connected_line, dropped_line, frame_line, made_line
from tickerkit.storage.paths import Naming, naming_from_path
from tickerkit.storage.recording_writer import RecordingWriter

if TYPE_CHECKING:
    from tickerkit.feed.feed import Feed

__all__ = ["Recorder", "record"]

RATE_S = 5.0
MIN_IDLE_S = 0.05
GIVE_UP_S = 1.5
TURN_S = 0.25
MAX_S = 60.0
WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "it may not be written to",
    errno.EIO: "the disk has an error",
}


class Recorder:
    """Ticks on their way from a feed into a file. Made by `feed.record`.

    It reads the feed's log, as a chart does, so it can't hold up the feed. When writing fails, the
    ticks wait in the log, and it tries again at each flush; what the log has dropped by then is
    listed in the recording's gaps. It never raises and prints nothing: `status` and `stats` tell.

    Attributes:
        faults: its errors: `count`, and `last` in words.
    """

    def __init__(
        self,
        log: TickLog,
        gaps: Gaps,
        capture: RecordingWriter,
        *,
        flush_s: float = 1.0,
        reader: Reader | None = None,
        tap: FrameBuffer | None = None,
        untap: Callable[[], object] = lambda: None,
        symbols: list[str] | None = None,
        url: str = "",
    ) -> None:
        self._log, self._gaps, self._capture = log, gaps, capture
        self._tap, self._untap, self._symbols, self._url = tap, untap, symbols, url
        self.faults = ErrorLog(f"recorder {capture.path.name}")
        self._status = "recording"
        self._rates: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=1000)
        self._unwritten = 0
        self._handing_on = False
        # Lines of the wire that could not be written yet.
        self._lines = b""
        capture.complain = self.faults.add
        capture.turn = self._turn
        self._reader = reader or log.reader()
        start = self._reader.row
        before = log.rows(start - 1, start) if start else log.rows(0, 0)
        known = len(before) == 1 and before.start == start - 1
        last = before.position(0) if known else None
        capture.begin(start, last, log.rows().frame().iloc[:0])
        self._follower = Follower(
            log,
            self._handle,
            finish=self._finish,
            reader=self._reader,
            every_s=flush_s,
            idle_s=max(flush_s, MIN_IDLE_S),
            name="tickerkit recorder",
        )
        register(self)

    # --- in its thread ------------------------------------------------------------------------

    def _handle(self, rows: Rows) -> None:
        failed = False
        try:
            self._keep_frames()
        except Exception as error:
            self._fail(error)
            failed = True
        try:
            self._capture.take(rows, self._gaps.between)
        except Exception as error:
            self._fail(error)
            failed = True
            self._reader.row = max(self._capture.row, rows.start)
        self._status = "failing" if failed else "recording"
        self._rates.append((time.monotonic(), self._capture.written))

    def _fail(self, error: Exception) -> None:
        words, kind = describe(error), type(error).__name__
        if isinstance(error, OSError) and error.strerror:
            words = kind = WORDS.get(error.errno or 0, error.strerror)
        self.faults.add_message(kind, f"{self._capture.path.name} can't be written: {words}")

    def _keep_frames(self, *, turn: bool = False) -> None:
        wire = self._capture.wire
        if self._tap is None or wire is None:
            return
        if not self._lines or turn:
            kept = self._tap.drain(time.time_ns(), turn=turn)
            self._lines += b"".join(self._line(each) for each in kept)
        if self._lines:
            wire.append(self._lines)
            self._lines = b""

    def _line(self, kept: Kept) -> bytes:
        match kept:
            case Connected():
                return connected_line(*kept, self._symbols)
            case Made():
                return made_line(*kept)
            case Dropped():
                return dropped_line(*kept)
        return frame_line(*kept)

    def _turn(self) -> None:
        """What came so far belongs to the file that ends."""
        self._keep_frames(turn=True)

    def _finish(self) -> None:
        try:
            self._keep_frames()
        except Exception as error:
            self._fail(error)
        self._unwritten = self._reader.behind if self._status == "failing" else 0
        if self._handing_on:
            self._unwritten = 0
        gaps = [] if self._unwritten else self._gaps.between(self._log.stop, self._log.stop + 1)
        try:
            self._capture.close(gaps, convert=not self._handing_on)
        except Exception as error:
            self._fail(error)
        self._capture.abandon()
        if self._unwritten:
            count = f"{self._unwritten:,} ticks were not written"
            text = f"{self.faults.last}; it was stopped, and {count}"
            self.faults.add_message("stopped", text, 0)

    # --- what it is ---------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The file that is written now; a Parquet file is there when it is finished."""
        return self._capture.path

    @property
    def status(self) -> str:
        """In one word: recording, failing or stopped."""
        return self._status

    @property
    def stats(self) -> Mapping[str, Any]:
        """What it did so far.

        Returns:
            `written` (ticks), `bytes` (that all its files take on the disk), `rate` (ticks written
            per second, over the last 5 s), `files` (how many there were), `removed` (of these, for
            `max_disk`), `gaps` (noted in them), `errors`, `last_error` (in words), `behind` (ticks
            that wait in the log), `lost` (that were never written: the log has dropped them, or
            they could not be written at the end), `frames_dropped` (with `raw=True`: those that
            there was no room for), `status`.
        """
        stopped = self._status == "stopped"
        return {
            "written": self._capture.written,
            "bytes": self._bytes(),
            "rate": 0.0 if stopped else self._rate(),
            "files": self._capture.files,
            "removed": self._capture.removed,
            "gaps": self._capture.gaps,
            "errors": self.faults.count,
            "last_error": self.faults.last,
            "behind": 0 if stopped else self._reader.behind,
            "lost": self._capture.lost + self._unwritten,
            "frames_dropped": self._tap.dropped if self._tap is not None else 0,
            "status": self._status,
        }

    def _bytes(self) -> int:
        with contextlib.suppress(OSError):  # a file is being closed just now
            return self._capture.bytes
        return 0

    def _rate(self) -> float:
        now = time.monotonic()
        marks = [mark for mark in list(self._rates) if now - mark[0] <= RATE_S]
        if len(marks) < 2:
            return 0.0
        return (marks[-1][1] - marks[0][1]) / max(now - marks[0][0], 1e-9)

    # --- its life -----------------------------------------------------------------------------

    def stop(self) -> None:
        """Write what there is, finish the file, and end; twice is no complaint.

        It waits while it gets on with that, but a disk that hangs is not waited for.
        """
        if not unregister(self):
            return
        self._untap()
        end = time.monotonic() + MAX_S
        ended, written = self._follower.stop(GIVE_UP_S), -1
        while not ended and time.monotonic() < end:
            if written == self._capture.written and not self._capture.converting:
                break
            written = self._capture.written
            ended = self._follower.stop(TURN_S)
        if not ended:
            text = f"{self._capture.path.name}: the disk did not answer in time"
            self.faults.add_message("timeout", text)
        self._status = "stopped"

    @property
    def naming(self) -> Naming:
        """How its files are named."""
        return self._capture.naming

    def give_way(self, log: TickLog, *, same: bool) -> Reader | None:
        """Stop; return a reader of what comes after, if it ran until now and is of that log.

        If the next one goes on with the same file, that is not finished.
        """
        ran = self._status != "stopped" and log is self._log
        self._handing_on = ran and same
        self.stop()
        return log.reader(self._reader.row) if ran else None

    def abandon_after_fork(self) -> None:
        """Count as stopped, in a forked child: it runs in the parent alone."""
        self._status = "stopped"
        self._capture.abandon()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _about(self) -> str:
        stats = self.stats
        gaps = f", {stats['gaps']:,} gaps" if stats["gaps"] else ""
        lost = f", {stats['lost']:,} lost" if stats["lost"] else ""
        return f"{stats['written']:,} ticks, {format_size(stats['bytes'])}{gaps}{lost}"

    def _pace(self) -> str:
        return f", {self._rate():,.0f}/s" if self._status != "stopped" else ""

    def __repr__(self) -> str:
        error = f"; {self.faults.last}" if self.faults.last and self._status != "recording" else ""
        return f"<Recorder {self.path} {self._status}, {self._about()}{self._pace()}{error}>"

    def _repr_html_(self) -> str:
        stats = self.stats
        lines = {
            "to": str(self.path),
            "ticks": f"{self._about()}{self._pace()}",
            "last error": stats["last_error"],
        }
        return card("Recorder", self._status, lines)

    def summary(self) -> dict[str, str]:
        """Return what `tk.status` shows of it."""
        return {
            "kind": "recorder",
            "address": str(self.path),
            "status": self._status,
            "about": self._about(),
        }


def record(feed: Feed, path: str | Path, flush_s: float, *, raw: bool, **how: Any) -> Recorder:
    """Begin to record a feed, or go on in the file of the last run of this cell."""
    held = feed._held
    cell = cell_slot("record", feed.url)
    last: Recorder | None = cell.last()
    names = {name: how[name] for name in ("compression", "format")}
    naming = naming_from_path(path, rotates=how["rotate"] is not None, **names)
    same = last is not None and naming == last.naming
    rest = last.give_way(held.log, same=same) if last is not None else None
    reader = rest if rest is not None else held.log.reader()
    capture = RecordingWriter(
        path,
        raw=raw,
        source=feed.url,
        symbols=feed.symbols,
        going_on=last.path if last is not None and rest is not None and same else None,
        **how,
    )
    tap = FrameBuffer() if raw else None
    untap = feed.tap(tap) if tap is not None else lambda: None
    try:
        recorder = Recorder(
            held.log,
            held.gaps,
            capture,
            flush_s=flush_s,
            reader=reader,
            tap=tap,
            untap=untap,
            symbols=feed.symbols,
        )
    except BaseException:
        untap()
        capture.abandon()
        raise
    held.recorders = [*feed.recorders, recorder]
    cell.fill(recorder)
    if feed.status == "stopped":
        recorder.stop()
    return recorder
