"""Rows: some successive ticks of a log, as arrays or as a frame that copies nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from tickerkit.log.dictionary import MAX_WORDS, Dictionary, code_dtype
from tickerkit.log.position import Position
from tickerkit.ticks import TIME_COLUMNS, UTC_NS, Array

__all__ = ["Rows", "EpochRun", "Snapshot", "SharedFrame"]


class EpochRun(NamedTuple):
    """An unbroken stretch of rows of one epoch, up to the next run or the end."""

    epoch: str
    start: int


class SharedFrame(NamedTuple):
    """A frame over all of the arrays, and which these are."""

    arrays: dict[str, Array]
    frame: pd.DataFrame
    version: int


class Snapshot(NamedTuple):
    """What readers see: the rows `first` to `next`, of which row `base` stands at index 0.

    The frames are those built over these arrays, in order; `claims` tells by version of which
    arrays one is built or being built, whose words must not become more from then on.
    """

    arrays: dict[str, Array]
    base: int
    start: int
    stop: int
    version: int
    frames: dict[int, SharedFrame]
    claims: dict[int, dict[str, Array]]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some successive rows of a log, as they were when they were read.

    Attributes:
        dictionaries: the log's dictionary of each text column.
        start: number of the first row.
        stop: number of the row after the last.
        lost: how many rows a reader missed before `start`, since they were dropped unread.
    """

    dictionaries: dict[str, Dictionary]
    state: Snapshot
    start: int
    stop: int
    lost: int = 0

    def __len__(self) -> int:
        return self.stop - self.start

    def array(self, name: str) -> Array:
        """Return a column as a read-only view: text as codes, times as int64 nanoseconds."""
        base = self.state.base
        view = self.state.arrays[name][self.start - base : self.stop - base]
        view.flags.writeable = False
        return view

    def names(self) -> list[str]:
        """Return the names of the columns, in order."""
        return list(self.state.arrays)

    def position(self, index: int) -> Position:
        """Return the position of one of the rows, counted from `start`; negative from the end."""
        epoch = self.dictionaries["epoch"].words[int(self.array("epoch")[index])]
        return Position(epoch, int(self.array("seq")[index]))

    def part(self, start: int, stop: int) -> Rows:
        """Return the rows `start` to `stop` of these."""
        return Rows(self.dictionaries, self.state, start, stop)

    def frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame: a view, copied by pandas when it is written to."""
        base = self.state.base
        frame = _whole(self.state, self.dictionaries).iloc[self.start - base : self.stop - base]
        frame.index = pd.RangeIndex(len(frame))
        return frame


def _whole(state: Snapshot, words: dict[str, Dictionary]) -> pd.DataFrame:
    """Return the frame over all of the arrays, of which every frame is a slice.

    It is kept until the arrays are let go, since pandas copies on write only while another frame
    shows the same memory. From then on the slices hold the arrays, and write to them if alone.

    Threads may ask at once, also for an older state. `setdefault` lets one of them come next; the
    others then build on what it has made, so that pandas knows of every two that share an array.
    """
    state.claims.setdefault(state.version, state.arrays)
    while True:
        earlier = list(state.frames.values())
        for whole in reversed(earlier):
            if whole.version == state.version:
                return whole.frame
        index = earlier[-1].frame.index if earlier else None
        columns = {
            name: _column(name, array, words.get(name), earlier)
            for name, array in state.arrays.items()
        }
        frame = pd.DataFrame(columns, index=index, copy=False)
        built = SharedFrame(state.arrays, frame, state.version)
        if state.frames.setdefault(len(earlier), built) is built:
            return frame


def _column(name: str, array: Array, words: Dictionary | None, earlier: list[SharedFrame]) -> Any:
    """Return a column as pandas wants it, over the same memory."""
    for whole in reversed(earlier):
        if whole.arrays.get(name) is array:
            return whole.frame[name]
    if words is None:
        return pd.array(array, dtype=UTC_NS, copy=False) if name in TIME_COLUMNS else array
    # Only as many words as the codes' type is for: more came while this was being built.
    limit = next(n for n in (126, 32_766, MAX_WORDS) if code_dtype(n) == array.dtype)
    dtype = pd.CategoricalDtype(pd.Index(words.words[:limit], dtype="str"))
    return pd.Categorical.from_codes(array, dtype=dtype, validate=False)
