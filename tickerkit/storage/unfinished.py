"""Unfinished recordings: a Parquet file whose newest rows are in the CSV beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tickerkit.log import Position
from tickerkit.storage.chain import ChainReader, open_csv
from tickerkit.storage.content import Content
from tickerkit.storage.csv.read import read_file
from tickerkit.storage.parquet.read import drop_known, unfinished
from tickerkit.storage.parquet.reader import ParquetReader
from tickerkit.storage.paths import working_path
from tickerkit.storage.reader import ROWS_AT_ONCE, Reader, WholeReader
from tickerkit.storage.sidecar import End

__all__ = ["open_unfinished"]

# The CSV has the rows of a minute or of a row group, and begins again while it is read. A larger
# one, without a Parquet file, is that of an earlier version.
MAX_HELD_BYTES = 2**26


def open_unfinished(
    path: Path, columns: Sequence[str] | None = None, max_rows: int = ROWS_AT_ONCE
) -> Reader:
    """Return the reader of a Parquet file and of the CSV beside it, as both are at one moment.

    Raises:
        RecordingError: one of them can't be read.
    """
    csv = working_path(path)
    while True:
        try:
            with csv.open("rb") as held:
                began = os.fstat(held.fileno())
                has_rows = path.exists()
                is_small = has_rows or began.st_size <= MAX_HELD_BYTES
                newest = read_file(csv) if is_small else None
                before = ParquetReader(path, columns, max_rows) if has_rows else None
                if not csv.exists() or os.path.samestat(began, csv.stat()):
                    return _UnfinishedReader(path, columns, max_rows, newest, before)
        except FileNotFoundError:
            return ParquetReader(path, columns, max_rows)


class _UnfinishedReader(ChainReader):
    """Reads a Parquet file, and then the rows of the CSV beside it.

    Args:
        path: the Parquet file.
        columns: the columns to read, see `Reader`.
        max_rows: how many rows each piece has, but for the last.
        newest: the content of the CSV; None to read it piece by piece.
        before: the reader of the Parquet file, None without one.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str] | None,
        max_rows: int,
        newest: Content | None,
        before: ParquetReader | None,
    ) -> None:
        csv = working_path(path)
        if newest is not None and before is not None:
            frame = drop_known(newest.frame, _last_of(before)).reset_index(drop=True)
            problems = newest.problems
            if not len(frame):  # what is damaged in rows that are there doesn't matter
                problems = [each for each in problems if each.kind != "no sidecar"]
            newest = newest._replace(frame=frame, problems=problems)

        def open_files(names: Sequence[str] | None) -> list[Reader]:
            if newest is None:
                return [open_csv(csv, names, max_rows)]
            last = WholeReader(newest, csv, names, max_rows)
            if before is None:
                return [last]
            first = before if names == columns else ParquetReader(path, names, max_rows)
            return [first, last]

        super().__init__(path, open_files, columns)

    def _note(self) -> None:
        super()._note()
        self.problems = [problem for reader in self._readers for problem in reader.problems]
        self.problems.append(unfinished(working_path(self.path)))
        self.own = bool(self.sidecar.heads)


def _last_of(reader: ParquetReader) -> Position | None:
    """Return the position of the last tick of a Parquet file."""
    if reader.sidecar.end is not None:
        return reader.sidecar.end.position
    end = End(0)
    for piece in ParquetReader(reader.path, ["epoch", "seq"]).pieces():
        end = End.from_frame(piece) if len(piece) else end
    return end.position
