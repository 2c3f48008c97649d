"""CSV text: how rows become lines, and where lines and quoted fields end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tickerkit.errors import BadTick
from tickerkit.formatting import format_value
from tickerkit.limits import MAX_EXACT_INT
from tickerkit.ticks import NO_TIME, NS_PER_S, Array

__all__ = [
    "BYTE_ORDER_MARK",
    "OPEN_QUOTE",
    "ROWS_AT_ONCE",
    "csv_lines",
    "escape_formula",
    "header_line",
    "json_lines",
    "line_blocks",
    "mask_quoted",
    "quote",
    "unescape_formula",
]

ROWS_AT_ONCE = 16_384
# Spreadsheets recognise UTF-8 by this mark at the start of a file.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# A spreadsheet runs text that begins so as a formula. Where it splits lines at semicolons or tabs,
# as in most of Europe, or ignores quotes, a cell begins after each of these and after a line break.
# Quotes before the formula don't count there.
CELL_START = r"(?:^|(?<=[;\t\r\n]))"
FORMULA = r"""(?=["']*[=+\-@\t\r])"""
TO_ESCAPE = re.compile(CELL_START + FORMULA)
ESCAPED = re.compile(f"{CELL_START}'{FORMULA}")
MARK = "'"
LARGE_BINARY = pa.large_binary()
NOTHING = pa.scalar(b"", LARGE_BINARY)
# What follows the digits of an integer in a column of floats: what arrow writes has no point.
POINT = b".0"
# From here on arrow writes an exponent.
MIN_EXPONENT = 10**10

# A quoted field: a quote at the start of a field, up to the quote that isn't doubled. A quote
# elsewhere is a character like any other (5" pipe). The repetitions are possessive (*+): otherwise
# a field that is cut off after a doubled quote would match up to the first half of that quote.
QUOTED = re.compile(rb'(?<![^,\n])"[^"]*+(?:""[^"]*+)*+"')
OPEN_QUOTE = re.compile(rb'(?<![^,\n])"')


class Values(NamedTuple):
    """The values of some rows of a column, as text.

    Attributes:
        texts: large_binary, shape (rows,); null for a missing value.
        whole: which texts are those of integers in a column of floats, and need a point; bool,
            shape (rows,). True for all of them, None for none.
    """

    texts: pa.Array
    whole: npt.NDArray[np.bool_] | Literal[True] | None = None

    def marks(self, mark: bytes) -> pa.Array | pa.Scalar:
        """Return what follows the texts: the point where it is missing, and then the mark."""
        if self.whole is None:
            return pa.scalar(mark, LARGE_BINARY)
        if self.whole is True:
            return pa.scalar(POINT + mark, LARGE_BINARY)
        # Arrow's `take` would need twice as long.
        ends = np.zeros(len(self.whole) + 1, dtype=np.int64)
        np.cumsum(len(POINT) * self.whole + len(mark), out=ends[1:])
        data = np.full(ends[-1], mark[-1], dtype=np.uint8)
        points = ends[:-1][self.whole]
        for place, byte in enumerate(POINT):
            data[points + place] = byte
        for place, byte in enumerate(reversed(mark[:-1]), 2):
            data[ends[1:] - place] = byte
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
        return pa.Array.from_buffers(LARGE_BINARY, len(self.whole), buffers)


Texts: TypeAlias = Callable[[int, int], Values]


def mask_quoted(block: bytes) -> bytes:
    """Replace each quoted field by as many `x`: the commas and line breaks left are separators."""
    if b'"' not in block:
        return block
    return QUOTED.sub(lambda match: b"x" * len(match.group()), block)


def line_blocks(
    parts: Iterable[bytes],
    max_line: int | None = None,
    has_lines: Callable[[bytes], bool] = lambda _: False,
) -> Iterator[tuple[bytes, bytes]]:
    """Split text into blocks of whole lines.

    Args:
        parts: the text, cut anywhere.
        max_line: how many bytes a line may have, None for any number. In a longer one a flipped bit
            has made a quote that takes in the lines after it, so it is cut at its last line break.
        has_lines: called with the end of the text, after the last line break outside quotes.
            Returns whether it is several lines that such a quote has taken in.

    Yields:
        A block of whole lines, and the start of the next line.
    """
    rest = b""
    for part in chain(parts, [b""]):
        rest += part
        masked = mask_quoted(rest)
        opened = OPEN_QUOTE.search(masked) if b'"' in masked else None
        whole = masked.rfind(b"\n", 0, opened.start() if opened else None) + 1
        too_long = max_line is not None and len(rest) - whole > max_line
        if too_long or (not part and has_lines(rest[whole:])):
            whole = rest.rfind(b"\n") + 1
        block, rest = rest[:whole], rest[whole:]
        yield block, rest


# --- writing --------------------------------------------------------------------------------------


def csv_lines(
    frame: pd.DataFrame, *, header: bool = True, escape_formulas: bool = False
) -> Iterator[bytes]:
    """Yield the lines of a CSV file, 16,384 whole lines at a time.

    Args:
        frame: the ticks, with any columns.
        header: whether to yield the header first, by itself.
        escape_formulas: whether to put `'` before text that a spreadsheet would run as a formula,
            and the mark of UTF-8 before the header.

    Raises:
        ValueError: two columns have the same name, or a column has values that have no place in a
            CSV file: lists, or times outside the years 1678 to 2261.
    """
    names = _names_of(frame)
    if header:
        mark = BYTE_ORDER_MARK if escape_formulas else b""
        yield mark + header_line(names, escape_formulas=escape_formulas)
    encode = (lambda word: quote(escape_formula(word))) if escape_formulas else quote
    columns = [_column_texts(frame.iloc[:, index], encode) for index in range(len(names))]
    marks = [b"", *[b","] * (len(names) - 1), b"\n"]
    yield from _join_columns(columns, len(frame), marks, missing=b"")


def json_lines(frame: pd.DataFrame) -> Iterator[bytes]:
    """Yield the lines of a JSON lines file, 16,384 at a time.

    Missing values are null. Times are ISO-8601 text. JSON has no infinity: in a column that has
    one, all numbers are written as text.

    Raises:
        ValueError: as for `csv_lines`.
    """
    columns = [_json_texts(frame.iloc[:, index]) for index in range(len(frame.columns))]
    keys = [msgspec.json.encode(name) + b":" for name in _names_of(frame)]
    marks = [b"{" + keys[0], *(b"," + key for key in keys[1:]), b"}\n"]
    yield from _join_columns(columns, len(frame), marks, missing=b"null")


def _names_of(frame: pd.DataFrame) -> list[str]:
    """Return the names of the columns, no two of which may be the same."""
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        name = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"Two columns are named {format_value(name)}; rename one of them")
    return names


def header_line(names: list[str], *, escape_formulas: bool = False) -> bytes:
    """Return the header."""
    return b",".join(map(quote, map(escape_formula, names) if escape_formulas else names)) + b"\n"


def _join_columns(
    columns: list[Texts], rows: int, marks: list[bytes], missing: bytes
) -> Iterator[bytes]:
    """Yield the lines of all rows, `ROWS_AT_ONCE` at a time.

    The first mark comes before the first value, and each other mark after the value of a column.
    """
    first = pa.scalar(marks[0], LARGE_BINARY)
    for start in range(0, rows, ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, rows)
        parts: list[Any] = [first] if marks[0] else []
        for texts, mark in zip(columns, marks[1:], strict=True):
            values = texts(start, stop)
            parts += [values.texts, values.marks(mark)]
        lines = pc.binary_join_element_wise(
            *parts, NOTHING, null_handling="replace", null_replacement=missing
        )
        # Arrow stores the values of a column one after the other: these bytes are the file's text.
        _, offsets, text = lines.buffers()
        ends = np.frombuffer(offsets, dtype=np.int64)
        yield bytes(memoryview(text)[int(ends[0]) : int(ends[stop - start])])


def quote(word: str) -> bytes:
    """Quote a text where that is needed."""
    # Text with blanks around it is quoted, too: some readers drop blanks at the start of a line.
    if not word or word != word.strip() or any(mark in word for mark in ',"\r\n'):
        word = '"' + word.replace('"', '""') + '"'
    return word.encode()


def escape_formula(word: str) -> str:
    """Put `'` before each formula in a text that a spreadsheet would run.

    A formula that has a `'` before it already gets one more `'`, so that `unescape_formula` can
    remove one from each.
    """
    return TO_ESCAPE.sub(MARK, word)


def unescape_formula(word: str) -> str:
    """Undo `escape_formula`."""
    return ESCAPED.sub("", word)


# --- columns --------------------------------------------------------------------------------------


def _column_texts(series: pd.Series[Any], encode: Callable[[str], bytes]) -> Texts:
    """Return a function of `start` and `stop` that returns the texts of these rows."""
    try:
        return _texts(series, encode)
    except (TypeError, pd.errors.OutOfBoundsDatetime) as error:
        problem, value = "has lists or the like", series.dropna().iloc[0]
        if isinstance(error, ValueError):
            problem, value = "has a time outside the years 1678 to 2261", series.max()
        fix = "leave the column out, or write Parquet"
        raise BadTick(str(series.name), value, problem, fix) from None


def _texts(series: pd.Series[Any], encode: Callable[[str], bytes]) -> Texts:
    kind = series.dtype.kind
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes, categories = series.cat.codes.to_numpy(), series.cat.categories.tolist()
        return _dictionary_texts(codes, categories, encode)
    if kind == "M":
        utc = pd.DatetimeIndex(pd.to_datetime(series, utc=True)).as_unit("ns").asi8
        return lambda start, stop: Values(_time_texts(utc[start:stop]))
    if kind == "f":
        numbers = series.to_numpy(np.float64, na_value=np.nan)
        return lambda start, stop: _number_texts(numbers[start:stop])
    if kind in "iu" and isinstance(series.dtype, np.dtype):
        whole = series.to_numpy()
        return lambda start, stop: Values(_binary(pa.array(whole[start:stop])))
    codes, values = pd.factorize(series, use_na_sentinel=True)
    return _dictionary_texts(codes, list(values), encode)


def _json_texts(series: pd.Series[Any]) -> Texts:
    texts = _column_texts(series, msgspec.json.encode)
    kind = series.dtype.kind
    if kind == "M" or (kind == "f" and np.isinf(series.to_numpy(np.float64, na_value=0)).any()):
        mark = pa.scalar(b'"', LARGE_BINARY)

        def quoted(start: int, stop: int) -> Values:
            values = texts(start, stop)
            parts = mark, values.texts, values.marks(b'"')
            return Values(pc.binary_join_element_wise(*parts, NOTHING))

        return quoted
    return texts


def _binary(array: pa.Array) -> pa.Array:
    return array.cast(pa.large_string()).cast(LARGE_BINARY)


def _dictionary_texts(codes: Array, values: list[object], encode: Callable[[str], bytes]) -> Texts:
    words = [
        str(value).lower() if isinstance(value, bool | np.bool_) else str(value) for value in values
    ]
    quoted = pa.array(map(encode, words), LARGE_BINARY)

    def texts(start: int, stop: int) -> Values:
        part = codes[start:stop]
        return Values(quoted.take(pa.array(part, mask=part < 0)))

    return texts


def _number_texts(numbers: npt.NDArray[np.float64]) -> Values:
    """Return numbers as texts, each of which has a point or an exponent in the end.

    Without it, a program that infers types from the first rows takes prices of 100 to 106 for
    integers, and later reads 100.25 as 100 (duckdb), or not at all (polars).
    """
    present = pa.array(numbers, from_pandas=True)
    # Whether each number is an integer, shape (rows,); False for NaN and infinity.
    whole = numbers == np.trunc(numbers)
    whole &= np.abs(numbers) < MAX_EXACT_INT
    missing = present.null_count
    is_whole = int(whole.sum()) == len(numbers) - missing
    # Most sizes are whole: 12000000000.0 is easier to read than 1.2e+10. Minus zero stays a float,
    # since no integer has its sign, and so do numbers beyond 2**53.
    if is_whole and not (np.signbit(numbers) & (numbers == 0)).any():
        return Values(_binary(present.cast(pa.int64())), whole if missing else True)
    whole &= np.abs(numbers) < MIN_EXPONENT
    return Values(_binary(present), whole)


THREE_DIGITS = np.array([f"{number:03}" for number in range(1000)], dtype="S3")
TIME_PARTS = np.dtype(
    [("second", "S19"), ("dot", "S1"), ("ms", "S3"), ("us", "S3"), ("ns", "S3"), ("z", "S1")]
)


def _time_texts(times: npt.NDArray[np.int64]) -> pa.Array:
    """Return times as ISO-8601 text, and missing ones as null.

    The parts of each text are written into the fields of one array of bytes, shape (rows,). This is
    30 times as fast as Arrow's strftime.
    """
    seconds, rest = np.divmod(times, NS_PER_S)
    codes, unique = pd.factorize(seconds)
    parts = np.empty(len(times), dtype=TIME_PARTS)
    parts["second"] = np.datetime_as_string(unique.view("M8[s]")).astype("S19")[codes]
    parts["dot"], parts["z"] = b".", b"Z"
    parts["ms"] = THREE_DIGITS[rest // 10**6]
    parts["us"] = THREE_DIGITS[rest // 1000 % 1000]
    parts["ns"] = THREE_DIGITS[rest % 1000]
    size = TIME_PARTS.itemsize
    missing = times == NO_TIME
    valid = pa.array(~missing).buffers()[1] if missing.any() else None
    fixed = pa.Array.from_buffers(pa.binary(size), len(times), [valid, pa.py_buffer(parts)])
    return fixed.cast(LARGE_BINARY)
