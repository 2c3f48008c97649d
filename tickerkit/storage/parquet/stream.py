"""Streams: ticks that come piece by piece as the row groups of one Parquet file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

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
    tally, writer = Tally(), None
    with replacing(path) as out:
        for frame in frames:
            table = to_table(frame)
            if writer is None:
                writer = pq.ParquetWriter(out, table.schema, **write_options(table.schema))
            # The categories of the first frame decide about the type of the column.
            if len(frame):
                writer.write_table(table.cast(writer.schema), row_group_size=len(frame))
            tally.add(frame)
        assert writer is not None
        found = about()
        lines = [*found.lasting_lines, *found.heads, *last, *tally.lines]
        writer.add_key_value_metadata({KEY: encode_lines(lines)})
        writer.close()
    return tally
