"""Writing CSV: ticks as a whole file, or added to one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path

import pandas as pd

from tickerkit.errors import InvalidArgument, RecordingError
from tickerkit.storage.csv.append import CsvFile
from tickerkit.storage.csv.text import csv_lines
from tickerkit.storage.files import Mode, prepare_path
from tickerkit.storage.sidecar import Line, Sidecar
from tickerkit.storage.tally import About, Tally
from tickerkit.storage.text_file import write_text
from tickerkit.validation import check_flag, check_path

__all__ = ["write_csv", "write_csv_stream"]

# A file with another suffix, such as .xlsx, would have the name of another format.
TEXT_SUFFIXES = ("", ".csv", ".txt")


def write_csv(
    frame: pd.DataFrame,
    path: str | PathLike[str],
    *,
    gaps: pd.DataFrame | None = None,
    misfits: Mapping[str, int] | None = None,
    units: Mapping[str, str] | None = None,
    mode: Mode = "new",
    escape_formulas: bool = False,
    source: str = "",
    symbols: Sequence[str] | None = None,
) -> Path:
    """Write ticks to a CSV file, which `read_csv` reads back as an identical frame.

    A small file beside the CSV, `ticks.csv.meta.jsonl`, holds the types of the columns, the gaps
    and checksums. The CSV can be read without it; the types are then inferred.

    An older file is replaced only when the new one is complete; after a failure it is as it was. A
    million rows take a third of a second; besides the frame, the text of 16,384 rows is in memory.

    Args:
        frame: the ticks, such as `TickLog.frame` returns, with any columns. The index is not
            written.
        path: the file. Missing folders are created. The suffix `.gz` or `.zst` compresses it.
        gaps: the ticks that are missing, with the columns of `Feed.gaps`.
        misfits: how many values of the ticks were left out, by column.
        units: the unit of each column that has one.
        mode: "new" refuses an existing file, "overwrite" replaces it, "append" adds the ticks to
            it, if it is a recording.
        escape_formulas: whether to make the file safe for spreadsheets: text that they would run
            as a formula gets a `'` in front, and the file starts with the mark by which they
            recognise UTF-8. `read_csv` removes both. Later appends to the file do the same.
        source: where the ticks came from.
        symbols: the symbols that the ticks were selected by; None for all. In a recording of some
            symbols, a jump in seq is no gap.

    Returns:
        The path.

    Raises:
        RecordingExists: the file exists, and mode is "new".
        RecordingError: mode is "append", and the file can't be appended to.
        InvalidArgument: an argument is invalid, such as a path with the suffix of another format.
        ValueError: two columns have the same name.
        OSError: the file can't be written.

    Example:
        >>> write_csv(log.frame(), "ticks.csv")
    """
    check_flag("escape_formulas", escape_formulas)
    check_path("path", path)
    if Path(str(path).removesuffix(".gz").removesuffix(".zst")).suffix not in TEXT_SUFFIXES:
        expected = "a name that ends in .csv, .csv.gz or .csv.zst; to_parquet writes .parquet"
        raise InvalidArgument("path", str(path), expected)
    path = prepare_path(path, mode)
    about = Sidecar.describe(source, symbols, gaps, misfits, units, escape_formulas=escape_formulas)
    if mode == "append" and path.exists():
        with CsvFile(path, mode="append", source=source, symbols=symbols) as file:
            if escape_formulas and not file.escape_formulas:
                problem = "it was written without escape_formulas=True; write another file"
                raise RecordingError(path, problem, "appended to")
            file.append(frame)
            file.note_gaps(about.gaps)
            file.note_misfits(about.misfits)
            file.note_units(about.units)
        return path
    write_csv_stream(path, [frame], lambda: about, escape_formulas=escape_formulas)
    return path


def write_csv_stream(
    path: Path,
    frames: Iterable[pd.DataFrame],
    about: About,
    *,
    escape_formulas: bool = False,
    last: Iterable[Line] = (),
) -> Tally:
    """Write ticks that come in several frames as a CSV file; see `write_text`."""
    return write_text(
        path,
        frames,
        partial(csv_lines, header=False, escape_formulas=escape_formulas),
        about,
        header=lambda frame: b"".join(csv_lines(frame.iloc[:0], escape_formulas=escape_formulas)),
        last=last,
    )
