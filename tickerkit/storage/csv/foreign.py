"""Foreign: CSV that others wrote, read as far as it goes, by the rules of ticks.

pandas only splits the lines: its own rules for types guess.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from tickerkit.errors import RecordingError, RecordingWarning
from tickerkit.formatting import format_value
from tickerkit.storage.csv.dtypes import (
    EMPTY,
    ZERO,
    BadCellError,
    Column,
    column_of,
    restore_column,
)
from tickerkit.storage.csv.encode import BYTE_ORDER_MARK
from tickerkit.storage.csv.quoting import OPENED, QUOTED, mask_quoted, whole_lines
from tickerkit.ticks.fields import has_price, price_field, symbol_field

__all__ = ["ForeignReader", "names_of"]

NEEDED = (
    "a recording has a header row with a column symbol (or s, sym, ticker) "
    "and one of price (or p, last), bid, ask"
)
LONGEST_UNCLOSED = 64_000_000


class ForeignReader:
    """One file being read, block by block; it is over with the first row that makes no sense.

    Attributes:
        rows: how many rows there are so far.
        warning: what was left out, if anything was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self.columns: list[Column] = []
        self.rows = 0
        self.warning: RecordingWarning | None = None

    def fail(self, problem: str) -> RecordingError:
        return RecordingError(self.path, problem)

    def read(self, pieces: Iterable[bytes]) -> pd.DataFrame:
        """Return what the pieces of a file hold, these being cut anywhere."""
        rest = b""
        for piece in pieces:
            rest += piece
            shadow = mask_quoted(rest)
            whole = whole_lines(shadow)
            self._add(rest[:whole], shadow[:whole])
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
            self._add(tail + b"\n", mask_quoted(tail + b"\n"))
            return
        shadow = mask_quoted(tail)
        if OPENED.search(shadow) or shadow.count(b",") < len(self.names) - 1:
            self.warning = RecordingWarning(self.path, self.rows, torn_bytes=len(tail))
            return
        self._add(tail + b"\n", shadow + b"\n")

    def _add(self, block: bytes, shadow: bytes) -> None:
        if not block:
            return
        if not self.names:
            end = shadow.index(b"\n") + 1
            self._start(block[:end])
            block, shadow = block[end:], shadow[end:]
        if not shadow.strip():
            return
        if _fields_differ(shadow, len(self.names)):
            self._check_fields(block)
        cells = self._split(_named(block))
        for index, column in enumerate(self.columns):
            try:
                column.add(cells.iloc[:, index].to_numpy())
            except BadCellError as error:
                raise self.fail(
                    f"{self.names[index]} in row {self.rows + error.row + 1:,} is "
                    f"{format_value(restore_column(error.value))}, {error.problem}"
                ) from None
        self.rows += len(cells)

    def _start(self, header: bytes) -> None:
        if header.startswith(b"PAR1"):
            raise self.fail("it is a Parquet file; tk.read_parquet reads it")
        names = names_of(header.removeprefix(BYTE_ORDER_MARK))
        if names is None:
            raise self.fail(f"it is not UTF-8 text; {NEEDED}")
        if not names:
            raise self.fail(f"it is empty; {NEEDED}")
        symbol = symbol_field(names)
        if symbol is None or not has_price(names):
            raise self.fail(f"its first line is {format_value(','.join(names))}; {NEEDED}")
        if b"\r" in header.rstrip(b"\r\n"):
            raise self.fail("its lines end in carriage returns; save it with line feeds")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise self.fail(f"two columns are named {format_value(twice)}")
        self.names = names
        price = price_field(names) or "price"
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


def names_of(header: bytes) -> list[str] | None:
    """Return the names of the columns; None where it is not text."""
    try:
        return next(csv.reader(io.StringIO(header.decode(), newline="")), [])
    except (UnicodeDecodeError, csv.Error):
        return None


def _fields_differ(shadow: bytes, wanted: int) -> bool:
    """Return whether some row may have more or fewer fields; pandas finds those with more."""
    # pandas fills up short rows in silence, and takes a longer first row for all to be so.
    between = (wanted - 1) * shadow.count(b"\n")
    first = shadow[: shadow.index(b"\n")]
    return shadow.count(b",") != between or first.count(b",") != wanted - 1


def _named(block: bytes) -> bytes:
    """Return a block in which `""` and the character zero stand under their names."""
    if b'""' in block:
        empty = EMPTY.encode()
        block = QUOTED.sub(lambda m: empty if m.group() == b'""' else m.group(), block)
    return block.replace(b"\0", ZERO.encode()) if b"\0" in block else block
