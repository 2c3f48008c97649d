"""PipeWriter: writes the rows of a log as lines to an open file, such as a pipe; no threads."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from tickerkit.log import Gap, Position, Rows, TickLog
from tickerkit.storage.csv.text import ROWS_AT_ONCE, csv_lines, header_line, json_lines
from tickerkit.storage.paths import Naming
from tickerkit.storage.sidecar import add_counts
from tickerkit.validation import check_choice

__all__ = ["PIPE_FORMATS", "PipeWriter"]

PIPE_FORMATS = ("csv", "jsonl")
# At most what an empty pipe takes at once on Linux: each call shows progress.
PIECE_BYTES = 2**16


class PipeWriter:
    """Writes the rows of a log to an open file as lines, which have the text that files have.

    A pipe can't be read back, so nothing is resumed: the rows begin where the reader of the log
    does. A write that fails is continued by the next call at the byte where it stopped. When the
    reader of a pipe has gone, `is_broken` is true, and further rows are passed over.

    CSV has one header, that of the first rows. Values of columns that come later have no place in
    it: they are left out and counted in `misfits`. JSON lines have every column.

    Args:
        file: the file descriptor. It is not closed.
        format: "csv" or "jsonl".

    Attributes:
        row: number of the next row of the log.
        written: how many rows were written.
        lost: how many rows were not written: the log had dropped them, or they were left out.
        gaps: how many gaps there were before these rows.
        bytes: how many bytes were written.
        misfits: how many values were left out, by column.
        is_halted: set by another thread to end `take` after the part that is being written.
        is_broken: whether the reader of the pipe has gone.
    """

    # What `RecordingWriter` has, and a pipe does not.
    raw_file = None
    last: Position | None = None
    files = 1
    removed = 0
    converting = False
    path = Path("-")
    naming = Naming(Path(), "-", "", timed=False)

    def __init__(self, file: int, format: str = "csv") -> None:  # noqa: A002
        check_choice("format", format, PIPE_FORMATS)
        self._file, self._is_csv = file, format == "csv"
        self.row = self.written = self.lost = self.gaps = self.bytes = 0
        self.misfits: dict[str, int] = {}
        self.is_halted = self.is_broken = False
        self._known_misfits: dict[str, int] = {}
        # The columns of the header; none before it is written.
        self._names: list[str] = []
        # The rest of a text whose write failed, and how many rows it has.
        self._left, self._left_rows = memoryview(b""), 0
        self._log: TickLog | None = None

    def begin(
        self,
        log: TickLog,
        row: int,
        before: Position | None = None,
        misfits: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Begin at a row of a log; the other arguments are those of `RecordingWriter.begin`."""
        self._log, self.row, self._known_misfits = log, row, dict(misfits)

    def note_misfits(self, counts: Mapping[str, int]) -> None:
        """Count values that the ticks of the log lack by now, by column, since the log began."""
        known = self._known_misfits
        news = {name: count - known.get(name, 0) for name, count in counts.items()}
        self.misfits = add_counts(self.misfits, news)
        self._known_misfits = dict(counts)

    def take(self, rows: Rows, gaps: Callable[[int, int], Sequence[Gap]]) -> None:
        """Write rows, in parts.

        Args:
            rows: rows of the log, from `row` on, or from a later one if the log has dropped some.
            gaps: returns the feed's gaps before the rows `start` to `stop`.

        Raises:
            OSError: the file takes nothing, as on a full disk.
        """
        self._write_left()
        # The log may have dropped rows; of those that wait, `_write_left` may have written some.
        start = max(rows.start, self.row)
        self.lost += start - self.row
        self.row = start
        for first in range(start, rows.stop, ROWS_AT_ONCE):
            if self.is_halted:
                return
            part = rows.part(first, min(first + ROWS_AT_ONCE, rows.stop))
            self.gaps += len(gaps(part.start, part.stop))
            self._left, self._left_rows = memoryview(self._encode(part.frame())), len(part)
            self._write_left()

    def _encode(self, frame: pd.DataFrame) -> bytes:
        if not self._is_csv:
            return b"".join(json_lines(frame))
        names = [str(name) for name in frame.columns]
        is_first = not self._names
        if is_first:
            self._names = names
        if names != self._names:
            late = frame[[name for name in names if name not in self._names]].count()
            self.misfits = add_counts(self.misfits, {str(k): int(v) for k, v in late.items()})
            frame = frame.reindex(columns=self._names)
        return b"".join(csv_lines(frame, header=is_first))

    def _write_left(self) -> None:
        while self._left and not self.is_broken:
            try:
                passed = os.write(self._file, self._left[:PIECE_BYTES])
            except BrokenPipeError:
                self.is_broken = True
                return
            except BlockingIOError:  # another program has made the pipe non-blocking
                select.select([], [self._file], [], 1.0)
                continue
            self.bytes += passed
            self._left = self._left[passed:]
        if not self.is_broken:
            self.written += self._left_rows
        self.row += self._left_rows
        self._left_rows = 0

    def leave_out(self, stop: int, gaps: Callable[[int, int], Sequence[Gap]]) -> None:
        """Count the rows up to `stop` that will not be written as lost, unless nobody reads."""
        if not self.is_broken:
            self.lost += max(stop - self.row, 0)
        self.row = max(stop, self.row)

    @property
    def progress(self) -> object:
        """A value that differs whenever more was written; any thread may read it."""
        return self.row, self.bytes

    def close(self, gaps: Sequence[Gap] = (), *, convert: bool = True) -> None:
        """Count the last gaps; CSV without rows gets its header, so that programs can read it."""
        self.gaps += len(gaps)
        if self._is_csv and not self._names and self._log is not None:
            self._names = [str(name) for name in self._log.rows().frame().columns]
            self._left = memoryview(header_line(self._names))
            self._write_left()

    def abandon(self) -> None:
        """Write nothing more."""
        self._left, self._left_rows = memoryview(b""), 0

    def find_reader(self) -> bool:
        """Return whether the pipe has a reader, as far as the system tells; any thread may ask.

        On Linux and macOS it is known before the next write.
        """
        with contextlib.suppress(AttributeError, OSError):  # Windows has no poll
            poll = select.poll()
            poll.register(self._file, 0)
            if any(event & select.POLLERR for _, event in poll.poll(0)):
                return False
        return not self.is_broken
