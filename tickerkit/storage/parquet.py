"""Parquet: ticks as a columnar file, smaller than CSV and with its types inside."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from tickerkit.errors import RecordingError
from tickerkit.rows import UTC_NS
from tickerkit.storage.files import Mode, placed, replacing
from tickerkit.storage.sidecar import Head, Sidecar, gap_lines, to_bytes
from tickerkit.storage.sidecar import parse as parse_lines

__all__ = ["load_parquet", "read_parquet", "write_parquet"]

KEY = b"tickerkit"
ROWS_AT_ONCE = 131_072


def write_parquet(
    frame: pd.DataFrame,
    path: str | PathLike[str],
    *,
    gaps: pd.DataFrame | None = None,
    mode: Mode = "new",
    source: str = "",
    symbols: Sequence[str] | None = None,
) -> Path:
    """Write ticks to a Parquet file, from which `read_parquet` makes the same frame.

    The types, the gaps and where the ticks came from are in the file itself. It takes its place
    when it is whole. Any program that reads Parquet reads it.

    Args:
        frame: ticks; any columns. Its index is not written.
        path: where to; folders are made where they are missing.
        gaps: the ticks that are missing, as `Feed.gaps` tells them.
        mode: "new" refuses a path at which a file is, "overwrite" takes its place, "append" makes
            a file of what is there and these ticks.
        source: where the ticks came from.
        symbols: those that the ticks were chosen by; None for all.

    Returns:
        The path.

    Raises:
        RecordingExists: there is a file, and mode is "new".
        RecordingError: mode is "append", and what is there is no Parquet file of ticks.
        OSError: the file can't be written.

    Example:
        >>> write_parquet(log.frame(), "ticks.parquet")
    """
    import time

    import pyarrow as pa
    import pyarrow.parquet as pq

    path = placed(path, mode)
    lines: list[Any] = [
        Head(time.time_ns(), source, None if symbols is None else list(symbols)),
        *(gap_lines(gaps) if gaps is not None else ()),
    ]
    frames = [frame]
    if mode == "append" and path.exists():
        before, earlier = load_parquet(path)
        lines = [*earlier.heads, *earlier.gaps, *lines]
        frames = [before, frame]
    tables = [pa.Table.from_pandas(each, preserve_index=False) for each in frames if len(each)]
    tables = tables or [pa.Table.from_pandas(frame, preserve_index=False)]
    table = tables[0]
    if len(tables) > 1:
        table = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: to_bytes(lines)})
    with replacing(path) as out:
        pq.write_table(table, out, row_group_size=ROWS_AT_ONCE, compression="zstd")
    return path


def read_parquet(path: str | PathLike[str]) -> pd.DataFrame:
    """Read ticks from a Parquet file: a recording back as the frame it was, or a foreign file.

    Args:
        path: the file.

    Returns:
        A DataFrame with the file's columns.

    Raises:
        RecordingError: no such file, or not a Parquet file.

    Example:
        >>> read_parquet("ticks.parquet")["price"].mean()
    """
    return load_parquet(Path(path).expanduser())[0]


def load_parquet(path: Path) -> tuple[pd.DataFrame, Sidecar]:
    """Return a file's ticks, and what is written in it besides; raises `RecordingError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not by its path: pyarrow would take that of a folder, too.
        with path.open("rb") as file:
            table = pq.read_table(file)
    except pa.ArrowException as error:
        raise RecordingError(path, f"it is no Parquet file, or damaged ({error})") from None
    except OSError as error:
        raise RecordingError(path, (error.strerror or str(error)).lower()) from None
    lines = parse_lines((table.schema.metadata or {}).get(KEY, b""))
    frame = table.to_pandas()
    for name in frame.columns:
        if frame[name].dtype.kind == "M" and lines.heads:
            frame[name] = frame[name].astype(UTC_NS)
    return frame, lines
