"""Columns: how columns of Arrow become those of a frame, and which type a column has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tickerkit.storage.csv.text import unescape_formula
from tickerkit.ticks import (
    ID_COLUMNS,
    NO_TIME,
    UTC_NS,
    Array,
    is_exact_number,
    to_exact_integer,
)

__all__ = [
    "BOOL",
    "DICTIONARY",
    "FLOAT",
    "INFINITIES",
    "INT",
    "TEXT",
    "TypeDecider",
    "order_categories",
    "to_frame",
]

DICTIONARY = pa.dictionary(pa.int32(), pa.large_string())
INFINITIES = ("inf", "-inf")
INT, FLOAT, BOOL = np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.bool_)
TEXT = pd.CategoricalDtype()
NULLABLE: dict[Any, Any] = {INT: pd.Int64Dtype(), BOOL: pd.BooleanDtype()}
# Texts of these forms surely are such numbers; Arrow finds them ten times as fast.
PLAIN_NUMBER = r"^-?(0|[1-9]\d{0,8})(\.\d{1,5})?$"
PLAIN_INTEGER = r"^(0|-?[1-9]\d{0,17})(\.0)?$"


def to_frame(
    table: pa.Table, types: Mapping[str, Any], *, escape_formulas: bool = False
) -> pd.DataFrame:
    """Return rows as a frame.

    Args:
        table: the rows, as `NativeReader` and `ForeignReader` read them.
        types: the type of each column. A column of integers or booleans becomes nullable if
            it lacks values.
        escape_formulas: whether text is escaped, see `text.escape_formula`.
    """
    index = pd.RangeIndex(table.num_rows)
    table = table.unify_dictionaries()
    columns = {
        name: _column(name, _one_chunk(table[name]), types[name], escape_formulas)
        for name in table.column_names
    }
    return pd.DataFrame(columns, index=index, copy=False)


def order_categories(frame: pd.DataFrame, orders: Mapping[str, pd.Index[Any]]) -> pd.DataFrame:
    """Return a frame whose text columns have known categories, if these include all texts."""
    for name, known in orders.items():
        if name not in frame or not isinstance(frame[name].dtype, pd.CategoricalDtype):
            continue
        found = frame[name].cat.categories
        if found is not known and (known.get_indexer(found) >= 0).all():
            frame[name] = frame[name].cat.set_categories(known)
    return frame


class TypeDecider:
    """Decides the types of columns that depend on all their values.

    Args:
        types: the type of each column if its values allow it: integers that don't fit become
            floats, these become text if a float64 doesn't hold every digit. Integers and booleans
            are nullable if some are missing.
    """

    def __init__(self, types: Mapping[str, Any]) -> None:
        self._types = dict(types)
        self._missing: set[str] = set()

    def add(self, table: pa.Table) -> None:
        """Look at more rows."""
        for name in self.undecided:
            for chunk in table[name].chunks:
                if chunk.null_count:
                    self._missing.add(name)
                if pa.types.is_dictionary(chunk.type):
                    self._fit(name, chunk.dictionary)

    def _fit(self, name: str, words: pa.Array) -> None:
        if self._types[name] == INT:
            odd = _without(words, PLAIN_INTEGER)
            if not all(_to_integer(word) is not None for word in odd):
                self._types[name] = FLOAT
        if self._types[name] == FLOAT:
            odd = _without(words, PLAIN_NUMBER)
            if not all(word in INFINITIES or is_exact_number(word) for word in odd):
                self._types[name] = TEXT

    @property
    def undecided(self) -> list[str]:
        """The columns whose types depend on further values; a column of text stays one."""
        return [name for name, dtype in self._types.items() if dtype != TEXT]

    @property
    def types(self) -> dict[str, Any]:
        """The types."""
        return {
            name: NULLABLE.get(dtype, dtype)
            if name in self._missing and name not in ID_COLUMNS
            else dtype
            for name, dtype in self._types.items()
        }


def _without(words: pa.Array, pattern: str) -> Iterable[str]:
    """Return the words that don't match a pattern."""
    odd: list[str] = words.filter(
        pc.invert(pc.match_substring_regex(words, pattern=pattern))
    ).to_pylist()
    return odd


def _column(name: str, array: pa.Array, dtype: Any, escape_formulas: bool) -> Any:
    if pa.types.is_dictionary(array.type):
        if dtype.kind == "f":
            return _read_numbers(array)
        if dtype.kind != "i":
            return _read_text(array, escape_formulas)
        array = _read_integers(array)
    if dtype.kind == "M":
        times = array.cast(pa.int64()).fill_null(NO_TIME).to_numpy(zero_copy_only=False)
        return pd.array(_writable(times), dtype=UTC_NS, copy=False)
    if dtype.kind == "f":
        return _writable(array.fill_null(np.nan).to_numpy(zero_copy_only=False))
    is_numpy = isinstance(dtype, np.dtype)
    if is_numpy and not array.null_count:
        return _writable(array.to_numpy(zero_copy_only=False))
    missing = array.is_null().to_numpy(zero_copy_only=False)
    none = False if dtype.kind == "b" else 0
    values = _writable(array.fill_null(none).to_numpy(zero_copy_only=False))
    if dtype.kind == "b":
        return pd.arrays.BooleanArray(values, missing)
    # In `trade_id`, 0 stands for a missing one.
    return values if name in ID_COLUMNS else pd.arrays.IntegerArray(values, missing)


def _to_integer(word: str) -> int | None:
    """Return the integer that a text is; a column may have begun as one of floats."""
    return to_exact_integer(word.removesuffix(".0"))


def _read_integers(array: pa.DictionaryArray) -> pa.Array:
    numbers = [_to_integer(word) for word in array.dictionary.to_pylist()]
    return pa.array(numbers, pa.int64()).take(array.indices)


def _codes(array: pa.DictionaryArray) -> Array:
    codes: Array = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes


def _read_numbers(array: pa.DictionaryArray) -> Array:
    try:
        numbers = array.dictionary.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:  # a form that only Python reads, such as +1
        numbers = np.array([*map(float, array.dictionary.to_pylist())])
    found: Array = np.append(numbers, np.nan)[_codes(array)]
    return found


def _read_text(array: pa.DictionaryArray, escape_formulas: bool) -> pd.Categorical:
    words: list[str] = array.dictionary.to_pylist()
    if escape_formulas:
        words = [unescape_formula(word) for word in words]
    dtype = pd.CategoricalDtype(pd.Index(words, dtype="str"))
    return pd.Categorical.from_codes(_codes(array), dtype=dtype)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    return array


def _writable(array: Array) -> Array:
    """Return an array that can be written to; those that share memory with Arrow can't."""
    return array if array.flags.writeable else array.copy()
