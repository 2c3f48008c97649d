"""Schema: the types of columns in a data set of Arrow, one schema for files that differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TypeAlias

import pyarrow as pa

from tickerkit.ticks import TIME_COLUMNS
from tickerkit.ticks.fields import SYMBOL_NAMES

__all__ = [
    "TEXT",
    "TIME",
    "Types",
    "cast_table",
    "find_key_types",
    "normalise_type",
    "table_types",
    "to_scalar",
    "unify_types",
]

TEXT = pa.dictionary(pa.int32(), pa.string())
TIME = pa.timestamp("ns", "UTC")

Types: TypeAlias = dict[str, pa.DataType]


def table_types(table: pa.Table) -> Types:
    """Return the types that the columns of a table have in a data set."""
    return {field.name: normalise_type(field.name, field.type) for field in table.schema}


def normalise_type(name: str, kind: pa.DataType) -> pa.DataType:
    """Return the type that a column has in a data set, if all files have it with this type."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return TEXT
    if pa.types.is_timestamp(kind) and name in TIME_COLUMNS:
        return TIME
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return pa.int64()
    return pa.float64() if pa.types.is_floating(kind) else kind


def unify_types(each: Iterable[Types]) -> pa.Schema:
    """Return the schema that has all columns, in the order in which they first come."""
    found: dict[str, dict[pa.DataType, None]] = {}
    for types in each:
        for name, kind in types.items():
            found.setdefault(name, {})[kind] = None
    return pa.schema([(name, _combine(list(kinds))) for name, kinds in found.items()])


def _combine(kinds: list[pa.DataType]) -> pa.DataType:
    """Return the type of a column that has several types."""
    kinds = [kind for kind in kinds if not pa.types.is_null(kind)] or kinds[:1]
    if len(kinds) == 1:
        return kinds[0]
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
        return pa.float64()
    return TIME if all(map(pa.types.is_timestamp, kinds)) else pa.string()


def find_key_types(each: Iterable[Mapping[str, str]]) -> Types:
    """Return the types of the columns that folders name: dates, whole numbers or text."""
    values: dict[str, list[str]] = {}
    for keys in each:
        for key, value in keys.items():
            values.setdefault(key, []).append(value)
    return {key: _find_key_type(key, words) for key, words in values.items()}


def _find_key_type(key: str, values: Iterable[str]) -> pa.DataType:
    if key in SYMBOL_NAMES:  # 600519 is a symbol, too
        return TEXT
    if all(value.isdecimal() for value in values):
        return pa.int64()
    return pa.date32() if all(map(_is_date, values)) else TEXT


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def to_scalar(value: str, kind: pa.DataType) -> pa.Scalar:
    """Return the value of a key, as its type."""
    if kind == pa.date32():
        return pa.scalar(date.fromisoformat(value))
    return pa.scalar(int(value) if kind == pa.int64() else value)


def cast_table(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table with the columns of a schema; those that it lacks are null."""
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
