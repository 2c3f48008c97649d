"""Chain: several files, whose rows follow each other, read as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import pandas as pd

from tickerkit.storage.csv.parts import parts_of
from tickerkit.storage.csv.read import CsvReader
from tickerkit.storage.frames import common_types, conform
from tickerkit.storage.reader import ROWS_AT_ONCE, Reader
from tickerkit.storage.sidecar import Sidecar

__all__ = ["ChainReader", "open_csv"]


class ChainReader(Reader):
    """Reads files one after the other; all pieces have the columns and types that fit all files.

    Each piece has rows of one file, so the last one of each file may be shorter.

    Args:
        path: the file that stands for all.
        readers: makes the readers of the files for some columns, None for all.
        columns: the columns to read, see `Reader`.
    """

    def __init__(
        self,
        path: Path,
        readers: Callable[[Sequence[str] | None], Sequence[Reader]],
        columns: Sequence[str] | None = None,
    ) -> None:
        super().__init__(path, columns)
        self._open, self._readers = readers, readers(columns)
        self._types: dict[str, Any] | None = None
        # The reader and the number within it of each piece so far.
        self._places: list[tuple[int, int]] = []
        self._note()

    def types(self) -> dict[str, Any]:
        if self._types is None:
            filled = [each for each in self._readers if not each.is_empty] or self._readers[:1]
            samples = [sample_of(each.types()) for each in filled]
            types = common_types(samples, self._values)
            self._types = {name: types[name] for name in self._choose(types)}
        return self._types

    def _values(self, name: str) -> Iterator[pd.Series[Any]]:
        for reader in self._open([name]):
            yield from (piece[name] for piece in reader.pieces() if name in piece)

    def pieces(self, first: int = 0) -> Iterator[pd.DataFrame]:
        types = self.types()
        if first == 0:
            self._places = []
        begin, skipped = self._places[first] if first else (0, 0)
        for place in range(begin, len(self._readers)):
            reader = self._readers[place]
            start = skipped if place == begin else 0
            for number, piece in enumerate(reader.pieces(start), start):
                self.share = (place + reader.share) / len(self._readers)
                if not len(piece) and self._places:
                    continue
                if first == 0:
                    self._places.append((place, number))
                yield conform(piece, types)
        if first == 0:
            self._note()

    def _note(self) -> None:
        """Note what the files say about themselves, and what is damaged."""
        readers = self._readers
        self.own = all(reader.own for reader in readers)
        self.sidecar = reduce(Sidecar.join, (reader.sidecar for reader in readers))
        self.problems = [
            problem.within(reader.path.name) for reader in readers for problem in reader.problems
        ]


def sample_of(types: Mapping[str, Any]) -> pd.DataFrame:
    """Return a frame without rows, whose columns have some types."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})


def open_csv(
    path: Path, columns: Sequence[str] | None = None, max_rows: int = ROWS_AT_ONCE
) -> Reader:
    """Return the reader of a CSV file and its further parts."""
    parts = parts_of(path) or [path]
    if len(parts) == 1:
        return CsvReader(parts[0], columns, max_rows)
    return ChainReader(
        path, lambda names: [CsvReader(part, names, max_rows) for part in parts], columns
    )
