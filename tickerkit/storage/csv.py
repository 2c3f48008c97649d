"""CSV: ticks as a text file that comes back identical, and other people's CSV as far as it goes.

A file begins with a header row of names; then each tick is a row. Times are ISO-8601 with nine
digits of a second and Z, numbers the shortest text that is read as the very same float. A missing
value is empty, an empty text is `""`. Text is quoted where it holds a comma, a quote or a line
break, and otherwise stands as it is: a symbol `NA`, `TRUE`, `1e5` or `=1+1` is just that.

Neither way goes through pandas' own rules for types, which guess: pandas only splits the lines.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
import zlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from tickerkit.errors import RecordingError, shown
from tickerkit.storage.columns import (
    EMPTY,
    ZERO,
    BadCellError,
    Column,
    cells_of,
    column_of,
    quoted,
    restored,
)
from tickerkit.storage.files import replacing
from tickerkit.ticks.fields import PRICE_FIELDS, PRICE_NAMES, SYMBOL_NAMES

__all__ = ["csv_lines", "read_csv", "write_csv"]

OWN_HEADER = ["seq", "time", "symbol", "price", "size", "received", "epoch"]
NEEDED = (
    "a recording has a header row with a column symbol (or s, sym, ticker) "
    "and one of price (or p, last), bid, ask"
)

ROWS_AT_ONCE = 65_536
BYTES_AT_ONCE = 16_000_000
LONGEST_UNCLOSED = 64_000_000

# --- writing -------------------------------------------------------------------------------------


def write_csv(frame: pd.DataFrame, path: str | PathLike[str]) -> Path:
    """Write ticks to a CSV file, from which `read_csv` makes the same frame.

    The file takes its place when it is whole: a failure leaves what was there before. A path that
    ends in `.gz` is compressed. A million rows take about a second, in steps of 65,536 that are
    all that is held in memory besides the frame.

    Args:
        frame: ticks, such as `TickLog.frame` returns; any columns. Its index is not written.
        path: where to; folders are made where they are missing.

    Returns:
        The path.

    Raises:
        ValueError: two columns have the same name.
        OSError: the file can't be written.

    Example:
        >>> write_csv(log.frame(), "ticks.csv")
    """
    path = Path(path).expanduser()
    with replacing(path) as file:
        if path.suffix == ".gz":
            # Without the time and the temporary name, so that the same ticks make the same file.
            with gzip.GzipFile("", "wb", 6, file, 0) as packed:
                packed.writelines(csv_lines(frame))
        else:
            file.writelines(csv_lines(frame))
    return path


def csv_lines(frame: pd.DataFrame, *, header: bool = True) -> Iterator[bytes]:
    """Yield the lines of a CSV file of `frame`, some thousands of whole lines at a time.

    Args:
        frame: ticks.
        header: whether to begin with the row of names.
    """
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two columns are named {shown(twice)}; rename one")
    if header:
        yield b",".join(map(quoted, names)) + b"\n"
    columns = [cells_of(frame.iloc[:, index]) for index in range(len(names))]
    for start in range(0, len(frame), ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, len(frame))
        rows = zip(*[cells(start, stop) for cells in columns], strict=True)
        yield b"\n".join(map(b",".join, rows)) + b"\n"


# --- reading -------------------------------------------------------------------------------------

# A field in quotes: a quote at a field's start, up to the one that is not doubled. A quote
# elsewhere is a character like others (5" pipe). Possessive (*+), or a text cut off after a
# doubled quote would pass for one that ends with its first half.
QUOTED = re.compile(rb'(?<![^,\n])"[^"]*+(?:""[^"]*+)*+"')
OPENED = re.compile(rb'(?<![^,\n])"')


def read_csv(path: str | PathLike[str]) -> pd.DataFrame:
    """Read ticks from a CSV file: a recording back as the frame it was, or a foreign file.

    Of a foreign file names stay as they are, and `time` may be anything that a tick's may be. A
    line that was cut off at the end, as by a crash, is left out with a warning. A million rows
    take one to two seconds; at most 16 MB of the file are held besides the frame.

    A text column of which every value is a number comes back as numbers (those of `symbol` and
    `epoch` stay text), unless some number would not survive: with more digits than a float64
    holds, or with leading zeros. A column without any value is one of numbers.

    Args:
        path: the file, gzipped or not.

    Returns:
        A DataFrame with the file's columns in order: `seq` int64, `time` and `received` UTC in
        ns, `symbol` and `epoch` category, `price`, `size`, `bid` and the like float64, others
        float64 where all their values are numbers, else category. Categories stand in the order
        of their first rows.

    Raises:
        RecordingError: no such file, not a CSV of ticks (the error says what is needed), or
            damaged (it says where).

    Example:
        >>> read_csv("ticks.csv")["price"].mean()
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            return _Reading(path).read(gzip.GzipFile(fileobj=file) if packed else file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordingError(path, f"its compression is damaged ({error})") from None
    except OSError as error:
        raise RecordingError(path, (error.strerror or str(error)).lower()) from None


class _Reading:
    """One file being read, block by block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self.columns: list[Column] = []
        self.rows = 0

    def fail(self, problem: str) -> RecordingError:
        return RecordingError(self.path, problem)

    def read(self, file: BinaryIO | gzip.GzipFile) -> pd.DataFrame:
        rest = b""
        while chunk := file.read(BYTES_AT_ONCE):
            if not self.names and not rest:
                chunk = chunk.removeprefix(b"\xef\xbb\xbf")
            rest += chunk
            masked = _masked(rest)
            whole = _whole_lines(masked)
            self._add(rest[:whole], masked[:whole])
            rest = rest[whole:]
            if len(rest) > LONGEST_UNCLOSED:
                raise self.fail(f"a quote or a line that begins after row {self.rows} has no end")
        self._add_tail(rest)
        # From a dict of arrays that nobody else has: no copy is needed.
        named = zip(self.names, self.columns, strict=True)
        return pd.DataFrame({name: column.done() for name, column in named}, copy=False)

    def _add_tail(self, tail: bytes) -> None:
        """Take what follows the last line break, if it is a whole line of a foreign file."""
        if not tail and self.names:
            return
        if not self.names:
            # The whole file is one line, or none.
            self._add(tail + b"\n", _masked(tail + b"\n"))
            return
        # Ours all end in a line break: the last number of one that does not may be half.
        own = self.names[: len(OWN_HEADER)] == OWN_HEADER
        masked = _masked(tail)
        if own or OPENED.search(masked) or masked.count(b",") < len(self.names) - 1:
            warnings.warn(
                f"{self.path} ends in a torn line: the {len(tail):,} bytes after row {self.rows:,}"
                " are left out",
                stacklevel=4,
            )
            return
        self._add(tail + b"\n", masked + b"\n")

    def _add(self, block: bytes, masked: bytes) -> None:
        if not block:
            return
        if not self.names:
            end = masked.index(b"\n") + 1
            self._start(block[:end])
            block, masked = block[end:], masked[end:]
        if not masked.strip():
            return
        if _fields_differ(masked, len(self.names)):
            self._check_fields(block)
        cells = self._split(_named(block))
        for index, column in enumerate(self.columns):
            try:
                column.add(cells.iloc[:, index].to_numpy())
            except BadCellError as error:
                raise self.fail(
                    f"{self.names[index]} in row {self.rows + error.row + 1:,} is "
                    f"{shown(restored(error.value))}, {error.problem}"
                ) from None
        self.rows += len(cells)

    def _start(self, header: bytes) -> None:
        try:
            names = next(csv.reader(io.StringIO(header.decode(), newline="")), [])
        except UnicodeDecodeError:
            raise self.fail(f"it is not UTF-8 text; {NEEDED}") from None
        if not names:
            raise self.fail(f"it is empty; {NEEDED}")
        symbol = next((name for name in SYMBOL_NAMES if name in names), None)
        if symbol is None or set(names).isdisjoint((*PRICE_NAMES, *PRICE_FIELDS)):
            raise self.fail(f"its first line is {shown(','.join(names))}; {NEEDED}")
        if b"\r" in header.rstrip(b"\r\n"):
            raise self.fail("its lines end in carriage returns; save it with line feeds")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise self.fail(f"two columns are named {shown(twice)}")
        self.names = names
        price = next((name for name in PRICE_NAMES if name in names), "price")
        self.columns = [column_of(name, symbol, price) for name in names]

    def _split(self, block: bytes) -> pd.DataFrame:
        dtypes: dict[int, Any] = {i: column.dtype for i, column in enumerate(self.columns)}
        try:
            return pd.read_csv(
                io.BytesIO(block),
                header=None,
                names=list(dtypes),
                dtype=dtypes,
                index_col=False,
                na_filter=False,
                low_memory=False,
            )
        except UnicodeDecodeError:
            raise self.fail(f"it is not UTF-8 text somewhere after row {self.rows:,}") from None
        except pd.errors.ParserError as error:
            self._check_fields(block)
            raise self.fail(f"the lines after row {self.rows:,} are damaged ({error})") from None

    def _check_fields(self, block: bytes) -> None:
        """Raise for the first row that has not as many fields as there are names."""
        wanted = len(self.names)
        text = io.StringIO(block.decode("utf-8", "replace"), newline="")
        rows = filter(None, csv.reader(text))
        try:
            for row, fields in enumerate(rows, start=self.rows + 1):
                if len(fields) != wanted:
                    raise self.fail(f"row {row:,} has {len(fields)} fields, the header {wanted}")
        except csv.Error as error:
            raise self.fail(f"the lines after row {self.rows:,} are damaged ({error})") from None


def _masked(block: bytes) -> bytes:
    """Return a block of the same length in which fields in quotes hold nothing but x."""
    if b'"' not in block:
        return block
    return QUOTED.sub(lambda match: b"x" * len(match.group()), block)


def _whole_lines(masked: bytes) -> int:
    """Return how much of a block is whole lines: up to the last line break outside quotes."""
    opened = OPENED.search(masked) if b'"' in masked else None
    return masked.rfind(b"\n", 0, opened.start() if opened else None) + 1


def _fields_differ(masked: bytes, wanted: int) -> bool:
    """Return whether some row may have more or fewer fields; pandas finds those with more."""
    # pandas fills up short rows in silence, and takes a longer first row for all to be so.
    between = (wanted - 1) * masked.count(b"\n")
    first = masked[: masked.index(b"\n")]
    return masked.count(b",") != between or first.count(b",") != wanted - 1


def _named(block: bytes) -> bytes:
    """Return a block in which `""` and the character zero stand under their names."""
    if b'""' in block:
        empty = EMPTY.encode()
        block = QUOTED.sub(lambda m: empty if m.group() == b'""' else m.group(), block)
    return block.replace(b"\0", ZERO.encode()) if b"\0" in block else block
