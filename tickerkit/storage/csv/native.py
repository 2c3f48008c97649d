"""Native CSV: the fast reader of recordings, which leaves out damaged lines and reports them.

Arrow reads blocks of some megabytes, each column with its known type. If Arrow fails, the block is
halved again and again until each damaged line is alone.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from tickerkit.storage.csv.text import OPEN_QUOTE, mask_quoted, unescape_formula
from tickerkit.storage.sidecar import Columns
from tickerkit.ticks import (
    ID_COLUMNS,
    NO_TIME,
    UTC_NS,
    Array,
    is_exact_number,
    to_exact_integer,
)

__all__ = [
    "DICTIONARY",
    "EMPTY_IS_NULL",
    "INFINITIES",
    "NativeReader",
    "integer_column",
    "text_column",
]

PART_BYTES = 2**20
# Blocks larger than this are read in parallel.
PARALLEL_BYTES = 4 * PART_BYTES
DICTIONARY = pa.dictionary(pa.int32(), pa.large_string())
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
FIRST_SECOND = b"1677-09-21T00:12:43."
INFINITIES = ("inf", "-inf")


class NativeReader:
    """Collects the columns of a recording from its lines.

    Args:
        names: the columns, in order.
        columns: their kinds. The type of a column without one is inferred from its values.
        escape_formulas: whether text is escaped, see `text.escape_formula`.

    Attributes:
        rows: how many rows were read.
        size: how many bytes of memory the rows take.
        lines: how many lines were read, damaged ones included. A row whose text holds line breaks
            has several.
        damaged: the numbers of the lines that are left out.
    """

    def __init__(
        self, names: list[str], columns: Columns, *, escape_formulas: bool = False
    ) -> None:
        self.rows = self.lines = self.size = 0
        self.damaged: list[int] = []
        self._names = names
        self._kinds = {name: columns.kinds.get(name, "any") for name in names}
        self._words = columns.words
        self._escape_formulas = escape_formulas
        self._tables: list[pa.Table] = []
        self._types = {
            name: ARROW_TYPES.get(kind, DICTIONARY) for name, kind in self._kinds.items()
        }

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
                self.size += table.nbytes
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
        probe = NativeReader(self._names, columns, escape_formulas=self._escape_formulas)
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
        for name in times:
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
                    column_names=self._names,
                    use_threads=parallel,
                    block_size=PART_BYTES if parallel else len(piece) + 1,
                ),
                parse_options=pa_csv.ParseOptions(
                    newlines_in_values=quotes, ignore_empty_lines=False
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types=types or self._types, **EMPTY_IS_NULL
                ),
            )
        except pa.ArrowInvalid:
            return None
        return table if self._is_plausible(table) else None

    def _is_plausible(self, table: pa.Table) -> bool:
        if "seq" in self._names and table["seq"].null_count:
            return False
        # A flipped bit can make a quote, and the field then takes in the lines that follow. So a
        # symbol or epoch with line breaks is damage, unless the sidecar knows it.
        for name in TEXT_COLUMNS:
            if name in self._names and pa.types.is_dictionary(table[name].type):
                known = self._words.get(name, ())
                for part in table[name].chunks:
                    words = self._unescape(part.dictionary.to_pylist())
                    if any("\n" in word and word not in known for word in words):
                        return False
        return True

    def _unescape(self, words: list[str]) -> list[str]:
        return list(map(unescape_formula, words)) if self._escape_formulas else words

    def frame(self) -> pd.DataFrame:
        """Return the rows read."""
        tables = self._tables or [pa.schema(list(self._types.items())).empty_table()]
        table = pa.concat_tables(tables).unify_dictionaries()
        self._tables = []
        columns = {name: self._column(name, table[name]) for name in self._names}
        return pd.DataFrame(columns, copy=False)

    def _column(self, name: str, column: pa.ChunkedArray) -> Any:
        array = _one_chunk(column)
        if pa.types.is_dictionary(array.type):
            kind = self._kinds[name]
            if kind == "number" and (numbers := integer_column(name, array)) is not None:
                return numbers
            return text_column(
                array,
                infer=kind in ("any", "number") and name not in TEXT_COLUMNS,
                categories=self._words.get(name, ()),
                escape_formulas=self._escape_formulas,
            )
        if pa.types.is_timestamp(array.type):
            times = array.cast(pa.int64()).fill_null(NO_TIME).to_numpy(zero_copy_only=False)
            return pd.array(_writable(times), dtype=UTC_NS, copy=False)
        if pa.types.is_floating(array.type):
            return _writable(array.fill_null(np.nan).to_numpy(zero_copy_only=False))
        if pa.types.is_boolean(array.type) and array.null_count:
            return pd.array(array.to_pylist(), dtype="boolean")
        if pa.types.is_integer(array.type) and array.null_count:
            return _make_integers(name, array)
        return _writable(array.to_numpy(zero_copy_only=False))


def integer_column(name: str, column: pa.Array | pa.ChunkedArray) -> Any:
    """Return a column of dictionary-encoded text as integers; None if one has a fraction.

    The column may have begun as one of floats: 7.0 is an integer.
    """
    array = _one_chunk(column)
    words = [word.removesuffix(".0") for word in array.dictionary.to_pylist()]
    numbers = [to_exact_integer(word) for word in words]
    if None in numbers:
        return None
    whole = pa.array(numbers, pa.int64()).take(array.indices)
    if whole.null_count:
        return _make_integers(name, whole)
    return _writable(whole.to_numpy(zero_copy_only=False))


def _make_integers(name: str, array: pa.Array) -> Any:
    """Return integers of which some are missing: 0 in `trade_id`, and missing elsewhere."""
    missing = array.is_null().to_numpy(zero_copy_only=False)
    whole = _writable(array.fill_null(0).to_numpy(zero_copy_only=False))
    return whole if name in ID_COLUMNS else pd.arrays.IntegerArray(whole, missing)


def text_column(
    column: pa.Array | pa.ChunkedArray,
    *,
    infer: bool,
    categories: Sequence[str] = (),
    escape_formulas: bool = False,
) -> Any:
    """Return a column of dictionary-encoded text as a Categorical or as floats.

    Args:
        column: the text.
        infer: whether the column becomes numbers if each text is a number that a float64 holds
            exactly.
        categories: the categories in their order; used if they include all texts.
        escape_formulas: whether the texts are escaped, see `text.escape_formula`.
    """
    array = _one_chunk(column)
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    words = array.dictionary.to_pylist()
    if infer and all(word in INFINITIES or is_exact_number(word) for word in words):
        return np.array([*map(float, words), np.nan])[codes]
    if escape_formulas:
        words = [unescape_formula(word) for word in words]
    place = {word: code for code, word in enumerate(categories)}
    if place and all(word in place for word in words):
        codes = np.array([*(place[word] for word in words), -1], dtype=np.int32)[codes]
        words = list(categories)
    dtype = pd.CategoricalDtype(pd.Index(words, dtype="str"))
    return pd.Categorical.from_codes(codes, dtype=dtype)


def _one_chunk(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    return array


def _writable(array: Array) -> Array:
    """Return an array that can be written to; those that share memory with Arrow can't."""
    return array if array.flags.writeable else array.copy()


def _find_middle(piece: bytes) -> int:
    """Return where to halve a piece: at a line break outside quotes, else after its first line."""
    masked = mask_quoted(piece)
    opened = OPEN_QUOTE.search(masked)
    limit = opened.start() if opened else len(piece) - 1
    middle = min(len(piece) // 2, limit)
    found = masked.rfind(b"\n", 0, middle) + 1 or masked.find(b"\n", middle, limit) + 1
    return found or piece.find(b"\n") + 1
