"""`tickerkit head`: the first ticks of a recording."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tickerkit.cli.exit_codes import UsageError
from tickerkit.cli.table import print_table
from tickerkit.cli.terminal import print_error, silence_stdout
from tickerkit.cli.verify import find_recordings

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["head"]

NUMBERS = "iuf"


def head(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A recording, or a folder of recordings.")
    ],
    count: Annotated[
        int, typer.Option("-n", metavar="N", min=0, help="How many ticks to show.")
    ] = 10,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line for each tick: a JSON object.")
    ] = False,
) -> None:
    """Show the first ticks of recordings.

    Of a folder, those of the recordings in it. --csv and --json print what a file of that format
    would contain.
    """
    if as_csv and as_json:
        raise UsageError("--csv and --json contradict each other; pass one of them")
    frame = _read_first(find_recordings([file]), count)
    if not (as_csv or as_json):
        _print_frame(frame)
        return
    from tickerkit.storage.csv.text import csv_lines, json_lines

    try:
        for text in csv_lines(frame) if as_csv else json_lines(frame):
            sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        silence_stdout()
    except ValueError as error:  # lists, or times that no file of text has
        raise UsageError(f"{error}; leave out --csv and --json") from None


def _read_first(paths: Sequence[Path], count: int) -> pd.DataFrame:
    """Return the first ticks of some recordings; print what is damaged before them to stderr."""
    from tickerkit.storage.frames import combine_frames
    from tickerkit.storage.scan import ROWS_AT_ONCE, Scan

    frames: list[pd.DataFrame] = []
    units: dict[str, str] = {}
    for path in paths:
        scan = Scan(path, max_rows=max(min(count, ROWS_AT_ONCE), 1))
        for piece in scan.pieces():
            frames.append(piece.frame.iloc[:count])
            count -= len(frames[-1])
            if not count:
                break
        units |= scan.sidecar.units
        if scan.warning is not None:
            print_error(scan.warning)
        if not count:
            break
    frame = combine_frames(frames)
    frame.attrs["units"] = units
    return frame


def _print_frame(frame: pd.DataFrame) -> None:
    units = {**frame.attrs.get("units", {}), **dict.fromkeys(_times(frame), "UTC")}
    names = [f"{name} ({units[name]})" if name in units else str(name) for name in frame.columns]
    columns = [_format_column(frame.iloc[:, index]) for index in range(len(names))]
    numeric = {index for index in range(len(names)) if frame.dtypes.iloc[index].kind in NUMBERS}
    print_table(names, list(zip(*columns, strict=True)), numeric)


def _times(frame: pd.DataFrame) -> list[str]:
    """Return the columns that are times."""
    return [str(name) for name in frame.columns if frame[name].dtype.kind == "M"]


def _format_column(column: pd.Series[Any]) -> list[str]:
    """Return the cells of a column as text; times are in UTC."""
    import pandas as pd

    if column.dtype.kind == "M":
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return ["" if pd.isna(value) else str(value) for value in column]
