"""GrowingFile: a Parquet file that gets row groups, and is a whole file at every instant.

The list of a Parquet file's row groups is at its end, so the file can't grow in place: while it is
written, it has no end. And to copy the whole file for each row group would take ever longer. So two
copies take turns. The hidden one gets the row groups that it lacks, and then replaces the visible
one, which is kept under a hidden name as the next to be written to. Both begin with the same bytes,
so a program that has read the list of one finds all row groups in the other as well. Each row group
is written twice, and the disk holds the file twice while it grows.

A program may have opened the visible copy, and read its end only after the copies were exchanged.
So a copy is written to only when it has been hidden for a while. No bytes but its old list are
overwritten: a program that has read the list can take as long as it likes.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import shutil
import time
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tickerkit.errors import RecordingError
from tickerkit.storage.parquet.footer import MAGIC, Footer, join_footer, read_footer
from tickerkit.storage.parquet.table import ROWS_AT_ONCE, full_schema, write_options
from tickerkit.storage.paths import hidden_paths

__all__ = ["ColumnsDiffer", "GrowingFile", "encode"]

# How long a copy stays as it is after it was replaced. A program reads the end of a file within
# milliseconds after it has opened it.
REST_S = 2.0
# A copy that may not be written to yet is replaced by a new one, if that takes some 50 ms at most.
MAX_COPIED_BYTES = 2**26


class ColumnsDiffer(Exception):
    """Rows that are to be added have other columns than the file, or other types."""


class Encoded(NamedTuple):
    """Row groups as they are in a file of `size` bytes, and the footer that lists them."""

    data: bytes
    footer: Footer
    size: int


class GrowingFile:
    """A Parquet file that is open for further row groups. It has one writer at a time.

    A method that fails has added nothing, and can be called again.

    Args:
        path: the file. If it exists, it is continued.

    Attributes:
        path: the file.
        schema: its columns; None while there is none.
        rows: how many rows it has, those that are not published included.

    Raises:
        RecordingError: it is not a Parquet file.
        OSError: it can't be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path))
        self._hidden, self._last = hidden_paths(self.path)
        self.close()  # what a crash has left
        # The row groups that are not published.
        self._added: list[bytes] = []
        self._open_visible()

    def _open_visible(self) -> None:
        """Read the list of the visible file's row groups."""
        self.schema: pa.Schema | None = None
        self.rows, self._end = 0, len(MAGIC)
        self._columns, self._groups = b"", list[bytes]()
        self._footer_bytes = 0
        self._known = _identify(self.path)
        if self._known is not None:
            try:
                with self.path.open("rb") as file:
                    footer = read_footer(file)
                with pq.ParquetFile(self.path) as visible:
                    self.schema = full_schema(visible)
            except (ValueError, pa.ArrowException) as error:
                problem = f"it is not a Parquet file, or is damaged ({error})"
                raise RecordingError(self.path, problem) from None
            self._columns, self._groups = footer.schema, footer.groups
            self.rows, self._end = footer.rows, footer.start
            self._footer_bytes = self._known[2] - footer.start
        # Where the row groups of the visible file end, and those of the hidden one.
        self._published = self._end
        self._written = 0
        self._hidden_since = -math.inf

    # --- adding -------------------------------------------------------------------------------

    def add(self, table: pa.Table) -> None:
        """Add rows, as row groups of at most `ROWS_AT_ONCE` rows; they wait to be published.

        Raises:
            ColumnsDiffer: the file has other columns, or other types.
        """
        encoded = encode(table)
        if self._columns and encoded.footer.schema != self._columns:
            raise ColumnsDiffer(f"{self.path} has other columns")
        self._added.append(encoded.data)
        self._groups += encoded.footer.moved_groups(self._end - len(MAGIC))
        self._columns, self.schema = encoded.footer.schema, table.schema
        self._end += len(encoded.data)
        self.rows += encoded.footer.rows

    @property
    def unpublished(self) -> bool:
        """Whether there are rows that the visible file lacks."""
        return bool(self._added)

    # --- publishing ---------------------------------------------------------------------------

    @property
    def has_rested(self) -> bool:
        """Whether the hidden copy can be written to."""
        return not self._written or time.monotonic() - self._hidden_since >= REST_S

    def publish(self, schema: pa.Schema) -> None:
        """Exchange the copies, so that the visible one has all rows.

        It pauses for up to two seconds if the last exchange was not long ago.

        Args:
            schema: the columns, with what the file says about itself in their metadata.

        Raises:
            OSError: the file can't be written.
            RecordingError: another program has moved, changed or removed the visible file.
        """
        if not self.is_intact:
            problem = "another program has moved or changed it"
            raise RecordingError(self.path, problem, "continued")
        footer = join_footer(encode(schema.empty_table()).footer, self._groups, self.rows)
        self._prepare_hidden()
        with self._hidden.open("r+b") as file:
            self._write_hidden(file, [*self._added, footer])
        self._keep_visible()
        self._hidden.replace(self.path)
        before, self._published = self._published, self._end
        self._footer_bytes = len(footer)
        self._known, self._added, self._written = _identify(self.path), [], 0
        with contextlib.suppress(OSError):
            self._last.replace(self._hidden)
            self._written, self._hidden_since = before, time.monotonic()

    def _prepare_hidden(self) -> None:
        """Make sure that there is a hidden copy, and that it can be written to."""
        if not self.has_rested:
            if self._published > MAX_COPIED_BYTES:
                time.sleep(max(self._hidden_since + REST_S - time.monotonic(), 0))
            else:
                self._hidden.unlink()
                self._written = 0
        if self._written:
            return
        try:
            if self._known is None:
                self._hidden.write_bytes(MAGIC)
            else:
                shutil.copyfile(self.path, self._hidden)
                shutil.copymode(self.path, self._hidden)
        except BaseException:
            self._hidden.unlink(missing_ok=True)
            raise
        self._written, self._hidden_since = self._published, -math.inf

    def _write_hidden(self, file: BinaryIO, parts: list[bytes]) -> None:
        """Write what the hidden copy lacks."""
        try:
            file.seek(self._written)
            if self._written < self._published:
                with self.path.open("rb") as visible:
                    visible.seek(self._written)
                    _copy_bytes(visible, file, self._published - self._written)
            for part in parts:
                file.write(part)
            file.truncate()
            file.flush()
            # The rows are nowhere else after this, so they must be on the disk.
            os.fsync(file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):  # others may need the room
                os.truncate(self._hidden, self._written)
            raise

    def _keep_visible(self) -> None:
        """Give the visible copy a second name."""
        self._last.unlink(missing_ok=True)
        # Where a file can't have two names, a copy is made for each turn.
        with contextlib.suppress(OSError):
            if self._known is not None:
                os.link(self.path, self._last)

    @property
    def is_intact(self) -> bool:
        """Whether the visible file is as this writer has left it."""
        return _identify(self.path) == self._known

    @property
    def size(self) -> int:
        """The size of the file in bytes, with rows that are not published."""
        return self._end + self._footer_bytes

    @property
    def size_on_disk(self) -> int:
        """The size of both copies in bytes."""
        copies = 2 if self._written else 1
        return self._published + self._written + copies * self._footer_bytes

    def close(self) -> None:
        """Remove the hidden copy, and rows that are not published with it; idempotent."""
        self._written = 0
        for path in (self._hidden, self._last):
            path.unlink(missing_ok=True)


def _copy_bytes(source: BinaryIO, target: BinaryIO, count: int) -> None:
    """Copy `count` bytes; fewer if the source has no more."""
    while count and (part := source.read(min(count, 2**20))):
        target.write(part)
        count -= len(part)


def _identify(path: Path) -> tuple[int, int, int] | None:
    """Return what identifies the file at a path; None without one."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size


def encode(table: pa.Table) -> Encoded:
    """Return the row groups of a table, as they are in a file of their own."""
    out = io.BytesIO()
    # Row groups of about one size, rather than a last one of a few rows.
    count = -(-table.num_rows // ROWS_AT_ONCE)
    size = -(-table.num_rows // count) if count else ROWS_AT_ONCE
    pq.write_table(table, out, row_group_size=size, **write_options(table.schema))
    footer = read_footer(out)
    data = out.getvalue()
    return Encoded(data[len(MAGIC) : footer.start], footer, len(data))
