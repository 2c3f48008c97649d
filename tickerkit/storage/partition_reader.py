"""Reader of partitions: the files of one recording, in the order in which it was recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from tickerkit.errors import Problem, RecordingError
from tickerkit.storage.frames import regroup
from tickerkit.storage.merge import Merge
from tickerkit.storage.parquet.read import read_each
from tickerkit.storage.parquet.reader import ParquetReader
from tickerkit.storage.reader import ROWS_AT_ONCE, Reader
from tickerkit.storage.sidecar import Sidecar

__all__ = ["PartitionReader"]


class PartitionReader(Reader):
    """Reads the files of one recording that is laid out by day and symbol; see `partitions`.

    A file that can't be read is left out. To begin at a later piece, all rows are merged again.

    Args:
        path: of the whole recording.
        files: its files.
        columns: the columns to read, see `Reader`.
        max_rows: how many rows each piece has, but for the last.

    Raises:
        RecordingError: none of the files can be read.
    """

    def __init__(
        self,
        path: Path,
        files: Sequence[Path],
        columns: Sequence[str] | None = None,
        max_rows: int = ROWS_AT_ONCE,
    ) -> None:
        super().__init__(path, columns, max_rows)
        found, self._unreadable = read_each(files, _look)
        self._files = [file for file, _, _ in found]
        # Each file says the same about the whole.
        self.sidecar, self.own = found[0][1], all(own for _, _, own in found)
        self.sidecar.partition = {}
        self.problems = list(self._unreadable)
        self._damage: dict[Path, list[Problem]] = {}
        self._merge: Merge | None = None

    def types(self) -> dict[str, Any]:
        frame = next(self._merged().frames())
        return {name: frame[name].dtype for name in self._choose(map(str, frame.columns))}

    def pieces(self, first: int = 0) -> Iterator[pd.DataFrame]:
        merge = self._merged()
        rows = max(sum(survey.rows for survey in merge.surveys), 1)
        for number, frame in enumerate(
            islice(regroup(merge.frames(), self.max_rows), first, None), first
        ):
            self.share = min((number + 1) * self.max_rows / rows, 1.0)
            yield frame[self._choose(map(str, frame.columns))]
        damage = [problem for each in self._damage.values() for problem in each]
        self.problems = [*self._unreadable, *damage]

    def _merged(self) -> Merge:
        if self._merge is None:
            opens: list[Callable[[Sequence[str] | None], Iterator[pd.DataFrame]]] = [
                partial(self._read, file) for file in self._files
            ]
            self._merge = Merge(opens, columns=self._chosen)
        return self._merge

    def _read(self, file: Path, columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
        """Yield the rows of a file; of one that can't be read, those before the damage."""
        reader = ParquetReader(file, columns, self.max_rows)
        try:
            yield from reader.pieces()
            self._damage[file] = reader.problems
        except RecordingError as error:
            place = self._files.index(file) + 1
            about = f"{file.parent.name}/{file.name}: {error.problem}; left out"
            self._damage[file] = [Problem.from_ranges("damaged", "file", [(place, place)], about)]
            yield pd.DataFrame({name: pd.Series(dtype=t) for name, t in reader.types().items()})


def _look(file: Path) -> tuple[Path, Sidecar, bool]:
    """Return what a file says about itself, and whether tickerkit wrote it; it isn't kept open."""
    reader = ParquetReader(file)
    return file, reader.sidecar, reader.own
