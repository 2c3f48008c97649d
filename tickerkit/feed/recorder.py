"""Recorder: writes the ticks of a feed to files, in a thread of its own, until it is stopped."""

from __future__ import annotations

import contextlib
import errno
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tickerkit.errors import InvalidArgument
from tickerkit.feed.frame_buffer import Connected, Dropped, Entry, FrameBuffer, SyntheticHello
from tickerkit.formatting import format_count, format_size
from tickerkit.log import Gaps, Position, Reader, Rows, TickLog
from tickerkit.runtime.cards import render_card
from tickerkit.runtime.error_log import ErrorLog, describe
from tickerkit.runtime.lifecycle import Lifecycle
from tickerkit.runtime.workers import Follower
from tickerkit.sources.raw_events import RawEvent
from tickerkit.storage.paths import Naming, naming_from_path
from tickerkit.storage.pipe_writer import PipeWriter
from tickerkit.storage.raw_lines import (
    connected_line,
    dropped_line,
    event_line,
    frame_line,
    made_line,
)
from tickerkit.storage.recording_writer import RecordingWriter

__all__ = ["Recorder", "start_recorder"]

RATE_S = 5.0
MAX_RATE_SAMPLES = 1000
MIN_IDLE_S = 0.05
# It writes before a flush is due if a quarter of what the log holds waits.
WAKE_SHARE = 4
STOP_STEP_S = 0.1
MAX_STOP_S = 60.0
# A disk hangs if it takes no byte for this long. On a busy machine, to compress a part can take a
# second.
MAX_STALL_S = 3.0
PROBLEMS = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission denied",
    errno.EIO: "the disk has an error",
}


class Recorder(Lifecycle):
    """Ticks on their way from a feed's log to a file. Made by `feed.record`.

    A recorder is a reader of the log, so it can't hold up the feed. When a write fails, the ticks
    wait in the log and each flush tries again; ticks that the log drops meanwhile are listed in
    the recording's gaps. Its thread neither raises nor prints: `status` and `stats` show errors.

    Args:
        log: the log to record.
        gaps: the gaps of the log.
        path: a file or a folder, as for `feed.record`.
        flush_s: seconds for which ticks are gathered before they are written; less if a quarter of
            the log waits.
        reader: where to begin; at the end of the log by default.
        before: position of the row before it, needed only if the log has dropped that row.
        misfits: returns how many values were left out of the log's ticks, by column.
        frames: buffer of the websocket's messages, or of what happened to a source, to write to a
            second file; None to write none.
        stop_frames: called to stop filling `frames`.
        source: the address that the ticks come from.
        symbols: the symbols that the feed asked for; None for all.
        **options: further arguments of `RecordingWriter`.

    Attributes:
        faults: its errors: `count`, and `last` as text.
    """

    _kind, _how_to_restart = "recorder", "call feed.record again"

    def __init__(
        self,
        log: TickLog,
        gaps: Gaps,
        path: str | Path,
        *,
        flush_s: float = 1.0,
        reader: Reader | None = None,
        before: Position | None = None,
        misfits: Callable[[], Mapping[str, int]] = dict,
        frames: FrameBuffer | None = None,
        stop_frames: Callable[[], object] = lambda: None,
        source: str = "",
        symbols: list[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.faults = ErrorLog(f"recorder {Path(path).name}")
        self._log, self._gaps, self._symbols = log, gaps, symbols
        self._frames, self._stop_frames = frames, stop_frames
        self._reader = reader or log.reader()
        self._misfits = misfits
        self._status = "recording"
        self._rate_samples: deque[tuple[float, int]] = deque(
            [(time.monotonic(), 0)], maxlen=MAX_RATE_SAMPLES
        )
        self._stop_row = 0
        self._hands_over = self._hands_over_file = False
        # Lines of frames that could not be written yet.
        self._pending_lines = b""
        self._writer = writer = self._make_writer(path, source, options)
        try:
            writer.begin(log, self._reader.row, before, misfits())
        except BaseException:
            writer.abandon()
            raise
        self._flush_s = flush_s
        self._follower: Follower | None = None
        self._start_service()

    def _make_writer(
        self, path: str | Path, source: str, options: Mapping[str, Any]
    ) -> RecordingWriter | PipeWriter:
        return RecordingWriter(
            path,
            raw=self._frames is not None,
            source=source,
            symbols=self._symbols,
            on_rotate=self._finish_frames,
            on_error=self.faults.add,
            **options,
        )

    # --- in its thread ------------------------------------------------------------------------

    def _write(self, rows: Rows) -> None:
        is_failing = False
        try:
            self._write_frames()
        except Exception as error:
            self._note_failure(error)
            is_failing = True
        self._stop_row = rows.stop
        if rows.lost and self._status == "recording":
            text = f"{rows.lost:,} ticks were dropped from the log before they were written"
            self.faults.add_message("dropped", f"{text}; pass a larger keep= to tk.connect")
        try:
            self._writer.note_misfits(self._misfits())
            self._writer.take(rows, self._gaps.between)
        except Exception as error:
            self._note_failure(error)
            is_failing = True
        self._reader.row = self._writer.row
        self._status = "failing" if is_failing else "recording"
        self._rate_samples.append((time.monotonic(), self._writer.written))

    def _note_failure(self, error: Exception) -> None:
        problem, kind = describe(error), type(error).__name__
        if isinstance(error, OSError) and error.strerror:
            problem = kind = PROBLEMS.get(error.errno or 0, error.strerror)
        self.faults.add_message(kind, f"{self._writer.path.name} can't be written: {problem}")

    def _write_frames(self, *, new_file: bool = False) -> None:
        raw_file = self._writer.raw_file
        if self._frames is None or raw_file is None:
            return
        if not self._pending_lines or new_file:
            entries = self._frames.drain(time.time_ns(), new_file=new_file)
            self._pending_lines += b"".join(self._encode(entry) for entry in entries)
        if self._pending_lines:
            raw_file.append(self._pending_lines)
            self._pending_lines = b""

    def _encode(self, entry: Entry) -> bytes:
        match entry:
            case Connected():
                return connected_line(*entry, self._symbols)
            case SyntheticHello():
                return made_line(*entry)
            case Dropped():
                return dropped_line(*entry)
            case RawEvent():
                return event_line(*entry)
        return frame_line(*entry)

    def _finish_frames(self) -> None:
        """Write all frames so far to the current file, before it ends."""
        self._write_frames(new_file=True)

    def _finish(self) -> None:
        try:
            # Frames that were dropped are counted in the file, though no later one came.
            self._finish_frames()
        except Exception as error:
            self._note_failure(error)
        writer, lost = self._writer, self._writer.lost
        try:
            writer.note_misfits(self._misfits())
            if not self._hands_over:
                writer.leave_out(self._stop_row, self._gaps.between)
            gaps = self._gaps.between(self._stop_row, self._stop_row + 1)
            writer.close(gaps, convert=not self._hands_over_file)
        except Exception as error:
            self._note_failure(error)
        writer.abandon()
        if count := writer.lost - lost:
            reason = f"{self.faults.last}; " if self.faults.last else ""
            text = f"{reason}the recorder was stopped, and {count:,} ticks were not written"
            self.faults.add_message("stopped", text, 0)

    # --- status -------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """Path of the file being written; a Parquet file appears with its first row group.

        Of a recording with a partition, the folder.
        """
        naming = self._writer.naming
        return naming.folder.parent if naming.partition else self._writer.path

    @property
    def file(self) -> Path:
        """Path of the file being written, as storage knows it."""
        return self._writer.path

    @property
    def status(self) -> str:
        """One of "recording", "failing" and "stopped"."""
        return self._status

    @property
    def stats(self) -> Mapping[str, Any]:
        """Counts and rates since the recorder was made.

        Returns:
            `written` (ticks), `bytes` (size on the disk of all its files), `rate` (ticks written
            per second over the last 5 s), `files` (number begun), `removed` (files removed again
            because of `max_disk`), `gaps` (listed in the files), `errors`, `last_error` (text),
            `behind` (ticks that wait in the log), `lost` (ticks never written: the log dropped
            them, or the last write failed), `misfits` (values that are not in the files although
            their ticks are, by column), `frames_dropped` (with `raw=True`: messages that
            didn't fit in the buffer), `status`.
        """
        stopped = self._status == "stopped"
        return {
            "written": self._writer.written,
            "bytes": self._bytes(),
            "rate": 0.0 if stopped else self._rate(),
            "files": self._writer.files,
            "removed": self._writer.removed,
            "gaps": self._writer.gaps,
            "errors": self.faults.count,
            "last_error": self.faults.last,
            "behind": 0 if stopped else self.behind,
            "lost": self._writer.lost + self._unsettled(),
            "misfits": dict(self._writer.misfits),
            "frames_dropped": self._frames.dropped if self._frames is not None else 0,
            "status": self._status,
        }

    @property
    def behind(self) -> int:
        """How many ticks of the log are not written yet."""
        return self._log.stop - self._writer.row

    def _unsettled(self) -> int:
        """Return how many ticks a stopped recorder has neither written nor given up."""
        is_hanging = (
            self._status == "stopped" and self._follower is not None and not self._follower.ended
        )
        return max(self._stop_row - self._writer.row, 0) if is_hanging else 0

    def _bytes(self) -> int:
        with contextlib.suppress(OSError):  # the other thread is closing a file
            return self._writer.bytes
        return 0

    def _rate(self) -> float:
        now = time.monotonic()
        recent = [sample for sample in list(self._rate_samples) if now - sample[0] <= RATE_S]
        if len(recent) < 2:
            return 0.0
        return (recent[-1][1] - recent[0][1]) / max(now - recent[0][0], 1e-9)

    # --- start and stop -----------------------------------------------------------------------

    def stop(self) -> None:
        """Write all ticks that have arrived, and finish the file; idempotent.

        It waits for up to a minute while bytes are being written. Ticks that are then left are
        counted in `stats["lost"]` and listed as a gap. It does not wait for a disk that takes
        nothing for 3 s: `stats["lost"]` then counts what is not written yet, and the writing
        continues in the background if the disk answers.
        """
        self._stop_service(self._release)

    def _acquire(self) -> None:
        self._follower = Follower(
            self._log,
            self._write,
            finish=self._finish,
            reader=self._reader,
            every_s=self._flush_s,
            max_waiting=max(self._log.keep // WAKE_SHARE, 1),
            idle_s=max(self._flush_s, MIN_IDLE_S),
            name="tickerkit recorder",
        )

    def _release(self) -> None:
        self._stop_frames()
        if self._follower is None:
            self._writer.abandon()
            self._status = "stopped"
            return
        self._stop_row = self._log.stop
        began = since = time.monotonic()
        progress: object = None
        while not self._follower.stop(STOP_STEP_S):
            now = time.monotonic()
            if progress != self._writer.progress or self._writer.converting:
                progress, since = self._writer.progress, now
            over_s = now - began - MAX_STOP_S
            self._writer.is_halted = over_s >= 0
            if now - since >= MAX_STALL_S or over_s >= MAX_STALL_S:
                text = f"{self._writer.path.name}: the disk did not answer in time"
                self.faults.add_message("timeout", text)
                break
        self._status = "stopped"

    @property
    def last(self) -> Position | None:
        """Position of the last tick that was written, or of the tick before the first one."""
        return self._writer.last

    @property
    def has_reader(self) -> bool:
        """Whether anybody reads what is written: of a file always, of a pipe see `PipeRecorder`."""
        return True

    @property
    def naming(self) -> Naming:
        """How its files are named."""
        return self._writer.naming

    def hand_over(self, log: TickLog, *, same_file: bool) -> Reader | None:
        """Stop, and return a reader of the rows that were not written yet.

        Args:
            log: the log that the next recorder reads.
            same_file: whether the next recorder continues in the same file, which then stays
                unfinished.

        Returns:
            None if this recorder was stopped before, or reads another log.
        """
        continues = self._status != "stopped" and log is self._log
        self._hands_over, self._hands_over_file = continues, continues and same_file
        self.stop()
        return log.reader(self._reader.row) if continues else None

    def abandon_after_fork(self) -> None:
        """Set the status of a forked child's copy to stopped: only the parent records."""
        super().abandon_after_fork()
        self._status = "stopped"
        self._writer.abandon()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- representation -----------------------------------------------------------------------

    def _format_counts(self) -> str:
        stats = self.stats
        gaps = f", {format_count(stats['gaps'], 'gap')}" if stats["gaps"] else ""
        lost = f", {stats['lost']:,} lost" if stats["lost"] else ""
        return (
            f"{format_count(stats['written'], 'tick')}, {format_size(stats['bytes'])}{gaps}{lost}"
        )

    def _format_rate(self) -> str:
        return f", {self._rate():,.0f}/s" if self._status != "stopped" else ""

    def __repr__(self) -> str:
        counts = f"{self._format_counts()}{self._format_rate()}"
        error = f"; {self.faults.last}" if self.faults.last and self._status != "recording" else ""
        return f"<Recorder {self.path} {self._status}, {counts}{error}>"

    def _repr_html_(self) -> str:
        lines = {
            "to": str(self.path),
            "ticks": f"{self._format_counts()}{self._format_rate()}",
            "last error": self.faults.last,
        }
        return render_card("Recorder", self._status, lines)

    def _summarize(self) -> dict[str, str]:
        return {
            "kind": "recorder",
            "address": str(self.path),
            "status": self._status,
            "about": self._format_counts(),
        }


def start_recorder(
    log: TickLog,
    gaps: Gaps,
    path: str | Path,
    *,
    previous: Recorder | None,
    before: Position | None,
    keep_frames: Callable[[FrameBuffer], Callable[[], None]] | None,
    rotate: str | int | None,
    compression: str | None,
    format: str | None,  # noqa: A002
    partition: str | Sequence[str] | None,
    **options: Any,
) -> Recorder:
    """Start a recorder, or continue in the file of the recorder that the same cell made before.

    Args:
        log: the log to record.
        gaps: the gaps of the log.
        path: a file or a folder.
        previous: the recorder of the cell's last run, if there is one; it is stopped.
        before: position of the tick before the log's first row, if it is known.
        keep_frames: starts to fill a buffer with each message, and returns a function that stops
            it; None to record no frames.
        rotate: when to begin a new file.
        compression: of the files of a folder.
        format: of the files of a folder.
        partition: by which keys the files of a folder are laid out.
        **options: further arguments of `Recorder`.
    """
    naming = naming_from_path(
        path,
        rotates=rotate is not None,
        compression=compression,
        format=format,
        partition=partition,
    )
    if naming.partition and keep_frames is not None:
        raise InvalidArgument("raw", True, "False with partition=; record the frames elsewhere")
    reader = continued = None
    if previous is not None:
        same_file = naming == previous.naming
        reader = previous.hand_over(log, same_file=same_file)
        continued = previous.file if reader is not None and same_file else None
        before = previous.last if reader is not None else before
    frames = FrameBuffer() if keep_frames is not None else None
    stop_frames = keep_frames(frames) if keep_frames is not None and frames is not None else None
    # The reader is made after the frame buffer, so that the frames have every recorded tick; and
    # before the writer, which may take long to open, so that no tick is missed meanwhile.
    reader = reader or log.reader()
    try:
        return Recorder(
            log,
            gaps,
            path,
            reader=reader,
            before=before,
            frames=frames,
            stop_frames=stop_frames or (lambda: None),
            resume=continued,
            rotate=rotate,
            compression=compression,
            format=format,
            partition=partition,
            **options,
        )
    except BaseException:
        if stop_frames is not None:
            stop_frames()
        raise
