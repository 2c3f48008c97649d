"""Lines: a frame as the text of a CSV file, column by column, without a loop over its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tickerkit.formatting import format_value
from tickerkit.ticks import MAX_EXACT_INT, NO_TIME, NS_PER_S, Array

__all__ = [
    "BYTE_ORDER_MARK",
    "OWN_HEADER",
    "ROWS_AT_ONCE",
    "csv_lines",
    "header_line",
    "escape_formula",
    "quote",
]

OWN_HEADER = ["seq", "time", "symbol", "price", "size", "received", "epoch"]
ROWS_AT_ONCE = 16_384
# By which spreadsheets know UTF-8.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What a spreadsheet takes for the beginning of a formula, after any number of our own marks.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
MARK = "'"
Texts: TypeAlias = Callable[[int, int], pa.Array]


def csv_lines(
    frame: pd.DataFrame, *, header: bool = True, escape_formulas: bool = False
) -> Iterator[bytes]:
    """Yield the lines of a CSV file of `frame`, some thousands of whole lines at a time.

    Args:
        frame: ticks; any columns.
        header: whether to begin with the row of names.
        escape_formulas: put `'` before text that a spreadsheet would run as a formula.

    Raises:
        ValueError: two columns have the same name.
    """
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two columns are named {format_value(twice)}; rename one")
    if header:
        yield header_line(names, escape_formulas=escape_formulas)
    columns = [
        _texts_of(frame.iloc[:, index], escape_formulas=escape_formulas)
        for index in range(len(names))
    ]
    for start in range(0, len(frame), ROWS_AT_ONCE):
        yield _joined(columns, start, min(start + ROWS_AT_ONCE, len(frame)))


def header_line(names: list[str], *, escape_formulas: bool = False) -> bytes:
    """Return the row of names."""
    return (
        b",".join(quote(escape_formula(name) if escape_formulas else name) for name in names)
        + b"\n"
    )


def _joined(columns: list[Texts], start: int, stop: int) -> bytes:
    comma, end = (pa.scalar(mark, pa.large_binary()) for mark in (b",", b"\n"))
    parts: list[Any] = []
    for texts in columns:
        parts += [texts(start, stop), comma]
    parts[-1] = end
    lines = pc.binary_join_element_wise(
        *parts, pa.scalar(b"", pa.large_binary()), null_handling="replace", null_replacement=b""
    )
    # The values of a column stand in memory one after the other: that is the text of the file.
    _, offsets, values = lines.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)
    return bytes(memoryview(values)[int(ends[0]) : int(ends[stop - start])])


def quote(word: str) -> bytes:
    """Return a text as it stands in a file."""
    # Blanks too: some readers drop those at the beginning of a line.
    if not word or word != word.strip() or any(mark in word for mark in ',"\r\n'):
        word = '"' + word.replace('"', '""') + '"'
    return word.encode()


def escape_formula(word: str) -> str:
    """Return a text that no spreadsheet runs: a further `'` before what begins like a formula.

    So that reading can take one away from all that begin so, those that had one get one more.
    """
    return MARK + word if word.lstrip(MARK).startswith(FORMULA) else word


# --- columns --------------------------------------------------------------------------------------


def _texts_of(series: pd.Series[Any], *, escape_formulas: bool) -> Texts:
    """Return a function that gives the texts of the rows `start` to `stop`, null for none."""
    kind = series.dtype.kind
    if isinstance(series.dtype, pd.CategoricalDtype):
        return _coded(
            series.cat.codes.to_numpy(),
            series.cat.categories.tolist(),
            escape_formulas=escape_formulas,
        )
    if kind == "M":
        utc = pd.DatetimeIndex(pd.to_datetime(series, utc=True)).as_unit("ns").asi8
        return lambda start, stop: _time_texts(utc[start:stop])
    if kind == "f":
        numbers = series.to_numpy(np.float64, na_value=np.nan)
        return lambda start, stop: _number_texts(numbers[start:stop])
    if kind in "iu" and isinstance(series.dtype, np.dtype):
        whole = series.to_numpy()
        return lambda start, stop: _binary(pa.array(whole[start:stop]))
    codes, values = pd.factorize(series, use_na_sentinel=True)
    return _coded(codes, list(values), escape_formulas=escape_formulas)


def _binary(array: pa.Array) -> pa.Array:
    return array.cast(pa.large_string()).cast(pa.large_binary())


def _coded(codes: Array, values: list[object], *, escape_formulas: bool) -> Texts:
    texts = [_word(value) for value in values]
    words = pa.array(
        [quote(escape_formula(t) if escape_formulas else t) for t in texts], pa.large_binary()
    )

    def of(start: int, stop: int) -> pa.Array:
        part = codes[start:stop]
        return words.take(pa.array(part, mask=part < 0))

    return of


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def _number_texts(numbers: npt.NDArray[np.float64]) -> pa.Array:
    present = pa.array(numbers, from_pandas=True)
    # Sizes are whole mostly: 12000000000 is better read than 1.2e+10. Minus zero is not a whole
    # number's.
    known = numbers[~np.isnan(numbers)]
    # The shortest text of a whole number beyond has an exponent.
    small = (np.abs(known) < MAX_EXACT_INT) & ~((known == 0) & np.signbit(known))
    if small.all() and (known == np.trunc(known)).all():
        present = present.cast(pa.int64())
    return _binary(present)


THREE_DIGITS = np.array([f"{number:03}" for number in range(1000)], dtype="S3")
PARTS_OF_TIME = np.dtype(
    [("second", "S19"), ("dot", "S1"), ("ms", "S3"), ("us", "S3"), ("ns", "S3"), ("z", "S1")]
)


def _time_texts(times: npt.NDArray[np.int64]) -> pa.Array:
    """Return times as ISO-8601, put together from parts, 30 times as fast as arrow's strftime."""
    seconds, rest = np.divmod(times, NS_PER_S)
    codes, unique = pd.factorize(seconds)
    texts = np.empty(len(times), dtype=PARTS_OF_TIME)
    texts["second"] = np.datetime_as_string(unique.view("M8[s]")).astype("S19")[codes]
    texts["dot"], texts["z"] = b".", b"Z"
    texts["ms"] = THREE_DIGITS[rest // 10**6]
    texts["us"] = THREE_DIGITS[rest // 1000 % 1000]
    texts["ns"] = THREE_DIGITS[rest % 1000]
    size = PARTS_OF_TIME.itemsize
    missing = times == NO_TIME
    valid = pa.array(~missing).buffers()[1] if missing.any() else None
    fixed = pa.Array.from_buffers(pa.binary(size), len(times), [valid, pa.py_buffer(texts)])
    return fixed.cast(pa.large_binary())
