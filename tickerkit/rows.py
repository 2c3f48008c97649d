"""Rows: some successive ticks of a log, as arrays or as a frame that copies nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from tickerkit.ticks import Array
from tickerkit.words import MOST_WORDS, Words, code_dtype

if TYPE_CHECKING:
    from tickerkit.log import TickLog

__all__ = ["TIMES", "UTC_NS", "Rows", "Run", "State", "Whole"]

TIMES = ("time", "received")
UTC_NS = pd.DatetimeTZDtype("ns", "UTC")


class Run(NamedTuple):
    """An unbroken stretch of rows of one epoch, up to the next run or the end."""

    epoch: str
    start: int


class Whole(NamedTuple):
    """A frame over all of the arrays, and which these are."""

    arrays: dict[str, Array]
    frame: pd.DataFrame


class State(NamedTuple):
    """What readers see: the rows `first` to `next`, of which row `base` stands at index 0."""

    arrays: dict[str, Array]
    base: int
    first: int
    next: int
    version: int
    frames: dict[int, Whole]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some successive rows of a log, as they were when they were read.

    Attributes:
        start: number of the first row.
        stop: number of the row after the last.
        lost: how many rows a reader missed before `start`, since they were dropped unread.
    """

    log: TickLog
    state: State
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

    def part(self, start: int, stop: int) -> Rows:
        """Return the rows `start` to `stop` of these."""
        return Rows(self.log, self.state, start, stop)

    def frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame: a view, copied by pandas when it is written to."""
        base = self.state.base
        frame = _whole(self.state, self.log.words).iloc[self.start - base : self.stop - base]
        frame.index = pd.RangeIndex(len(frame))
        return frame


def _whole(state: State, words: dict[str, Words]) -> pd.DataFrame:
    """Return the frame over all of the arrays, of which every frame is a slice.

    Built by the first who asks; `setdefault` lets one win where two threads ask at once. It is
    kept until the arrays are let go, since pandas copies on write only while another frame
    shows the same memory. From then on the slices hold the arrays, and write to them if alone.
    """
    whole = state.frames.get(state.version)
    if whole is None:
        # What an earlier frame shows already is taken from there: pandas then knows of both.
        earlier = next(reversed(list(state.frames.values())), None)
        index = None if earlier is None else earlier.frame.index
        columns = {
            name: _column(name, array, words.get(name), earlier)
            for name, array in state.arrays.items()
        }
        built = Whole(state.arrays, pd.DataFrame(columns, index=index, copy=False))
        whole = state.frames.setdefault(state.version, built)
    return whole.frame


def _column(name: str, array: Array, words: Words | None, earlier: Whole | None) -> Any:
    """Return a column as pandas wants it, over the same memory."""
    same = earlier.frame[name] if earlier and earlier.arrays.get(name) is array else None
    if words is None:
        if same is not None:
            return same
        return pd.array(array, dtype=UTC_NS, copy=False) if name in TIMES else array
    # Only as many words as the codes' type is for: more came while this was being built.
    limit = next(n for n in (126, 32_766, MOST_WORDS) if code_dtype(n) == array.dtype)
    known = words.words[:limit]
    if same is not None and len(same.cat.categories) == len(known):
        return same
    dtype = pd.CategoricalDtype(pd.Index(known, dtype="str"))
    return pd.Categorical.from_codes(array, dtype=dtype, validate=False)
