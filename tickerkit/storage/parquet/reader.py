"""Reader of Parquet: a file row group by row group, without those that are damaged."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tickerkit.errors import Problem, RecordingError
from tickerkit.storage.files import check_regular, unreadable
from tickerkit.storage.parquet.table import KEY, full_schema
from tickerkit.storage.partitions import restore_symbol
from tickerkit.storage.reader import ROWS_AT_ONCE, Reader, cut_tables
from tickerkit.storage.sidecar import parse_lines
from tickerkit.ticks import UTC_NS

__all__ = ["ParquetReader", "arrow_errors"]

# A larger row group of another program is not read at once.
MAX_GROUP_ROWS = 2**20
OBJECT, FLOAT = pd.Series(dtype=object).dtype, pd.Series(dtype="float64").dtype


class ParquetReader(Reader):
    """Reads one Parquet file; what the CSV beside it has is not among the rows.

    A row group of which a part is damaged is left out; of one with more than a million rows, only
    the rows after the damage are.

    Raises:
        RecordingError: there is no such file, or it is not a Parquet file.
    """

    def __init__(
        self, path: Path, columns: Sequence[str] | None = None, max_rows: int = ROWS_AT_ONCE
    ) -> None:
        super().__init__(path, columns, max_rows)
        with arrow_errors(path):
            check_regular(path)
            # pyarrow gets an open file: of a path it would also accept a folder. It is a file of
            # arrow, since a program that ends while arrow reads a file of Python may hang.
            file = pa.OSFile(os.fspath(path))
            self._file = pq.ParquetFile(file, page_checksum_verification=True)
            self._schema = full_schema(self._file)
        self.metadata: pq.FileMetaData = self._file.metadata
        texts = self._schema.metadata or {}
        lines = texts.get(KEY, b"")
        self.own, self.is_empty = bool(lines), not self.metadata.num_rows
        self.sidecar = parse_lines(lines)
        self._frame_types: dict[str, Any] | None = None
        # The row at which each row group begins, without those that are damaged; and its number.
        self._starts = [(0, 0)]
        # The number of each column that isn't nested, by name, among those that are stored.
        stored = [self.metadata.schema.column(n).path for n in range(self.metadata.num_columns)]
        self._places = {name: place for place, name in enumerate(stored)}

    def types(self) -> dict[str, Any]:
        frame = self._frame(self._schema.empty_table().select(self._names))
        types = {str(name): dtype for name, dtype in frame.dtypes.items()}
        types |= {name: dtype for name, dtype in self._fixed().items() if name in types}
        return {name: types[name] for name in self._choose(types)}

    def pieces(self, first: int = 0) -> Iterator[pd.DataFrame]:
        row = first * self.max_rows
        start, group = self._starts[bisect_right(self._starts, row, key=lambda place: place[0]) - 1]
        damaged: list[tuple[int, int]] = []
        with arrow_errors(self.path):
            for table in cut_tables(
                self._tables(start, group, damaged), self.max_rows, row - start
            ):
                frame = self._frame(table)
                for name, dtype in self._fixed().items():
                    if name in frame:
                        frame[name] = frame[name].astype(dtype)
                yield frame[self._choose(map(str, frame.columns))]
        if first == 0:
            self.problems = self.sidecar.problems("the file's metadata")
            if damaged:
                about = "unreadable, left out"
                self.problems.append(Problem.from_ranges("damaged", "row", damaged, about))

    @property
    def names(self) -> list[str]:
        """The columns of the file, without an index of pandas that has no name."""
        return [str(name) for name in self._frame(self._schema.empty_table()).columns]

    @property
    def _names(self) -> list[str]:
        """The columns to read from the file; at least one, since a table without has no rows."""
        return self._choose(self._schema.names) or self._schema.names[:1]

    def _tables(self, row: int, first: int, damaged: list[tuple[int, int]]) -> Iterator[pa.Table]:
        """Yield the rows of the row groups from a number on; note the ranges that are damaged."""
        yield self._schema.empty_table().select(self._names)
        groups = [self.metadata.row_group(n).num_rows for n in range(self.metadata.num_row_groups)]
        error: BaseException | None = None
        number, is_any = sum(groups[:first]), first > 0
        for group in range(first, len(groups)):
            if self._is_left_out(group):
                number, is_any = number + groups[group], True
                continue
            if row > self._starts[-1][0]:
                self._starts.append((row, group))
            begun = row
            try:
                for table in self._read_group(group):
                    row, is_any = row + table.num_rows, True
                    self.share = (number + row - begun) / max(self.metadata.num_rows, 1)
                    yield table
            except (pa.ArrowException, OSError) as found:
                error = found
                damaged.append((number + row - begun + 1, number + groups[group]))
            number += groups[group]
        if error is not None and not is_any:
            raise pa.ArrowInvalid(str(error))

    def _is_left_out(self, group: int) -> bool:
        """Return whether none of a row group's ticks is asked for, by its statistics."""
        if self.bounds is None or not self.own:
            return False
        return self.bounds.exclude_group(lambda name: self._statistics(group, name))

    def _read_group(self, group: int) -> Iterator[pa.Table]:
        if self.metadata.row_group(group).num_rows <= MAX_GROUP_ROWS:
            yield self._check(group, self._file.read_row_group(group, self._names))
            return
        for batch in self._file.iter_batches(self.max_rows, [group], self._names):
            table = pa.Table.from_batches([batch])
            table.validate(full=True)
            yield table

    def _check(self, group: int, table: pa.Table) -> pa.Table:
        """Return a table if it is valid, and each column lacks as many values as when written.

        The header of a page is outside its checksum. A flipped bit there can make values missing,
        or point at words that don't exist.
        """
        table.validate(full=True)
        for name, column in zip(table.column_names, table.columns, strict=True):
            count = self._count_nulls(group, name)
            if count is not None and column.null_count != count:
                raise pa.ArrowInvalid(f"column {name} lacks values that were written")
        return table

    def _count_nulls(self, group: int, name: str) -> int | None:
        """Return how many values a row group lacks, None if the file doesn't say that."""
        known = self._statistics(group, name)
        return known.null_count if known is not None and known.has_null_count else None

    def _statistics(self, group: int, name: str) -> Any:
        place = self._places.get(name)
        return None if place is None else self.metadata.row_group(group).column(place).statistics

    # --- types --------------------------------------------------------------------------------

    def _frame(self, table: pa.Table) -> pd.DataFrame:
        """Return a table as a frame, with a new index."""
        try:
            frame: pd.DataFrame = table.to_pandas()
        except (ValueError, KeyError, TypeError, AttributeError):  # pandas' metadata are damaged
            frame = table.replace_schema_metadata().to_pandas()
        if not isinstance(frame.index, pd.RangeIndex):  # a column, for any other program
            frame = frame.reset_index()
        if isinstance(frame.index, pd.RangeIndex) and frame.index.start:
            frame = frame.reset_index(drop=True)
        if self.own:
            frame = restore_symbol(_restore_text(frame), self.sidecar.partition)
        return frame

    def _fixed(self) -> dict[str, Any]:
        """Return the types of columns that pandas would choose by the values of each piece."""
        if self._frame_types is None:
            self._frame_types = {}
            plain = self._schema.empty_table().replace_schema_metadata().to_pandas().dtypes
            own = self._frame(self._schema.empty_table()).dtypes
            for field in self._schema:
                name, kind = field.name, field.type
                if pa.types.is_timestamp(kind) and self.own:
                    self._frame_types[name] = self._time_type(name, kind)
                is_bool = pa.types.is_boolean(kind)
                if not (is_bool or pa.types.is_integer(kind)) or own.get(name) != plain[name]:
                    continue  # of another kind, or nullable by pandas' metadata
                if self._has_nulls(name):
                    self._frame_types[name] = OBJECT if is_bool else FLOAT
        return self._frame_types

    def _has_nulls(self, name: str) -> bool:
        for group in range(self.metadata.num_row_groups):
            count = self._count_nulls(group, name)
            if count is None:
                batches = self._file.iter_batches(self.max_rows, [group], [name])
                count = sum(batch.column(0).null_count for batch in batches)
            if count:
                return True
        return False

    def _time_type(self, name: str, kind: pa.TimestampType) -> Any:
        """Return UTC in ns, unless a time of a coarser unit is outside the years 1678 to 2261."""
        coarse = pd.DatetimeTZDtype(kind.unit, "UTC")
        if kind.unit == "ns":
            return UTC_NS
        for group in range(self.metadata.num_row_groups):
            known = self._statistics(group, name)
            try:
                if known is not None and known.has_min_max:
                    pd.DatetimeIndex([known.min, known.max]).as_unit("ns")
            except (ValueError, OverflowError):
                return coarse
        return UTC_NS


def _restore_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a recording's frame with times in UTC, and with text where pandas forgot that."""
    for name in frame.columns:
        dtype = frame[name].dtype
        if dtype.kind == "M":
            frame[name] = pd.to_datetime(frame[name], utc=True)
        elif isinstance(dtype, pd.CategoricalDtype) and not len(dtype.categories):
            # Without categories, pandas has forgotten that they are text.
            frame[name] = frame[name].astype(pd.CategoricalDtype(pd.Index([], dtype="str")))
    return frame


@contextmanager
def arrow_errors(path: Path) -> Iterator[None]:
    """Raise errors of arrow and of the system as `RecordingError`."""
    try:
        yield
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, UnicodeDecodeError) as error:  # the name of a column is damaged
        problem = f"it is not a Parquet file, or is damaged ({error})"
        raise RecordingError(path, f"{problem}; read a CSV file with tk.read_csv") from None
    except OSError as error:
        raise unreadable(path, error) from None
