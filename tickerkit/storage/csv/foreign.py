"""Foreign CSV: reads files of other programs, with the same rules for values as other ticks.

Arrow splits the lines and encodes each column as a dictionary, so that each different text is
converted only once. tickerkit converts the texts itself, since Arrow and pandas guess types.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from tickerkit.errors import BadTick, RecordingError
from tickerkit.formatting import format_value
from tickerkit.storage.csv.columns import DICTIONARY, FLOAT, INFINITIES, INT, TEXT
from tickerkit.storage.csv.native import EMPTY_IS_NULL
from tickerkit.storage.csv.text import BYTE_ORDER_MARK, OPEN_QUOTE, line_blocks, mask_quoted
from tickerkit.ticks import ID_COLUMNS, NO_TIME, TIME_COLUMNS, UTC_NS, is_number
from tickerkit.ticks.fields import (
    NUMBER_FIELDS,
    may_have_value,
    price_field,
    read_time,
    symbol_field,
)

__all__ = ["REQUIRED", "ForeignReader", "parse_header"]

REQUIRED = (
    "a recording has a header with a column symbol (or s, sym, ticker) "
    "and one of numbers, such as price (or p, last), bid or ask"
)
MAX_LINE_BYTES = 64_000_000
MISSING = frozenset({"", "nan", "nat", "na", "n/a", "null", "none"})
MAX_TIME_LENGTH = 48
# Arrow converts texts of these forms to the same values as the functions below do one
# by one, ten times as fast. 64 bits of nanoseconds hold the years 1678 to 2261.
UTC_TIME = (
    r"^(16(7[89]|[89]\d)|1[7-9]\d\d|2[01]\d\d|22([0-5]\d|6[01]))"
    r"-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?Z?$"
)
PLAIN_NUMBER = r"^-?\d{1,300}(\.\d{1,300})?$"
COUNT = r"^-?\d{1,18}$"

Values = npt.NDArray[Any]
Converter: TypeAlias = Callable[[pa.Array], Values]
ARROW_TYPES: dict[Any, pa.DataType] = {INT: pa.int64(), FLOAT: pa.float64(), UTC_NS: pa.int64()}


class BadWordError(Exception):
    """A text can't be converted; `code` is its place in the dictionary."""

    def __init__(self, code: int, problem: str) -> None:
        self.code, self.problem = code, problem


class ForeignReader:
    """Reads a file block by block, and fails at the first row that can't be read.

    Args:
        path: the file.
        only: the columns to read, at least one; None for all.

    Attributes:
        only: as given; may be changed between two tables.
        rows: how many rows were read.
        torn_bytes: the size of a last line that is cut off.
        names: the columns of the file, once its header was read.
    """

    def __init__(self, path: Path, only: Sequence[str] | None = None) -> None:
        self.path, self.only = path, only
        self.rows = self.torn_bytes = 0
        self.names: list[str] = []
        self._converters: dict[str, Converter] = {}

    def tables(self, pieces: Iterable[bytes]) -> Iterator[tuple[pa.Table, int]]:
        """Yield the ticks of a file, and the size of the text they were in, header included.

        Args:
            pieces: the file, cut anywhere; without what was read before, see `continued`.

        Raises:
            RecordingError: the file doesn't hold ticks, or has a row that can't be read.
        """
        rest = b""
        for block, rest in line_blocks(pieces):
            size = len(block)
            if not self.names and block:
                end = mask_quoted(block).index(b"\n") + 1
                self._start(block[:end])
                yield self._empty_table(), 0  # who only asks for the header reads no further
                block = block[end:]
            if block and not block.isspace():
                yield self._read(block), size
            elif size:
                yield self._empty_table(), size
            if len(rest) > MAX_LINE_BYTES:
                problem = f"the line or the quote after row {self.rows:,} has no end"
                raise self._error(f"{problem}; close the quote, or save it with line feeds")
        masked = mask_quoted(rest)
        if not self.names:  # the whole file is one line, or empty
            self._start(rest + b"\n")
        elif OPEN_QUOTE.search(masked) or masked.count(b",") < len(self.names) - 1:
            self.torn_bytes = len(rest)
        elif rest:  # text after the last line break is a row, unless it was cut off
            yield self._read(rest + b"\n"), len(rest)
        yield self._empty_table(), 0

    def continued(self, rows: int) -> ForeignReader:
        """Return a reader of the text after the header and some rows."""
        reader = ForeignReader(self.path, self.only)
        reader.rows, reader.names, reader._converters = rows, self.names, self._converters
        return reader

    def types(self) -> tuple[dict[str, Any], list[str]]:
        """Return the type of each column, and the columns whose values decide about it."""
        types: dict[str, Any] = {}
        for name in self._chosen:
            convert = self._converters.get(name)
            is_text = name in (symbol_field(self.names), "epoch")
            inferred = TEXT if is_text else INT if name in ID_COLUMNS else FLOAT
            types[name] = TYPES[convert] if convert else inferred
        open_ = [name for name in types if name not in self._converters and types[name] != TEXT]
        return types, open_

    @property
    def _chosen(self) -> list[str]:
        if self.only is None:
            return self.names
        return [name for name in self.only if name in self.names]

    def _error(self, problem: str) -> RecordingError:
        return RecordingError(self.path, problem)

    def _empty_table(self) -> pa.Table:
        fields = [
            (name, ARROW_TYPES[TYPES[self._converters[name]]])
            if name in self._converters
            else (name, DICTIONARY)
            for name in self._chosen
        ]
        return pa.schema(fields).empty_table()

    def _read(self, block: bytes) -> pa.Table:
        table = self._split(block)
        columns = []
        for name in self._chosen:
            column, convert = table[str(self.names.index(name))], self._converters.get(name)
            if convert is not None:
                chunks = [pa.array(self._convert(name, convert, each)) for each in column.chunks]
                column = pa.chunked_array(chunks, ARROW_TYPES[TYPES[convert]])
            columns.append(column)
        self.rows += table.num_rows
        return pa.table(columns, names=self._chosen)

    def _start(self, header: bytes) -> None:
        if header.startswith(b"PAR1"):
            raise self._error("it is a Parquet file; read it with tk.read_parquet")
        names = parse_header(header.removeprefix(BYTE_ORDER_MARK))
        if names is None:
            raise self._error(f"it is not UTF-8 text; {REQUIRED}")
        if not names:
            raise self._error(f"it is empty; {REQUIRED}")
        if symbol_field(names) is None or not may_have_value(names):
            raise self._error(f"its first line is {format_value(','.join(names))}; {REQUIRED}")
        if b"\r" in header.rstrip(b"\r\n"):
            raise self._error("its lines end in carriage returns; save it with line feeds")
        if len(set(names)) < len(names):
            name = next(name for name in names if names.count(name) > 1)
            raise self._error(f"two columns are named {format_value(name)}; rename one of them")
        self.names = names
        converters: dict[str | None, Converter] = {
            **dict.fromkeys([*NUMBER_FIELDS, price_field(names)], _to_numbers),
            **dict.fromkeys(TIME_COLUMNS, _to_times),
            "seq": _to_counts,
        }
        self._converters = {name: converters[name] for name in names if name in converters}

    def _split(self, block: bytes) -> pa.Table:
        wrong: list[pa_csv.InvalidRow] = []

        def skip(row: pa_csv.InvalidRow) -> str:
            wrong.append(row)
            return "skip"

        columns = [str(index) for index in range(len(self.names))]
        included = [str(self.names.index(name)) for name in self._chosen]
        # Arrow decodes a row before it calls the handler. For a row that is not UTF-8 this fails in
        # a callback, where Python prints the error instead of raising it.
        try:
            block.decode()
        except UnicodeDecodeError:
            raise self._error(f"it is not UTF-8 text after row {self.rows:,}") from None
        try:
            table = pa_csv.read_csv(
                io.BytesIO(block),
                # With several threads, Arrow doesn't count the rows for the handler.
                read_options=pa_csv.ReadOptions(
                    column_names=columns, use_threads=False, block_size=len(block) + 1
                ),
                parse_options=pa_csv.ParseOptions(
                    newlines_in_values=b'"' in block, invalid_row_handler=skip
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(columns, DICTIONARY),
                    include_columns=included,
                    **EMPTY_IS_NULL,
                ),
            )
        except pa.ArrowInvalid as error:
            raise self._error(f"the lines after row {self.rows:,} are damaged ({error})") from None
        if wrong:
            row, found = self.rows + wrong[0].number, wrong[0].actual_columns
            raise self._error(f"row {row:,} has {found} fields, the header has {len(self.names)}")
        return table

    def _convert(self, name: str, convert: Converter, chunk: pa.DictionaryArray) -> Values:
        """Convert each text of a dictionary, and return the values, shape (rows,)."""
        words = chunk.dictionary
        # Numbers and times have a value for a missing text, at the end. A seq must not be missing:
        # it is refused like an empty text.
        if name == "seq" and chunk.null_count:
            words = pa.concat_arrays([words, pa.array([""], words.type)])
        codes = chunk.indices.fill_null(len(chunk.dictionary)).to_numpy(zero_copy_only=False)
        try:
            values: Values = convert(words)[codes]
        except BadWordError as error:
            row = self.rows + int(np.argmax(codes == error.code)) + 1
            value = format_value(words[error.code].as_py().strip())
            raise self._error(f"{name} in row {row:,} is {value}, {error.problem}") from None
        return values


def parse_header(header: bytes) -> list[str] | None:
    """Return the names of the columns, None if the line isn't text."""
    try:
        return next(csv.reader(io.StringIO(header.decode(), newline="")), [])
    except (UnicodeDecodeError, csv.Error):
        return None


# --- conversions of the different texts of a column -----------------------------------------------


def _to_counts(words: pa.Array) -> Values:
    """Return integers of 64 bits, shape (words,)."""
    simple = _matches(words, COUNT)
    counts = np.zeros(len(words), dtype=np.int64)
    counts[simple] = words.filter(pa.array(simple)).cast(pa.int64()).to_numpy()
    for code in np.flatnonzero(~simple):
        word = words[int(code)].as_py()
        if not re.fullmatch(r"-?[0-9]{1,19}", word) or not -(2**63) <= int(word) < 2**63:
            raise BadWordError(int(code), "which is not an integer of 64 bits")
        counts[code] = int(word)
    return counts


def _to_numbers(words: pa.Array) -> Values:
    """Return floats, shape (words + 1,); NaN for texts that mean missing, and at the end."""
    simple = _matches(words, PLAIN_NUMBER)
    numbers = np.full(len(words) + 1, np.nan)
    numbers[:-1][simple] = words.filter(pa.array(simple)).cast(pa.float64()).to_numpy()
    for code in np.flatnonzero(~simple):
        word = words[int(code)].as_py().strip()
        if is_number(word) or word in INFINITIES:
            numbers[code] = float(word)
        elif word.lower() not in MISSING:
            raise BadWordError(int(code), "which is not a number")
    return numbers


def _to_times(words: pa.Array) -> Values:
    """Return epoch ns, shape (words + 1,); NO_TIME for texts that mean missing, and at the end."""
    simple = _matches(words, UTC_TIME)
    times = np.full(len(words) + 1, NO_TIME)
    try:
        utc = pc.utf8_rtrim(words.filter(pa.array(simple)), "Z").cast(pa.timestamp("ns"))
        times[:-1][simple] = utc.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:  # such as a month 13: converted one by one, the error names the value
        simple[:] = False
    for code in np.flatnonzero(~simple):
        word = words[int(code)].as_py().strip()
        if len(word) >= MAX_TIME_LENGTH:
            raise BadWordError(int(code), "which is too long for a time")
        try:
            times[code] = NO_TIME if word.lower() in MISSING else read_time(word)
        except BadTick as error:
            raise BadWordError(int(code), f"which is not a time; {error.fix}") from None
    return times


TYPES: dict[Converter, Any] = {_to_counts: INT, _to_numbers: FLOAT, _to_times: UTC_NS}


def _matches(words: pa.Array, pattern: str) -> npt.NDArray[np.bool_]:
    found = pc.match_substring_regex(words, pattern=pattern)
    return np.array(found.to_numpy(zero_copy_only=False), dtype=bool)
