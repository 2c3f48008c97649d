"""Window: the newest points of one trace, each with a number that it keeps."""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.ticks import Array

__all__ = ["BAR", "LINE", "TIME", "Window", "as_text", "as_x", "milliseconds"]

LINE = ("y",)
BAR = ("open", "high", "low", "close")
TIME = np.dtype("datetime64[ns]")
NUMBER = np.dtype("float64")


class Window:
    """The newest points of a trace: the last so many, or those of the last so long.

    A point's position is its number, counted over all that were ever added: who has all up to a
    position asks for what came `since`. Earlier points change only by `merge`.

    Attributes:
        size: a number of points, or a time such as "5min" before the newest x.
        names: the columns beside x, such as `LINE` or `BAR`; float64.
        start: position of the oldest point held.
        stop: position that the next point will have.
    """

    def __init__(self, size: int | str, names: tuple[str, ...] = LINE) -> None:
        self._span_ns = None if isinstance(size, int) else _span_ns(size)
        if isinstance(size, int) and size < 1:
            raise ValueError(f"window={size!r} shows nothing; pass a number of points or '5min'")
        self.size = size
        self.names = names
        self.start = 0
        self.stop = 0
        self._offset = 0  # position of what stands first in the arrays
        self._x: Array = np.empty(0)
        self._columns = {name: np.empty(0) for name in names}

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def x(self) -> Array:
        """Return x of all points held, float64 or datetime64[ns]: read only, without a copy."""
        return _read_only(self._x[self.start - self._offset : self.stop - self._offset])

    def column(self, name: str) -> Array:
        """Return a column of all points held: read only, without a copy."""
        return _read_only(self._columns[name][self.start - self._offset : self.stop - self._offset])

    def since(self, position: int) -> tuple[int, Array, list[Array]]:
        """Return the points from a position on, or all where some of those are gone.

        Returns:
            The position of the first of them, x as in `x`, and the columns.
        """
        start = position if self.start <= position <= self.stop else self.start
        part = slice(start - self._offset, self.stop - self._offset)
        return start, self._x[part], [self._columns[name][part] for name in self.names]

    def add(self, x: Array, columns: Mapping[str, Array]) -> int:
        """Add points after those there are, and let go of those that leave the window.

        Returns:
            The position of the first point added.

        Raises:
            ValueError: if x is of times and was of numbers so far, or the other way round.
        """
        self.must_fit(x)
        start = self.stop
        if isinstance(self.size, int) and len(x) > self.size:
            # Counted, though they are gone before anyone saw them.
            skipped = len(x) - self.size
            x, columns = x[skipped:], {name: columns[name][skipped:] for name in self.names}
            self.start = self.stop = self._offset = self.stop + skipped
        self._write(self.stop, x, columns)
        return start

    def merge(self, x: Array, columns: Mapping[str, Array]) -> int:
        """Put in points by their x, ascending: those of an x held take its place.

        Returns:
            The lowest position that changed.
        """
        self.must_fit(x)
        held = self.x
        at = int(np.searchsorted(held, x[0])) if len(held) else 0
        tail = held[at:]
        if len(tail) > 1 or (len(tail) and tail[0] != x[0]):
            keep = ~np.isin(tail, x)
            order = np.argsort(np.concatenate([tail[keep], x]), kind="stable")
            columns = {
                name: np.concatenate([self.column(name)[at:][keep], columns[name]])[order]
                for name in self.names
            }
            x = np.concatenate([tail[keep], x])[order]
        start = self.start + at
        self._write(start, x, columns)
        return start

    def must_fit(self, x: Array) -> None:
        """Refuse x of times where there are numbers, or the other way round."""
        if len(self) and len(x) and x.dtype != self._x.dtype:
            now, before = ("times", "numbers") if x.dtype == TIME else ("numbers", "times")
            raise ValueError(f"x is of {now}, and was of {before} so far; call clear() in between")

    def _write(self, start: int, x: Array, columns: Mapping[str, Array]) -> None:
        stop = start + len(x)
        if stop - self._offset > len(self._x) or x.dtype != self._x.dtype:
            self._move(stop - self.start, x.dtype)
        part = slice(start - self._offset, stop - self._offset)
        self._x[part] = x
        for name in self.names:
            self._columns[name][part] = columns[name]
        self.stop = stop
        self._trim()

    def _trim(self) -> None:
        if isinstance(self.size, int):
            self.start = max(self.start, self.stop - self.size)
        elif self._span_ns is not None and len(self):
            held = self.x
            is_time = held.dtype == TIME
            span = np.timedelta64(self._span_ns, "ns") if is_time else self._span_ns / 1e9
            oldest = held[-1000:].max() - span
            # Times may step back a little; those at the left edge are let go in order. In steps,
            # since most often few go of many.
            for start in range(0, len(held), 1024):
                keep = held[start : start + 1024] >= oldest
                if keep.any():
                    self.start += start + int(keep.argmax())
                    break

    def _move(self, wanted: int, dtype: Any) -> None:
        size = max(1024, 2 * wanted)
        part = slice(self.start - self._offset, self.stop - self._offset)
        x = np.empty(size, dtype=dtype)
        if len(self):
            x[: len(self)] = self._x[part]
        self._x = x
        for name, old in self._columns.items():
            self._columns[name] = np.empty(size)
            self._columns[name][: len(self)] = old[part]
        self._offset = self.start

    def thin(self, most: int) -> tuple[Array, list[Array]]:
        """Return x and the columns of at most so many points that stand for all.

        Of a line these are the lowest and the highest of each stretch, so that no spike is lost; of
        bars, wider bars.
        """
        if len(self) <= most:
            return self.x, [self.column(name) for name in self.names]
        length = 2
        while len(self) / length * (2 if self.names == LINE else 1) + 2 > most:
            length *= 2
        before = self.start % length
        starts = np.arange(-before, len(self), length)
        starts[0] = 0
        if self.names == BAR:
            stops = np.append(starts[1:], len(self)) - 1
            values = [
                self.column("open")[starts],
                np.fmax.reduceat(self.column("high"), starts),
                np.fmin.reduceat(self.column("low"), starts),
                self.column("close")[stops],
            ]
            return self.x[starts], values
        y = self.column("y")
        padded = np.full(len(starts) * length, np.nan)
        padded[before : before + len(y)] = y
        stretches = padded.reshape(-1, length)
        index = np.arange(len(starts)) * length - before
        low = index + np.where(np.isnan(stretches), np.inf, stretches).argmin(axis=1)
        high = index + np.where(np.isnan(stretches), -np.inf, stretches).argmax(axis=1)
        chosen = np.unique(np.clip(np.concatenate([low, high]), 0, len(y) - 1))
        return self.x[chosen], [y[chosen]]


def _read_only(part: Array) -> Array:
    part.flags.writeable = False
    return part


def _span_ns(size: str) -> int:
    try:
        span = pd.Timedelta(size).as_unit("ns").value
    except ValueError:
        span = 0
    if span <= 0:
        raise ValueError(f"window={size!r} is no time to show; pass one such as '5min'")
    return span


def as_x(values: Any) -> Array:
    """Return x values as float64, or as datetime64[ns] in UTC where they are times.

    Raises:
        ValueError: if they are neither.
    """
    # One number or an array of them is what comes a thousand times a second.
    if isinstance(values, numbers.Real):
        return np.array([values], dtype=NUMBER)
    if isinstance(values, datetime.datetime):
        stamp = pd.Timestamp(values)
        utc = stamp if stamp.tz is None else stamp.tz_convert(None)
        return np.array([utc.as_unit("ns").value], dtype=TIME)
    if isinstance(values, np.ndarray) and values.ndim == 1:
        if values.dtype.kind in "iufb":
            return values.astype(NUMBER, copy=False)
        if values.dtype.kind == "M":
            return values.astype(TIME, copy=False)
    scalar = isinstance(values, str | datetime.date | np.datetime64) or np.ndim(values) == 0
    index = pd.Index([values] if scalar else values)
    if index.dtype.kind in "iufb":
        numbers_only: Array = index.to_numpy(dtype=NUMBER)
        return numbers_only
    try:
        times = pd.DatetimeIndex(pd.to_datetime(index, utc=True, format="ISO8601"))
    except (ValueError, TypeError) as error:
        raise ValueError(f"x={index[0]!r} is neither a number nor a time") from error
    result: Array = times.as_unit("ns").tz_localize(None).to_numpy()
    return result


def milliseconds(x: Array) -> Array:
    """Return x as plotly's pages take it: float64, of times the milliseconds since 1970.

    As numbers they travel as they are in memory; as text 10,000 of them take 30 to 80 ms.
    """
    if x.dtype != TIME:
        return np.ascontiguousarray(x)
    result: Array = np.where(np.isnat(x), np.nan, x.view(np.int64) / 1e6)
    return result


def as_text(x: Array) -> Array:
    """Return x as plotly's own page side takes it: times as ISO text, which keep a date axis."""
    return np.datetime_as_string(x, unit="ms") if x.dtype == TIME else x
