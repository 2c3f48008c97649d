"""JSON lines: ticks as a text file with one object for each tick.

    {"seq":1,"time":"2026-11-22T10:00:00.123456789Z","symbol":"AAPL","price":187.25,"size":null,…}

Types, gaps and source are in a sidecar, as for CSV; see `sidecar`. The reader turns each object
into a line of CSV, so that both formats have the same parser, types and limits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa

from tickerkit.errors import InvalidArgument, Problem, RecordingError
from tickerkit.storage.content import Content
from tickerkit.storage.csv.columns import TypeDecider, order_categories, to_frame
from tickerkit.storage.csv.foreign import ForeignReader
from tickerkit.storage.csv.native import NativeReader, orders_of, types_of
from tickerkit.storage.csv.text import json_lines, quote
from tickerkit.storage.files import Mode, prepare_path, unreadable
from tickerkit.storage.raw import LineReader
from tickerkit.storage.reader import ROWS_AT_ONCE, Reader, cut_tables, read_whole_of
from tickerkit.storage.sidecar import Line, Sidecar, read_sidecar, sidecar_path
from tickerkit.storage.tally import About, Tally
from tickerkit.storage.text_file import write_text
from tickerkit.ticks.fields import symbol_field

__all__ = [
    "JsonLinesReader",
    "is_tick_lines",
    "read_jsonl",
    "write_jsonl",
    "write_jsonl_stream",
]

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
    write_text(path, [frame], json_lines, lambda: about)
    return path


def write_jsonl_stream(
    path: Path,
    frames: Iterable[pd.DataFrame],
    about: About,
    *,
    as_text: Collection[str] = (),
    last: Iterable[Line] = (),
) -> Tally:
    """Write ticks that come in several frames as JSON lines; see `write_text`, `json_lines`."""
    return write_text(path, frames, partial(json_lines, as_text=as_text), about, last=last)


def is_tick_lines(path: Path) -> bool:
    """Return whether a file has ticks rather than raw frames.

    Its sidecar says so, or one of its first objects is a tick: a flipped bit may be in any of them.
    """
    sidecar = read_sidecar(path)
    if sidecar is not None and (sidecar.columns.kinds or not path.exists()):
        return True
    objects = islice(LineReader(path, _decode), OBJECTS_TRIED)
    return any(symbol_field(each) is not None and RAW_KEYS.isdisjoint(each) for each in objects)


class JsonLinesReader(Reader):
    """Reads ticks from JSON lines, and their sidecar if there is one.

    Lines that aren't objects are left out, and are problems. See `CsvReader` for the arguments.

    Raises:
        RecordingError: the file can't be read.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str] | None = None,
        max_rows: int = ROWS_AT_ONCE,
        *,
        alone: bool = True,
    ) -> None:
        super().__init__(path, columns, max_rows)
        self._alone, self._passed = alone, 0
        sidecar = read_sidecar(path)
        self._has_sidecar, self.sidecar = sidecar is not None, sidecar or Sidecar()
        self.own = bool(self.sidecar.columns.kinds)
        self.orders = orders_of(self.sidecar.columns)
        try:
            self._size = path.stat().st_size
        except OSError as error:
            raise unreadable(path, error) from None
        self._names = list(self.sidecar.columns.kinds) if self.own else None
        self._types: dict[str, Any] | None = None

    def types(self) -> dict[str, Any]:
        if self._types is None:
            self._types = self._decide() if self.own else self._decide_foreign()
        return self._types

    def pieces(self, first: int = 0) -> Iterator[pd.DataFrame]:
        types = self.types()
        names = list(types)
        # Arrow's tables without columns have no rows.
        columns = names or self._known_names()[:1]
        lines = self._lines()
        if self.own:
            reader = NativeReader(columns, self.sidecar.columns)
            tables = self._native_tables(reader, lines)
        else:
            # All names, since a header without a price would not be that of ticks.
            tables = self._foreign_tables(self._known_names(), lines, columns)
        for number, table in enumerate(
            cut_tables(tables, self.max_rows, first * self.max_rows), first
        ):
            if self.own and number == 0:
                self._check_fit(reader)
            frame = to_frame(table.select(names), types)
            yield order_categories(frame, self.orders) if self._alone else frame
        if first == 0:
            self._finish(lines, reader.damaged if self.own else [])

    def _lines(self) -> LineReader[dict[str, Any]]:
        return LineReader(self.path, _decode, self._size)

    def _known_names(self) -> list[str]:
        """Return the columns. Objects may differ in their keys, so all must be looked at."""
        if self._names is None:
            self._names = list(dict.fromkeys(name for each in self._lines() for name in each))
        return self._names

    def _decide(self) -> dict[str, Any]:
        names = self._choose(self._known_names())
        types, found = types_of(names, self.sidecar.columns.kinds, alone=self._alone)
        if found:
            decider = TypeDecider(found)
            reader = NativeReader(list(found), self.sidecar.columns)
            for table in self._native_tables(reader, self._lines()):
                decider.add(table)
            types |= decider.types
            self._passed = 1
        return types

    def _decide_foreign(self) -> dict[str, Any]:
        names = self._known_names()
        reader = ForeignReader(self.path)
        next(reader.tables([_header(names)]))
        types, unsure = reader.types()
        types = {name: types[name] for name in self._choose(types)}
        self._passed = 1
        if found := {name: types[name] for name in unsure if name in types}:
            decider = TypeDecider(found)
            for table in self._foreign_tables(names, self._lines(), list(found)):
                decider.add(table)
            types |= decider.types
            self._passed = 2
        return types

    def _native_tables(
        self, reader: NativeReader, lines: LineReader[dict[str, Any]]
    ) -> Iterator[pa.Table]:
        yield reader.take()
        for block in _csv_blocks(lines, reader.names):
            reader.add(block, reader.rows + len(reader.damaged) + 1)
            self._note_share(lines)
            yield reader.take()

    def _foreign_tables(
        self,
        names: list[str],
        lines: LineReader[dict[str, Any]],
        only: Sequence[str] | None = None,
    ) -> Iterator[pa.Table]:
        reader = ForeignReader(self.path, only)
        for table, _ in reader.tables(chain([_header(names)], _csv_blocks(lines, names))):
            self._note_share(lines)
            yield table

    def _note_share(self, lines: LineReader[dict[str, Any]]) -> None:
        part = lines.at / self._size if self._size else 1.0
        self.share = (self._passed + part) / (self._passed + 1)

    def _check_fit(self, reader: NativeReader) -> None:
        if len(reader.damaged) > max(reader.rows, 1):
            problem = f"row {reader.damaged[0]:,} does not fit the types in its sidecar"
            fix = "move the sidecar away to have the types inferred"
            raise RecordingError(self.path, f"{problem}; {fix}")

    def _finish(self, lines: LineReader[dict[str, Any]], unfitting: Sequence[int]) -> None:
        """Note what is damaged."""
        self.torn_bytes, self.problems = lines.torn_bytes, lines.problems()
        if unfitting:
            about = "does not fit the columns in the sidecar, left out"
            ranges = [(row, row) for row in unfitting]
            self.problems.append(Problem.from_ranges("damaged", "row", ranges, about))
        if self._has_sidecar:
            self.problems += self.sidecar.problems(sidecar_path(self.path).name)


def read_jsonl(path: Path) -> Content:
    """Read ticks from JSON lines, and their sidecar if there is one.

    Lines that aren't objects are left out and reported in `Content.problems`.

    Raises:
        RecordingError: the file can't be read, or another program's file has no ticks.
    """
    reader = JsonLinesReader(path, alone=False)
    content = read_whole_of(reader)
    return content._replace(frame=order_categories(content.frame, reader.orders))


def _header(names: list[str]) -> bytes:
    return b",".join(map(quote, names)) + b"\n"


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
