"""`tk.asof`: joins the ticks of two feeds by time, as `pandas.merge_asof` does, incrementally."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.log import Rows, TickLog
from tickerkit.log.asof import AsofMatches, Direction
from tickerkit.ticks import UTC_NS, Array
from tickerkit.ticks.lengths import parse_length_ns
from tickerkit.validation import check_choice, check_number

__all__ = ["asof"]

DIRECTIONS = ("backward", "forward", "nearest")
LOG_COLUMNS = ("time", "received", "seq")
# A cell that is changed and run again leaves the matches of its earlier arguments behind.
MAX_KEPT = 4


def asof(
    trades: Any,
    quotes: Any,
    on: str = "time",
    by: str | None = "symbol",
    tolerance: str | timedelta | float | None = None,
    direction: Direction = "backward",
    suffixes: Sequence[str] = ("", "_right"),
) -> pd.DataFrame:
    """Join each tick of one feed with the tick of another that was current at its time.

    The frame equals that of `pandas.merge_asof` over both feeds' frames in order of time. Of two
    feeds, or logs, matches are kept: a repeated call matches only what is new. Where ticks come
    late, those from their time on are matched again.

    Args:
        trades: the ticks to keep, all of them: a feed, a log or a DataFrame.
        quotes: the ticks to look up, likewise.
        on: the column of the time: "time", "received" or "seq"; of frames any column of times or
            numbers.
        by: only ticks match that have the same value in this column: "symbol", or None for no
            such condition; of frames any column.
        tolerance: the longest time between two ticks that match, such as "5s" or a timedelta; a
            number where `on` is a column of numbers. None for any.
        direction: "backward" takes the last tick at or before the time, "forward" the first at or
            after it, "nearest" the nearer of both.
        suffixes: what is added to the names of columns that both have, of `trades` and `quotes`.

    Returns:
        A DataFrame with a row for each tick of `trades`, in order of `on`; its columns, and those
        of `quotes` but for `on` and `by`. Where nothing matches, those are missing: NaN, and whole
        numbers become float64, as with pandas.

    Raises:
        InvalidArgument: an argument is invalid.

    Example:
        >>> tk.asof(trades, quotes, tolerance="1s")[["time", "symbol", "price", "bid", "ask"]]
    """
    check_choice("direction", direction, DIRECTIONS)
    _check_suffixes(suffixes)
    logs = [_find_log(ticks) for ticks in (trades, quotes)]
    left, right = logs
    if left is not None and right is not None:
        check_choice("on", on, LOG_COLUMNS)
        check_choice("by", by, ("symbol", None))
        limit = _parse_tolerance(tolerance, is_time=on != "seq")
        rows, other, places = _find_join(left, right, (on, by, direction, limit)).update(
            left, right
        )
        return _combine(rows.frame(), other.frame(), rows.array(on), places, on, by, suffixes)
    frames = [
        _check_frame(name, ticks if log is None else log.frame(), on, by)
        for name, ticks, log in zip(("trades", "quotes"), (trades, quotes), logs, strict=True)
    ]
    times = [_read_times(frame, on) for frame in frames]
    limit = _parse_tolerance(tolerance, is_time=frames[0][on].dtype.kind == "M")
    matches = AsofMatches(direction, limit)
    keys = _read_keys(frames, by)
    matches.add((0, times[0], keys[0]), (0, times[1], keys[1]))
    return _combine(frames[0], frames[1], times[0], matches.rows, on, by, suffixes)


class _Join:
    """The matches of two logs so far. It does not keep the logs alive."""

    def __init__(
        self, on: str, by: str | None, direction: Direction, tolerance: float | None
    ) -> None:
        self._on, self._by = on, by
        self._matches = AsofMatches(direction, tolerance)
        self._keys: dict[str, int] = {}
        # For each side, the number of the row to read next, and the key of each code.
        self._next = [0, 0]
        self._key_of_code = [np.empty(0, dtype=np.int64)] * 2
        self._lock = threading.Lock()

    def update(self, left: TickLog, right: TickLog) -> tuple[Rows, Rows, Array]:
        """Match what is new.

        Returns:
            The rows of both sides that are held, and for each row on the left the place on the
            right that matches it, -1 for none.
        """
        with self._lock:
            sides = left.rows(), right.rows()
            self._matches.drop(sides[0].start, sides[1].start)
            self._matches.add(*(self._read_new(side, rows) for side, rows in enumerate(sides)))
            rows = self._matches.rows
        return *sides, np.where(rows >= 0, rows - sides[1].start, -1)

    def _read_new(self, side: int, rows: Rows) -> tuple[int, Array, Array]:
        """Return the first new row of a side, and the times and keys of all new ones."""
        new = rows.part(max(rows.start, self._next[side]), rows.stop)
        self._next[side] = new.stop
        if self._by is None:
            return new.start, new.array(self._on), np.zeros(len(new), dtype=np.int64)
        words = new.dictionaries["symbol"].words
        known = self._key_of_code[side]
        if len(known) < len(words):
            later = [self._keys.setdefault(word, len(self._keys)) for word in words[len(known) :]]
            known = self._key_of_code[side] = np.append(known, later)
        return new.start, new.array(self._on), known[new.array("symbol")]


_joins: WeakKeyDictionary[TickLog, WeakKeyDictionary[TickLog, dict[tuple[Any, ...], _Join]]] = (
    WeakKeyDictionary()
)
_joins_lock = threading.Lock()


def _find_join(left: TickLog, right: TickLog, arguments: tuple[Any, ...]) -> _Join:
    """Return the join that an earlier call with the same arguments has made, or a new one."""
    with _joins_lock:
        joins = _joins.setdefault(left, WeakKeyDictionary()).setdefault(right, {})
        join = joins.pop(arguments, None) or _Join(*arguments)
        joins[arguments] = join  # the last used one stands last
        while len(joins) > MAX_KEPT:
            del joins[next(iter(joins))]
        return join


def _find_log(ticks: object) -> TickLog | None:
    """Return the log of a feed or a server; None for a frame."""
    if isinstance(ticks, TickLog):
        return ticks
    log = getattr(ticks, "log", None)
    return log if isinstance(log, TickLog) else None


def _check_suffixes(suffixes: object) -> None:
    expected = 'two texts that differ, such as ("", "_quote")'
    is_pair = isinstance(suffixes, tuple | list) and all(isinstance(s, str) for s in suffixes)
    if not is_pair:
        raise InvalidType("suffixes", suffixes, expected)
    if len(set(suffixes)) != 2 or len(suffixes) != 2:  # type: ignore[call-overload, arg-type]
        raise InvalidArgument("suffixes", suffixes, expected)


def _check_frame(name: str, ticks: object, on: str, by: str | None) -> pd.DataFrame:
    if not isinstance(ticks, pd.DataFrame):
        raise InvalidType(name, ticks, "a feed, a log or a DataFrame")
    for argument, column in (("on", on), ("by", by)):
        if column is not None and column not in ticks:
            raise InvalidArgument(argument, column, f"a column of {name}")
    return ticks.reset_index(drop=True)


def _read_times(frame: pd.DataFrame, on: str) -> Array:
    """Return a column to join on as numbers, shape (rows,); times are in ns."""
    times = frame[on]
    if times.dtype.kind not in "Miuf":
        raise InvalidArgument("on", on, "a column of times or numbers")
    if times.isna().any():
        raise InvalidArgument("on", on, "a column without a missing value")
    if times.dtype.kind == "M":
        times = pd.to_datetime(times, utc=True).astype(UTC_NS).astype(np.int64)
    return times.to_numpy()


def _read_keys(frames: Sequence[pd.DataFrame], by: str | None) -> list[Array]:
    """Return for each row of two frames a number for its value in a column, shape (rows,)."""
    if by is None:
        return [np.zeros(len(frame), dtype=np.int64) for frame in frames]
    values = pd.concat([frame[by].astype(object) for frame in frames])
    keys, _ = pd.factorize(values, use_na_sentinel=False)
    return [keys[: len(frames[0])], keys[len(frames[0]) :]]


def _parse_tolerance(tolerance: object, *, is_time: bool) -> float | None:
    """Return the longest distance of a match, in ns or in the unit of the column."""
    if tolerance is None:
        return None
    if is_time:
        return parse_length_ns("tolerance", tolerance)
    check_number("tolerance", tolerance, 0)
    return float(tolerance)  # type: ignore[arg-type]


def _combine(
    left: pd.DataFrame,
    right: pd.DataFrame,
    times: Array,
    places: Array,
    on: str,
    by: str | None,
    suffixes: Sequence[str],
) -> pd.DataFrame:
    """Return the joined frame.

    Args:
        left: the ticks to keep.
        right: the ticks to look up.
        times: of each row on the left, shape (rows,).
        places: of each row on the left, the row on the right that matches it, -1 for none.
        on: see `asof`.
        by: see `asof`.
        suffixes: see `asof`.
    """
    right = right.drop(columns=[name for name in (on, by) if name is not None])
    both = [name for name in left if name in right]
    ours, theirs = ({name: f"{name}{suffix}" for name in both} for suffix in suffixes)
    if np.any(times[1:] < times[:-1]):
        order = np.argsort(times, kind="stable")
        left, places = left.take(order).reset_index(drop=True), places[order]
    # The index of `right` counts from 0, so -1 is not in it, and its row is empty.
    found = right.rename(columns=theirs).reindex(places)
    found.index = left.index
    return pd.concat([left.rename(columns=ours), found], axis=1)
