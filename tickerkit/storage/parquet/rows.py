"""ParquetRows: the rows of a Parquet recording that grows, and what is known about them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from tickerkit.storage.extent import ExtentBuilder
from tickerkit.storage.frames import common_types, conform
from tickerkit.storage.parquet.growing_file import ColumnsDiffer, GrowingFile
from tickerkit.storage.parquet.read import read_metadata, read_whole
from tickerkit.storage.parquet.reader import ParquetReader
from tickerkit.storage.parquet.stream import write_row_groups
from tickerkit.storage.parquet.table import describe_schema, fit_columns, to_table
from tickerkit.storage.sidecar import End, Sidecar

__all__ = ["ParquetRows"]


class ParquetRows:
    """Rows of a Parquet file that grows, and what is known about them.

    Args:
        path: the file. If it exists, it is continued.

    Attributes:
        file: the file.
        about: what is known about its rows, and about those that come next.
        end: the last row, those that are not published included.

    Raises:
        RecordingError: it is not a Parquet file.
        OSError: it can't be read.
    """

    def __init__(self, path: Path) -> None:
        self.file = GrowingFile(path)
        self.about, self.end = Sidecar(), End(0)
        self._extent = ExtentBuilder()
        if path.exists():
            self._read_about(path)

    def _read_about(self, path: Path) -> None:
        """Take what the file says about itself; the rows of an older one are read for it."""
        about = read_metadata(path)
        self.about = Sidecar().join(about)
        if about.extent is not None and about.end is not None:
            self._extent.add_extent(about.extent)
            self.end = about.end
        else:
            frame = read_whole(path).frame
            self._extent.add(frame)
            self.end = End.from_frame(frame)

    def note(self, later: Sidecar, *, has_rows: bool) -> bool:
        """Note what the sidecar of a CSV with later rows says; return whether some of it is new.

        Args:
            later: the sidecar.
            has_rows: whether the CSV has rows that the file lacks. If not, a crash came before the
                CSV could begin again, and its misfits are counted already.
        """
        known = self.about
        if not has_rows:
            later.misfits = {}
        self.about = known.join(later)
        return bool(later.misfits) or any(
            len(old) < len(new)
            for old, new in (
                (known.heads, self.about.heads),
                (known.gaps, self.about.gaps),
                (known.units, self.about.units),
            )
        )

    def add(self, frame: pd.DataFrame) -> None:
        """Add rows, which are seen when they are published.

        Raises:
            OSError: the file had to be written with more columns, and can't be. Nothing was added.
        """
        schema = self.file.schema
        try:
            self.file.add(to_table(frame if schema is None else fit_columns(frame, schema)))
        except ColumnsDiffer:
            self._write_again(frame)
        self._extent.add(frame)
        end = End.from_frame(frame)
        self.end = msgspec.structs.replace(end if end.epoch else self.end, rows=self.file.rows)

    def _write_again(self, frame: pd.DataFrame) -> None:
        """Write the whole file, and further rows, with the columns of all."""
        if self.file.unpublished:
            self.publish()
        path = self.file.path

        def read(columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
            yield from ParquetReader(path, columns).pieces()
            yield frame if columns is None else frame[[each for each in columns if each in frame]]

        def values(name: str) -> Iterator[pd.Series[Any]]:
            yield from (each[name] for each in read([name]) if name in each)

        types = common_types([next(read()), frame], values)
        self.file.close()
        write_row_groups(path, (conform(each, types) for each in read()), lambda: self.about)
        self.file = GrowingFile(path)

    def publish(self, empty: pd.DataFrame | None = None) -> None:
        """Make all rows, and what is known about them, visible to every program.

        Args:
            empty: a frame with the columns of a file that has no rows yet.

        Raises:
            OSError: the file can't be written. The call can be repeated.
        """
        schema = self.file.schema
        if schema is None:
            assert empty is not None
            schema = to_table(empty).schema
        self.file.publish(describe_schema(schema, self.about, [*self._extent.lines, self.end]))
