"""Native CSV: the fast reader of recordings, which leaves out damaged lines and reports them.

Arrow reads blocks of some megabytes, each column with its known type. If Arrow fails, the block is
halved again and again until each damaged line is alone.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from tickerkit.storage.csv.columns import BOOL, DICTIONARY, FLOAT, INT, TEXT
from tickerkit.storage.csv.text import OPEN_QUOTE, mask_quoted, unescape_formula
from tickerkit.storage.sidecar import Columns
from tickerkit.ticks import ID_COLUMNS, UTC_NS

__all__ = ["EMPTY_IS_NULL", "NativeReader", "orders_of", "types_of"]

PART_BYTES = 2**20
# Blocks larger than this are read in parallel.
PARALLEL_BYTES = 2 * PART_BYTES
# The type of a column by its kind. That of a number or of any kind depends on its values.
TYPES: dict[str, Any] = {
    "int": INT,
    "float": FLOAT,
    "time": UTC_NS,
    "text": TEXT,
    "bool": BOOL,
    "number": INT,
    "any": FLOAT,
}
ARROW_TYPES = {
    "int": pa.int64(),
    "float": pa.float64(),
    "time": pa.timestamp("ns", "UTC"),
    "text": DICTIONARY,
    "bool": pa.bool_(),
    "number": DICTIONARY,
    "any": DICTIONARY,
}
# Options for Arrow: an empty value is null, and `""` is an empty text.
EMPTY_IS_NULL: dict[str, Any] = {
    "null_values": [""],
    "strings_can_be_null": True,
    "quoted_strings_can_be_null": False,
}
TEXT_COLUMNS = ("symbol", "epoch")
# Columns of integers that have a value in each row; 0 stands for a missing id.
NEVER_MISSING = ("seq", *ID_COLUMNS)
FIRST_SECOND = b"1677-09-21T00:12:43."


class NativeReader:
    """Reads the lines of a recording.

    Args:
        names: the columns of the lines, in order.
        columns: their kinds. A column without one may be of any.
        escape_formulas: whether text is escaped, see `text.escape_formula`.
        only: the columns to read; None for all.

    Attributes:
        names: the columns of the lines.
        rows: how many rows were read.
        lines: how many lines were read, damaged ones included. A row whose text holds line breaks
            has several.
        damaged: the numbers of the lines that are left out.
    """

    def __init__(
        self,
        names: list[str],
        columns: Columns,
        *,
        escape_formulas: bool = False,
        only: Sequence[str] | None = None,
    ) -> None:
        self.rows = self.lines = 0
        self.damaged: list[int] = []
        self.names, self._only = names, only
        self._kinds = {name: columns.kinds.get(name, "any") for name in names}
        self._words = columns.words
        self._escape_formulas = escape_formulas
        self._tables: list[pa.Table] = []
        self._types = {
            name: ARROW_TYPES.get(kind, DICTIONARY) for name, kind in self._kinds.items()
        }

    def take(self) -> pa.Table:
        """Return the rows that were read since the last call."""
        if not self._tables:
            names = self.names if self._only is None else self._only
            return pa.schema([(name, self._types[name]) for name in names]).empty_table()
        tables, self._tables = self._tables, []
        return pa.concat_tables(tables)

    def add(self, block: bytes, line: int) -> int:
        """Read a block of whole lines, the first of number `line`; return how many it has."""
        before, damaged = self.rows, len(self.damaged)
        self._add(block, line)
        # Counting line breaks takes a fifth of the time of reading, so it is avoided if each line
        # was one row.
        exact = b'"' in block or len(self.damaged) > damaged
        count = block.count(b"\n") if exact else self.rows - before
        self.lines += count
        return count

    def _add(self, block: bytes, line: int) -> None:
        pending = [(block, line)] if block else []
        while pending:
            piece, line = pending.pop()
            table = self._read(piece)
            if table is not None:
                self._tables.append(table)
                self.rows += table.num_rows
                continue
            middle = _find_middle(piece)
            if middle == len(piece):
                if (table := self._read_earliest(piece)) is None:
                    self.damaged.append(line)
                else:
                    self._tables.append(table)
                    self.rows += 1
                continue
            pending.append((piece[middle:], line + piece.count(b"\n", 0, middle)))
            pending.append((piece[:middle], line))

    def has_rows(self, tail: bytes) -> bool:
        """Return whether some text has lines, after the first, that can be read as rows."""
        _, _, lines = tail.partition(b"\n")
        columns = Columns(self._kinds, self._words)
        probe = NativeReader(self.names, columns, escape_formulas=self._escape_formulas)
        probe.add(lines[: lines.rfind(b"\n") + 1], 1)
        return probe.rows > 0

    def _read_earliest(self, line: bytes) -> pa.Table | None:
        """Return the row of a line with a time in the first second of the range of times.

        Arrow refuses such a time, since its seconds alone are outside the range. Return None for
        any other line that arrow refuses.
        """
        times = [name for name, kind in self._kinds.items() if kind == "time"]
        if FIRST_SECOND not in line or not times:
            return None
        table = self._read(line, self._types | dict.fromkeys(times, pa.large_string()))
        if table is None or table.num_rows != 1:
            return None
        for name in set(times) & set(table.column_names):
            text = table[name][0].as_py()
            try:
                moment = None if text is None else pd.Timestamp(text).value
            except ValueError:
                return None
            column = pa.array([moment], pa.int64()).cast(ARROW_TYPES["time"])
            table = table.set_column(table.column_names.index(name), name, column)
        return table

    def _read(self, piece: bytes, types: dict[str, pa.DataType] | None = None) -> pa.Table | None:
        """Return the rows of a piece, None if it is damaged."""
        quotes = b'"' in piece
        if quotes and OPEN_QUOTE.search(mask_quoted(piece)):
            return None
        parallel = len(piece) > PARALLEL_BYTES
        try:
            table = pa_csv.read_csv(
                io.BytesIO(piece),
                read_options=pa_csv.ReadOptions(
                    column_names=self.names,
                    use_threads=parallel,
                    block_size=PART_BYTES if parallel else len(piece) + 1,
                ),
                parse_options=pa_csv.ParseOptions(
                    newlines_in_values=quotes, ignore_empty_lines=False
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types=types or self._types,
                    include_columns=self._include(quotes=quotes),
                    **EMPTY_IS_NULL,
                ),
            )
        except pa.ArrowInvalid:
            return None
        if not self._is_plausible(table):
            return None
        return table if self._only is None else table.select(self._only)

    def _include(self, *, quotes: bool) -> list[str]:
        """Return the columns that Arrow converts: those to read, and those that tell damage."""
        if self._only is None:
            return self.names
        needed = {*self._only, "seq", *(TEXT_COLUMNS if quotes else ())}
        return [name for name in self.names if name in needed]

    def _is_plausible(self, table: pa.Table) -> bool:
        if "seq" in table.column_names and table["seq"].null_count:
            return False
        # A flipped bit can make a quote, and the field then takes in the lines that follow. So a
        # symbol or epoch with line breaks is damage, unless the sidecar knows it.
        for name in TEXT_COLUMNS:
            if name in table.column_names and pa.types.is_dictionary(table[name].type):
                known = self._words.get(name, ())
                for part in table[name].chunks:
                    words = self._unescape(part.dictionary.to_pylist())
                    if any("\n" in word and word not in known for word in words):
                        return False
        return True

    def _unescape(self, words: list[str]) -> list[str]:
        return list(map(unescape_formula, words)) if self._escape_formulas else words


def types_of(
    names: Sequence[str], kinds: Mapping[str, str], *, alone: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the types of columns, and those that their values must confirm; see `TypeDecider`.

    Args:
        names: the columns.
        kinds: their kinds.
        alone: whether integers and booleans must be nullable in all rows or in none.
    """
    unsure = ("number", "any", "int", "bool") if alone else ("number", "any")
    types, open_ = {}, {}
    for name in names:
        kind = kinds.get(name, "any")
        is_text = name in TEXT_COLUMNS and kind in ("number", "any")
        types[name] = TEXT if is_text else TYPES.get(kind, TEXT)
        if kind in unsure and not is_text and (kind != "int" or name not in NEVER_MISSING):
            open_[name] = types[name]
    return types, open_


def orders_of(columns: Columns) -> dict[str, pd.Index[Any]]:
    """Return the categories of text columns in their order; a sidecar may have been edited."""
    return {
        name: pd.Index(words, dtype="str")
        for name, words in columns.words.items()
        if len(set(words)) == len(words)
    }


def _find_middle(piece: bytes) -> int:
    """Return where to halve a piece: at a line break outside quotes, else after its first line."""
    masked = mask_quoted(piece)
    opened = OPEN_QUOTE.search(masked)
    limit = opened.start() if opened else len(piece) - 1
    middle = min(len(piece) // 2, limit)
    found = masked.rfind(b"\n", 0, middle) + 1 or masked.find(b"\n", middle, limit) + 1
    return found or piece.find(b"\n") + 1
