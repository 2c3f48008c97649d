"""Scan: reads a recording of any format piece by piece, so that its size doesn't matter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tickerkit.errors import Problem, RecordingError, RecordingWarning
from tickerkit.formatting import format_value
from tickerkit.storage.bounds import Bounds
from tickerkit.storage.chain import open_csv
from tickerkit.storage.content import Content, RowLabels
from tickerkit.storage.csv.foreign import REQUIRED
from tickerkit.storage.csv.read import read_file
from tickerkit.storage.jsonl import JsonLinesReader, is_tick_lines, read_jsonl
from tickerkit.storage.parquet.read import read_parquet_file
from tickerkit.storage.parquet.reader import ParquetReader
from tickerkit.storage.partition_reader import PartitionReader
from tickerkit.storage.partitions import partition_files
from tickerkit.storage.paths import is_jsonl, working_path
from tickerkit.storage.raw_reader import RawReader, read_raw
from tickerkit.storage.reader import ROWS_AT_ONCE, Reader
from tickerkit.storage.sidecar import Sidecar
from tickerkit.storage.unfinished import open_unfinished
from tickerkit.ticks import TIME_COLUMNS, UTC_NS
from tickerkit.ticks.fields import may_have_value, symbol_field

__all__ = ["ROWS_AT_ONCE", "Piece", "Scan", "check_names", "read_content"]


class Piece(NamedTuple):
    """Successive rows of a recording.

    Attributes:
        number: of the piece, from 0.
        row: number of its first row, from 0.
        frame: the rows, with a new index. All pieces of a scan have the same columns and types, but
            for the categories of text.
    """

    number: int
    row: int
    frame: pd.DataFrame


class ForeignParquetReader(ParquetReader):
    """Reads the ticks in a Parquet file of another program; their times become UTC in ns.

    Raises:
        RecordingError: it has no ticks.
    """

    def __init__(self, path: Path, columns: Sequence[str] | None, max_rows: int) -> None:
        super().__init__(path, columns, max_rows)
        check_names(path, self.names)

    def types(self) -> dict[str, Any]:
        return {
            name: UTC_NS if name in TIME_COLUMNS and dtype.kind == "M" else dtype
            for name, dtype in super().types().items()
        }

    def pieces(self, first: int = 0) -> Iterator[pd.DataFrame]:
        for frame in super().pieces(first):
            _convert_times(self.path, frame)
            yield frame


class Scan:
    """Reads a recording piece by piece; at no time more than a few pieces are in memory.

    A scan is iterated from its first piece to its last. What the file says about itself, and
    what is damaged, is complete when the iteration has ended.

    Args:
        path: a recording of any format, as for `load`.
        columns: the columns to read; those that the file lacks are left out. None for all.
        max_rows: the most rows of a piece.
        bounds: ticks outside them may be left out, where that saves time.

    Attributes:
        path: the file.
        own: whether tickerkit wrote the file.
        sidecar: what else the file says about itself: source, symbols, gaps, misfits, units.
        problems: what is damaged, and was left out.
        labels: how rows are numbered in reports.
        states: the states of a venue's subscriptions; see `RawSource`.
        rows: how many rows were read so far.
        share: how much of the file was read so far, 0 to 1.

    Raises:
        RecordingError: there is no such file, or it is not a recording. The iteration raises it,
            too.

    Example:
        >>> scan = Scan(Path("ticks.csv"), ["price"])
        >>> max(piece.frame["price"].max() for piece in scan.pieces())
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str] | None = None,
        max_rows: int = ROWS_AT_ONCE,
        bounds: Bounds | None = None,
    ) -> None:
        self.path = path
        self.rows = 0
        # The number of the first row of each piece so far.
        self._starts: list[int] = []
        self._reader = _open(path, columns, max_rows)
        self._reader.bounds = bounds

    def pieces(self, first: int = 0) -> Iterator[Piece]:
        """Yield the pieces, beginning with that of number `first`.

        Only a number that an earlier iteration of this scan has yielded may be passed; that one may
        still go on. From a number beyond 0 on, problems and `sidecar` are those of the earlier
        iteration. To begin there is cheap for plain CSV and Parquet; other files are read from
        their beginning.

        Raises:
            RecordingError: the file can't be read further. The pieces before are valid.
        """
        row = self._starts[first] if first else 0
        try:
            for number, frame in enumerate(self._reader.pieces(first), first):
                if number == len(self._starts):
                    self._starts.append(row)
                self.rows = max(self.rows, row + len(frame))
                yield Piece(number, row, frame)
                row += len(frame)
        except MemoryError:
            raise RecordingError(self.path, "it needs more memory than this process has") from None
        self._reader.share = 1.0

    @property
    def own(self) -> bool:
        return self._reader.own

    @property
    def sidecar(self) -> Sidecar:
        return self._reader.sidecar

    @property
    def problems(self) -> list[Problem]:
        return self._reader.problems

    @property
    def labels(self) -> RowLabels:
        return self._reader.labels

    @property
    def states(self) -> Sequence[tuple[int, dict[str, Any]]]:
        return self._reader.states

    @property
    def torn_bytes(self) -> int:
        return self._reader.torn_bytes

    @property
    def share(self) -> float:
        return self._reader.share

    @property
    def warning(self) -> RecordingWarning | None:
        """The warning about what is damaged; None if nothing is, or the iteration hasn't ended."""
        return RecordingWarning(self.path, self.rows, self.problems) if self.problems else None


def _open(path: Path, columns: Sequence[str] | None, max_rows: int) -> Reader:
    """Return the reader of a recording's format."""
    if path.suffix == ".parquet":
        if working_path(path).exists():
            return open_unfinished(path, columns, max_rows)
        if files := partition_files(path):
            return PartitionReader(path, files, columns, max_rows)
        reader = ParquetReader(path, columns, max_rows)
        return reader if reader.own else ForeignParquetReader(path, columns, max_rows)
    if not is_jsonl(path):
        return open_csv(path, columns, max_rows)
    if is_tick_lines(path):
        return JsonLinesReader(path, columns, max_rows)
    return RawReader(path, columns, max_rows)


def read_content(path: Path) -> Content:
    """Read a recording of any format, whole; raises `RecordingError`."""
    if path.suffix == ".parquet":
        content = read_parquet_file(path)
        if not content.own:
            check_names(path, list(map(str, content.frame.columns)))
            _convert_times(path, content.frame)
        return content
    if not is_jsonl(path):
        return read_file(path)
    return read_jsonl(path) if is_tick_lines(path) else read_raw(path)


def check_names(path: Path, names: Sequence[str]) -> None:
    """Check that a file with these columns has ticks; raises `RecordingError`."""
    if symbol_field(names) is None or not may_have_value(names):
        listed = ", ".join(map(format_value, names[:20]))
        raise RecordingError(path, f"its columns are {listed}; {REQUIRED}")


def _convert_times(path: Path, frame: pd.DataFrame) -> None:
    """Convert times to UTC in ns; those without a zone are UTC, as everywhere."""
    for name in TIME_COLUMNS:
        if name in frame and frame[name].dtype.kind == "M":
            try:
                frame[name] = pd.to_datetime(frame[name], utc=True).astype(UTC_NS)
            except pd.errors.OutOfBoundsDatetime as error:
                problem = f"{name} has a value outside the years 1678 to 2261 ({error})"
                raise RecordingError(path, problem) from None
