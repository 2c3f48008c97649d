"""Streams: ticks that come piece by piece as the row groups of one Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.extensions import ExtensionDtype

from tickerkit.storage.files import replacing
from tickerkit.storage.parquet.table import KEY, to_table, write_options
from tickerkit.storage.sidecar import Line, encode_lines
from tickerkit.storage.tally import About, Tally

__all__ = ["write_row_groups"]


def write_row_groups(
    path: Path, frames: Iterable[pd.DataFrame], about: About, *, last: Iterable[Line] = ()
) -> Tally:
    """Write ticks to a file. An older file is replaced when the new one is complete.

    Args:
        path: the file.
        frames: the ticks of each row group; all have the same columns and types.
        about: returns what else the file says.
        last: lines about this file alone.

    Returns:
        What was written.
    """
    tally, writer, types = Tally(), None, dict[str, Any]()
    with replacing(path) as out:
        for frame in frames:
            table = to_table(frame)
            if writer is None:
                schema = table.schema.remove_metadata()
                writer = pq.ParquetWriter(out, schema, **write_options(schema))
            if len(frame):
                writer.write_table(table.cast(writer.schema), row_group_size=len(frame))
            tally.add(frame)
            for name in frame.columns:
                # Values may be missing in some of the frames only.
                if isinstance(frame[name].dtype, ExtensionDtype) or name not in types:
                    types[name] = frame[name].dtype
        assert writer is not None
        found = about()
        lines = [*found.lasting_lines, *found.heads, *last, *tally.lines]
        writer.add_key_value_metadata({**_pandas_metadata(types), KEY: encode_lines(lines)})
        writer.close()
    return tally


def _pandas_metadata(types: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Return the metadata from which pandas restores the types of columns."""
    empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})
    return pa.Schema.from_pandas(empty, preserve_index=False).metadata or {}
