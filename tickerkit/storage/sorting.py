"""Sorting: rows of any number in the order of a key, with only some of them in memory.

A key is a rank and a number, such as the place of an epoch and a seq. Rows with the same key keep
their order.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from tickerkit.limits import MAX_WORDS
from tickerkit.storage.frames import combine_frames

__all__ = ["Block", "Ints", "Key", "Run", "Sorter", "is_sorted", "join_blocks", "merge_runs"]

# A million rows of ticks take 140 MB, and sorting needs them thrice.
RUN_ROWS = 2**19
# Rows of each run that wait in memory: with 200 runs these are as many as those of a run.
BATCH_ROWS = 2**12
RANK, NUMBER = "rank of the key", "number of the key"
OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")

Ints = npt.NDArray[np.int64]


class Key(NamedTuple):
    """By what rows are sorted: first by rank, then by number."""

    rank: int
    number: int


class Block(NamedTuple):
    """Some rows with their keys.

    Attributes:
        frame: the rows, with a new index.
        ranks: their ranks, shape (rows,).
        numbers: their numbers, shape (rows,).
    """

    frame: pd.DataFrame
    ranks: Ints
    numbers: Ints

    def key(self, row: int) -> Key:
        """Return the key of a row."""
        return Key(int(self.ranks[row]), int(self.numbers[row]))

    def rows(self, start: int, stop: int) -> Block:
        """Return some of the rows."""
        frame = self.frame.iloc[start:stop].reset_index(drop=True)
        return Block(frame, self.ranks[start:stop], self.numbers[start:stop])

    def sorted(self) -> Block:
        """Return the rows in the order of their keys."""
        if is_sorted(self.ranks, self.numbers):
            return self
        order = np.lexsort((self.numbers, self.ranks))
        frame = self.frame.take(order).reset_index(drop=True)
        return Block(frame, self.ranks[order], self.numbers[order])


def is_sorted(ranks: Ints, numbers: Ints) -> bool:
    """Return whether keys are in order."""
    steps = np.diff(ranks)
    return bool(np.all((steps > 0) | ((steps == 0) & (np.diff(numbers) >= 0))))


def join_blocks(blocks: Sequence[Block]) -> Block:
    """Return the rows of blocks, one block after the other."""
    if len(blocks) == 1:
        return blocks[0]
    return Block(
        combine_frames([block.frame for block in blocks]),
        np.concatenate([block.ranks for block in blocks]),
        np.concatenate([block.numbers for block in blocks]),
    )


class Run:
    """Rows that are in order already.

    Args:
        first: the key of its first row, so that the rows need not be read before their turn.
        blocks: the rows, none of the blocks empty.

    Attributes:
        first: as given.
    """

    def __init__(self, first: Key, blocks: Iterator[Block]) -> None:
        self.first = first
        self._blocks = blocks
        self._block: Block | None = None

    @property
    def last(self) -> Key:
        """The key of the last row that waits."""
        assert self._block is not None
        return self._block.key(-1)

    def fill(self) -> bool:
        """Read the next rows if none waits; return whether there are any."""
        if self._block is None:
            self._block = next(self._blocks, None)
        return self._block is not None

    def take(self, key: Key, *, with_equal: bool) -> Block | None:
        """Return the waiting rows before a key, or up to it; None if there are none."""
        block = self._block
        assert block is not None
        here = block.numbers <= key.number if with_equal else block.numbers < key.number
        count = int(np.count_nonzero((block.ranks < key.rank) | ((block.ranks == key.rank) & here)))
        if not count:
            return None
        if count == len(block.frame):
            self._block = None
            return block
        self._block = block.rows(count, len(block.frame))
        return block.rows(0, count)


def merge_runs(runs: Sequence[Run]) -> Iterator[Block]:
    """Yield the rows of several runs in order; of those with the same key, an earlier run's first.

    A run is opened when its first row is due, and then some of its rows are in memory.
    """
    order = sorted(range(len(runs)), key=lambda place: (runs[place].first, place))
    waiting, opened = deque(order), dict[int, Run]()
    while waiting or opened:
        key, place = min(((run.last, place) for place, run in opened.items()), default=(None, 0))
        if waiting and (key is None or runs[waiting[0]].first <= key):
            place = waiting.popleft()
            if runs[place].fill():
                opened[place] = runs[place]
            continue
        if key is None:
            return
        taken = [opened[each].take(key, with_equal=each <= place) for each in sorted(opened)]
        yield join_blocks([block for block in taken if block is not None]).sorted()
        opened = {each: run for each, run in opened.items() if run.fill()}


class Sorter:
    """Sorts any number of rows: sorted runs of them wait in a temporary file.

    The file has no name, so it is gone when the process ends, however that happens.

    Args:
        folder: where the temporary file is; None for the system's folder.
        run_rows: how many rows are sorted in memory.
    """

    def __init__(self, folder: Path | None = None, run_rows: int = RUN_ROWS) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._run_rows = run_rows
        self._held: list[Block] = []
        self._count = 0
        self._texts: dict[str, _Words] = {}
        self._runs: list[tuple[Key, list[tuple[int, int]]]] = []

    def add(self, block: Block) -> None:
        """Add rows; all have the same columns and types, but for the categories of text."""
        if not len(block.frame):
            return
        self._held.append(block)
        self._count += len(block.frame)
        if self._count >= self._run_rows:
            self._write_run()

    def runs(self) -> list[Run]:
        """Return the rows in runs that `merge_runs` takes, once."""
        runs = [Run(first, self._read(places)) for first, places in self._runs]
        if self._held:
            last = self._take_held()
            runs.append(Run(last.key(0), iter([last])))
        return runs

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()

    def __enter__(self) -> Sorter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take_held(self) -> Block:
        block = join_blocks(self._held)
        self._held, self._count = [], 0
        return block.sorted()

    def _write_run(self) -> None:
        block = self._take_held()
        frame = block.frame.assign(**{RANK: block.ranks, NUMBER: block.numbers})
        for name in frame.columns:
            if isinstance(frame[name].dtype, pd.CategoricalDtype):
                frame[name] = self._texts.setdefault(name, _Words()).encode(frame[name])
        table, places = pa.Table.from_pandas(frame, preserve_index=False), []
        self._file.seek(0, 2)
        for start in range(0, len(frame), BATCH_ROWS):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema, options=OPTIONS) as writer:
                writer.write_table(table.slice(start, BATCH_ROWS))
            data = sink.getvalue()
            places.append((self._file.tell(), data.size))
            self._file.write(data)
        self._runs.append((block.key(0), places))

    def _read(self, places: Iterable[tuple[int, int]]) -> Iterator[Block]:
        for place, size in places:
            self._file.seek(place)
            with pa.ipc.open_stream(self._file.read(size)) as reader:
                frame = reader.read_pandas()
            ranks, numbers = (frame.pop(name).to_numpy() for name in (RANK, NUMBER))
            for name, words in self._texts.items():
                frame[name] = words.decode(frame[name])
            yield Block(frame, ranks, numbers)


class _Words:
    """The categories of a text column in all runs, as long as there are not too many."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._index: Any = pd.Index([], dtype="str")

    def encode(self, text: pd.Series[Any]) -> Any:
        """Return text as codes, or plain when there are too many categories."""
        if len(self._codes) > MAX_WORDS:
            return text.astype("str")
        known = [self._codes.setdefault(word, len(self._codes)) for word in text.cat.categories]
        return np.array([*known, -1], dtype=np.int32)[text.cat.codes]

    def decode(self, column: pd.Series[Any]) -> Any:
        """Return the text of codes, or of plain text."""
        if column.dtype.kind != "i":
            return column.astype("category")
        if len(self._index) < len(self._codes):
            self._index = pd.Index(list(self._codes), dtype="str")
        return pd.Categorical.from_codes(column, dtype=pd.CategoricalDtype(self._index))
