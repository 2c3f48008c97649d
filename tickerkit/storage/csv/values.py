"""Values: the values of a column as text, for the lines of CSV and JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tickerkit.errors import BadTick
from tickerkit.limits import MAX_EXACT_INT
from tickerkit.ticks import NO_TIME, NS_PER_S, Array

__all__ = ["LARGE_BINARY", "NOTHING", "TextForm", "Texts", "column_texts"]

LARGE_BINARY = pa.large_binary()
NOTHING = pa.scalar(b"", LARGE_BINARY)
# What follows the digits of an integer in a column of floats: what arrow writes has no point.
POINT = pa.array([b"", b".0"], LARGE_BINARY)
# From here on arrow writes an exponent.
MIN_EXPONENT = 10**10
# So many values show whether a column has few different ones.
SAMPLE = 1024

# Returns the texts of the rows `start` to `stop`, as arrays and scalars to join for each row.
Texts: TypeAlias = Callable[[int, int], list[Any]]
# Returns the texts of different values, null for a missing one.
Format: TypeAlias = Callable[[Array], pa.Array]


class TextForm(NamedTuple):
    """How the values of a column are written.

    Attributes:
        encode: returns the bytes of a text.
        mark: what follows each value.
        missing: what stands for a missing value.
        quotes: whether numbers and times are in quotes.
    """

    encode: Callable[[str], bytes]
    mark: bytes
    missing: bytes
    quotes: bool = False


def column_texts(series: pd.Series[Any], form: TextForm) -> Texts:
    """Return a function that returns the texts of some rows of a column.

    Raises:
        ValueError: the column has values that have no place in text.
    """
    try:
        return _texts(series, form)
    except (TypeError, pd.errors.OutOfBoundsDatetime) as error:
        problem, value = "has lists or the like", series.dropna().iloc[0]
        if isinstance(error, ValueError):
            problem, value = "has a time outside the years 1678 to 2261", series.max()
        fix = "leave the column out, or write Parquet"
        raise BadTick(str(series.name), value, problem, fix) from None


def _texts(series: pd.Series[Any], form: TextForm) -> Texts:
    kind = series.dtype.kind
    if isinstance(series.dtype, pd.CategoricalDtype):
        words: Any = series.array  # without the accessor `.cat`, which takes ten times as long
        return _word_texts(words.codes, words.categories.tolist(), form)
    if kind == "M":
        times: Any = series.array
        if not isinstance(series.dtype, pd.DatetimeTZDtype):
            times = pd.DatetimeIndex(pd.to_datetime(series, utc=True))
        return _value_texts(times.as_unit("ns").asi8, _format_times, form)
    if kind == "f":
        # Compared bit by bit: 0.0 is not -0.0.
        bits = series.to_numpy(np.float64, na_value=np.nan).view(np.int64)
        return _value_texts(bits, lambda some: _format_numbers(some.view(np.float64)), form)
    if kind in "iu" and isinstance(series.dtype, np.dtype):
        return _value_texts(series.to_numpy(), lambda some: _binary(pa.array(some)), form)
    codes, values = pd.factorize(series, use_na_sentinel=True)
    return _word_texts(codes, list(values), form)


def _word_texts(codes: Array, values: list[object], form: TextForm) -> Texts:
    """Return the texts of a column of words; `codes` are -1 for a missing one."""
    if len(values) > len(codes):  # a log has many words, and these rows few of them
        used = np.unique(codes[codes >= 0])
        place = np.full(len(values) + 1, -1)
        place[used] = np.arange(len(used))
        codes, values = place[codes], [values[code] for code in used]
    words = [
        str(value).lower() if isinstance(value, bool | np.bool_) else str(value) for value in values
    ]
    texts = pa.array(
        [each + form.mark for each in (*map(form.encode, words), form.missing)], LARGE_BINARY
    )
    places = np.where(codes < 0, len(words), codes)
    return lambda start, stop: [texts.take(pa.array(places[start:stop]))]


def _value_texts(values: Array, format_some: Format, form: TextForm) -> Texts:
    """Return the texts of numbers or times; those of a value that comes often are made once."""

    def formatted(some: Array) -> pa.Array:
        texts = format_some(some)
        if form.quotes:
            quote = pa.scalar(b'"', LARGE_BINARY)
            return pc.binary_join_element_wise(quote, texts, quote, NOTHING)
        return texts

    mark = pa.scalar(form.mark, LARGE_BINARY)

    def texts(start: int, stop: int) -> list[Any]:
        some = values[start:stop]
        sample = some[:SAMPLE]
        if 2 * pc.count_distinct(pa.array(sample)).as_py() > len(sample):
            return [formatted(some), mark]
        encoded = pa.array(some).dictionary_encode()
        words = formatted(encoded.dictionary.to_numpy(zero_copy_only=False))
        words = pc.binary_join_element_wise(
            words, mark, NOTHING, null_handling="replace", null_replacement=form.missing
        )
        return [words.take(encoded.indices)]

    return texts


def _binary(array: pa.Array) -> pa.Array:
    return array.cast(pa.large_string()).cast(LARGE_BINARY)


def _format_numbers(numbers: npt.NDArray[np.float64]) -> pa.Array:
    """Return numbers as texts. Each text has a point or an exponent.

    Without it, a program that infers types from the first rows takes prices of 100 to 106 for
    integers, and later reads 100.25 as 100 (duckdb), or not at all (polars).
    """
    present = pa.array(numbers, from_pandas=True)
    # Whether each number is an integer, shape (rows,); False for NaN and infinity.
    whole = numbers == np.trunc(numbers)
    whole &= np.abs(numbers) < MAX_EXACT_INT
    # Most sizes are whole: 12000000000.0 is easier to read than 1.2e+10. Minus zero stays a float,
    # since no integer has its sign, and so do numbers beyond 2**53.
    is_whole = int(whole.sum()) == len(numbers) - present.null_count
    if is_whole and not (np.signbit(numbers) & (numbers == 0)).any():
        texts = _binary(present.cast(pa.int64()))
    else:
        texts = _binary(present)
        whole &= np.abs(numbers) < MIN_EXPONENT
    if not whole.any():
        return texts
    points = POINT.take(pa.array(whole.astype(np.int8)))
    return pc.binary_join_element_wise(texts, points, NOTHING)


THREE_DIGITS = np.array([f"{number:03}" for number in range(1000)], dtype="S3")
TIME_PARTS = np.dtype(
    [("second", "S19"), ("dot", "S1"), ("ms", "S3"), ("us", "S3"), ("ns", "S3"), ("z", "S1")]
)


def _format_times(times: npt.NDArray[np.int64]) -> pa.Array:
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
