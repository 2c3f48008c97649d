"""Reading CSV: recordings come back identical, and other programs' files as far as possible.

A recording starts with a header; each further row is a tick. Times are ISO-8601 with nine digits of
a second and Z. A float is the shortest text that is read as the same float64, with a point or an
exponent. A missing value is empty, and an empty text is `""`. Text with a comma, a quote, a line
break or blanks around it is quoted. Other text is written as it is: `NA`, `TRUE`, `1e5` and `=1+1`
are symbols like any other. What has no place in the rows is in the sidecar, see `sidecar`.
"""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import reduce
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from tickerkit.errors import Problem, RecordingError
from tickerkit.storage.content import Checksums, Content, RowLabels, describe_damage
from tickerkit.storage.csv.columns import TypeDecider, order_categories, to_frame
from tickerkit.storage.csv.foreign import ForeignReader, parse_header
from tickerkit.storage.csv.native import NativeReader, orders_of, types_of
from tickerkit.storage.csv.parts import parts_of
from tickerkit.storage.csv.text import BYTE_ORDER_MARK, header_line, line_blocks
from tickerkit.storage.files import (
    Damage,
    compression_of,
    is_packed,
    read_members,
    unreadable,
)
from tickerkit.storage.frames import combine_frames
from tickerkit.storage.reader import ROWS_AT_ONCE, Reader, cut_tables, read_whole_of
from tickerkit.storage.sidecar import Columns, Sidecar, read_sidecar, sidecar_path
from tickerkit.validation import check_path

__all__ = ["CsvReader", "read_csv", "read_file", "read_part"]

OWN_KINDS = {
    "seq": "int",
    "time": "time",
    "symbol": "text",
    "price": "float",
    "size": "float",
    "received": "time",
    "epoch": "text",
}
OWN_HEADER = list(OWN_KINDS)
BYTES_AT_ONCE = 4_000_000
# No line of a recording is longer. A quote without an end after this many bytes is a flipped bit.
MAX_LINE_BYTES = 2_000_000
# Text of this size without a line break is not a damaged line.
MAX_OPEN_BYTES = 64_000_000
# A header is recognised despite one wrong byte, if at least this many bytes can be compared.
MIN_HEADER_BYTES = 3


def read_csv(path: str | PathLike[str]) -> pd.DataFrame:
    """Read ticks from a CSV file.

    A recording comes back as the frame that was written. Lines that can't be read (cut off by a
    crash, or with a flipped bit) are left out, and a `RecordingWarning` lists them. It also lists
    the rows that, by the checksums in the sidecar, have changed since they were written. A million
    rows take a fifth of a second. The columns grow while the file is read, which needs about a
    fifth more memory than the frame.

    In another program's file, columns keep their names, and `time` may have any form that a tick's
    time may have. A text column becomes numbers if a float64 holds every value exactly. It stays
    text if a value has more digits than that, or leading zeros. A column without values is numeric.
    All this is also true of a recording that has lost its sidecar; a `RecordingWarning` says so.

    Args:
        path: the file. gzip and zstd are recognised by its content.

    Returns:
        A frame with the file's columns in order: `seq` is int64, `time` and `received` are UTC in
        ns, `symbol` and `epoch` are categories, `price`, `size`, `bid` and the like are float64,
        others float64 or category. Categories have the order that they had when they were written;
        if that isn't known, the order of their first rows.

    Raises:
        RecordingError: there is no such file; it is not a CSV of ticks (the error says what is
            missing); or another program's file has a row that can't be read (the error says which).

    Example:
        >>> read_csv("ticks.csv")["price"].mean()
    """
    check_path("path", path)
    path = Path(path).expanduser()
    content = read_file(path)
    if (warning := content.warning(path)) is not None:
        warnings.warn(warning, stacklevel=2)
    return content.named_frame


def read_file(path: Path) -> Content:
    """Read a CSV file with its sidecar and its further parts; raises `RecordingError`."""
    paths = parts_of(path) or [path]
    contents = [read_part(each) for each in paths]
    if len(contents) == 1:
        return contents[0]
    sidecar = reduce(Sidecar.join, (content.sidecar for content in contents))
    problems = [
        problem.within(part.name)
        for part, content in zip(paths, contents, strict=True)
        for problem in content.problems
    ]
    own = all(content.own for content in contents)
    frames = [contents.pop(0).frame for _ in paths]
    return Content(combine_frames(frames, consume=True), sidecar, problems, own)


def read_part(path: Path) -> Content:
    """Read a CSV file and its sidecar, without further parts; raises `RecordingError`."""
    reader = CsvReader(path, alone=False)
    content = read_whole_of(reader)
    return content._replace(frame=order_categories(content.frame, reader.orders))


class _Start(NamedTuple):
    """Where reading may begin again: the number of a row, and the place of its line."""

    row: int = 0
    offset: int = 0


class CsvReader(Reader):
    """Reads one file, without further parts: as a recording, or as another program's file.

    Args:
        path: the file.
        columns: the columns to read, see `Reader`.
        max_rows: how many rows each piece has, but for the last.
        alone: whether each piece has the types of the whole file. Otherwise integers and booleans
            are nullable only in pieces where some are missing, and categories are in the order of
            the first rows: `FrameBuilder` and `order_categories` see to both.

    Attributes:
        orders: the categories of text columns in their order, where these are known.

    Raises:
        RecordingError: there is no such file.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str] | None = None,
        max_rows: int = ROWS_AT_ONCE,
        *,
        alone: bool = True,
    ) -> None:
        super().__init__(path, columns, max_rows)
        self._alone = alone
        self._holes: list[Damage] = []
        self._passed = 0
        self._starts = [_Start()]
        self._types: dict[str, Any] | None = None
        self._foreign: ForeignReader | None = None
        self._about = read_sidecar(path)
        try:
            # Rows that come while the file is read don't count: they may be of other types.
            self._size = path.stat().st_size
            self._is_packed = is_packed(path)
            header = self._read_header()
            self.is_empty = not self._is_packed and self._size <= len(header)
            names = self._recording_names(header, self._about)
        except OSError as error:
            raise unreadable(path, error) from None
        self.own = names is not None
        self._names = names or []
        known = self._about.match(self._names) if self._about is not None else None
        self.sidecar = known or Sidecar()
        self._columns = known.columns if known and known.columns.kinds else Columns(OWN_KINDS)
        self.orders = orders_of(self._columns)

    def types(self) -> dict[str, Any]:
        if self._types is None:
            self._types = self._decide() if self.own else self._decide_foreign()
        return self._types

    def pieces(self, first: int = 0) -> Iterator[pd.DataFrame]:
        try:
            if self.own:
                yield from self._recording_pieces(first)
            if not self.own:
                yield from self._foreign_pieces(first)
        except OSError as error:
            raise unreadable(self.path, error) from None

    # --- text ---------------------------------------------------------------------------------

    def _open(self, start: int = 0) -> Iterator[bytes]:
        """Return all parts of the text, from a place on."""
        self._holes = []  # not cleared: another iteration may go on with its own

        def note(at: int) -> None:
            self.share = (self._passed + at / self._size) / (self._passed + 1)

        limits = start, self._size
        on_damage = self._holes.append
        return read_members(self.path, on_damage, BYTES_AT_ONCE, limits=limits, on_read=note)

    def _read_header(self) -> bytes:
        """Return the header line; whole, if it is not too long."""
        parts = self._open()
        first = next(parts, b"")
        while b"\n" not in first and len(first) < MAX_LINE_BYTES and (more := next(parts, b"")):
            first += more
        return first[: first.find(b"\n") + 1].removeprefix(BYTE_ORDER_MARK)

    @property
    def _has_no_header(self) -> bool:
        """Whether the header was in a member that can't be decompressed."""
        return bool(self._holes) and self._holes[0].start == 0 < self._holes[0].stop

    def _recording_names(self, header: bytes, sidecar: Sidecar | None) -> list[str] | None:
        """Return the names of the columns of a recording, None for another program's file."""
        known = list(sidecar.columns.kinds) if sidecar else []
        names = parse_header(header) or []
        if sidecar is not None and not known and not self._size:
            return OWN_HEADER  # created when the disk was full, and still empty
        if known and (self._has_no_header or not header):
            return known  # without a whole header, the sidecar has the names
        if self._has_no_header and len(names) == len(OWN_HEADER) and names[0].isdecimal():
            return OWN_HEADER
        escaped = sidecar is not None and sidecar.escape_formulas
        line = header_line(known, escape_formulas=escaped)
        if known and len(header.rstrip(b"\r\n")) <= len(line) and _is_header(header, line):
            return known
        if _is_header(header, header_line(OWN_HEADER)):
            extended = [*OWN_HEADER, *names[len(OWN_HEADER) :]]
            # A recording names each column once; the header of a damaged one may not.
            return extended if len(set(extended)) == len(extended) else None
        return None

    def _start_of(self, first: int) -> _Start:
        """Return where to begin for a piece; compressed text is read from its beginning."""
        row = 0 if self._is_packed else first * self.max_rows
        return self._starts[bisect_right(self._starts, row, key=lambda start: start.row) - 1]

    def _note_start(self, row: int, offset: int) -> None:
        if row > self._starts[-1].row and not self._is_packed:
            self._starts.append(_Start(row, offset))

    # --- recordings ---------------------------------------------------------------------------

    def _native(self, only: Sequence[str] | None) -> NativeReader:
        return NativeReader(
            self._names, self._columns, escape_formulas=self.sidecar.escape_formulas, only=only
        )

    def _decide(self) -> dict[str, Any]:
        """Return the types of columns. For some of them, their values must be read first."""
        names = self._choose(self._names)
        types, found = types_of(names, self._columns.kinds, alone=self._alone)
        if found:
            decider, reader = TypeDecider(found), self._native(list(found))
            for _ in self._read(reader, _Start(), Checksums(Sidecar())):
                decider.add(reader.take())
            types |= decider.types
            self._passed = 1
        return types

    def _recording_pieces(self, first: int) -> Iterator[pd.DataFrame]:
        """Yield the pieces; clear `own` if most lines can't be read as those of a recording."""
        types = self.types()
        start, names = self._start_of(first), list(types)
        reader = self._native(None if names == self._names else names or self._names[:1])
        tables = self._tables(reader, start, is_whole=first == 0)
        skip = first * self.max_rows - start.row
        for number, table in enumerate(cut_tables(tables, self.max_rows, skip), first):
            if number == 0 and len(reader.damaged) > max(reader.rows, 1):
                self.own, self._types = False, None
                self._starts, self._passed = [_Start()], 0
                return
            escaped = self.sidecar.escape_formulas
            frame = to_frame(table.select(names), types, escape_formulas=escaped)
            yield order_categories(frame, self.orders) if self._alone else frame

    def _tables(self, reader: NativeReader, start: _Start, *, is_whole: bool) -> Iterator[pa.Table]:
        """Yield the rows from a place on; of a whole file also note what is damaged."""
        checksums = Checksums(self.sidecar if is_whole else Sidecar())
        torn_bytes = 0
        for torn_bytes in self._read(reader, start, checksums):  # noqa: B007
            yield reader.take()
        if is_whole:
            self._finish(reader, checksums, torn_bytes)

    def _read(self, reader: NativeReader, start: _Start, checksums: Checksums) -> Iterator[int]:
        """Have a reader read the text from a place on; yield the size of the line begun each time.

        Raises:
            RecordingError: a line has no end.
        """
        parts = self._open(start.offset)
        found = self._holes
        line = 2 if start.offset else 1
        holes, offset = 0, start.offset
        checked = _check_parts(parts, checksums)
        for block, rest in line_blocks(checked, MAX_LINE_BYTES, reader.has_rows):
            if line == 1 and self._has_no_header:
                line = 2
            self._note_start(start.row + reader.rows, offset)
            offset += len(block)
            if line == 1 and block:
                block, line = block[block.find(b"\n") + 1 :], 2
            line += reader.add(block, line)
            # The next line follows the holes that were found since the last block.
            found[holes:] = [hole._replace(line=line) for hole in found[holes:]]
            holes = len(found)
            yield len(rest)
            if len(rest) > MAX_OPEN_BYTES:
                problem = f"the line after row {reader.rows:,} has no end"
                raise RecordingError(self.path, problem)
        self._holes = found

    def _finish(self, reader: NativeReader, checksums: Checksums, torn_bytes: int) -> None:
        """Note what is damaged, and how rows are numbered."""
        sidecar = self.sidecar
        has_holes = any(hole.stop > hole.start for hole in self._holes)
        one_line_each = reader.lines == reader.rows + len(reader.damaged) and not has_holes
        labels = RowLabels("line", reader.damaged) if one_line_each else RowLabels()
        after = int(labels.labels(np.array([reader.rows]))[0])
        problems = describe_damage(
            reader.damaged, self._holes, torn_bytes, unit=labels.unit, number=after
        )
        if checksums.changed and not self._holes and compression_of(self.path) is None:
            # Blocks count rows as they were written: a line that is damaged now was a row then.
            header = 1 if labels.unit == "line" else 0
            ranges = [(first + header, last + header) for first, last in checksums.changed]
            about = "not as written, by its checksum"
            problems.append(Problem.from_ranges("changed", labels.unit, ranges, about))
        written = sidecar.blocks[-1].rows if sidecar.blocks else 0
        missing = written - reader.rows - len(reader.damaged) - bool(torn_bytes)
        if missing > 0 and not has_holes:
            start = after + bool(torn_bytes)
            about = "written, but missing at the end"
            ranges = [(start, start + missing - 1)]
            problems.append(Problem.from_ranges("missing", labels.unit, ranges, about))
        problems += self._sidecar_problems(reader.rows)
        self.problems, self.labels, self.torn_bytes = problems, labels, torn_bytes

    def _sidecar_problems(self, rows: int) -> list[Problem]:
        name = sidecar_path(self.path).name
        if self._about is not None and self._about.match(self._names) is not None:
            return self.sidecar.problems(name)
        if not rows:
            return []
        about = f"without its {name}, types of columns are inferred and gaps are not known"
        return [Problem.from_ranges("no sidecar", "file", [(0, 0)], about)]

    # --- files of other programs --------------------------------------------------------------

    def _decide_foreign(self) -> dict[str, Any]:
        """Return the types of columns. For some of them, their values must be read first."""
        reader = ForeignReader(self.path)
        next(self._checked(reader))
        types, unsure = reader.types()
        types = {name: types[name] for name in self._choose(types)}
        if found := {name: types[name] for name in unsure if name in types}:
            decider, reader = TypeDecider(found), ForeignReader(self.path, list(found))
            for table, _ in self._checked(reader):
                decider.add(table)
                reader.only = decider.undecided
                if not reader.only:
                    break
            types |= decider.types
            self._passed = 1
        return types

    def _foreign_pieces(self, first: int) -> Iterator[pd.DataFrame]:
        """Yield the pieces of another program's file."""
        types, start = self.types(), self._start_of(first)
        names = list(types)
        if start.offset and self._foreign is not None:
            reader = self._foreign.continued(start.row)
        else:
            self._foreign = reader = ForeignReader(self.path, names or None)
        tables = self._foreign_tables(reader, start.offset, is_whole=first == 0)
        for table in cut_tables(tables, self.max_rows, first * self.max_rows - start.row):
            yield to_frame(table.select(names), types)

    def _foreign_tables(
        self, reader: ForeignReader, offset: int, *, is_whole: bool
    ) -> Iterator[pa.Table]:
        """Yield the rows from a place on; of a whole file also note what is damaged."""
        for table, size in self._checked(reader, offset):
            self._note_start(reader.rows - table.num_rows, offset)
            offset += size
            yield table
        if is_whole:
            torn, after = reader.torn_bytes, reader.rows + 1
            self.problems = describe_damage([], self._holes, torn, unit="row", number=after)
            self.sidecar, self.labels, self.torn_bytes = Sidecar(), RowLabels(), torn

    def _checked(self, reader: ForeignReader, start: int = 0) -> Iterator[tuple[pa.Table, int]]:
        """Yield what a reader reads; an error has its cause, if a part can't be decompressed."""
        try:
            yield from reader.tables(self._open(start))
        except RecordingError:
            self._check_holes()
            raise
        self._check_holes()

    def _check_holes(self) -> None:
        """Raise `RecordingError` if a part of the file can't be decompressed."""
        for hole in self._holes:
            if hole.stop > hole.start:
                problem = f"its compressed data is damaged at byte {hole.start:,}"
                raise RecordingError(self.path, f"{problem}; get another copy of it")


def _check_parts(parts: Iterator[bytes], checksums: Checksums) -> Iterator[bytes]:
    for part in parts:
        checksums.add(part)
        yield part


def _is_header(header: bytes, expected: bytes) -> bool:
    """Return whether a line starts with a header; one byte may be wrong."""
    # A flipped bit may have made a line break, which ends the header early.
    pairs = list(zip(header.rstrip(b"\r\n"), expected[:-1], strict=False))
    wrong = sum(one != other for one, other in pairs)
    return len(pairs) >= MIN_HEADER_BYTES and wrong <= 1
