"""Reading CSV: recordings come back identical, and other programs' files as far as possible.

A recording starts with a header; each further row is a tick. Times are ISO-8601 with nine digits of
a second and Z. A float is the shortest text that is read as the same float64, with a point or an
exponent. A missing value is empty, and an empty text is `""`. Text with a comma, a quote, a line
break or blanks around it is quoted. Other text is written as it is: `NA`, `TRUE`, `1e5` and `=1+1`
are symbols like any other. What has no place in the rows is in the sidecar, see `sidecar`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import reduce
from itertools import chain
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from tickerkit.errors import Problem, RecordingError
from tickerkit.storage.content import Checksums, Content, RowLabels, describe_damage
from tickerkit.storage.csv.foreign import ForeignReader, parse_header
from tickerkit.storage.csv.native import NativeReader
from tickerkit.storage.csv.parts import parts_of
from tickerkit.storage.csv.text import BYTE_ORDER_MARK, header_line, line_blocks
from tickerkit.storage.files import Damage, compression_of, read_members, unreadable
from tickerkit.storage.frames import combine_frames
from tickerkit.storage.memory import check_size
from tickerkit.storage.sidecar import Columns, Sidecar, read_sidecar, sidecar_path
from tickerkit.validation import check_path

__all__ = ["read_csv", "read_file", "read_part"]

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
BYTES_AT_ONCE = 16_000_000
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
    rows take a fifth of a second; besides the frame, at most 16 MB of the file are in memory.

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
    frame = combine_frames([content.frame for content in contents])
    return Content(frame, sidecar, problems, all(content.own for content in contents))


def read_part(path: Path) -> Content:
    """Read a CSV file and its sidecar, without further parts; raises `RecordingError`."""
    try:
        return _FileReader(path).read()
    except OSError as error:
        raise unreadable(path, error) from None


class _FileReader:
    """Reads one file: as a recording, or as another program's file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.holes: list[Damage] = []

    def read(self) -> Content:
        sidecar = read_sidecar(self.path)
        header, parts = self._open()
        names = self._recording_names(header, sidecar)
        if names is not None:
            known = sidecar.match(names) if sidecar is not None else None
            content = self._read_recording(names, known, parts)
            if content is not None:
                return content
            _, parts = self._open()
        return self._read_foreign(parts)

    def _open(self) -> tuple[bytes, Iterator[bytes]]:
        """Return the header line and all parts of the text."""
        self.holes.clear()
        parts = read_members(self.path, self.holes.append, BYTES_AT_ONCE)
        first = next(parts, b"")
        while b"\n" not in first and len(first) < MAX_LINE_BYTES and (more := next(parts, b"")):
            first += more
        header = first[: first.find(b"\n") + 1].removeprefix(BYTE_ORDER_MARK)
        return header, chain([first], parts)

    @property
    def _has_no_header(self) -> bool:
        """Whether the header was in a member that can't be decompressed."""
        return bool(self.holes) and self.holes[0].start == 0 < self.holes[0].stop

    def _recording_names(self, header: bytes, sidecar: Sidecar | None) -> list[str] | None:
        """Return the names of the columns of a recording, None for another program's file."""
        known = list(sidecar.columns.kinds) if sidecar else []
        names = parse_header(header) or []
        if sidecar is not None and not known and not self.path.stat().st_size:
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

    def _read_recording(
        self, names: list[str], sidecar: Sidecar | None, parts: Iterator[bytes]
    ) -> Content | None:
        """Read a recording; return None if most of its lines can't be read as one."""
        reader = NativeReader(
            names,
            sidecar.columns if sidecar and sidecar.columns.kinds else Columns(OWN_KINDS),
            escape_formulas=sidecar is not None and sidecar.escape_formulas,
        )
        checksums = Checksums(sidecar or Sidecar())
        line, holes, torn_bytes = 2 if self._has_no_header else 1, 0, 0
        checked = _check_parts(parts, checksums)
        for block, rest in line_blocks(checked, MAX_LINE_BYTES, reader.has_rows):
            if line == 1 and block:
                block, line = block[block.find(b"\n") + 1 :], 2
            line += reader.add(block, line)
            # The next line follows the holes that were found since the last block.
            self.holes[holes:] = [hole._replace(line=line) for hole in self.holes[holes:]]
            holes, torn_bytes = len(self.holes), len(rest)
            check_size(self.path, reader.rows, reader.size)
            if torn_bytes > MAX_OPEN_BYTES:
                problem = f"the line after row {reader.rows:,} has no end"
                raise RecordingError(self.path, problem)
        if len(reader.damaged) > max(reader.rows, 1):
            return None
        has_holes = any(hole.stop > hole.start for hole in self.holes)
        one_line_each = reader.lines == reader.rows + len(reader.damaged) and not has_holes
        labels = RowLabels("line", reader.damaged) if one_line_each else RowLabels()
        after = int(labels.labels(np.array([reader.rows]))[0])
        problems = describe_damage(
            reader.damaged, self.holes, torn_bytes, unit=labels.unit, number=after
        )
        if checksums.changed and not self.holes and compression_of(self.path) is None:
            # Blocks count rows as they were written: a line that is damaged now was a row then.
            header = 1 if labels.unit == "line" else 0
            ranges = [(first + header, last + header) for first, last in checksums.changed]
            about = "not as written, by its checksum"
            problems.append(Problem.from_ranges("changed", labels.unit, ranges, about))
        written = sidecar.blocks[-1].rows if sidecar and sidecar.blocks else 0
        missing = written - reader.rows - len(reader.damaged) - bool(torn_bytes)
        if missing > 0 and not has_holes:
            start = after + bool(torn_bytes)
            about = "written, but missing at the end"
            ranges = [(start, start + missing - 1)]
            problems.append(Problem.from_ranges("missing", labels.unit, ranges, about))
        name = sidecar_path(self.path).name
        if sidecar is not None:
            problems += sidecar.problems(name)
        elif reader.rows:
            about = f"without its {name}, types of columns are inferred and gaps are not known"
            problems.append(Problem.from_ranges("no sidecar", "file", [(0, 0)], about))
        frame = reader.frame()
        return Content(frame, sidecar or Sidecar(), problems, True, labels, torn_bytes)

    def _read_foreign(self, parts: Iterator[bytes]) -> Content:
        reader = ForeignReader(self.path)
        try:
            frame = reader.read(parts)
        except RecordingError:
            self._check_holes()  # raises the cause of the error, if a part can't be decompressed
            raise
        self._check_holes()
        torn, after = reader.torn_bytes, reader.rows + 1
        problems = describe_damage([], self.holes, torn, unit="row", number=after)
        return Content(frame, Sidecar(), problems, own=False, torn_bytes=torn)

    def _check_holes(self) -> None:
        """Raise `RecordingError` if a part of the file can't be decompressed."""
        for hole in self.holes:
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
