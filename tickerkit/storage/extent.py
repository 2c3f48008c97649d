"""Extent: how far the ticks of a file reach: their seqs, times and symbols, without the ticks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.limits import MAX_SYMBOLS
from tickerkit.log import Epoch, Seq, TimeNs
from tickerkit.ticks import NO_TIME, UTC_NS
from tickerkit.ticks.fields import symbol_field

__all__ = [
    "EpochExtent",
    "EpochRuns",
    "Extent",
    "ExtentBuilder",
    "extent_lines",
    "has_seqs",
]

# A recording with more epochs doesn't state its extent: the line would be large, and such a file
# is rare.
MAX_EPOCHS = 10_000
# Symbols and epochs are counted up to here: their names take some 100 MB then.
MAX_COUNTED = 1_000_000
MAX_COUNTED_EPOCHS = 100_000

Ints = npt.NDArray[np.int64]


class EpochExtent(msgspec.Struct):
    """How far the ticks of one epoch reach.

    Attributes:
        epoch: its id; empty for ticks with a seq and without an epoch.
        first: the lowest seq.
        last: the highest seq.
        rows: how many ticks there are.
        received: when the first of them was received, in epoch ns; None if that isn't known.
    """

    epoch: Epoch
    first: Seq
    last: Seq
    rows: int
    received: TimeNs | None = None


class Extent(msgspec.Struct, tag="extent"):
    """How far the ticks of a file reach.

    Attributes:
        rows: how many ticks there are.
        epochs: the epochs in the order of their first ticks; empty for ticks without seq.
        ascending: whether within each epoch each seq is higher than the one before.
        start: the earliest time in epoch ns, None without one.
        end: the latest time.
        symbols: the symbols in the order of their first ticks; None if there are more than 65,536.
        symbol_count: how many symbols there are; a million stands for more as well.
    """

    rows: int
    epochs: list[EpochExtent]
    ascending: bool = True
    start: TimeNs | None = None
    end: TimeNs | None = None
    symbols: list[str] | None = None
    symbol_count: int = 0

    @property
    def earliest(self) -> pd.Timestamp | None:
        """The earliest time in UTC, None without one."""
        return None if self.start is None else pd.Timestamp(self.start, tz="UTC")

    @property
    def latest(self) -> pd.Timestamp | None:
        """The latest time in UTC."""
        return None if self.end is None else pd.Timestamp(self.end, tz="UTC")


@dataclass(slots=True)
class _Epoch:
    """An `EpochExtent` that grows; `newest` is the seq of the newest row."""

    first: int
    last: int
    rows: int
    received: int | None
    newest: int


class ExtentBuilder:
    """Finds the extent of rows that come piece by piece. A million rows take some 10 ms.

    Attributes:
        rows: how many rows were added.
        start: the earliest time in epoch ns, None without one.
        end: the latest time.
        ascending: whether within each epoch each seq is higher than the one before.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.start: int | None = None
        self.end: int | None = None
        self.ascending = True
        self._epochs: dict[str, _Epoch] = {}
        self._symbols: dict[str, None] = {}
        # The most symbols of an extent that doesn't name them.
        self._unnamed = 0

    def add(self, frame: pd.DataFrame) -> None:
        """Add rows after those that were added before."""
        if not len(frame):
            return
        self.rows += len(frame)
        if has_seqs(frame):
            self._add_seqs(frame)
        if "time" in frame and (times := frame["time"].array).dtype.kind == "M":
            self._add_times(*_span(times))
        if (name := symbol_field(frame)) is not None:
            self._add_symbols(_distinct(frame[name]))

    def _add_seqs(self, frame: pd.DataFrame) -> None:
        for epoch, rows, seqs in EpochRuns(frame).runs():
            if epoch in self._epochs or len(self._epochs) < MAX_COUNTED_EPOCHS:
                self._add_run(epoch, seqs, _received_at(frame, int(rows[0])))

    def _add_run(self, epoch: str, seqs: Ints, received: int | None) -> None:
        """Add the seqs of one epoch."""
        ascends = bool((seqs[1:] > seqs[:-1]).all())
        first, last = (seqs[0], seqs[-1]) if ascends else (seqs.min(), seqs.max())
        self._add_epoch(
            EpochExtent(epoch, int(first), int(last), len(seqs), received),
            newest=int(seqs[-1]),
            ascends=ascends and (epoch not in self._epochs or self._epochs[epoch].newest < first),
        )

    def _add_epoch(self, found: EpochExtent, newest: int, *, ascends: bool) -> None:
        self.ascending = bool(self.ascending and ascends)
        known = self._epochs.get(found.epoch)
        if known is None:
            self._epochs[found.epoch] = _Epoch(
                found.first, found.last, found.rows, found.received, newest
            )
            return
        known.first, known.last = min(known.first, found.first), max(known.last, found.last)
        known.rows, known.newest = known.rows + found.rows, newest

    def _add_times(self, start: int | None, end: int | None) -> None:
        if start is not None and end is not None:
            self.start = start if self.start is None else min(self.start, start)
            self.end = end if self.end is None else max(self.end, end)

    def _add_symbols(self, symbols: list[str]) -> None:
        if len(self._symbols) < MAX_COUNTED:
            self._symbols.update(dict.fromkeys(symbols))

    def add_extent(self, extent: Extent) -> None:
        """Add rows of which only the extent is known."""
        self.rows += extent.rows
        for each in extent.epochs:
            known = self._epochs.get(each.epoch)
            ascends = extent.ascending and (known is None or known.last < each.first)
            self._add_epoch(each, each.last, ascends=ascends)
        self._add_times(extent.start, extent.end)
        if extent.symbols is None:
            self._unnamed = max(self._unnamed, extent.symbol_count)
        else:
            self._add_symbols(extent.symbols)

    @property
    def lines(self) -> list[Extent]:
        """The line of a sidecar with the extent; none if it had too many epochs."""
        return [self.extent] if len(self._epochs) <= MAX_EPOCHS else []

    @property
    def extent(self) -> Extent:
        """The extent of all rows. It has at least so many symbols where an extent had no names."""
        return Extent(
            self.rows,
            [
                EpochExtent(epoch, each.first, each.last, each.rows, each.received)
                for epoch, each in self._epochs.items()
            ],
            self.ascending,
            self.start,
            self.end,
            list(self._symbols) if max(len(self._symbols), self._unnamed) <= MAX_SYMBOLS else None,
            min(max(len(self._symbols), self._unnamed), MAX_COUNTED),
        )


def extent_lines(frame: pd.DataFrame) -> list[Extent]:
    """Return the line of a sidecar with the extent of a frame; none if it has too many epochs."""
    builder = ExtentBuilder()
    builder.add(frame)
    return builder.lines


def has_seqs(frame: pd.DataFrame) -> bool:
    """Return whether the ticks of a frame are numbered."""
    return "seq" in frame and frame["seq"].dtype.kind in "iu"


class EpochRuns:
    """The seqs of a frame, by epoch.

    Args:
        frame: ticks for which `has_seqs` is true.

    Attributes:
        starts: the rows where another epoch begins or continues, the first row included.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        seqs = frame["seq"]
        plain = isinstance(seqs.dtype, np.dtype)
        # A tick without a seq has the number 0.
        self._seqs: Ints = seqs.to_numpy(np.int64) if plain else seqs.to_numpy(np.int64, na_value=0)
        # The number of each row's epoch, -1 for none.
        self._codes: npt.NDArray[Any] = np.full(len(frame), -1, dtype=np.int8)
        self._names: Any = []
        if "epoch" in frame:
            epochs: Any = frame["epoch"].array
            if isinstance(epochs.dtype, pd.CategoricalDtype):
                self._codes, self._names = epochs.codes, epochs.categories
            else:
                self._codes, self._names = pd.factorize(epochs)
        self.starts = _starts(self._codes)

    @property
    def names_at_starts(self) -> list[str]:
        """The epoch of each of `starts`; empty for ticks without one."""
        return [self._name(code) for code in self._codes[self.starts].tolist()]

    def runs(self) -> Iterator[tuple[str, Ints, Ints]]:
        """Yield each epoch, its rows and their seqs; the epoch of the first row comes first."""
        if len(self.starts) == 1:
            yield self._name(int(self._codes[0])), np.arange(len(self._seqs)), self._seqs
            return
        order = np.argsort(self._codes, kind="stable")
        starts = _starts(self._codes[order])
        rows = np.split(order, starts[1:])
        for index in np.argsort(order[starts]).tolist():
            code = int(self._codes[rows[index][0]])
            yield self._name(code), rows[index], self._seqs[rows[index]]

    def _name(self, code: int) -> str:
        return str(self._names[code]) if code >= 0 else ""


def _starts(codes: npt.NDArray[Any]) -> Ints:
    """Return the places where a code differs from the one before, the first place included."""
    return np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))


def _distinct(column: pd.Series[Any]) -> list[str]:
    """Return the different texts of a column, in the order of their first rows."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        values: Any = column.array
        codes = pd.unique(values.codes)
        return list(map(str, values.categories[codes[codes >= 0]].tolist()))
    return list(map(str, column.dropna().unique()))


def _span(times: Any) -> tuple[int | None, int | None]:
    """Return the earliest and latest of some times in epoch ns; None without one."""
    if times.dtype == UTC_NS and len(times):
        ns = times.asi8
        start, end = int(ns.min()), int(ns.max())
        if start != NO_TIME:
            return start, end
    return _to_ns(times.min()), _to_ns(times.max())


def _received_at(frame: pd.DataFrame, row: int) -> int | None:
    if "received" not in frame or frame["received"].dtype.kind != "M":
        return None
    return _to_ns(frame["received"].array[row])


def _to_ns(time: Any) -> int | None:
    """Return a time in epoch ns; None for a missing one, or one that has no such number."""
    if pd.isna(time):
        return None
    try:
        return pd.Timestamp(time).as_unit("ns").value
    except pd.errors.OutOfBoundsDatetime:
        return None
