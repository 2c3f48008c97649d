"""`tickerkit query`: SQL over recordings."""

from __future__ import annotations

import csv
import json
import math
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tickerkit.cli.exit_codes import FAILED, UsageError
from tickerkit.cli.interrupt import POLL_S, interrupt
from tickerkit.cli.table import print_table
from tickerkit.cli.terminal import print_error, print_line, show_busy
from tickerkit.cli.verify import find_recordings
from tickerkit.formatting import format_count

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["query"]

MAX_ROWS = 50


def query(
    sql: Annotated[
        str,
        typer.Argument(
            metavar="SQL", help='Such as "select symbol, avg(price) from ticks group by 1".'
        ),
    ],
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Recordings, or folders of recordings."),
    ],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, all rows.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object on one line for each row.")
    ] = False,
) -> None:
    """Query recordings with SQL.

    The table ticks has the rows of all files. Each file or folder is also a table by its own name:
    trades.csv is trades. Files of the same name are one table. Text is varchar, times are in UTC,
    and a missing number is null. In a recording laid out by day and symbol, day and symbol are
    columns. Without --csv and --json, the first 50 rows are shown.
    It needs DuckDB: pip install "tickerkit[sql]".
    """
    import pyarrow as pa

    from tickerkit.storage.sql import open_tables

    if as_csv and as_json:
        raise UsageError("--csv and --json contradict each other; pass one of them")
    recordings = {name: find_recordings([name]) for name in files}
    is_damaged = False
    with warnings.catch_warnings(record=True) as caught, show_busy("reading the recordings"):
        warnings.simplefilter("always")
        connection = open_tables(recordings)
    for each in caught:
        print_error(each.message)
        is_damaged |= getattr(each.message, "is_damaged", False)
    with connection, _ended_by_signals(connection), _named_errors(connection):
        with show_busy("querying"):
            # Not `fetchall`: a datetime of Python has no nanoseconds.
            relation = connection.sql(sql)
            reader = None if relation is None else pa.RecordBatchReader.from_stream(relation)
        if reader is None:  # such as COPY
            return
        names, rows = reader.schema.names, _read_rows(reader)
        if as_csv:
            _print_csv(names, rows)
        elif as_json:
            keys = _number_repeated(names)
            for row in rows:
                print(json.dumps(dict(zip(keys, map(_to_json, row), strict=True))))
        else:
            _print_table(names, list(islice(rows, MAX_ROWS)), sum(1 for _ in rows))
    if is_damaged or interrupt.requested:
        raise typer.Exit(FAILED)


def _read_rows(reader: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    for batch in reader:
        if interrupt.requested:
            return
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


@contextmanager
def _ended_by_signals(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """End a query that runs in the block when Ctrl-C requests the end of the command."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(POLL_S):
            if interrupt.requested:
                connection.interrupt()

    watcher = threading.Thread(target=watch, name="tickerkit query")
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@contextmanager
def _named_errors(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Turn errors of DuckDB in the block into those of this command."""
    import duckdb

    from tickerkit.errors import TickerkitError

    try:
        yield
    except duckdb.InterruptException:
        print_error("stopped")
        raise typer.Exit(FAILED) from None
    except duckdb.CatalogException as error:  # DuckDB would propose tables of its own
        tables = connection.sql(
            "select view_name from duckdb_views() where not internal"
        ).fetchall()
        names = ", ".join(sorted(name for (name,) in tables if not name.startswith("_tickerkit_")))
        raise UsageError(f"there are the tables {names}; {error}") from None
    except duckdb.Error as error:
        kinds = duckdb.ParserException, duckdb.BinderException
        raise (UsageError if isinstance(error, kinds) else TickerkitError)(str(error)) from None


def _number_repeated(names: Sequence[str]) -> list[str]:
    """Return names of which none is twice: an object of JSON has one value for each."""
    keys: dict[str, None] = {}
    for name in names:
        key, number = name, 1
        while key in keys:
            key, number = f"{name}_{number}", number + 1
        keys[key] = None
    return list(keys)


def _print_csv(names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow(["" if value is None else _to_text(value) for value in row])


def _to_json(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return [_to_json(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _to_json(each) for key, each in value.items()}
    return float(value) if isinstance(value, Decimal) else _to_text(value)


def _to_text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _print_table(names: Sequence[str], rows: Sequence[tuple[Any, ...]], more: int) -> None:
    numeric = {
        index
        for index in range(len(names))
        if any(isinstance(row[index], int | float | Decimal) for row in rows)
    }
    texts = [["" if value is None else _to_text(value) for value in row] for row in rows]
    print_table(names, texts, numeric)
    if more:
        print_line(f"and {format_count(more, 'further row')}; --csv and --json print all", "dim")
