"""Rows: some successive ticks of a log, as arrays or as a frame that copies nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from tickerkit.log.dictionary import Dictionary
from tickerkit.log.position import Position
from tickerkit.log.shared_frames import SharedFrames
from tickerkit.ticks import Array
from tickerkit.ticks.fields import may_be_value

__all__ = ["NO_NUMBERS", "Rows", "Snapshot"]

NO_NUMBERS = frozenset({"seq", "time", "symbol", "received", "epoch"})


class Snapshot(NamedTuple):
    """What readers see of a log at one moment.

    Attributes:
        arrays: the columns, all of one length, read-only, see `memory`; rows beyond `stop` are not
            written yet.
        dictionaries: the dictionary of each text column that has one.
        base: number of the row at index 0 of the arrays.
        start: number of the oldest row held.
        stop: number of the row after the newest.
        version: increases when a column or a word is added; a shared frame shows one version.
        frames: makes frames over these arrays.
    """

    arrays: dict[str, Array]
    dictionaries: dict[str, Dictionary]
    base: int
    start: int
    stop: int
    version: int
    frames: SharedFrames


def has_number(values: Array | None) -> bool:
    """Return whether there is a column, shape (n,), and it has a value."""
    return values is not None and not np.isnan(values).all()


@dataclass(frozen=True, slots=True)
class Rows:
    """Some successive rows of a log, as they were when they were read.

    Attributes:
        state: the log at that moment.
        start: number of the first row.
        stop: number of the row after the last.
        lost: how many rows before `start` were dropped before the reader got to them.
    """

    state: Snapshot
    start: int
    stop: int
    lost: int = 0

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def dictionaries(self) -> dict[str, Dictionary]:
        """The log's dictionary of each text column."""
        return self.state.dictionaries

    def array(self, name: str) -> Array:
        """Return a column as a read-only view, shape (len(self),): text as codes, times as ns."""
        base = self.state.base
        return self.state.arrays[name][self.start - base : self.stop - base]

    def names(self) -> list[str]:
        """Return the names of the columns, in order."""
        return list(self.state.arrays)

    def numbers(self, name: str) -> Array | None:
        """Return a column of numbers as float64, shape (len(self),), NaN for no value.

        None if the log has no column of this name, or one of text, or if it is one of the log's
        own, such as `seq`.
        """
        if name in NO_NUMBERS or name in self.dictionaries or name not in self.state.arrays:
            return None
        column = self.array(name)
        if column.dtype.kind == "i":
            return np.where(column == 0, np.nan, column)  # 0 stands for no value
        return column if column.dtype.kind == "f" else None

    def value_names(self) -> list[str]:
        """Return the names of the columns that have numbers in these rows which make a tick."""
        found = {name: self.numbers(name) for name in self.names() if may_be_value(name)}
        return [name for name, values in found.items() if has_number(values)]

    def position(self, index: int) -> Position:
        """Return the position of a row: index 0 is `start`; a negative one counts from the end."""
        epoch = self.dictionaries["epoch"].words[int(self.array("epoch")[index])]
        return Position(epoch, int(self.array("seq")[index]))

    def part(self, start: int, stop: int) -> Rows:
        """Return the rows numbered `start` to `stop`, which must be among these."""
        return Rows(self.state, start, stop)

    def frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame: a view, which pandas copies when it is written to."""
        arrays, dictionaries, base, _, _, version, frames = self.state
        whole = frames.whole(arrays, version, dictionaries)
        frame = whole.iloc[self.start - base : self.stop - base]
        frame.index = pd.RangeIndex(len(frame))
        return frame
