"""Extent: how far the ticks of a file reach: their seqs, times and symbols, without the ticks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.limits import MAX_SYMBOLS
from tickerkit.log import Epoch, Seq, TimeNs
from tickerkit.ticks import UTC_NS
from tickerkit.ticks.fields import symbol_field

__all__ = [
    "EpochExtent",
    "Extent",
    "ExtentBuilder",
    "epoch_codes",
    "extent_lines",
    "has_seqs",
    "read_seqs",
]

# A recording with more epochs has no extent: the line would be large, and such a file is rare.
MAX_EPOCHS = 10_000
# Symbols are counted up to here: their names take some 100 MB then.
MAX_COUNTED = 1_000_000
NO_TIME = np.iinfo(np.int64).min


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
    def spans(self) -> Mapping[str, tuple[int, int]]:
        """The lowest and highest seq of each epoch."""
        return {each.epoch: (each.first, each.last) for each in self.epochs}


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
        seqs, (codes, names) = read_seqs(frame), epoch_codes(frame)
        order: npt.NDArray[np.int64] | None = None
        if (codes[1:] != codes[:-1]).any():  # each epoch becomes one run
            order = np.argsort(codes, kind="stable")
            seqs, codes = seqs[order], codes[order]
        starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
        bounds = [*starts.tolist(), len(codes)]
        rows = starts if order is None else order[starts]
        for index in np.argsort(rows).tolist():
            if len(self._epochs) > MAX_EPOCHS:
                return
            code = codes[bounds[index]]
            epoch = str(names[code]) if code >= 0 else ""
            received = _received_at(frame, int(rows[index]))
            self._add_run(epoch, seqs[bounds[index] : bounds[index + 1]], received)

    def _add_run(self, epoch: str, seqs: npt.NDArray[np.int64], received: int | None) -> None:
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
        self._add_symbols(extent.symbols or [])

    @property
    def symbol_count(self) -> int:
        """How many symbols there are; a million stands for more as well."""
        return min(len(self._symbols), MAX_COUNTED)

    @property
    def lines(self) -> list[Extent]:
        """The line of a sidecar with the extent; none if there is no extent."""
        return [self.extent] if self.extent is not None else []

    @property
    def extent(self) -> Extent | None:
        """The extent of all rows; None if they have too many epochs to list."""
        if len(self._epochs) > MAX_EPOCHS:
            return None
        return Extent(
            self.rows,
            [
                EpochExtent(epoch, each.first, each.last, each.rows, each.received)
                for epoch, each in self._epochs.items()
            ],
            self.ascending,
            self.start,
            self.end,
            list(self._symbols) if len(self._symbols) <= MAX_SYMBOLS else None,
            self.symbol_count,
        )


def extent_lines(frame: pd.DataFrame) -> list[Extent]:
    """Return the line of a sidecar with the extent of a frame; none for one that has no extent."""
    builder = ExtentBuilder()
    builder.add(frame)
    return builder.lines


def has_seqs(frame: pd.DataFrame) -> bool:
    """Return whether the ticks of a frame are numbered."""
    return "seq" in frame and frame["seq"].dtype.kind in "iu"


def read_seqs(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the seqs of a frame, shape (rows,); 0 for a tick without one."""
    seqs = frame["seq"]
    if isinstance(seqs.dtype, np.dtype):
        return seqs.to_numpy(np.int64)
    return seqs.to_numpy(np.int64, na_value=0)


def epoch_codes(frame: pd.DataFrame) -> tuple[npt.NDArray[Any], pd.Index[Any]]:
    """Return the number of each row's epoch, shape (rows,), -1 for none; and the epochs' ids."""
    if "epoch" not in frame:
        return np.full(len(frame), -1, dtype=np.int8), pd.Index([])
    epochs: Any = frame["epoch"].array
    if isinstance(epochs.dtype, pd.CategoricalDtype):
        return epochs.codes, epochs.categories
    codes, names = pd.factorize(epochs)
    return codes, pd.Index(names)


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
