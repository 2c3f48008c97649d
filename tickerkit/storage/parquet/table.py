"""Tables: ticks as tables of Arrow, as Parquet files hold them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.types import infer_dtype

from tickerkit.storage.frames import NULLABLE
from tickerkit.storage.sidecar import Line, Sidecar, encode_lines

__all__ = [
    "KEY",
    "ROWS_AT_ONCE",
    "describe_schema",
    "fit_columns",
    "full_schema",
    "to_table",
    "write_options",
]

# The key of what a file says about itself, in its metadata.
KEY = b"tickerkit"
ROWS_AT_ONCE = 131_072


def to_table(frame: pd.DataFrame) -> pa.Table:
    """Return ticks as a table; its text is in dictionaries with indices of 32 bits."""
    free: dict[str, Any] = {
        str(name): pd.Categorical(frame[name], categories=pd.Index(frame[name].dropna().unique()))
        for name in frame
        if frame[name].dtype == object and infer_dtype(frame[name], skipna=True) == "string"
    }
    if free:
        frame = frame.assign(**free)
    return _widen_dictionaries(pa.Table.from_pandas(frame, preserve_index=False))


def fit_columns(frame: pd.DataFrame, schema: pa.Schema) -> pd.DataFrame:
    """Return rows with the columns of a table, if they have no others, in its order.

    A column that the rows lack is empty. A column that may lack values in the table may do so here.
    """
    known = schema.empty_table().to_pandas()
    rows = len(frame)
    columns: dict[str, Any] = {}
    for name in known:
        dtype = known[name].dtype
        if name not in frame:
            dtype = NULLABLE.get(dtype.kind, dtype)
            columns[name] = pd.Series([None] * rows, index=frame.index, dtype=dtype)
        elif dtype in NULLABLE.values() and frame[name].dtype.kind == dtype.kind:
            columns[name] = frame[name].astype(dtype)
        else:
            columns[name] = frame[name]
    more: dict[Any, Any] = {name: frame[name] for name in frame if name not in columns}
    return pd.DataFrame({**columns, **more}, copy=False)


def full_schema(file: pq.ParquetFile) -> pa.Schema:
    """Return the columns of a file, with all that its metadata say.

    What a writer has added in the end is not in the metadata of the columns.
    """
    texts = dict(file.metadata.metadata or {})
    texts.pop(b"ARROW:schema", None)
    return file.schema_arrow.with_metadata(texts or None)


def describe_schema(schema: pa.Schema, about: Sidecar, last: Iterable[Line]) -> pa.Schema:
    """Return a schema whose metadata hold what is known about the ticks.

    Args:
        schema: of their table.
        about: what is known.
        last: the last lines of that, such as the extent and the end.
    """
    text = encode_lines([*about.lasting_lines, *about.heads, *last])
    return schema.with_metadata({**(schema.metadata or {}), KEY: text})


def write_options(schema: pa.Schema) -> dict[str, Any]:
    """Return the options of `ParquetWriter` for ticks with a schema."""
    # Prices hardly repeat, so a dictionary of them only costs. Times and seqs grow in small steps,
    # so the steps are stored. The file is a third smaller by this, and is written faster.
    repeated = [field.name for field in schema if _repeats(field)]
    deltas = {
        field.name: "DELTA_BINARY_PACKED"
        for field in schema
        if field.name not in repeated and _is_whole(field.type)
    }
    return {
        "compression": "zstd",
        "use_dictionary": repeated,
        "column_encoding": deltas or None,
        "write_page_checksum": True,
    }


def _widen_dictionaries(table: pa.Table) -> pa.Table:
    """Return a table whose text has indices of 32 bits.

    pandas' codes have as many bits as the words need, and arrow keeps these in the file. pandas and
    pyarrow then can't read the files of two days as one if the second day has more words.
    """
    for place, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_dictionary(kind) and kind.index_type != pa.int32():
            wide = pa.dictionary(pa.int32(), kind.value_type, kind.ordered)
            table = table.set_column(place, field.with_type(wide), table.column(place).cast(wide))
    return table


def _repeats(field: pa.Field) -> bool:
    """Return whether most values of a column repeat those of earlier rows.

    The ticks of a message have the same `received`.
    """
    is_number = _is_whole(field.type) or pa.types.is_floating(field.type)
    return field.name == "received" or not is_number


def _is_whole(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) or kind in ("int64", "int32")
