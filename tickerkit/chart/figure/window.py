"""Window: the newest points of one trace, each with a position that never changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tickerkit.chart.figure.x_values import TIME
from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.ticks import Array
from tickerkit.ticks.lengths import parse_length_ns

__all__ = [
    "BAR_COLUMNS",
    "HEAT_COLUMNS",
    "LINE_COLUMNS",
    "SPACE_COLUMNS",
    "VALUE_COLUMNS",
    "Window",
    "parse_window",
]

LINE_COLUMNS = ("y",)
BAR_COLUMNS = ("open", "high", "low", "close")
HEAT_COLUMNS = ("z",)
SPACE_COLUMNS = ("y", "z")
# The values of a histogram, a box or a violin: they are the window's x.
VALUE_COLUMNS: tuple[str, ...] = ()

TRIM_STEP = 1024
# How many of the newest points are searched for the newest x: times may step back a little.
NEWEST_POINTS = 1000
# More than any log holds, and few enough for floats.
MAX_POINTS = 1_000_000_000


class Window:
    """The newest points of a trace: a number of points, or those of a span of time.

    A point's position is its number, counted over all points that were ever added. A reader that
    has all points up to a position asks for `since(position)`. Earlier points change only by
    `merge` and `replace`.

    The points lie in arrays with spare capacity (float64, x may be datetime64[ns]). Adding points
    writes behind the last one. When the arrays are full, the points move into fresh arrays of
    twice their number. So memory stays within a small multiple of the window, and points handed
    out earlier are overwritten only by `merge` and `replace`.

    Args:
        size: a number of points, at least 1; or a time such as "5min" before the newest x (for an
            x of numbers: that many seconds).
        names: the columns beside x, such as `LINE_COLUMNS` or `BAR_COLUMNS`.

    Attributes:
        size: as given.
        names: as given.
        start: position of the oldest point held.
        stop: position that the next point will have.

    Raises:
        ValueError: if `size` is less than 1 or not a positive time.
    """

    min_capacity = 1024

    def __init__(self, size: int | str, names: tuple[str, ...] = LINE_COLUMNS) -> None:
        self._span_ns = parse_window(size)
        self.size = size
        self.names = names
        self.start = 0
        self.stop = 0
        self._offset = 0  # position of the first element of the arrays
        self._x: Array = np.empty(0)
        self._columns = {name: np.empty(0) for name in names}

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def x(self) -> Array:
        """The x of all points held, float64 or datetime64[ns]: a read-only view, not a copy."""
        return _as_read_only(self._x[self._slice(self.start)])

    @property
    def span_s(self) -> float | None:
        """The size in seconds, if it is a time; otherwise None."""
        return None if self._span_ns is None else self._span_ns / 1e9

    def column(self, name: str) -> Array:
        """Return a column of all points held, float64: a read-only view, not a copy."""
        return _as_read_only(self._columns[name][self._slice(self.start)])

    def since(self, position: int) -> tuple[int, Array, list[Array]]:
        """Return the points from a position on, or all points if some of those are gone.

        Returns:
            The position of the first point returned; its x and columns, each of shape (n,).
        """
        start = position if self.start <= position <= self.stop else self.start
        part = self._slice(start)
        return start, self._x[part], [self._columns[name][part] for name in self.names]

    def add(self, x: Array, columns: Mapping[str, Array]) -> int:
        """Add points after the newest one, and drop those that leave the window.

        Each point of a batch gets a position, even if the batch is larger than the window and its
        oldest points are never held.

        Args:
            x: shape (n,), float64 or datetime64[ns].
            columns: a float64 array of shape (n,) for each of `names`.

        Returns:
            The position of the first point added.

        Raises:
            ValueError: if x holds times and the window numbers, or the other way round.
        """
        self.check_x_type(x)
        start = self.stop
        if isinstance(self.size, int) and len(x) > self.size:
            skipped = len(x) - self.size
            x, columns = x[skipped:], {name: columns[name][skipped:] for name in self.names}
            self.start = self.stop = self._offset = self.stop + skipped
        self._write(self.stop, x, columns)
        return start

    def merge(self, x: Array, columns: Mapping[str, Array]) -> int:
        """Insert points by their x; a point whose x is already held replaces that point.

        Args:
            x: shape (n,), ascending.
            columns: as for `add`.

        Returns:
            The lowest position that changed.

        Raises:
            ValueError: as for `add`.
        """
        self.check_x_type(x)
        held = self.x
        index = int(np.searchsorted(held, x[0])) if len(held) else 0
        tail = held[index:]
        # Usually x[0] is the newest bar held, or newer, and the points can be written as given.
        if len(tail) > 1 or (len(tail) and tail[0] != x[0]):
            keep = ~np.isin(tail, x)
            order = np.argsort(np.concatenate([tail[keep], x]), kind="stable")
            columns = {
                name: np.concatenate([self.column(name)[index:][keep], columns[name]])[order]
                for name in self.names
            }
            x = np.concatenate([tail[keep], x])[order]
        start = self.start + index
        self._write(start, x, columns)
        return start

    def replace(self, x: Array, columns: Mapping[str, Array]) -> int:
        """Drop the points from the first x on, and add these points.

        Args:
            x: shape (n,), ascending, n at least 1; the x of the points held ascend, too.
            columns: as for `add`.

        Returns:
            The lowest position that changed.

        Raises:
            ValueError: as for `add`.
        """
        self.check_x_type(x)
        start = self.start + int(np.searchsorted(self.x, x[0])) if len(self) else self.stop
        self._write(start, x, columns)
        return start

    def drop_before(self, x: Any) -> bool:
        """Drop the points below an x; return whether there were any. The x held ascend."""
        count = int(np.searchsorted(self.x, x)) if len(self) else 0
        self.start += count
        return count > 0

    def check_x_type(self, x: Array) -> None:
        """Raise a ValueError if x holds times and the window numbers, or the other way round."""
        if len(self) and len(x) and x.dtype != self._x.dtype:
            new, held = ("times", "numbers") if x.dtype == TIME else ("numbers", "times")
            raise ValueError(
                f"Can't append {new} as x to a trace whose x values are {held}; call clear() first"
            )

    def decimate(self, max_points: int) -> tuple[Array, list[Array]]:
        """Return x and columns of at most `max_points` points that look like all points.

        A line is cut into stretches; the lowest and highest point of each are kept, and so every
        spike. Bars are combined into wider ones. Stretches are aligned to positions: as the window
        slides, the points chosen from a stretch inside the window stay the same.
        """
        if len(self) <= max_points:
            return self.x, [self.column(name) for name in self.names]
        length = 2
        while len(self) / length * (2 if self.names == LINE_COLUMNS else 1) + 2 > max_points:
            length *= 2
        before = self.start % length  # points of the first stretch that have left the window
        starts = np.arange(-before, len(self), length)  # shape (stretches,)
        starts[0] = 0
        if self.names == BAR_COLUMNS:
            return self._combine_bars(starts)
        y = self.column("y")  # shape (points,)
        padded = np.full(len(starts) * length, np.nan)
        padded[before : before + len(y)] = y
        stretches = padded.reshape(-1, length)  # shape (stretches, length)
        first = np.arange(len(starts)) * length - before
        lowest = first + np.where(np.isnan(stretches), np.inf, stretches).argmin(axis=1)
        highest = first + np.where(np.isnan(stretches), -np.inf, stretches).argmax(axis=1)
        chosen = np.unique(np.clip(np.concatenate([lowest, highest]), 0, len(y) - 1))
        return self.x[chosen], [y[chosen]]

    def sample(self, max_points: int) -> tuple[Array, list[Array]]:
        """Return x and columns of every second, fourth, … point, at most about `max_points`.

        Points are chosen by their positions, so the choice stays as the window slides. The newest
        point is always chosen.
        """
        step = 1
        while len(self) / step > max_points:
            step *= 2
        chosen = np.arange(-self.start % step, len(self), step)
        if len(self) and (not len(chosen) or chosen[-1] != len(self) - 1):
            chosen = np.append(chosen, len(self) - 1)
        return self.x[chosen], [self.column(name)[chosen] for name in self.names]

    def _combine_bars(self, starts: Array) -> tuple[Array, list[Array]]:
        """Return one bar for each stretch; `starts`, shape (stretches,), are their first bars."""
        last = np.append(starts[1:], len(self)) - 1
        columns = [
            self.column("open")[starts],
            np.fmax.reduceat(self.column("high"), starts),
            np.fmin.reduceat(self.column("low"), starts),
            self.column("close")[last],
        ]
        return self.x[starts], columns

    def _slice(self, start: int) -> slice:
        return slice(start - self._offset, self.stop - self._offset)

    def _write(self, start: int, x: Array, columns: Mapping[str, Array]) -> None:
        stop = start + len(x)
        if stop - self._offset > len(self._x) or x.dtype != self._x.dtype:
            self._reallocate(stop - self.start, x.dtype)
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
            span = np.timedelta64(self._span_ns, "ns") if is_time else self.span_s
            oldest = np.fmax.reduce(held[-NEWEST_POINTS:]) - span  # whatever NaN there is
            # Points leave in the order in which they came. Comparing all of them would take time
            # in proportion to the window; usually the first step already finds a point to keep.
            for start in range(0, len(held), TRIM_STEP):
                keep = held[start : start + TRIM_STEP] >= oldest
                if keep.any():
                    self.start += start + int(keep.argmax())
                    break

    def _empty_column(self, capacity: int) -> Array:
        return np.empty(capacity)

    def _reallocate(self, length: int, dtype: Any) -> None:
        capacity = max(self.min_capacity, 2 * length)
        part = self._slice(self.start)
        old_x, self._x = self._x, np.empty(capacity, dtype=dtype)
        old_columns = self._columns
        self._columns = {name: self._empty_column(capacity) for name in old_columns}
        if len(self):
            self._x[: len(self)] = old_x[part]
            for name, old in old_columns.items():
                self._columns[name][: len(self)] = old[part]
        self._offset = self.start


def _as_read_only(part: Array) -> Array:
    part.flags.writeable = False
    return part


def parse_window(size: object) -> int | None:
    """Check the size of a window; return its span in ns, None for a number of points.

    Raises:
        InvalidType: the size is neither a whole number nor text.
        InvalidArgument: it is out of range, or not a time.
    """
    expected = f"a number of points from 1 to {MAX_POINTS:,}, or a time such as '5min'"
    if isinstance(size, str):
        return parse_length_ns("window", size, expected)
    if not isinstance(size, int) or isinstance(size, bool):
        raise InvalidType("window", size, expected)
    if not 1 <= size <= MAX_POINTS:
        raise InvalidArgument("window", size, expected)
    return None
