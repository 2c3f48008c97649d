"""Readers: what the readers of all formats have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from tickerkit.errors import Problem
from tickerkit.storage.bounds import Bounds
from tickerkit.storage.content import Content, RowLabels
from tickerkit.storage.frame_builder import FrameBuilder
from tickerkit.storage.memory import check_size
from tickerkit.storage.sidecar import Sidecar

__all__ = ["ROWS_AT_ONCE", "Reader", "cut_tables", "read_whole_of"]

ROWS_AT_ONCE = 131_072


class Reader(ABC):
    """Reads a file piece by piece.

    What the file says about itself, and what is damaged, is complete when the first iteration of
    `pieces` has ended.

    Args:
        path: the file.
        columns: the columns to read, in this order; those that the file lacks are left out. None
            for all. Damage in other columns isn't found.
        max_rows: how many rows each piece has, but for the last.

    Attributes:
        path: the file.
        own: whether tickerkit wrote the file.
        sidecar: what else the file says about itself.
        problems: what is damaged, and was left out.
        labels: how rows are numbered in reports.
        torn_bytes: the size of a last line that is cut off.
        states: the states of a venue's subscriptions; see `RawSource`.
        share: how much of the file was read so far, 0 to 1.
        is_empty: whether the file surely has no rows.
        bounds: ticks outside them may be left out; None for all ticks.
    """

    def __init__(
        self, path: Path, columns: Sequence[str] | None = None, max_rows: int = ROWS_AT_ONCE
    ) -> None:
        self.path, self.max_rows = path, max_rows
        self._chosen = None if columns is None else list(columns)
        self.own, self.torn_bytes, self.share = True, 0, 0.0
        self.is_empty = False
        self.bounds: Bounds | None = None
        self.sidecar, self.labels = Sidecar(), RowLabels()
        self.problems: list[Problem] = []
        self.states: Sequence[tuple[int, dict[str, Any]]] = ()

    @abstractmethod
    def pieces(self, first: int = 0) -> Iterator[pd.DataFrame]:
        """Yield the rows, beginning with the piece of number `first`; at least one piece.

        Raises:
            RecordingError: the file can't be read as ticks.
        """

    @abstractmethod
    def types(self) -> Mapping[str, Any]:
        """Return the type of each column; that of text has no categories."""

    def _choose(self, names: Iterable[str]) -> list[str]:
        """Return the columns to read, of those that the file has."""
        known = list(names)
        if self._chosen is None:
            return known
        return [name for name in self._chosen if name in known]


class WholeReader(Reader):
    """Reads what only can be read as a whole."""

    def __init__(
        self, content: Content, path: Path, columns: Sequence[str] | None, max_rows: int
    ) -> None:
        super().__init__(path, columns, max_rows)
        self._frame = content.frame[self._choose(map(str, content.frame.columns))]
        self.own, self.sidecar, self.labels = content.own, content.sidecar, content.labels
        self.problems, self.states = content.problems, content.states

    def types(self) -> dict[str, Any]:
        return {str(name): self._frame[name].dtype for name in self._frame.columns}

    def pieces(self, first: int = 0) -> Iterator[pd.DataFrame]:
        frame, rows = self._frame, self.max_rows
        for start in range(first * rows, max(len(frame), 1), rows):
            self.share = min((start + rows) / max(len(frame), 1), 1.0)
            yield frame.iloc[start : start + rows].reset_index(drop=True)


def read_whole_of(reader: Reader) -> Content:
    """Read all pieces as one frame; raises `RecordingError`."""
    builder = FrameBuilder()
    for piece in reader.pieces():
        expected = int((builder.rows + len(piece)) / reader.share) if reader.share else 0
        builder.add(piece, expected)
        check_size(reader.path, builder.rows, builder.size)
    return Content(
        builder.frame(),
        reader.sidecar,
        reader.problems,
        reader.own,
        reader.labels,
        reader.torn_bytes,
        reader.states,
    )


def cut_tables(tables: Iterable[pa.Table], max_rows: int, skip: int = 0) -> Iterator[pa.Table]:
    """Yield the rows of tables, `max_rows` in each but the last; at least one table.

    Args:
        tables: at least one.
        max_rows: how many rows each has.
        skip: how many rows are left out first.
    """
    held: list[pa.Table] = []
    rows, is_first = 0, True
    for table in tables:
        if skip and table.num_rows:
            left_out = min(skip, table.num_rows)
            table, skip = table.slice(left_out), skip - left_out
        if not table.num_rows and held:
            continue
        held.append(table)
        rows += table.num_rows
        if rows < max_rows:
            continue
        whole, at = pa.concat_tables(held), 0
        while rows - at >= max_rows:
            yield whole.slice(at, max_rows)
            at, is_first = at + max_rows, False
        held, rows = [whole.slice(at)], rows - at
    if rows or is_first:
        yield pa.concat_tables(held)
