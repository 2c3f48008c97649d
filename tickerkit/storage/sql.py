"""SQL: recordings as tables of DuckDB.

Finished Parquet files are read by DuckDB itself, only as far as a query needs them. All others are
a data set of Arrow, see `dataset`.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tickerkit.errors import RecordingWarning, TickerkitError
from tickerkit.storage.dataset import PARQUET, File, open_recording, to_dataset
from tickerkit.storage.parquet.read import read_each

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
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], number: int
) -> list[str]:
    """Return what to select from to get the rows of some files; what is damaged is left out."""
    opened, problems = read_each(paths, partial(open_recording, compares=True))
    problems += [problem for each in opened for problem in each.problems]
    if problems:
        rows = sum(table.num_rows for each in opened for table in each.tables)
        folder = paths[0] if len(paths) == 1 else Path(os.path.commonpath(paths))
        warnings.warn(RecordingWarning(folder, rows, problems), stacklevel=2)
    # DuckDB reads files together only if their folders name the same columns.
    finished: dict[tuple[str, ...], list[Path]] = {}
    files: list[File] = []
    for each in opened:
        for file in each.files:
            if file.format == PARQUET and not each.tables:
                finished.setdefault(tuple(file.keys), []).append(file.path)
            else:
                files.append(file)
    tables = [table for each in opened for table in each.tables]
    parts = [_read_parquet(paths, keys) for keys, paths in finished.items()]
    if files or tables:
        name = f"_tickerkit_{number}"
        connection.register(name, to_dataset(files, tables))
        parts.append(name)
    return parts


def _read_parquet(paths: Sequence[Path], keys: Sequence[str]) -> str:
    """Return the call that reads Parquet files whose folders have these columns."""
    files = ", ".join("'{}'".format(str(path).replace("'", "''")) for path in paths)
    options = ["union_by_name=true"]
    if keys:
        options.append("hive_partitioning=true")
    if "symbol" in keys:  # text, although a symbol such as 600519 looks like a number
        options.append("hive_types={'symbol': varchar}")
    return f"read_parquet([{files}], {', '.join(options)})"
