"""RecordingWriter: writes the rows of a log to the files of a recording. It uses no threads."""

from __future__ import annotations

import errno
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from tickerkit.formatting import format_size
from tickerkit.log import Gap, Position, Rows, TickLog
from tickerkit.storage.csv.append import CsvFile
from tickerkit.storage.earlier_files import is_unfinished, last_tick_in, leave_out_open, read_abouts
from tickerkit.storage.files import Mode
from tickerkit.storage.finished_files import FinishedFiles
from tickerkit.storage.parquet.finish import prepare_parquet
from tickerkit.storage.parquet.growing import GrowingParquet
from tickerkit.storage.paths import Rotation, naming_from_path, raw_path, read_size, working_path
from tickerkit.storage.raw_lines import RawFile
from tickerkit.storage.seam import count_known, epochs_between, list_missing
from tickerkit.storage.sidecar import Sidecar, add_counts

__all__ = ["GapsBetween", "RecordingWriter"]

# Few enough that a slow disk, or a busy machine that compresses, shows progress within a second.
ROWS_AT_ONCE = 16_384
# The assumed size of a row, until the file has enough rows to measure it.
ROW_BYTES = 120
# A recording that rotates has at least this many files when it reaches `max_disk`, so that removing
# the oldest file loses no more than an eighth of the ticks.
MIN_FILES = 8
MAX_AHEAD_S = 3600.0

# Returns the gaps before the rows `start` to `stop` of the log.
GapsBetween: TypeAlias = Callable[[int, int], list[Gap]]


class RecordingWriter:
    """Writes the rows of a log to the file, or files, of a recording.

    Rows are written in parts. If a part can't be written, nothing of it is in the file, the call
    raises, and `row` is the row to continue from. Rows that the log has dropped by then are noted
    as a gap.

    Args:
        path: a file or a folder, see `naming_from_path`.
        mode: "append", "new" or "overwrite". A file with a time in its name is always new.
        rotate: "day", "hour" or a size. By default, a folder gets a file for each UTC day.
        compression: "gzip", "zstd" or None, for a folder.
        format: "csv" or "parquet", for a folder.
        partition: by which of "day", "hour" and "symbol" Parquet files of a folder are laid out.
        max_disk: how many bytes all files may take, those of earlier runs included. Beyond that the
            oldest finished files are removed; if there are none, writing fails.
        fsync: whether each write waits until it is on the disk.
        raw: whether to open a file for raw frames as well.
        source: where the ticks come from.
        symbols: the symbols that are recorded, None for all.
        resume: a file of an earlier writer to continue.
        clock: returns the time in seconds since 1970.
        on_rotate: called before a new file begins, and before a file that was moved or shortened
            is opened again.
        on_error: called when ticks can't be written as Parquet yet; the writer continues.

    Attributes:
        path: the file that is being written. A Parquet file appears with its first row group; with
            a partition, `path` stands for the files of its name, see `partitions`.
        naming: how the files are named.
        row: number of the next row of the log.
        written: how many rows were written.
        lost: how many rows were not written: the log had dropped them, or they were left out.
        files: how many files were begun.
        gaps: how many gaps were noted.
        is_halted: set by another thread to end `take` after the part that is being written.
        misfits: how many values were noted that are not in the files, by column.
        raw_file: the file of raw frames, None without.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: Mode = "append",
        rotate: str | int | None = None,
        compression: str | None = None,
        format: str | None = None,  # noqa: A002
        partition: str | Sequence[str] | None = None,
        max_disk: str | int | None = None,
        fsync: bool = False,
        raw: bool = False,
        source: str = "",
        symbols: Sequence[str] | None = None,
        resume: Path | None = None,
        clock: Callable[[], float] = time.time,
        on_rotate: Callable[[], object] = lambda: None,
        on_error: Callable[[Exception], object] = lambda _: None,
    ) -> None:
        self._rotation = Rotation.parse(rotate)
        self.naming = naming_from_path(
            path,
            rotates=rotate is not None,
            compression=compression,
            format=format,
            partition=partition,
        )
        # Files in partitions don't grow, but are made of a CSV when it ends.
        self._is_growing = self.naming.is_parquet and not self.naming.partition
        if self.naming.timed and self._rotation is None:
            self._rotation = Rotation.parse("day")
        self._max_bytes = None if max_disk is None else read_size("max_disk", max_disk)
        self._rows_at_once = ROWS_AT_ONCE
        if self._max_bytes is not None:
            rows = self._max_bytes // (2 * MIN_FILES * ROW_BYTES)
            self._rows_at_once = min(max(rows, 1), ROWS_AT_ONCE)
            if self._rotation is not None and not self._is_growing:
                self._rotation = self._rotation.limit(max(self._max_bytes // MIN_FILES, 1))
        self._source, self._symbols = source, None if symbols is None else list(symbols)
        self._fsync, self._clock, self._mode = fsync, clock, mode
        self._compression, self._raw = compression, raw
        self._on_rotate, self._on_error = on_rotate, on_error
        self.is_halted = False
        self.row = self.written = self.lost = self.files = self.gaps = 0
        self.misfits: dict[str, int] = {}
        self._misfits: dict[str, int] = {}
        self.raw_file: RawFile | None = None
        # The last position and the last gap of the files before the open one.
        self._last_before: Position | None = None
        self._gap_before: Gap | None = None
        # A seam is a place where rows may be missing or repeated although the feed noted no gap:
        # after an interruption, and where a file of an earlier writer is continued.
        self._is_seam = False
        self._seam_row = self._gap_row = 0
        self._log: TickLog | None = None
        # The newest epoch of the log that began before this recording did; empty without one.
        self._epoch_before = ""
        # Names run ahead of the clock if files are short. A name that is further ahead comes from a
        # clock that was wrong.
        self._newest_name = self.naming.newest(clock() + MAX_AHEAD_S)
        self._file: CsvFile | GrowingParquet | None = None
        if resume is not None and not working_path(resume).exists():
            resume = None
        self._finished = self._find_earlier(resume)
        if resume is not None:
            self._open(resume, "append")
        else:
            self._open(self._next_path(clock()), "new" if self.naming.timed else mode)
        # `mode` is for files of earlier writers. This writer always continues its own.
        self._mode = "append"

    def _find_earlier(self, resume: Path | None) -> FinishedFiles:
        """Return the files of earlier runs, but for the one to resume, and note the last tick."""
        if not self.naming.timed:
            return FinishedFiles([], [], self._on_error)
        on_skip = self._on_error if self._mode == "append" else lambda _: None
        abouts = read_abouts(self.naming, on_skip)
        # Another feed may write to the same folder.
        own = {path: each for path, each in abouts.items() if not each.heads or self._is_own(each)}
        if self._mode == "append" and (newest := last_tick_in(own, on_skip)) is not None:
            self._last_before, self._is_seam = newest.position, True
        left = [each for each in leave_out_open(abouts).items() if each[0] != resume]
        counts = self._max_bytes is not None
        counted = [path for path, about in left if counts and self._is_own(about)]
        unfinished = [path for path, about in left if is_unfinished(path, about)]
        return FinishedFiles(counted, unfinished, self._on_error, self.naming.partition)

    def _is_own(self, about: Sidecar) -> bool:
        """Return whether an earlier run recorded the same ticks."""
        heads = [(head.source, head.symbols) for head in about.heads[-1:]]
        return heads == [(self._source, self._symbols)]

    # --- files --------------------------------------------------------------------------------

    def _next_path(self, now: float) -> Path:
        """Return the path of the next file, last in order of name even if the clock goes back."""
        self._newest_name = self.naming.free(max(now, self._newest_name + 1))
        return self.naming.path(self._newest_name)

    def _open(self, path: Path, mode: Mode) -> None:
        last = prepare_parquet(path, mode) if self.naming.is_parquet else None
        how: dict[str, Any] = {
            "mode": mode,
            "source": self._source,
            "symbols": self._symbols,
            "fsync": self._fsync,
        }
        file: CsvFile | GrowingParquet
        if self._is_growing:
            file = GrowingParquet(path, on_error=self._on_error, **how)
        else:
            file = CsvFile(working_path(path), **how)
        try:
            if self.raw_file is not None:
                self.raw_file.close()
                self.raw_file = None
            if self._raw:
                self.raw_file = RawFile(raw_path(path, self._compression), mode, fsync=self._fsync)
        except BaseException:
            file.abandon()
            raise
        self.path, self._file, self._began = path, file, self._clock()
        self.files += 1
        if file.last is not None or last is not None:
            self._last_before, self._gap_before, self._is_seam = last, None, True

    @property
    def last(self) -> Position | None:
        """Position of the last row that was written, or of the row before the first one."""
        return (self._file.last if self._file is not None else None) or self._last_before

    @property
    def _last_gap(self) -> Gap | None:
        """The last gap that was noted."""
        return (self._file.last_gap if self._file is not None else None) or self._gap_before

    def begin(
        self,
        log: TickLog,
        row: int,
        before: Position | None = None,
        misfits: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Begin at a row of a log.

        A file without ticks gets the columns of the log.

        Args:
            log: the log.
            row: number of the row.
            before: position of the row before it, needed only if the log has dropped that row.
            misfits: how many values were left out of ticks before the row, by column.
        """
        self._misfits = dict(misfits)
        self.row = self._seam_row = self._gap_row = row
        held = log.rows(row - 1, row)
        if len(held) and held.start == row - 1:
            before = held.position(0)
        self._log = log
        epochs = list(log.first_seqs)
        if before is not None and before.epoch in epochs:
            epochs = epochs[: epochs.index(before.epoch)]
        self._epoch_before = epochs[-1] if epochs else ""
        last, gap = self.last, self._last_gap
        if last is not None and gap is not None and gap.epoch == last.epoch and gap.last:
            last = Position(last.epoch, max(last.seq, gap.last))
        if before is not None and before == last:
            self._is_seam = False
        if self.last is None:
            self._last_before = before
        if self._file is not None:
            self._file.append(log.rows().frame().iloc[:0])

    def note_misfits(self, counts: Mapping[str, int]) -> None:
        """Note how many values the ticks of the log lack by now, by column.

        Args:
            counts: since the log began. What `begin` or an earlier call had is not noted again.
        """
        news = {name: count - self._misfits.get(name, 0) for name, count in counts.items()}
        if self._file is not None and any(news.values()):
            self._file.note_misfits(news)
            self.misfits = add_counts(self.misfits, news)
            self._misfits = dict(counts)

    def _forget_file(self) -> None:
        self._last_before, self._gap_before = self.last, self._last_gap
        self._file = None

    # --- rows ---------------------------------------------------------------------------------

    def take(self, rows: Rows, gaps: GapsBetween) -> None:
        """Write rows, in parts.

        Args:
            rows: rows of the log, from `row` on, or from a later one if the log has dropped some.
            gaps: returns the feed's gaps before the rows `start` to `stop`.

        Raises:
            OSError: a part can't be written, or there is no room for it.
        """
        if rows.lost:
            self.lost += rows.lost
            self._interrupt(rows.start - rows.lost)
        self.row = rows.start
        while self.row < rows.stop:
            if self.is_halted:
                return
            self._reopen_moved()
            if self.row < rows.start:  # rows that the next call brings again
                return
            part = rows.part(self.row, self.row + self._next_count(rows.stop - self.row))
            self._write(part, gaps)
            self.row = part.stop
        if isinstance(self._file, GrowingParquet):
            self._file.settle()
        self._finished.finish_earlier()

    def _next_count(self, waiting: int) -> int:
        """Return how many of the rows that wait are written next."""
        if isinstance(self._file, GrowingParquet) and self._rows_at_once == ROWS_AT_ONCE:
            return self._file.next_count(waiting, ROWS_AT_ONCE)
        return min(waiting, self._rows_at_once)

    def leave_out(self, stop: int, gaps: GapsBetween) -> None:
        """Note a gap for the rows up to `stop` that will not be written, and count them as lost.

        `close` writes it.
        """
        if self.row >= stop or self._log is None:
            return
        newest = self._log.rows(stop - 1, stop)
        if len(newest):
            position = newest.position(0)
            after = Position(position.epoch, position.seq + 1)
        else:  # dropped as well
            after = self._log.rows().position(0)
        self._interrupt(self.row)
        noted = list(self._gaps_at_seam(after, gaps(self._seam_row, stop), overlaps=False))
        self.lost += stop - self.row
        self.row = stop
        if self._file is not None:
            self._file.note_gaps(noted)
            self.gaps += len(noted)

    def _interrupt(self, row: int) -> None:
        """Note a seam that begins at a row."""
        self._seam_row = min(self._seam_row, row) if self._is_seam else row
        self._is_seam = True

    def _write(self, part: Rows, gaps: GapsBetween) -> None:
        file = self._prepare_file(part)
        skip = count_known(part, self.last)
        if skip == len(part):
            return
        noted: list[Gap] = []
        row = self._gap_row
        if self._is_seam:
            first = part.position(skip)
            before = gaps(self._seam_row, part.start + skip + 1)
            noted += self._gaps_at_seam(first, before, overlaps=skip > 0)
            row = max(row, part.start + skip + 1)
        noted += gaps(row, part.stop)
        if self._log is not None:
            file.note_units(self._log.units)
        file.append(part.part(part.start + skip, part.stop).frame(), noted)
        self.gaps += len(noted)
        self._gap_row, self._is_seam = max(row, part.stop), False
        self.written += len(part) - skip

    def _gaps_at_seam(self, first: Position, known: list[Gap], *, overlaps: bool) -> Iterable[Gap]:
        """Return the gaps between the last row that was written and the first new one.

        If symbols were selected, a jump in seq may belong to other symbols. It is noted as a gap
        anyway, unless the new rows overlap those in the file.

        Args:
            first: position of the first new row.
            known: the gaps of the feed at the seam.
            overlaps: whether some of the new rows are in the file already.
        """
        last = self.last
        is_filtered = self._symbols is not None
        if overlaps and last is not None and (is_filtered or last.epoch != first.epoch):
            return known
        first_seqs = {} if self._log is None else dict(self._log.first_seqs)
        before = [self._epoch_before] if last is None else [last.epoch, self._epoch_before]
        between = epochs_between(first_seqs, before, first.epoch)
        return list_missing(last, self._last_gap, between, first, known)

    def _prepare_file(self, part: Rows) -> CsvFile | GrowingParquet:
        """Return the file to write some rows to; begin another file if that is due."""
        file, now = self._file, self._clock()
        if file is not None and self._rotation is not None and file.rows:
            new = any(name not in file.names for name in part.names())
            if new or self._is_due(file, now):
                self._on_rotate()
                self._finish()
                file = None
        if file is None:
            self._open(self._next_path(now), "new" if self.naming.timed else self._mode)
            file = self._file
        assert file is not None
        self._make_room(file, len(part))
        return file

    def _reopen_moved(self) -> None:
        """Open a file again that was moved away, or shortened; go back to rows that it lacks."""
        file = self._file
        if file is None or file.is_intact:
            return
        self._on_rotate()
        self._give_back(file)
        self._forget_file()
        self._gap_row = min(self._gap_row, self.row)
        self._interrupt(self.row)
        self._open(self.path, "append")
        self.files -= 1

    def _give_back(self, file: CsvFile | GrowingParquet) -> int:
        """Abandon a file, and go back to the first row that is in no file; return how many rows."""
        count = file.rows_ahead if isinstance(file, GrowingParquet) else 0
        file.abandon()
        self.row -= count
        self.written -= count
        return count

    def _is_due(self, file: CsvFile | GrowingParquet, now: float) -> bool:
        """Return whether another file must begin."""
        rotation = self._rotation
        if rotation is None:
            return False
        # Two copies and a CSV take more than the finished file will.
        limit = self._max_bytes // MIN_FILES if self._is_growing and self._max_bytes else math.inf
        if file.size_on_disk >= limit:
            return True
        # Ticks have to be packed to know the size that a Parquet file will have.
        size = file.size if rotation.size is not None else 0
        return rotation.is_due(self._began, now, size)

    def _make_room(self, file: CsvFile | GrowingParquet, count: int) -> None:
        if self._max_bytes is None:
            return
        row_bytes = 1.1 * file.row_bytes if file.rows > count / 16 else ROW_BYTES
        needed = int(row_bytes * count)
        while self._open_bytes + self._finished.total_bytes + needed > self._max_bytes:
            if not self._finished.remove_oldest():
                limit = f"max_disk of {format_size(self._max_bytes)} is reached"
                raise OSError(errno.EDQUOT, f"{limit}; record to another file, or raise max_disk")

    @property
    def progress(self) -> object:
        """A value that differs whenever more was written; any thread may read it."""
        file, raw = self._file, self.raw_file
        passed = [each.passed_bytes for each in (file, raw) if each is not None]
        return (self.row, self.files, *passed)

    @property
    def bytes(self) -> int:
        """The size of all files of this run on the disk."""
        return self._finished.own_bytes + self._open_bytes

    @property
    def _open_bytes(self) -> int:
        raw = self.raw_file.size if self.raw_file is not None else 0
        return raw + (self._file.size_on_disk if self._file is not None else 0)

    @property
    def removed(self) -> int:
        """How many files were removed for `max_disk`, those of earlier runs included."""
        return self._finished.removed

    @property
    def converting(self) -> bool:
        """Whether a Parquet file is being made."""
        return self._finished.converting

    # --- closing ------------------------------------------------------------------------------

    def _finish(self, *, convert: bool = True) -> None:
        """Finish the file; raises OSError if its sidecar can't be written."""
        if self._file is None:
            return
        if convert and isinstance(self._file, GrowingParquet):
            self._file.finish()
        self._file.close()
        if self.raw_file is not None:
            self.raw_file.close()
        self._forget_file()
        self.raw_file = None
        self._finished.add(self.path, is_whole=not (self.naming.is_parquet and convert))

    def close(self, gaps: Sequence[Gap] = (), *, convert: bool = True) -> None:
        """Note the last gaps, and finish the file; idempotent.

        Args:
            gaps: the feed's gaps after the last row.
            convert: whether to convert a Parquet recording's CSV; False if another writer continues
                the file.

        Raises:
            OSError: something can't be written. The call can be repeated, without the gaps.
        """
        if self._file is not None:
            self._file.note_gaps(gaps)
            self.gaps += len(gaps)
        self._finish(convert=convert)
        if convert:
            self._finished.finish()

    def abandon(self) -> None:
        """Close the files as they are, as a crash would; rows that are in no file are lost."""
        if self._file is not None:
            count = self._give_back(self._file)
            self.row += count
            self.lost += count
        if self.raw_file is not None:
            self.raw_file.close()
        self._file = self.raw_file = None
