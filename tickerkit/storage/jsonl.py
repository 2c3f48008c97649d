"""JSON lines: ticks as a text file with one object for each tick.

    {"seq":1,"time":"2026-11-22T10:00:00.123456789Z","symbol":"AAPL","price":187.25,"size":null,…}

Types, gaps and source are in a sidecar, as for CSV; see `sidecar`. The reader turns each object
into a line of CSV, so that both formats have the same parser, types and limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from tickerkit.errors import InvalidArgument, Problem, RecordingError
from tickerkit.storage.content import Content
from tickerkit.storage.csv.foreign import ForeignReader
from tickerkit.storage.csv.native import NativeReader
from tickerkit.storage.csv.text import json_lines, quote
from tickerkit.storage.files import Mode, prepare_path
from tickerkit.storage.memory import check_size
from tickerkit.storage.raw import LineReader
from tickerkit.storage.sidecar import Sidecar, read_sidecar, sidecar_path
from tickerkit.storage.text_file import write_text
from tickerkit.ticks.fields import symbol_field

__all__ = ["is_tick_lines", "read_jsonl", "write_jsonl"]

BLOCK_LINES = 16_384
OBJECTS_TRIED = 10
# The keys that only lines of raw frames have, see `raw`.
RAW_KEYS = frozenset({"frame", "text", "base64", "connected", "dropped"})

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def write_jsonl(
    frame: pd.DataFrame,
    path: str | PathLike[str],
    *,
    gaps: pd.DataFrame | None = None,
    misfits: Mapping[str, int] | None = None,
    units: Mapping[str, str] | None = None,
    mode: Mode = "new",
    source: str = "",
    symbols: Sequence[str] | None = None,
) -> Path:
    """Write ticks to a file of JSON lines, which `load` reads back as an identical frame.

    Any program that reads JSON lines can read the file. An older file is replaced only when the new
    one is complete.

    Args:
        frame: the ticks, with any columns. The index is not written.
        path: the file. Missing folders are created. The suffix `.gz` or `.zst` compresses it.
        gaps: the ticks that are missing, with the columns of `Feed.gaps`.
        misfits: how many values of the ticks were left out, by column.
        units: the unit of each column that has one.
        mode: "new" refuses an existing file, "overwrite" replaces it.
        source: where the ticks came from.
        symbols: the symbols that the ticks were selected by; None for all.

    Returns:
        The path.

    Raises:
        RecordingExists: the file exists, and mode is "new".
        ValueError: mode is "append", or two columns have the same name.
        OSError: the file can't be written.

    Example:
        >>> write_jsonl(log.frame(), "ticks.jsonl")
    """
    if mode == "append":
        raise InvalidArgument("mode", mode, "'new' or 'overwrite' for JSON lines")
    path = prepare_path(path, mode)
    about = Sidecar.describe(source, symbols, gaps, misfits, units)
    write_text(path, frame, json_lines(frame), about, header=False)
    return path


def is_tick_lines(path: Path) -> bool:
    """Return whether a file has ticks rather than raw frames.

    Its sidecar says so, or one of its first objects is a tick: a flipped bit may be in any of them.
    """
    sidecar = read_sidecar(path)
    if sidecar is not None and (sidecar.columns.kinds or not path.exists()):
        return True
    objects = islice(LineReader(path, _decode), OBJECTS_TRIED)
    return any(symbol_field(each) is not None and RAW_KEYS.isdisjoint(each) for each in objects)


def read_jsonl(path: Path) -> Content:
    """Read ticks from JSON lines, and their sidecar if there is one.

    Lines that aren't objects are left out and reported in `Content.problems`.

    Raises:
        RecordingError: the file can't be read, or another program's file has no ticks.
    """
    objects, sidecar = LineReader(path, _decode), read_sidecar(path)
    own = sidecar is not None and bool(sidecar.columns.kinds)
    unfitting: list[int] = []
    if sidecar is not None and own:
        names = list(sidecar.columns.kinds)
        native = NativeReader(names, sidecar.columns)
        for block in _csv_blocks(objects, names):
            native.add(block, native.rows + len(native.damaged) + 1)
            check_size(path, native.rows, native.size)
        unfitting = native.damaged
        if len(unfitting) > max(native.rows, 1):
            problem = f"row {unfitting[0]:,} does not fit the types in its sidecar"
            fix = "move the sidecar away to have the types inferred"
            raise RecordingError(path, f"{problem}; {fix}")
        frame = native.frame()
    else:
        # Objects may differ in their keys: a first pass collects these, a second reads the values.
        names = list(dict.fromkeys(name for each in LineReader(path, _decode) for name in each))
        header = b",".join(map(quote, names)) + b"\n"
        frame = ForeignReader(path).read([header, *_csv_blocks(objects, names)])
    torn, problems = objects.torn_bytes, objects.problems()
    if unfitting:
        about = "does not fit the columns in the sidecar, left out"
        ranges = [(row, row) for row in unfitting]
        problems.append(Problem.from_ranges("damaged", "row", ranges, about))
    if sidecar is not None:
        problems += sidecar.problems(sidecar_path(path).name)
    return Content(frame, sidecar or Sidecar(), problems, own=own, torn_bytes=torn)


def _csv_blocks(objects: Iterable[dict[str, Any]], names: list[str]) -> Iterator[bytes]:
    """Yield the objects as lines of CSV, in blocks."""
    lines = (b",".join([_cell(each.get(name)) for name in names]) + b"\n" for each in objects)
    while block := b"".join(islice(lines, BLOCK_LINES)):
        yield block


def _cell(value: object) -> bytes:
    if value is None:
        return b""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int | float):
        return repr(value).encode()
    return quote(msgspec.json.encode(value).decode())
