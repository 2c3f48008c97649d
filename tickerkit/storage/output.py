"""Output: ticks that come in several frames as a whole file of any format, or added to one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pandas as pd

from tickerkit.storage.csv.append import CsvFile
from tickerkit.storage.csv.parts import parts_of
from tickerkit.storage.csv.write import write_csv_stream
from tickerkit.storage.jsonl import write_jsonl_stream
from tickerkit.storage.parquet.stream import write_row_groups
from tickerkit.storage.paths import is_jsonl
from tickerkit.storage.sidecar import Line, sidecar_path
from tickerkit.storage.tally import About, Tally

__all__ = ["append_csv", "write_stream"]


def write_stream(
    path: Path,
    frames: Iterable[pd.DataFrame],
    about: About,
    *,
    escape_formulas: bool = False,
    as_text: Collection[str] = (),
    last: Iterable[Line] = (),
) -> Tally:
    """Write ticks to a file of the format of its name. At the end, it replaces an older file.

    Args:
        path: the file.
        frames: the ticks; all frames have the same columns and types.
        about: returns what else the file says, called when all ticks are written.
        escape_formulas: whether a CSV is safe for spreadsheets, see `write_csv`.
        as_text: the columns of JSON lines that have an infinity.
        last: lines about this file alone.
    """
    if path.suffix == ".parquet":
        return write_row_groups(path, frames, about, last=last)
    if is_jsonl(path):
        return write_jsonl_stream(path, frames, about, as_text=as_text, last=last)
    return write_csv_stream(path, frames, about, escape_formulas=escape_formulas, last=last)


def append_csv(path: Path, frames: Iterable[pd.DataFrame], about: About) -> Tally:
    """Append ticks to a CSV recording. If that fails, the recording is as it was.

    Args:
        path: the recording.
        frames: the ticks.
        about: returns what else is known of them; where they come from, and of which symbols
            they are, at once, and all else when they are written.
    """
    tally, found = Tally(), about()
    file = CsvFile(path, source=found.source, symbols=found.symbols)
    with _undoing(file):
        for frame in frames:
            file.append(frame)
            tally.add(frame)
        found = about()
        file.note_gaps(found.gaps)
        file.note_misfits(found.misfits)
        file.note_units(found.units)
        file.close()
    return tally


@contextlib.contextmanager
def _undoing(file: CsvFile) -> Iterator[None]:
    """Cut the files of an open CSV recording back to their sizes if the block fails."""
    sizes = {each: each.stat().st_size for each in _files(file.path)}
    try:
        yield
    except BaseException:
        file.abandon()
        for each in _files(file.path):
            if each not in sizes:
                each.unlink()
            elif each.stat().st_size > sizes[each]:
                os.truncate(each, sizes[each])
        raise


def _files(path: Path) -> list[Path]:
    parts = parts_of(path)
    return [each for part in parts for each in (part, sidecar_path(part)) if each.exists()]
