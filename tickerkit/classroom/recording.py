"""Recording: writes the frames of a tap to a file while they pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tickerkit.classroom.frame_cursor import Batch, FrameCursor
from tickerkit.classroom.passage import Handshake
from tickerkit.classroom.pcapng import CAPTURE_HEAD, Capture
from tickerkit.classroom.tables import make_json_lines, make_row
from tickerkit.formatting import format_count, format_size
from tickerkit.runtime.cards import render_card
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.lifecycle import Lifecycle
from tickerkit.runtime.threads import BackgroundThread, UserThread, start_thread
from tickerkit.storage.files import AppendFile

__all__ = ["FrameRecorder"]

INTERVAL_S = 0.25
# A disk that takes no byte for this long is left alone.
STOP_S = 5.0


class FrameRecorder(Lifecycle):
    """Frames on their way from a tap to a file. Made by `tap.record`.

    It reads what the tap holds, four times a second, so it can't hold up the tap. Frames that leave
    the tap's memory before they are written are counted in `lost`, and noted at the next frame. If
    a write fails, the frames wait in that memory. Its thread neither raises nor prints.

    Args:
        path: the file, which is emptied first; its suffix is ".jsonl" or ".pcapng".
        port: the port of the tap.
        cursor: where it reads.
        take: returns the connections, without those given, and what is new to the cursor.

    Attributes:
        path: as given.
        written: how many frames are in the file.
    """

    _kind, _how_to_restart = "tap recorder", "call tap.record again"

    def __init__(
        self,
        path: Path,
        port: int,
        cursor: FrameCursor,
        take: Callable[[FrameCursor, set[int]], tuple[list[Handshake], Batch]],
    ) -> None:
        super().__init__()
        self.path, self.written = path, 0
        self._cursor, self._take = cursor, take
        self._errors = ErrorLog(f"tap recorder {path.name}")
        self._file = AppendFile(path, exclusive=True)
        self._file.cut(0)
        self._capture = Capture(port) if path.suffix.lower() == ".pcapng" else None
        # What could not be written yet, and how many frames that are.
        self._pending, self._pending_frames = CAPTURE_HEAD if self._capture else b"", 0
        self._written_ends: set[int] = set()
        self._stopping = threading.Event()
        self._thread: BackgroundThread | None = None
        self._start_service()

    @property
    def lost(self) -> int:
        """How many frames had left the tap's memory before they could be written."""
        return self._cursor.lost

    @property
    def last_error(self) -> str:
        """The newest error, as text; empty without errors."""
        return self._errors.last

    @property
    def status(self) -> str:
        """One of "recording", "failing" and "stopped"."""
        if self._stopped:
            return "stopped"
        return "failing" if self._pending_frames else "recording"

    def _describe(self) -> str:
        lost = f", {self.lost:,} lost" if self.lost else ""
        return f"{format_count(self.written, 'frame')}{lost}, {format_size(self._file.size)}"

    def __repr__(self) -> str:
        return f"<FrameRecorder {self.path} {self.status}, {self._describe()}>"

    def _repr_html_(self) -> str:
        lines = {"file": str(self.path), "written": self._describe(), "last error": self.last_error}
        return render_card("Tap recorder", self.status, lines, {})

    def _summarize(self) -> dict[str, str]:
        about = self._describe()
        return {
            "kind": self._kind,
            "address": str(self.path),
            "status": self.status,
            "about": about,
        }

    # --- start and stop -----------------------------------------------------------------------

    def stop(self) -> None:
        """Write the frames that have passed, and close the file; idempotent."""
        self._stop_service(self._release)

    def __enter__(self) -> FrameRecorder:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def _acquire(self) -> None:
        self._thread = start_thread(self._run, "tickerkit tap recorder", UserThread)

    def _release(self) -> None:
        self._stopping.set()
        if self._thread is None:
            self._file.close()
        elif not self._thread.join_within(STOP_S):
            self._errors.add_message("timeout", f"{self.path.name}: the disk did not answer")

    # --- in its thread ------------------------------------------------------------------------

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(INTERVAL_S)
            try:
                self._write()
            except Exception as error:
                self._errors.add(error)
        self._file.close()

    def _write(self) -> None:
        if not self._pending_frames:
            self._read()
        if self._pending:
            self._file.append(self._pending)
            self.written += self._pending_frames
            self._pending, self._pending_frames = b"", 0

    def _read(self) -> None:
        """Read what is new, as bytes to write."""
        lost = self._cursor.lost
        handshakes, batch = self._take(self._cursor, self._written_ends)
        reads = list(self._cursor.read(batch))
        if reads and (lost := self._cursor.lost - lost):
            about = f"before it, {format_count(lost, 'frame')} could not be recorded"
            first = reads[0].frame
            about = f"{about}; {first.about}" if first.about else about
            reads[0] = reads[0]._replace(frame=first._replace(about=about))
        if self._capture is None:
            parts = list(make_json_lines(map(make_row, reads)))
        else:
            parts = self._capture.add(handshakes, [each.frame for each in reads])
        self._written_ends.update(each.link for each in handshakes if each.ended_ns)
        self._pending += b"".join(parts)
        self._pending_frames = len(reads)
