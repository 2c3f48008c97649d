"""Merging: the ticks of several inputs in the order of their arrival, as one recording.

Ticks of recordings are in order of position: epochs by their first `received`, and the ticks of an
epoch by seq. If an input has no positions, all ticks are in order of time; one without a time stays
behind the one before it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from tickerkit.limits import MAX_INT64
from tickerkit.storage.extent import ExtentBuilder
from tickerkit.storage.frames import combine_frames, common_types, conform
from tickerkit.storage.sorting import (
    Block,
    Ints,
    Key,
    Run,
    Sorter,
    is_sorted,
    join_blocks,
    merge_runs,
)
from tickerkit.ticks import NO_TIME

__all__ = ["Merge", "Open", "Survey"]

# Opens an input at its first row: called with the columns to read, None for all; those that it
# lacks are left out. All frames of an input have the same columns and types.
Open: TypeAlias = Callable[[Sequence[str] | None], Iterator[pd.DataFrame]]

# An open input has some megabytes of its file in memory. If more of them overlap, their rows are
# sorted in a temporary file.
MAX_OPEN = 16
# An input counts as unordered if the epoch changes more often than this within a piece.
MAX_STRETCHES = 1_000


class Survey:
    """Where the ticks of an input lie, by its columns `epoch` and `seq`.

    Attributes:
        extent: how far its ticks reach.
    """

    def __init__(self) -> None:
        self.extent = ExtentBuilder()
        # The first and last key of successive rows that are in order, by provisional ranks. None
        # if the input is in no order.
        self.stretches: list[tuple[Key, Key]] | None = []

    @property
    def rows(self) -> int:
        """How many ticks it has."""
        return self.extent.rows

    def add(self, block: Block) -> None:
        """Add the next rows, whose ranks are provisional."""
        if not len(block.frame):
            return
        self.extent.add(block.frame)
        cuts = np.flatnonzero(np.diff(block.ranks)) + 1
        starts, stops = [0, *cuts.tolist()], [*cuts.tolist(), len(block.ranks)]
        if self.stretches is None or len(starts) > MAX_STRETCHES:
            self.stretches = None
            return
        for start, stop in zip(starts, stops, strict=True):
            if not is_sorted(block.ranks[start:stop], block.numbers[start:stop]):
                self.stretches = None
                return
            first, last = block.key(start), block.key(stop - 1)
            before = self.stretches[-1] if self.stretches else None
            if before is not None and before[1].rank == first.rank and before[1] <= first:
                self.stretches[-1] = before[0], last
            else:
                self.stretches.append((first, last))

    def ends(self, ranks: Sequence[int]) -> tuple[Key, Key] | None:
        """Return the first and last key of the ticks if they are in order, else None.

        Args:
            ranks: the rank of each provisional rank.
        """
        if not self.stretches:
            return None
        keys = [Key(ranks[key.rank], key.number) for pair in self.stretches for key in pair]
        in_order = all(one <= other for one, other in pairwise(keys))
        return (keys[0], keys[-1]) if in_order else None


class Merge:
    """The ticks of several inputs in the order of their arrival.

    Inputs that are in order are read twice, at first only the columns that decide the order. Others
    are sorted with a temporary file, and half a million of their ticks are in memory.

    Args:
        inputs: the inputs; of ticks with the same position, those of an earlier one come first.
        columns: the columns to return, None for all.
        dedupe: whether each tick comes once: of those with the same position, the first; without
            positions, of those with equal values.
        folder: where a temporary file may be; None for the system's folder.

    Attributes:
        surveys: where the ticks of each input lie.
        by_seq: whether all ticks have positions.
        has_order: whether they have positions or times; else they stay as they are.
        epochs: the epochs in order.

    Raises:
        RecordingError: an input can't be read. The iteration raises it, too.

    Example:
        >>> merge = Merge([one.frames, other.frames], dedupe=True)
        >>> for frame in merge.frames():
        ...     print(len(frame))
    """

    def __init__(
        self,
        inputs: Sequence[Open],
        *,
        columns: Sequence[str] | None = None,
        dedupe: bool = False,
        folder: Path | None = None,
    ) -> None:
        self._inputs, self._columns = inputs, columns
        self._dedupe, self._folder = dedupe, folder
        self._epochs: dict[str, int] = {}
        samples = [_first(each(None)) for each in inputs]
        filled = [sample for sample in samples if len(sample)] or samples[:1]
        self.by_seq = all(
            "epoch" in each and "seq" in each and each["seq"].dtype.kind in "iu" for each in filled
        )
        timed = all("time" in each and each["time"].dtype.kind == "M" for each in filled)
        self.has_order = self.by_seq or timed
        keys = ("epoch", "seq") if self.by_seq else ("time",) if timed else ()
        names = dict.fromkeys(str(name) for sample in filled for name in sample.columns)
        wanted = [name for name in names if columns is None or name in {*columns, *keys}]
        self._read_columns = None if columns is None else wanted
        self._types = common_types(
            [each[[n for n in wanted if n in each]] for each in filled], self._values
        )
        self._arrivals: dict[str, int] = {}
        # What decides the order of epochs is read in the first pass only.
        self._survey_columns = [*keys, *(("received", "time") if self.by_seq else ())]
        self.surveys = [self._survey(each) for each in inputs]
        # By provisional rank, the rank.
        self.epochs = sorted(self._epochs, key=lambda each: self._arrivals.get(each, MAX_INT64))
        places = {epoch: rank for rank, epoch in enumerate(self.epochs)}
        self._ranks = [places[epoch] for epoch in self._epochs]

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the ticks in frames of any size, all with the same columns and types.

        The first frame may be empty; there is at least one.
        """
        yield conform(pd.DataFrame(), self._types)[self._returned()]
        ends = [survey.ends(self._ranks) for survey in self.surveys]
        known = [each for each in ends if each is not None]
        is_ordered = len(known) == sum(bool(survey.rows) for survey in self.surveys)
        if is_ordered and _depth(known) <= MAX_OPEN:
            runs = [
                Run(pair[0], self._blocks(each))
                for pair, each in zip(ends, self._inputs, strict=True)
                if pair is not None
            ]
            yield from self._finish(merge_runs(runs))
            return
        with Sorter(self._folder) as sorter:
            for each in self._inputs:
                for block in self._blocks(each):
                    sorter.add(block)
            yield from self._finish(merge_runs(sorter.runs()))

    def _values(self, name: str) -> Iterator[pd.Series[Any]]:
        return (frame[name] for each in self._inputs for frame in each([name]) if name in frame)

    def _returned(self) -> list[str]:
        return [name for name in self._types if self._columns is None or name in self._columns]

    def _survey(self, each: Open) -> Survey:
        survey, keys = Survey(), _Keys(self._epochs, by_seq=self.by_seq)
        for frame in each(self._survey_columns):
            block = keys.block(frame)
            survey.add(block)
            self._note_arrivals(block)
        return survey

    def _note_arrivals(self, block: Block) -> None:
        """Note when each epoch began."""
        name = next((each for each in ("received", "time") if each in block.frame), None)
        if not self.by_seq or name is None or block.frame[name].dtype.kind != "M":
            return
        times = _times(block.frame[name])
        known = times != NO_TIME
        arrivals = Block(block.frame, block.ranks[known], times[known])
        epochs = list(self._epochs)
        for rank, low, _ in _spans(arrivals):
            self._arrivals[epochs[rank]] = min(low, self._arrivals.get(epochs[rank], low))

    def _blocks(self, each: Open) -> Iterator[Block]:
        keys = _Keys(self._epochs, by_seq=self.by_seq)
        ranks = np.array([*self._ranks, 0], dtype=np.int64)
        for frame in each(self._read_columns):
            if len(frame):
                block = keys.block(conform(frame, self._types))
                yield block._replace(ranks=ranks[block.ranks])

    def _finish(self, blocks: Iterable[Block]) -> Iterator[pd.DataFrame]:
        if self._dedupe:
            blocks = _drop_known(blocks) if self.by_seq else _drop_equal(blocks)
        names = self._returned()
        for block in blocks:
            if len(block.frame):
                yield block.frame[names]


class _Keys:
    """Finds the keys of the rows of an input, from its first row to its last.

    Args:
        epochs: the provisional rank of each epoch; new ones are added.
        by_seq: whether ticks are in order of position, else of time.
    """

    def __init__(self, epochs: dict[str, int], *, by_seq: bool) -> None:
        self._epochs, self._by_seq = epochs, by_seq
        self._time = NO_TIME

    def block(self, frame: pd.DataFrame) -> Block:
        """Return the next rows with their keys."""
        if self._by_seq:
            epoch = frame["epoch"].astype("category")
            words = [*map(str, epoch.cat.categories), *([""] if epoch.hasnans else [])]
            ranks = [self._epochs.setdefault(word, len(self._epochs)) for word in words]
            codes = np.array([*ranks, 0], dtype=np.int64)[epoch.cat.codes]
            if epoch.hasnans:
                codes[epoch.isna().to_numpy()] = self._epochs[""]
            return Block(frame, codes, frame["seq"].to_numpy(np.int64, na_value=0))
        self._epochs.setdefault("", 0)
        times = _times(frame["time"]) if "time" in frame else np.zeros(len(frame), np.int64)
        if (times == NO_TIME).any():
            known = np.where(times == NO_TIME, -1, np.arange(len(times)))
            before = np.maximum.accumulate(known)
            times = np.where(before < 0, self._time, times[before])
        if len(times):
            self._time = int(times[-1])
        return Block(frame, np.zeros(len(frame), np.int64), times)


def _first(frames: Iterator[pd.DataFrame]) -> pd.DataFrame:
    """Return the first frame with rows, the last one if none has."""
    found = pd.DataFrame()
    for found in frames:
        if len(found):
            break
    return found


def _times(series: pd.Series[Any]) -> Ints:
    """Return times in epoch ns, `NO_TIME` for missing ones."""
    found: Ints = pd.DatetimeIndex(pd.to_datetime(series, utc=True)).as_unit("ns").asi8
    return found


def _spans(block: Block) -> Iterator[tuple[int, int, int]]:
    """Yield each rank, with the lowest and highest of its numbers, in order of appearance."""
    codes, ranks = pd.factorize(block.ranks)
    low, high = np.full(len(ranks), MAX_INT64), np.full(len(ranks), -MAX_INT64 - 1)
    if len(ranks) == 1:
        low[0], high[0] = block.numbers.min(), block.numbers.max()
    else:
        np.minimum.at(low, codes, block.numbers)
        np.maximum.at(high, codes, block.numbers)
    yield from zip(ranks.tolist(), low.tolist(), high.tolist(), strict=True)


def _depth(ends: Sequence[tuple[Key, Key]]) -> int:
    """Return how many of some ranges of keys overlap at most."""
    deepest, lasts = 0, list[Key]()
    for first, last in sorted(ends):
        while lasts and lasts[0] < first:
            heapq.heappop(lasts)
        heapq.heappush(lasts, last)
        deepest = max(deepest, len(lasts))
    return deepest


def _drop_known(blocks: Iterable[Block]) -> Iterator[Block]:
    """Drop the rows whose key is that of the row before."""
    last: Key | None = None
    for block in blocks:
        same = (np.diff(block.ranks) == 0) & (np.diff(block.numbers) == 0)
        known = np.concatenate([[block.key(0) == last], same])
        last = block.key(-1)
        yield _keep(block, ~known)


def _drop_equal(blocks: Iterable[Block]) -> Iterator[Block]:
    """Drop the rows whose values are all equal to those of an earlier row of the same time."""
    before: Block | None = None
    for block in blocks:
        held = before if before is not None and before.key(0) == block.key(0) else None
        frame = block.frame if held is None else combine_frames([held.frame, block.frame])
        known = frame.duplicated().to_numpy()[0 if held is None else len(held.frame) :]
        kept = _keep(block, ~known)
        yield kept
        # Rows of the same time may follow.
        last = kept.rows(int(np.searchsorted(kept.numbers, block.numbers[-1])), len(kept.frame))
        is_same = held is not None and held.key(0) == block.key(-1)
        before = join_blocks([held, last]) if held is not None and is_same else last


def _keep(block: Block, keep: Any) -> Block:
    if keep.all():
        return block
    frame = block.frame[keep].reset_index(drop=True)
    return Block(frame, block.ranks[keep], block.numbers[keep])
