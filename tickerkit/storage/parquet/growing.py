"""Growing: a Parquet recording while it is written, with its newest rows in a CSV beside it.

Ticks are appended to the CSV, which loses nothing in a crash. From time to time its rows become a
row group of the Parquet file, which any program can read at any moment, and the CSV begins again.
If a whole row group waits, as when the recorder catches up with a server, it doesn't pass through
the CSV, which would take longer than all the rest.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from tickerkit.errors import RecordingError
from tickerkit.log import Gap
from tickerkit.storage.csv.append import CsvFile
from tickerkit.storage.csv.read import read_file
from tickerkit.storage.files import Mode
from tickerkit.storage.frames import combine_frames
from tickerkit.storage.parquet.growing_file import encode
from tickerkit.storage.parquet.read import drop_known
from tickerkit.storage.parquet.rows import ParquetRows
from tickerkit.storage.parquet.table import ROWS_AT_ONCE, to_table
from tickerkit.storage.paths import working_path
from tickerkit.storage.sidecar import End, add_counts

__all__ = ["GrowingParquet"]

# A row group has as many rows as in a file that is written whole. If fewer ticks come, it is made
# when the oldest has waited a minute, from some thousand rows: a smaller group is compressed worse,
# and its entry in the list of all groups is larger than its rows.
MAX_WAIT_S = 60.0
MIN_GROUP_ROWS = 4_096
# The list of all row groups is written each time. So that it stays below a few megabytes also after
# weeks, a group has at least this share of the rows.
MIN_GROUP_SHARE = 2_048
# After an error, such as a full disk, a row group is tried again after this many seconds.
RETRY_S = 10.0
# If row groups can't be written, ticks wait when the CSV has this many.
MAX_LOG_ROWS = 8 * ROWS_AT_ONCE
# While it catches up, rows are visible after this many seconds. A crash loses no more than these,
# which the next run asks the server for again.
MAX_AHEAD_S = 2.0


class GrowingParquet:
    """A Parquet recording that is open for appending, with the methods of a `CsvFile`.

    Args:
        path: the Parquet file.
        mode: "append", "new" or "overwrite", for the CSV beside it; see `prepare_parquet`.
        source: where the ticks come from.
        symbols: the symbols that are recorded, None for all.
        fsync: whether each append waits until it is on the disk.
        on_error: called when a row group can't be written although its rows are in the CSV.
        clock: returns a time in seconds.

    Attributes:
        last: position of the last row, None without one.
        last_gap: the last gap noted.
        rows_ahead: how many of the last rows neither the CSV nor the visible file has. If the file
            is abandoned, they are in no file, and `last` is the row before them.

    Raises:
        RecordingError: one of the files can't be continued, or another program writes to it.
        OSError: a file can't be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        mode: Mode = "append",
        source: str = "",
        symbols: Sequence[str] | None = None,
        fsync: bool = False,
        on_error: Callable[[Exception], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_error, self._clock = on_error, clock
        self._log = CsvFile(
            working_path(path), mode=mode, source=source, symbols=symbols, fsync=fsync
        )
        # Rows in the CSV that are not in a row group yet, and when the first of them came.
        self._waiting: list[pd.DataFrame] = []
        self._waiting_rows, self._since = 0, 0.0
        self.rows_ahead, self._is_catching_up = 0, False
        self._published_at = self._retry_at = 0.0
        # How many waiting rows were measured, and their size in a row group.
        self._measured = (0, 0)
        self._row_bytes = 0.0
        try:
            self._rows = ParquetRows(path)
            self._read_log()
        except BaseException:
            self._log.abandon()
            raise
        # The last row and gap before the rows ahead.
        self._before_ahead = self.last, self.last_gap

    def _read_log(self) -> None:
        """Take the rows that an earlier run, or a crash, has left in the CSV."""
        self.last, self.last_gap = self._rows.end.position, self._log.last_gap
        if self._rows.about.gaps and self.last_gap is None:
            self.last_gap = self._rows.about.gaps[-1]
        if self._log.size:
            content = read_file(self._log.path)
            frame = drop_known(content.frame, self.last)
            self._rows.note(content.sidecar, has_rows=len(frame) > 0)
            if len(frame):
                self._hold(frame)
                self.last = self._log.last
            elif self._log.rows:  # a crash came before it could begin again
                self._log.restart()
        self._rows.about.heads.append(self._log.head)

    # --- appending ----------------------------------------------------------------------------

    def next_count(self, waiting: int, usual: int) -> int:
        """Return how many of some rows that wait are best appended next.

        Args:
            waiting: how many rows wait.
            usual: how many are appended to a CSV at once.
        """
        is_whole = waiting >= ROWS_AT_ONCE and (self._rows.file.has_rested or not self._log.rows)
        return min(waiting, ROWS_AT_ONCE if self.rows_ahead or is_whole else usual)

    def append(self, frame: pd.DataFrame, gaps: Iterable[Gap] = ()) -> None:
        """Append rows. If they are a whole row group, they don't pass through the CSV.

        Args:
            frame: the rows.
            gaps: the gaps before or among the rows. They are noted only if the rows are written.

        Raises:
            OSError: nothing of the rows was written. The call can be repeated.
        """
        gaps = list(gaps)
        is_whole = len(frame) >= ROWS_AT_ONCE
        if self.rows_ahead or is_whole:
            self._append_ahead(frame)
        else:
            self._append_to_log(frame, gaps)
        self._is_catching_up = is_whole
        if (end := End.from_frame(frame)).epoch:
            self.last = end.position
        self._rows.about.gaps += gaps
        self.last_gap = gaps[-1] if gaps else self.last_gap
        self.settle()

    def _append_to_log(self, frame: pd.DataFrame, gaps: Iterable[Gap]) -> None:
        has_new = not set(map(str, frame.columns)) <= set(self._log.names)
        if self._log.rows and (has_new or self._log.rows >= MAX_LOG_ROWS):
            self._turn()
        self._log.append(frame, gaps)
        if len(frame):
            self._row_bytes = self._log.size / self._log.rows
            # The log of ticks may drop these rows; a view would keep all of its memory.
            self._hold(frame.copy())

    def _append_ahead(self, frame: pd.DataFrame) -> None:
        """Append rows without the CSV; fewer than a row group wait for the others."""
        is_late = self._clock() - self._published_at >= MAX_AHEAD_S
        if self._log.rows or (self.rows_ahead and is_late and self._rows.file.has_rested):
            self._turn()
        if len(frame):
            self._hold(frame.copy() if len(frame) < ROWS_AT_ONCE else frame)
        if self._waiting_rows >= ROWS_AT_ONCE:
            try:
                self._add_waiting()
            except BaseException:
                self._waiting_rows -= len(self._waiting.pop())
                raise
        if not self.rows_ahead:
            self._before_ahead = self.last, self.last_gap
        self.rows_ahead += len(frame)

    def _hold(self, frame: pd.DataFrame) -> None:
        if not self._waiting:
            self._since = self._clock()
        self._waiting.append(frame)
        self._waiting_rows += len(frame)

    def note_gaps(self, gaps: Iterable[Gap]) -> None:
        """Note gaps, as `CsvFile.note_gaps` does."""
        gaps = list(gaps)
        self._log.note_gaps(gaps)
        self._rows.about.gaps += gaps
        self.last_gap = gaps[-1] if gaps else self.last_gap

    def note_misfits(self, counts: Mapping[str, int]) -> None:
        """Note how many values are not in the file, by column."""
        self._log.note_misfits(counts)
        self._rows.about.misfits = add_counts(self._rows.about.misfits, counts)

    def note_units(self, units: Mapping[str, str]) -> None:
        """Note the units of columns."""
        self._log.note_units(units)
        self._rows.about.units.update(units)

    # --- row groups ---------------------------------------------------------------------------

    def settle(self) -> None:
        """Make a row group if that is due. An error is reported: the rows are in the CSV.

        If the file was moved, rows wait until it is opened again.
        """
        now = self._clock()
        if now < self._retry_at or not self._is_due(now) or not self.is_intact:
            return
        try:
            self._turn()
        except Exception as error:
            self._retry_at = now + RETRY_S
            self._on_error(error)

    def _is_due(self, now: float) -> bool:
        file = self._rows.file
        if not file.has_rested:
            return False
        if self.rows_ahead:
            return not self._is_catching_up or now - self._published_at >= MAX_AHEAD_S
        is_old = bool(self._waiting) and now - self._since >= MAX_WAIT_S
        enough = max(MIN_GROUP_ROWS, file.rows // MIN_GROUP_SHARE) if is_old else ROWS_AT_ONCE
        return file.unpublished or self._waiting_rows >= enough

    def _turn(self) -> None:
        """Make a row group of the waiting rows, publish it, and begin the CSV again."""
        if self._waiting:
            self._add_waiting()
        self._rows.publish()
        self.rows_ahead, self._published_at = 0, self._clock()
        if self._log.rows:
            # If that fails, rows are in both files, which a reader and the next run find out.
            with contextlib.suppress(OSError):
                self._log.restart()

    def _add_waiting(self) -> None:
        self._rows.add(combine_frames(self._waiting))
        self._waiting, self._waiting_rows, self._measured = [], 0, (0, 0)

    # --- the file -----------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """How many rows the recording has."""
        return self._rows.file.rows + self._waiting_rows

    @property
    def names(self) -> list[str]:
        """Its columns."""
        schema = self._rows.file.schema
        return list(
            dict.fromkeys([*(schema.names if schema is not None else ()), *self._log.names])
        )

    @property
    def size(self) -> int:
        """The size in bytes that the Parquet file would have if it ended now, about."""
        rows, size = self._measured
        if self._waiting_rows > 2 * rows:
            encoded = encode(to_table(combine_frames(self._waiting)))
            # A file that has rows has a footer already.
            size = len(encoded.data) if self._rows.file.rows else encoded.size
            rows = self._waiting_rows
            self._measured = rows, size
        return self._rows.file.size + (size * self._waiting_rows // rows if rows else 0)

    @property
    def row_bytes(self) -> float:
        """How many bytes a row takes in the CSV; 0 if that isn't known."""
        return self._row_bytes

    @property
    def size_on_disk(self) -> int:
        """The size of all files in bytes."""
        return self._rows.file.size_on_disk + self._log.size_on_disk

    @property
    def passed_bytes(self) -> int:
        """A number that grows with what the system took so far."""
        return self._rows.file.size_on_disk + self._log.passed_bytes

    @property
    def is_intact(self) -> bool:
        """Whether both files are at their paths, and no other program has changed them."""
        return self._log.is_intact and self._rows.file.is_intact

    def finish(self) -> None:
        """Publish what is left, if that is possible; else `from_csv` does it later."""
        with contextlib.suppress(OSError, RecordingError):
            if self.rows:
                self._turn()

    def close(self) -> None:
        """Close the files; idempotent. Rows in the CSV stay there.

        Raises:
            OSError: something can't be written. The call can be repeated.
            RecordingError: the Parquet file was moved, and there are rows ahead.
        """
        if self.rows_ahead:
            self._turn()
        self._rows.file.close()
        self._log.close()

    def abandon(self) -> None:
        """Close the files as they are, as a crash would."""
        if self.rows_ahead:
            self.last, self.last_gap = self._before_ahead
        self._log.abandon()
