"""Parquet: ticks as a columnar file, smaller than CSV and with its types inside."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.errors import RecordingError, RecordingWarning
from tickerkit.formatting import format_value
from tickerkit.log import Position, gap_frame, gaps_from_frame
from tickerkit.storage.atomic import Mode, prepare_path, replacing
from tickerkit.storage.csv.api import read_file
from tickerkit.storage.paths import working_path
from tickerkit.storage.sidecar import Head, Sidecar, sidecar_path, to_bytes
from tickerkit.storage.sidecar import parse as parse_lines
from tickerkit.ticks import UTC_NS

__all__ = ["from_csv", "last_of", "load_parquet", "read_parquet", "write_parquet"]

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
        ValueError: the path is that of a CSV.
        OSError: the file can't be written.

    Example:
        >>> write_parquet(log.frame(), "ticks.parquet")
    """
    import time

    import pyarrow.parquet as pq

    if Path(path).name.endswith((".csv", ".csv.gz", ".csv.zst")):
        raise ValueError(
            f"{format_value(str(path))} is no name of a Parquet file; to_csv writes CSV"
        )
    path = prepare_path(path, mode)
    lines: list[Any] = [
        Head(time.time_ns(), source, None if symbols is None else list(symbols)),
        *(gaps_from_frame(gaps) if gaps is not None else ()),
    ]
    frames = [frame]
    if mode == "append" and path.exists():
        before, earlier = _read(path)
        lines = [*earlier.heads, *earlier.gaps, *(x for x in lines if x not in earlier.gaps)]
        frames = [before, frame]
    table = _table(frames)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: to_bytes(lines)})
    # Prices hardly repeat, times go up by little: so it is a third smaller, and quicker.
    repeated = [field.name for field in table.schema if _repeats(field)]
    steps = {
        field.name: "DELTA_BINARY_PACKED"
        for field in table.schema
        if field.name not in repeated and _is_whole(field.type)
    }
    with replacing(path) as out:
        pq.write_table(
            table,
            out,
            row_group_size=ROWS_AT_ONCE,
            compression="zstd",
            use_dictionary=repeated,
            column_encoding=steps or None,
        )
    return path


def _repeats(field: Any) -> bool:
    """Return whether the values of a column are mostly those of rows before."""
    import pyarrow.types as types

    return field.name == "received" or not (_is_whole(field.type) or types.is_floating(field.type))


def _is_whole(kind: Any) -> bool:
    import pyarrow.types as types

    return types.is_timestamp(kind) or kind in ("int64", "int32")


def _table(frames: list[pd.DataFrame]) -> Any:
    """Return frames as one table."""
    import pyarrow as pa

    tables = [pa.Table.from_pandas(each, preserve_index=False) for each in frames if len(each)]
    if len(tables) > 1:
        try:
            return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # numbers in one and text in another
            return pa.Table.from_pandas(_joint(frames), preserve_index=False)
    return tables[0] if tables else pa.Table.from_pandas(frames[0], preserve_index=False)


def _joint(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Return frames as one; a column of numbers in one and of text in another is text."""
    from tickerkit.storage.combine import combine
    from tickerkit.storage.recording import Recording

    return combine(Recording(frame, gap_frame([])) for frame in frames).frame


def from_csv(csv: Path, path: Path) -> None:
    """Make a Parquet file of a CSV recording, after what is there of it already; the CSV goes.

    Raises:
        RecordingError: one of both is no recording.
        OSError: the file can't be written; the CSV is as it was.
    """
    content = read_file(csv)
    sidecar = content.sidecar or Sidecar()
    frame = content.frame
    if path.exists() and (last := last_of(path)) is not None:
        frame = _after(frame, last)
    write_parquet(
        frame,
        path,
        gaps=gap_frame(sidecar.gaps),
        mode="append",
        source=sidecar.source,
        symbols=sidecar.symbols,
    )
    csv.unlink()
    sidecar_path(csv).unlink(missing_ok=True)


def last_of(path: Path) -> Position | None:
    """Return the position of the last tick of a Parquet file, None where it has none."""
    frame = _read(path)[0]
    if not len(frame) or not {"seq", "epoch"} <= set(frame.columns):
        return None
    newest = frame.iloc[-1]
    return Position(str(newest["epoch"]), int(newest["seq"]))


def _after(frame: pd.DataFrame, last: Position) -> pd.DataFrame:
    """Return the rows after a tick: a crash may have left a CSV that was made Parquet of."""
    had = np.flatnonzero((frame["epoch"] == last.epoch) & (frame["seq"] <= last.seq))
    return frame.iloc[had[-1] + 1 :] if len(had) else frame


def read_parquet(path: str | PathLike[str]) -> pd.DataFrame:
    """Read ticks from a Parquet file: a recording back as the frame it was, or a foreign file.

    Of a recording that goes on, or that a crash has ended, ticks are in a CSV file beside it; these
    are read as well, with a `RecordingWarning` that says so.

    Args:
        path: the file.

    Returns:
        A DataFrame with the file's columns.

    Raises:
        RecordingError: no such file, or not a Parquet file.

    Example:
        >>> read_parquet("ticks.parquet")["price"].mean()
    """
    frame, _, warning = load_parquet(Path(path).expanduser())
    if warning is not None:
        warnings.warn(warning, stacklevel=2)
    return frame


def load_parquet(path: Path) -> tuple[pd.DataFrame, Sidecar, RecordingWarning | None]:
    """Return a file's ticks, what is written in it besides, and what is wrong with it.

    Where it is not finished, the CSV beside it has its newest rows.

    Raises:
        RecordingError: no such file, or not a Parquet file.
    """
    left = working_path(path)
    if not left.exists():
        return *_read(path), None
    content = read_file(left)
    sidecar, frame, damage = content.sidecar or Sidecar(), content.frame, content.warning
    if path.exists():
        before, lines = _read(path)
        if (last := last_of(path)) is not None:
            frame = _after(frame, last)
        frame = _as_ours(_table([before, frame]).to_pandas(), lines)
        told = [gap for gap in sidecar.gaps if gap not in lines.gaps]
        sidecar = Sidecar([*lines.heads, *sidecar.heads], gaps=[*lines.gaps, *told])
    warning = RecordingWarning(
        path,
        len(frame),
        torn_bytes=damage.torn_bytes if damage else 0,
        lines=damage.lines if damage else (),
        changed=damage.changed if damage else (),
        missing=damage.missing if damage else 0,
        unfinished=left.name,
    )
    return frame, sidecar, warning


def _read(path: Path) -> tuple[pd.DataFrame, Sidecar]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not by its path: pyarrow would take that of a folder, too.
        with path.open("rb") as file:
            table = pq.read_table(file)
    except pa.ArrowException as error:
        problem = "it is no Parquet file, or damaged"
        raise RecordingError(path, f"{problem} ({error}); tk.read_csv reads a CSV") from None
    except OSError as error:
        raise RecordingError(path, (error.strerror or str(error)).lower()) from None
    lines = parse_lines((table.schema.metadata or {}).get(KEY, b""))
    return _as_ours(table.to_pandas(), lines), lines


def _as_ours(frame: pd.DataFrame, lines: Sidecar) -> pd.DataFrame:
    """Return a recording's frame with times and text as they were."""
    for name in frame.columns if lines.heads else ():
        dtype = frame[name].dtype
        if dtype.kind == "M":
            frame[name] = pd.to_datetime(frame[name], utc=True).astype(UTC_NS)
        elif isinstance(dtype, pd.CategoricalDtype) and not len(dtype.categories):
            # Of none, pandas does not know that they are text.
            frame[name] = frame[name].astype(pd.CategoricalDtype(pd.Index([], dtype="str")))
    return frame
