"""CSV text: how rows become lines, and where lines and quoted fields end."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tickerkit.formatting import format_value
from tickerkit.storage.csv.values import LARGE_BINARY, NOTHING, TextForm, Texts, column_texts

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

# A quoted field: a quote at the start of a field, up to the quote that isn't doubled. A quote
# elsewhere is a character like any other (5" pipe). The repetitions are possessive (*+): otherwise
# a field that is cut off after a doubled quote would match up to the first half of that quote.
QUOTED = re.compile(rb'(?<![^,\n])"[^"]*+(?:""[^"]*+)*+"')
OPEN_QUOTE = re.compile(rb'(?<![^,\n])"')


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
    marks = [*[b","] * (len(names) - 1), b"\n"]
    columns = [
        column_texts(series, TextForm(encode, mark, missing=b""))
        for (_, series), mark in zip(frame.items(), marks, strict=True)
    ]
    yield from _join_columns(columns, len(frame), b"", missing=b"")


def json_lines(frame: pd.DataFrame, *, as_text: Collection[str] = ()) -> Iterator[bytes]:
    """Yield the lines of a JSON lines file, 16,384 at a time.

    Missing values are null. Times are ISO-8601 text. JSON has no infinity: in a column that has
    one, all numbers are written as text.

    Args:
        frame: the ticks, with any columns.
        as_text: columns that have an infinity in other rows of the file.

    Raises:
        ValueError: as for `csv_lines`.
    """
    keys = [msgspec.json.encode(name) + b":" for name in _names_of(frame)]
    columns = []
    marks = [*(b"," + key for key in keys[1:]), b"}\n"]
    for (name, series), mark in zip(frame.items(), marks, strict=True):
        kind = series.dtype.kind
        quotes = kind == "M" or name in as_text
        if kind == "f" and not quotes:
            quotes = bool(np.isinf(series.to_numpy(np.float64, na_value=0)).any())
        form = TextForm(msgspec.json.encode, mark, missing=b"null", quotes=quotes)
        columns.append(column_texts(series, form))
    yield from _join_columns(columns, len(frame), b"{" + keys[0], missing=b"null")


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


def _join_columns(columns: list[Texts], rows: int, first: bytes, missing: bytes) -> Iterator[bytes]:
    """Yield the lines of all rows, `ROWS_AT_ONCE` at a time.

    Each begins with `first`. In place of a text that is null, `missing` is written.
    """
    start_of_line = [pa.scalar(first, LARGE_BINARY)] if first else []
    for start in range(0, rows, ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, rows)
        parts = [*start_of_line, *chain.from_iterable(texts(start, stop) for texts in columns)]
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
