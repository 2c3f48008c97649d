"""SQL: recordings as tables of DuckDB.

Finished Parquet files are read by DuckDB itself, only as far as a query needs them. Other
recordings are read whole, as `tk.replay` reads them, so that a torn end or a damaged row costs no
more than that.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tickerkit.errors import RecordingWarning, TickerkitError
from tickerkit.storage.parquet.read import count_rows, read_each
from tickerkit.storage.partitions import RECORDING, folder_values, partition_files
from tickerkit.storage.paths import working_path
from tickerkit.storage.recording import load

if TYPE_CHECKING:
    import duckdb

__all__ = ["ALL", "open_tables"]

ALL = "ticks"
NO_NAME = re.compile(r"\W+")
ENDINGS = re.compile(r"(\.(csv|parquet|pq|jsonl|raw|gz|zst))+$")


def open_tables(recordings: Mapping[str, Sequence[Path]]) -> duckdb.DuckDBPyConnection:
    """Return a database in memory in which recordings are tables.

    All of them together are the table `ticks`, and each is one by its own name, together with
    others of this name. A column that some lack is null there.

    Args:
        recordings: the files of each recording, by its path as the user has it. What is damaged is
            left out, with a `RecordingWarning`.

    Raises:
        TickerkitError: DuckDB is not installed.
        RecordingError: a file can't be read.
    """
    try:
        import duckdb
    except ImportError:
        fix = 'run: pip install "tickerkit[sql]"'
        raise TickerkitError(f"SQL needs DuckDB, which is not installed; {fix}") from None
    # It would load extensions from the web when a query names one of their functions.
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    connection.execute("set timezone = 'UTC'")
    views: dict[str, list[str]] = {}
    for number, (given, files) in enumerate(recordings.items()):
        # Two files may have one name: `a/trades.csv` and `b/trades.csv`.
        views.setdefault(_name_table(given), []).extend(_add_files(connection, files, number))
    every = [part for parts in views.values() for part in parts]
    for name, parts in {**views, ALL: every}.items():
        rows = " union all by name ".join(f"select * from {part}" for part in parts)
        connection.execute(f'create view "{name}" as {rows}')
    return connection


def _name_table(given: str) -> str:
    """Return the name of a file or folder without endings, as SQL takes it unquoted."""
    name = NO_NAME.sub("_", ENDINGS.sub("", Path(given).expanduser().absolute().name)).lower()
    return f"_{name}" if not name or name[0].isdigit() else name


def _add_files(
    connection: duckdb.DuckDBPyConnection, paths: Iterable[Path], number: int
) -> list[str]:
    """Return what to select from to get the rows of some files."""
    import pyarrow as pa

    parts: list[str] = []
    # DuckDB reads files together only if their folders name the same columns.
    finished: dict[tuple[str, ...], list[Path]] = {}
    for path in paths:
        if path.suffix == ".parquet" and not working_path(path).exists():
            for file in _find_readable(path):
                finished.setdefault(tuple(folder_values(file)), []).append(file)
            continue
        found = load(path)
        if found.warning is not None:
            warnings.warn(found.warning, stacklevel=2)
        # Missing numbers are null, not NaN.
        table = pa.Table.from_pandas(found.frame, preserve_index=False)
        if _lacks_day(path) and "day" not in table.column_names:
            table = table.append_column("day", table["time"].cast(pa.date32(), safe=False))
        name = f"_tickerkit_{number}_{len(parts)}"
        connection.register(name, table)
        parts.append(name)
    return parts + [_read_parquet(files, keys) for keys, files in finished.items()]


def _find_readable(path: Path) -> list[Path]:
    """Return the finished files that a path stands for, without those that are damaged.

    Raises:
        RecordingError: none of them can be read.
    """
    found, problems = read_each(
        partition_files(path) or [path], lambda file: (file, count_rows(file))
    )
    if problems:
        rows = sum(count for _, count in found)
        warnings.warn(RecordingWarning(path, rows, problems), stacklevel=2)
    return [file for file, _ in found]


def _lacks_day(path: Path) -> bool:
    """Return whether a recording is not finished, but will be laid out by day.

    Until its first file is finished, nothing says so; then it may be.
    """
    if path.parent.name != RECORDING:
        return False
    finished = [*path.parent.parent.glob("[!._]*=*/**/*.parquet")]
    return not finished or any("day" in folder_values(each) for each in finished)


def _read_parquet(paths: Sequence[Path], keys: Sequence[str]) -> str:
    """Return the call that reads Parquet files whose folders have these columns."""
    files = ", ".join("'{}'".format(str(path).replace("'", "''")) for path in paths)
    options = ["union_by_name=true"]
    if keys:
        options.append("hive_partitioning=true")
    if "symbol" in keys:  # text, although a symbol such as 600519 looks like a number
        options.append("hive_types={'symbol': varchar}")
    return f"read_parquet([{files}], {', '.join(options)})"
