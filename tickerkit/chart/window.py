"""Window: the newest points of one line, and the few of them that are worth drawing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tickerkit.ticks import Array

__all__ = ["Window", "as_x", "plotly_x"]


class Window:
    """The newest points of a line: the last so many, or those of the last so long.

    Attributes:
        size: a number of points, or a time such as "5min" before the newest x.
        added: how many points were ever added; each point keeps its number.
    """

    def __init__(self, size: int | str) -> None:
        self.size = size
        self.added = 0
        self._span = None if isinstance(size, int) else _span_ns(size)
        if isinstance(size, int) and size < 1:
            raise ValueError(f"window={size!r} shows nothing; pass a number of points or '5min'")
        self._x: Array = np.empty(0)
        self._y = np.empty(0)
        self._start = 0
        self._stop = 0

    def __len__(self) -> int:
        return self._stop - self._start

    def add(self, x: Array, y: Array) -> None:
        """Add points after those there are, and let go of those that leave the window."""
        if isinstance(self.size, int):
            x, y = x[-self.size :], y[-self.size :]
        self.added += len(x)
        if self._stop + len(x) > len(self._x):
            self._move(len(x), x.dtype)
        self._x[self._stop : self._stop + len(x)] = x
        self._y[self._stop : self._stop + len(x)] = y
        self._stop += len(x)
        if isinstance(self.size, int):
            self._start = max(self._start, self._stop - self.size)
        elif len(self) and self._span is not None:
            held = self._x[self._start : self._stop]
            newest = held.max()
            oldest = newest - (
                np.timedelta64(self._span, "ns") if held.dtype.kind == "M" else self._span / 1e9
            )
            # Times may step back a little; those at the left edge are let go in order.
            self._start += int(np.argmax(held >= oldest))

    def _move(self, more: int, dtype: Any) -> None:
        held = len(self)
        size = max(1024, 2 * (held + more))
        x, y = np.empty(size, dtype=dtype), np.empty(size)
        x[:held] = self._x[self._start : self._stop]
        y[:held] = self._y[self._start : self._stop]
        self._x, self._y, self._start, self._stop = x, y, 0, held

    def points(self, most: int | None = None) -> tuple[Array, Array]:
        """Return copies of x and y: of more than `most` points, those worth drawing.

        These are the lowest and the highest of each stretch, so that no spike is lost. The
        stretches begin at multiples of a power of two of the points' numbers, so that what is
        drawn of old points does not change as new ones come: nothing trembles.
        """
        x, y = self._x[self._start : self._stop], self._y[self._start : self._stop]
        if most is None or len(y) <= most:
            return x.copy(), y.copy()
        length = 2
        while 2 * (len(y) // length + 2) > most:
            length *= 2
        before = (self.added - len(y)) % length
        padded = np.full(-(-(before + len(y)) // length) * length, np.nan)
        padded[before : before + len(y)] = y
        stretches = padded.reshape(-1, length)
        index = np.arange(len(stretches)) * length - before
        low = index + np.where(np.isnan(stretches), np.inf, stretches).argmin(axis=1)
        high = index + np.where(np.isnan(stretches), -np.inf, stretches).argmax(axis=1)
        chosen = np.unique(np.clip(np.concatenate([low, high]), 0, len(y) - 1))
        return x[chosen], y[chosen]


def _span_ns(size: str) -> int:
    try:
        span = pd.Timedelta(size).as_unit("ns").value
    except ValueError:
        span = 0
    if span <= 0:
        raise ValueError(f"window={size!r} is no time to show; pass one such as '5min'")
    return span


def as_x(values: Any) -> Array:
    """Return x values as float64, or as datetime64[ns] in UTC where they are times."""
    index = pd.Index(np.atleast_1d(values) if not hasattr(values, "dtype") else values)
    if index.dtype.kind in "iufb":
        numbers: Array = index.to_numpy(dtype=np.float64)
        return numbers
    times = pd.DatetimeIndex(pd.to_datetime(index, utc=True)).as_unit("ns")
    return times.tz_localize(None).to_numpy()


def plotly_x(x: Array) -> Array:
    """Return x as plotly takes it: times as ISO text, which keeps an axis one of dates."""
    return np.datetime_as_string(x, unit="ms") if x.dtype.kind == "M" else x
