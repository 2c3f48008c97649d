"""CSV: ticks as a text file that comes back identical, and other people's CSV as far as it goes.

A file begins with a header row of names; then each tick is a row. Times are ISO-8601 with nine
digits of a second and Z, numbers the shortest text that is read as the very same float. A missing
value is empty, an empty text is `""`. Text is quoted where it holds a comma, a quote or a line
break, and otherwise stands as it is: a symbol `NA`, `TRUE`, `1e5` or `=1+1` is just that. What has
no place in such a file stands beside it, see `sidecar`.
"""

from __future__ import annotations

import time
import warnings
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tickerkit.errors import RecordingError, RecordingWarning
from tickerkit.formatting import format_value
from tickerkit.log import gaps_from_frame
from tickerkit.storage.atomic import Mode, prepare_path, replacing
from tickerkit.storage.compression import Damage, compress, compression_of, read_members
from tickerkit.storage.csv.append import CsvFile
from tickerkit.storage.csv.encode import (
    BYTE_ORDER_MARK,
    OWN_HEADER,
    ROWS_AT_ONCE,
    csv_lines,
    header_line,
)
from tickerkit.storage.csv.foreign import ForeignReader, names_of
from tickerkit.storage.csv.native import Changes, OwnReader, unescape
from tickerkit.storage.csv.quoting import mask_quoted, whole_lines
from tickerkit.storage.sidecar import (
    Block,
    Columns,
    Head,
    Line,
    Sidecar,
    columns_from_frame,
    read_sidecar,
    sidecar_path,
    to_bytes,
)

__all__ = ["CsvContent", "csv_lines", "read_csv", "read_file", "write_csv"]

OWN_KINDS = {
    "seq": "int",
    "time": "time",
    "symbol": "text",
    "price": "float",
    "size": "float",
    "received": "time",
    "epoch": "text",
}
MAX_WRONG, MIN_ALIKE = 1, 3
BYTES_AT_ONCE = 16_000_000
# No line of ours is as long: a quote that has no end by then is none.
LONGEST_LINE = 2_000_000

# --- writing -------------------------------------------------------------------------------------


def write_csv(
    frame: pd.DataFrame,
    path: str | PathLike[str],
    *,
    gaps: pd.DataFrame | None = None,
    mode: Mode = "new",
    escape_formulas: bool = False,
    source: str = "",
    symbols: Sequence[str] | None = None,
) -> Path:
    """Write ticks to a CSV file, from which `read_csv` makes the same frame.

    Beside it stands a small file, `ticks.csv.meta.jsonl`, with the types of the columns, the gaps
    and checksums; without it the CSV is read as well, by what its values look like.

    The file takes its place when it is whole: a failure leaves what was there before. A million
    rows take a third of a second, in steps of 16,384 that are all that is held besides the frame.

    Args:
        frame: ticks, such as `TickLog.frame` returns; any columns. Its index is not written.
        path: where to; folders are made where they are missing. One that ends in `.gz` or `.zst`
            is compressed.
        gaps: the ticks that are missing, as `Feed.gaps` tells them.
        mode: "new" refuses a path at which a file is, "overwrite" takes its place, "append" adds
            to a recording with the same columns.
        escape_formulas: for spreadsheets: put `'` before text that they would run as a formula,
            and begin the file with a mark by which they know UTF-8. `read_csv` takes both away
            again. What is appended to such a file is marked, too.
        source: where the ticks came from.
        symbols: those that the ticks were chosen by; None for all. Of some only, a jump of seq is
            no gap.

    Returns:
        The path.

    Raises:
        RecordingExists: there is a file, and mode is "new".
        RecordingError: mode is "append", and what is there is no recording with these columns.
        ValueError: two columns have the same name, or the path is that of a Parquet file.
        OSError: the file can't be written.

    Example:
        >>> write_csv(log.frame(), "ticks.csv")
    """
    if Path(path).suffix == ".parquet":
        raise ValueError(
            f"{format_value(str(path))} is no name of a CSV; to_parquet writes Parquet"
        )
    path = prepare_path(path, mode)
    if mode == "append" and path.exists():
        with CsvFile(path, mode="append", source=source, symbols=symbols) as file:
            if escape_formulas and not file.escape_formulas:
                raise RecordingError(path, "it is not safe for spreadsheets; write another file")
            file.append(frame)
            file.tell(gaps_from_frame(gaps) if gaps is not None else [])
        return path
    beside: list[Line] = [
        Head(time.time_ns(), source, None if symbols is None else list(symbols), escape_formulas),
        columns_from_frame(frame),
        *(gaps_from_frame(gaps) if gaps is not None else ()),
    ]
    compression, size = compression_of(path), 0
    with replacing(path) as out:
        for number, text in enumerate(csv_lines(frame, escape_formulas=escape_formulas)):
            text = BYTE_ORDER_MARK + text if escape_formulas and not number else text
            out.write(compress(text, compression))
            size += len(text)
            rows = min(number * ROWS_AT_ONCE, len(frame))
            beside.append(Block(rows, size, zlib.crc32(text)))
        # What stands beside an older file would be wrong for this one.
        sidecar_path(path).unlink(missing_ok=True)
    with replacing(sidecar_path(path)) as out:
        out.write(to_bytes(beside))
    return path


# --- reading -------------------------------------------------------------------------------------


class CsvContent(NamedTuple):
    """What a CSV file holds.

    Attributes:
        frame: the ticks.
        sidecar: what stands beside the file; None where nothing does, or of another file.
        warning: what was left out, if anything was.
        own: whether it is a recording of tickerkit's.
    """

    frame: pd.DataFrame
    sidecar: Sidecar | None
    warning: RecordingWarning | None
    own: bool


def read_csv(path: str | PathLike[str]) -> pd.DataFrame:
    """Read ticks from a CSV file: a recording back as the frame it was, or a foreign file.

    Of a recording, lines that make no sense (a line cut off by a crash, a wrong bit) are left out
    with a `RecordingWarning` that names them, and all others are returned; by the checksums beside
    the file it also says which lines are not as they were written. A million rows take a fifth of a
    second; at most 16 MB of the file are held besides the frame.

    Of a foreign file names stay as they are, and `time` may be anything that a tick's may be. A
    text column of which every value is a number comes back as numbers, unless some number would
    not survive: with more digits than a float64 holds, or with leading zeros. A column without any
    value is one of numbers. So it is with a recording that has lost what stood beside it.

    Args:
        path: the file; whether it is compressed by gzip or zstd is seen by its content.

    Returns:
        A DataFrame with the file's columns in order: `seq` int64, `time` and `received` UTC in
        ns, `symbol` and `epoch` category, `price`, `size`, `bid` and the like float64, others
        float64 or category. Categories stand in the order that they had, or of their first rows.

    Raises:
        RecordingError: no such file, not a CSV of ticks (the error says what is needed), or a
            foreign one with a row that makes no sense (it says which).

    Example:
        >>> read_csv("ticks.csv")["price"].mean()
    """
    found = read_file(Path(path).expanduser())
    if found.warning is not None:
        warnings.warn(found.warning, stacklevel=2)
    return found.frame


def read_file(path: Path) -> CsvContent:
    """Read a CSV file, and what stands beside it; raises `RecordingError`."""
    try:
        return _Reading(path).read()
    except OSError as error:
        raise RecordingError(path, (error.strerror or str(error)).lower()) from None


class _Reading:
    """One file being read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.holes: list[Damage] = []

    def read(self) -> CsvContent:
        sidecar = read_sidecar(self.path)
        parts = self._parts()
        names = self._own_names(parts[0], sidecar)
        if names is not None:
            known = sidecar.of(names) if sidecar is not None else None
            content = self._read_own(names, known, parts[1])
            if content is not None:
                return content
            parts = self._parts()
        reader = ForeignReader(self.path)
        try:
            frame = reader.read(parts[1])
        except RecordingError:
            self._must_be_unpacked()  # else that is what is wrong with it
            raise
        self._must_be_unpacked()
        warning = reader.warning
        if self.holes and warning is None:
            warning = RecordingWarning(self.path, len(frame), cut=True)
        return CsvContent(frame, None, warning, own=False)

    def _must_be_unpacked(self) -> None:
        for hole in self.holes:
            if hole.stop > hole.start:
                problem = f"its compression is damaged at byte {hole.start:,}"
                raise RecordingError(self.path, problem)

    def _parts(self) -> tuple[bytes, Iterator[bytes]]:
        """Return the first line, and all parts."""
        self.holes.clear()
        parts = read_members(self.path, self.holes.append, BYTES_AT_ONCE)
        first = next(parts, b"")
        while b"\n" not in first and len(first) < LONGEST_LINE and (more := next(parts, b"")):
            first += more
        header = first[: first.find(b"\n") + 1].removeprefix(BYTE_ORDER_MARK)
        return header, chain([first], parts)

    def _own_names(self, header: bytes, sidecar: Sidecar | None) -> list[str] | None:
        """Return the names of the columns of a recording, None for what is another's file."""
        known = list(sidecar.columns.kinds) if sidecar else []
        names = names_of(header) or []
        if sidecar is not None and not known and not self.path.stat().st_size:
            return OWN_HEADER  # begun when the disk was full
        if known and (self._is_headless() or not header):
            return known  # cut within the row of names, it has no rows
        if self._is_headless() and len(names) == len(OWN_HEADER) and names[0].isdecimal():
            return OWN_HEADER
        escape_formulas = sidecar is not None and sidecar.escape_formulas
        if known and _alike(header, known, escape_formulas=escape_formulas):
            # One that was widened, when a crash came before its sidecar could be.
            longer = len(header.rstrip(b"\r\n")) > len(
                header_line(known, escape_formulas=escape_formulas)
            )
            more = names[len(known) :] if longer else []
            return [*known, *(unescape(name) if escape_formulas else name for name in more)]
        if _alike(header, OWN_HEADER):
            return [*OWN_HEADER, *names[len(OWN_HEADER) :]]
        return None

    def _is_headless(self) -> bool:
        """Whether the row of names was in a piece that can't be unpacked."""
        return bool(self.holes) and self.holes[0].start == 0 < self.holes[0].stop

    def _read_own(
        self, names: list[str], sidecar: Sidecar | None, parts: Iterator[bytes]
    ) -> CsvContent | None:
        """Read a recording; None where most of its lines make no sense as one."""
        columns = sidecar.columns if sidecar else Columns(OWN_KINDS)
        reader = OwnReader(
            names, columns, escape_formulas=sidecar is not None and sidecar.escape_formulas
        )
        changes = Changes(sidecar.blocks if sidecar else [])
        rest, line, holes = b"", 2 if self._is_headless() else 1, 0
        for part in chain(parts, [b""]):
            changes.add(part)
            rest += part
            whole = whole_lines(mask_quoted(rest))
            # When it would be too long, a quote that is open was never meant; at the end, if
            # there are rows after it.
            if len(rest) - whole > LONGEST_LINE or (not part and reader.can_read(rest[whole:])):
                whole = rest.rfind(b"\n") + 1
            block, rest = rest[:whole], rest[whole:]
            if line == 1 and block:
                block, line = block[block.find(b"\n") + 1 :], 2
            line += reader.add(block, line)
            for hole in self.holes[holes:]:
                if hole.stop > hole.start:
                    reader.holes.append((line, hole))
            holes = len(self.holes)
        if len(reader.damaged) > max(reader.rows, 1):
            return None
        written = sidecar.blocks[-1].rows if sidecar and sidecar.blocks else 0
        found = reader.rows + len(reader.damaged) + bool(rest)
        packed_file = bool(self.holes) or compression_of(self.path) is not None
        warning = RecordingWarning(
            self.path,
            reader.rows,
            torn_bytes=len(rest),
            lines=reader.damaged,
            holes=[(at, hole.start, hole.stop) for at, hole in reader.holes],
            changed=[] if packed_file else changes.rows,
            cut=bool(self.holes) and self.holes[-1].stop == self.holes[-1].start,
            missing=max(written - found, 0) if not reader.holes else 0,
        )
        return CsvContent(reader.frame(), sidecar, warning if warning.problems else None, own=True)


def _alike(header: bytes, names: list[str], *, escape_formulas: bool = False) -> bool:
    """Return whether a row of names is of those, but for what a wrong bit may have made of it."""
    meant = header_line(names, escape_formulas=escape_formulas)[:-1]
    # Where the bit has made a line break, what is before that.
    both = list(zip(header.rstrip(b"\r\n"), meant, strict=False))
    wrong = sum(one != other for one, other in both)
    return len(both) >= MIN_ALIKE and wrong <= MAX_WRONG
