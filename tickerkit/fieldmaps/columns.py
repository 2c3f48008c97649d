"""Columns: the values that were found for a column, checked and converted all at once.

Whole columns are checked by numpy, so that a value costs about 0.1 µs. A column with a value that
is invalid, or that needs a decision of its own, is read again, value by value.
"""

from __future__ import annotations

import re
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import UNSET, UnsetType

from tickerkit.errors import BadTick
from tickerkit.fieldmaps.values import UNITS_NS, Value
from tickerkit.ticks import Column, Text
from tickerkit.ticks.fields import (
    NEVER_NEGATIVE,
    MisfitError,
    judge_unit,
    read_other,
    read_symbol,
    read_time,
)
from tickerkit.ticks.masks import is_all, is_any

__all__ = [
    "UnreadableError",
    "fixed_column",
    "read_further",
    "read_integers",
    "read_numbers",
    "read_symbols",
    "read_times",
]

# What numpy would read otherwise than `read_time`: "now", "2026-11", other zones than UTC.
ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)?", re.ASCII)
MAX_INT = float(2**63)


class UnreadableError(Exception):
    """A column has a value that only the general way can read, or refuse by name."""


def fixed_column(value: Value, count: int) -> Column:
    """Return a column with the same value in each row."""
    if isinstance(value.fixed, str):
        return Text(np.zeros(count, dtype=np.int32), [value.fixed])
    return np.full(count, float(value.fixed or 0))


def read_symbols(value: Value, found: list[Any]) -> Text:
    """Return the column of symbols."""
    try:
        text = Text.of(found)
        # Several texts may stand for the same symbol.
        symbols = Text.of(read_symbol(value.convert(word)) for word in text.words)
    except (BadTick, MisfitError, TypeError):
        raise UnreadableError from None
    if text.codes.min() < 0:
        raise UnreadableError
    return Text(symbols.codes[text.codes], symbols.words)


def read_numbers(value: Value, found: list[Any]) -> npt.NDArray[np.float64] | None:
    """Return a column of numbers, NaN for none; None if no row has a value."""
    kinds = set(map(type, found))
    if not kinds <= {float, int, type(None), UnsetType}:
        raise UnreadableError
    if UnsetType in kinds:
        found = [None if number is UNSET else number for number in found]
    numbers = np.array(found, dtype=np.float64)
    absolute = np.abs(numbers)
    fine = absolute < MAX_INT
    is_whole = is_all(fine)
    if not is_whole and [number for number in compress(found, ~fine) if number is not None]:
        raise UnreadableError
    if value.absolute:
        numbers = absolute
    elif value.column in NEVER_NEGATIVE and is_any(numbers < 0):
        raise UnreadableError
    if value.zero_is_none:
        numbers[numbers == 0] = np.nan
        is_whole = False
    return None if not is_whole and np.isnan(numbers).all() else numbers


def read_times(value: Value, found: list[Any]) -> npt.NDArray[np.int64]:
    """Return the times, in epoch ns; `NO_TIME` for none."""
    kinds = set(map(type, found)) if value.is_plain else set()
    if kinds == {int}:
        try:
            times = np.array(found, dtype=np.int64)
        except OverflowError:
            raise UnreadableError from None
        unit_ns = UNITS_NS.get(value.unit or "") or _common_unit(times)
        if value.unit == "iso" or is_any(np.abs(times) >= 2**63 // unit_ns):
            raise UnreadableError
        return times * unit_ns
    if kinds == {str} and value.unit in ("iso", None) and all(map(ISO.fullmatch, found)):
        bare = [text.removesuffix("Z").removesuffix("+00:00") for text in found]
        try:
            # numpy's nanoseconds wrap around silently outside of these years.
            if min(bare) < "1700" or max(bare) > "2250":
                raise UnreadableError
            return np.array(bare, dtype="datetime64[ns]").view(np.int64)
        except ValueError:
            raise UnreadableError from None
    try:
        return np.array([read_time(value.convert(given)) for given in found], dtype=np.int64)
    except (BadTick, MisfitError):
        raise UnreadableError from None


def _common_unit(times: npt.NDArray[np.int64]) -> int:
    """Return how many ns the unit of times has; raises if their magnitudes mean different units."""
    least, largest = int(times.min()), int(times.max())
    unit_ns = judge_unit(largest)
    if least < 0 or judge_unit(least) != unit_ns:
        raise UnreadableError
    return unit_ns


def read_integers(value: Value, found: list[Any]) -> npt.NDArray[np.int64] | None:
    """Return a column of int64, 0 for none; None if no row has a value."""
    if not value.is_plain or set(map(type, found)) != {int}:
        try:
            read = [value.convert(given) for given in found]
        except (BadTick, MisfitError):
            raise UnreadableError from None
        if all(given is None for given in read):
            return None
        found = [0 if given is None else given for given in read]
        if set(map(type, found)) - {int}:
            raise UnreadableError
    try:
        return np.array(found, dtype=np.int64)
    except OverflowError:
        raise UnreadableError from None


def read_further(value: Value, found: list[Any]) -> Column | None:
    """Return a column of numbers or text; None if no row has a value."""
    kinds = set(map(type, found)) - {UnsetType, type(None)}
    if len(kinds) > 1 or not kinds <= {str, int, float, bool}:
        raise UnreadableError
    try:
        # Most columns that are no numbers have few different values.
        converted: dict[Any, Any] = {
            given: read_other(value.column, value.convert(given)) for given in dict.fromkeys(found)
        }
    except (BadTick, MisfitError):
        raise UnreadableError from None
    kinds = {type(each) for each in converted.values()} - {type(None)}
    if not kinds:
        return None
    if kinds == {str}:
        words = Text.of(converted.values())
        code_of = dict(zip(converted, words.codes.tolist(), strict=True))
        return Text(np.array([code_of[given] for given in found], dtype=np.int32), words.words)
    if kinds != {float}:
        raise UnreadableError
    return np.array([converted[given] for given in found], dtype=np.float64)
