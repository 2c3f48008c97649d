"""Capture: the files of a recording that goes on, and what of a log is in them; without threads."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from tickerkit.errors import RecordingExists
from tickerkit.formatting import format_size
from tickerkit.log import Gap, Position, Rows
from tickerkit.storage.atomic import Mode, prepare_path
from tickerkit.storage.csv.append import CsvFile
from tickerkit.storage.frames.file import WireFile
from tickerkit.storage.paths import Rotation, naming_from_path, raw_path, read_size, working_path
from tickerkit.storage.sidecar import sidecar_path

__all__ = ["RecordingWriter", "GapsOf"]

ROWS_AT_ONCE = 65_536
ROW_BYTES = 120
# With a limit of the disk and rotation, so many files at least are of that size together.
SHARES = 8
NOT_RECORDED = "not recorded"

GapsOf: TypeAlias = Callable[[int, int], list[Gap]]


class _Done(NamedTuple):
    """A file that is finished."""

    path: Path
    size: int


class RecordingWriter:
    """Writes rows of a log to the file, or files, of a recording.

    What fails raises, with nothing of that part written, and `row` tells where to go on: give it
    the rows from there again. What is not given to it any more, as the log has dropped it, it
    notes as a gap.

    Args:
        path: a file or a folder, see `naming_from_path`.
        mode: "append", "new" or "overwrite"; of a file with a time in its name each is new.
        rotate: "day", "hour" or a size; a folder's files by default each UTC day.
        compression: "gzip", "zstd" or None, for a folder.
        format: "csv" or "parquet", for a folder.
        max_disk: how many bytes it may take: the oldest finished files go, or it stops.
        fsync: have each addition on the disk before going on.
        raw: whether the frames of the wire are kept beside.
        source: where the ticks come from.
        symbols: those that are recorded, None for all.
        going_on: a file of an earlier capture to go on with.
        clock: seconds since 1970.

    Attributes:
        path: the file that is written; a Parquet file is there when it is finished.
        row: number of the log's row that comes next.
        written: how many rows were written.
        lost: how many were not, since the log has dropped them.
        files: how many files there were.
        removed: how many of these were removed again, for `max_disk`.
        gaps: how many gaps were noted.
        converting: whether it makes a Parquet file just now.
        wire: the file of the wire's frames, None without.
        complain: called with errors that stop nothing.
        turn: called before the next file begins, or the same anew.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: Mode = "append",
        rotate: str | int | None = None,
        compression: str | None = None,
        format: str | None = None,  # noqa: A002
        max_disk: str | int | None = None,
        fsync: bool = False,
        raw: bool = False,
        source: str = "",
        symbols: Sequence[str] | None = None,
        going_on: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rotation = Rotation.of(rotate)
        self.naming = naming_from_path(
            path, rotates=rotate is not None, compression=compression, format=format
        )
        if self.naming.timed and self._rotation is None:
            self._rotation = Rotation.of("day")
        self._most = None if max_disk is None else read_size("max_disk", max_disk)
        self._at_once = ROWS_AT_ONCE
        if self._most is not None:
            fine = self._most // (2 * SHARES * ROW_BYTES)
            self._at_once = min(max(fine, 1), ROWS_AT_ONCE)
        if self._most is not None and self._rotation is not None:
            share = max(self._most // SHARES, 1)
            size = min(share, self._rotation.size or share)
            self._rotation = Rotation(self._rotation.period_s, size)
        self._source, self._symbols = source, symbols
        self._fsync, self._clock, self._mode = fsync, clock, mode
        self._compression, self._raw = compression, raw
        self.converting = False
        self.row = self.written = self.lost = self.files = self.removed = self.gaps = 0
        self.wire: WireFile | None = None
        self.complain: Callable[[Exception], object] = lambda _: None
        self.turn: Callable[[], object] = lambda: None
        self._done: list[_Done] = []
        self._csv_left: list[Path] = []
        self._last: Position | None = None
        # A seam is where rows are missing, or come again, without the feed's saying so.
        self._seam = False
        self._seam_row = self._gap_row = 0
        self._named = 0.0
        self._told: Gap | None = None
        self._file: CsvFile | None = None
        if going_on is not None and working_path(going_on).exists():
            self._open(going_on, "append")
        else:
            self._open(self._next_path(clock()), "new" if self.naming.timed else mode)
        # What it has written itself, it never refuses or overwrites.
        self._mode = "append"

    # --- its files ----------------------------------------------------------------------------

    def _next_path(self, now: float) -> Path:
        """Return where the next file is: by name after the last, though the clock steps back."""
        self._named = self.naming.free(max(now, self._named + 1))
        return self.naming.path(self._named)

    def _open(self, path: Path, mode: Mode) -> None:
        last = None
        if self.naming.is_parquet:
            last = self._parquet_before(path, mode)
        file = CsvFile(
            working_path(path),
            mode=mode,
            source=self._source,
            symbols=self._symbols,
            fsync=self._fsync,
        )
        try:
            if self.wire is not None:
                self.wire.close()
                self.wire = None
            if self._raw:
                self.wire = WireFile(raw_path(path, self._compression), mode, fsync=self._fsync)
        except BaseException:
            file.abandon()
            raise
        self.path, self._file, self._began = path, file, self._clock()
        self.files += 1
        if (last := file.last or last) is not None:
            self._last, self._seam, self._told = last, True, file.told

    def _parquet_before(self, path: Path, mode: Mode) -> Position | None:
        """Return the last row of a finished file that is to be gone on with."""
        from tickerkit.storage.parquet import last_of

        prepare_path(path, mode)
        if mode == "new" and working_path(path).exists():
            raise RecordingExists(path)
        if mode == "overwrite":
            path.unlink(missing_ok=True)
        return last_of(path) if path.exists() else None

    def begin(self, row: int, before: Position | None, names: pd.DataFrame) -> None:
        """Begin at a row of a log.

        Args:
            row: its number.
            before: position of the row before it, where the log holds it.
            names: a frame of the log without rows: a file without ticks has their names.
        """
        self.row = self._seam_row = self._gap_row = row
        if before is not None and before == self._last:
            self._seam = False
        self._last = self._last or before
        if self._file is not None and not self._file.rows:
            self._file.append(names)

    # --- taking rows --------------------------------------------------------------------------

    def take(self, rows: Rows, gaps: GapsOf) -> None:
        """Write rows, in parts.

        Args:
            rows: of the log, from `row` on or later, if some were dropped.
            gaps: returns the feed's gaps that lie before the rows `start` to `stop`.

        Raises:
            OSError: a part can't be written, or there is no room for it.
        """
        if rows.lost:
            self.lost += rows.lost
            self._interrupt(rows.start - rows.lost)
        self.row = rows.start
        for start in range(rows.start, rows.stop, self._at_once):
            part = rows.part(start, min(start + self._at_once, rows.stop))
            self._part(part, gaps)
            self.row = part.stop

    def _interrupt(self, row: int) -> None:
        self._seam_row = min(self._seam_row, row) if self._seam else row
        self._seam = True

    def _part(self, part: Rows, gaps: GapsOf) -> None:
        file = self._ready(part)
        skip = self._known(part)
        if skip == len(part):
            return
        told: list[Gap] = []
        row = self._gap_row
        if self._seam:
            first = part.position(skip)
            before = gaps(self._seam_row, part.start + skip + 1)
            told += self._holes(first, before, met=skip > 0)
            row = max(row, part.start + skip + 1)
        told += gaps(row, part.stop)
        file.append(part.part(part.start + skip, part.stop).frame(), told)
        self._count(told)
        self._gap_row, self._seam = max(row, part.stop), False
        self.written += len(part) - skip
        self._last = part.position(-1)

    def _known(self, part: Rows) -> int:
        """Return how many rows are in the file already, up to the last that is."""
        if self._last is None:
            return 0
        epoch, seq = self._last.epoch, self._last.seq
        code = part.dictionaries["epoch"].codes.get(epoch)
        if code is None:
            return 0
        same = (part.array("epoch") == code) & (part.array("seq") <= seq)
        return int(np.flatnonzero(same)[-1]) + 1 if same.any() else 0

    def _holes(self, first: Position, told: list[Gap], *, met: bool) -> Iterator[Gap]:
        """Yield the gaps between the last row that was written and the first that is new.

        Of some symbols only, a jump may be ticks of others. It is told all the same, since the
        recording was interrupted there; unless the rows have met: some came again.
        """
        if self._last is None:
            lost = min(self.lost, first.seq - 1)
            if lost:
                yield Gap(first.epoch, first.seq - lost, first.seq - 1, NOT_RECORDED)
            yield from told
            return
        epoch, at = self._last.epoch, self._last.seq
        end = first.seq - 1 if first.epoch == epoch else None
        if met and (self._symbols is not None or end is None):
            yield from told
            return
        done = self._told is not None and self._told.epoch == epoch
        if done and self._told is not None:
            if self._told.last is None:
                return
            at = max(at, self._told.last)
        for gap in told:
            if gap.epoch != epoch or (gap.last is not None and gap.last <= at):
                if gap.epoch != epoch:
                    yield gap
                continue
            if gap.first > at + 1:
                yield Gap(epoch, at + 1, gap.first - 1, NOT_RECORDED)
            yield gap
            if gap.last is None:
                return
            at = gap.last
        if end is None or end > at:
            yield Gap(epoch, at + 1, end, NOT_RECORDED)

    def _count(self, gaps: Sequence[Gap]) -> None:
        self.gaps += len(gaps)
        if gaps:
            self._told = gaps[-1]

    def _ready(self, part: Rows) -> CsvFile:
        """Return the file that the rows go to, with room for them."""
        file, now = self._file, self._clock()
        if file is not None and not file.is_there:  # moved away, or cut off
            self.turn()
            file.abandon()
            self._file = file = None
            self._interrupt(self.row)
            self._open(self.path, "append")
            file = self._file
            self.files -= 1
        if file is not None and self._rotation is not None and file.rows:
            new = any(name not in file.names for name in part.names())
            if new or self._rotation.is_due(self._began, now, file.size):
                self.turn()
                self._finish()
                file = None
        if file is None:
            self._open(self._next_path(now), "new" if self.naming.timed else self._mode)
            file = self._file
        assert file is not None
        self._make_room(file, len(part))
        return file

    def _make_room(self, file: CsvFile, count: int) -> None:
        if self._most is None:
            return
        row_bytes = 1.1 * file.size / file.rows if file.rows > count / 16 else ROW_BYTES
        needed = int(row_bytes * count)
        while self._done and self.bytes + needed > self._most:
            path = self._done[0].path
            for each in (*_files(path), raw_path(path, self._compression)):
                each.unlink(missing_ok=True)
            if path in self._csv_left:
                self._csv_left.remove(path)
            del self._done[0]
            self.removed += 1
        if self.bytes + needed > self._most:
            limit = f"max_disk of {format_size(self._most)} is reached"
            raise OSError(errno.EDQUOT, f"{limit}; record to another file, or allow more")

    @property
    def bytes(self) -> int:
        """How much all its files take on the disk."""
        wire = self.wire.size if self.wire is not None else 0
        open_file = self._file.on_disk if self._file is not None else 0
        return sum(done.size for done in self._done) + open_file + wire

    # --- its end ------------------------------------------------------------------------------

    def _finish(self, *, convert: bool = True) -> None:
        """Finish the file; raises OSError if what stands beside it can't be written."""
        if self._file is None:
            return
        self._file.close()
        wire = 0
        if self.wire is not None:
            wire = self.wire.size
            self.wire.close()
        self._file = self.wire = None
        if self.naming.is_parquet and convert:
            self._csv_left.append(self.path)
            self._convert()
        size = sum(each.stat().st_size for each in _files(self.path) if each.exists())
        self._done.append(_Done(self.path, size + wire))

    def _convert(self) -> None:
        """Make Parquet files of CSV ones; those that can't be made now are left for later."""
        from tickerkit.storage.parquet import from_csv

        self.converting = True
        for path in list(self._csv_left):
            try:
                from_csv(working_path(path), path)
            except Exception as error:
                self.complain(error)
            else:
                self._csv_left.remove(path)
        self.converting = False

    def close(self, gaps: Sequence[Gap] = (), *, convert: bool = True) -> None:
        """Note the last gaps, and finish; twice is no complaint.

        Args:
            gaps: those of the feed that no tick has come after.
            convert: whether to make Parquet, if that is asked for; else another goes on.

        Raises:
            OSError: something can't be written. It may be tried again, without the gaps.
        """
        if self._file is not None:
            self._file.tell(gaps)
            self._count(gaps)
        self._finish(convert=convert)
        if convert:
            self._convert()

    def abandon(self) -> None:
        """Let go of the files as they are."""
        for each in (self._file, self.wire):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.abandon()
        self._file = self.wire = None


def _files(path: Path) -> set[Path]:
    """Return where a recording may be, and what stands beside it."""
    return {path, working_path(path), sidecar_path(path), sidecar_path(working_path(path))}
