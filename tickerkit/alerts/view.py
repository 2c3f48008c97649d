"""View: the next ticks of a log as conditions read them, each value beside the one before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tickerkit.log import Gap, Rows
from tickerkit.log.groups import Groups, group_rows
from tickerkit.ticks import NS_PER_S, Array

__all__ = ["LAG", "Changes", "LastValues", "Tick", "View", "find_changes"]

# The name of a column that is computed: the seconds from a tick's time to when it was received.
LAG = "received - time"
LIVE = "live"


class Tick(NamedTuple):
    """What an event keeps of a tick; times in epoch ns."""

    symbol: str
    price: float
    seq: int
    epoch: str
    time_ns: int
    received_ns: int


class LastValues:
    """The newest value of one column for each symbol, by its code; NaN before the first."""

    def __init__(self) -> None:
        self.values: Array = np.full(16, np.nan)

    def reserve(self, size: int) -> None:
        """Make room for the codes below `size`."""
        if size > len(self.values):
            self.values = np.append(self.values, np.full(2 * size - len(self.values), np.nan))

    def merge(self, other: LastValues) -> None:
        """Take the values that another has of the same column at the same row."""
        self.reserve(len(other.values))
        known = np.flatnonzero(other.values == other.values)
        self.values[known] = other.values[known]


@dataclass(frozen=True)
class Changes:
    """The values of a column by symbol, each beside the one before it. V is how many there are.

    Attributes:
        places: the place of each value in its view, (V,): ascending within each symbol.
        values: the values, float64, (V,).
        before: the value before each, of the same symbol; NaN for its first, (V,).
        codes: the code of each value's symbol, (V,).
        starts: where the values of each symbol begin, (G,), for G symbols.
        parts: by the code of each symbol, in ascending order, where its values are.
    """

    places: Array
    values: Array
    before: Array
    codes: Array
    starts: Array
    parts: dict[int, slice]

    @cached_property
    def ranges(self) -> dict[int, tuple[float, float]]:
        """By the code of each symbol, its lowest and highest value, the one before included."""
        if not self.parts:
            return {}
        lows = np.minimum.reduceat(np.fmin(self.values, self.before), self.starts)
        highs = np.maximum.reduceat(np.fmax(self.values, self.before), self.starts)
        pairs = zip(lows.tolist(), highs.tolist(), strict=True)
        return dict(zip(self.parts, pairs, strict=True))

    def select(self, codes: Set[int] | None) -> Iterator[tuple[int, slice]]:
        """Yield the code of each symbol, and where its values are; of all if `codes` is None."""
        if codes is None:
            yield from self.parts.items()
        elif len(codes) < len(self.parts):
            yield from ((code, self.parts[code]) for code in codes if code in self.parts)
        else:
            yield from ((code, part) for code, part in self.parts.items() if code in codes)


NO_VALUES = np.empty(0)
NO_CHANGES = Changes(NO_VALUES, NO_VALUES, NO_VALUES, NO_VALUES, NO_VALUES, {})


def find_changes(codes: Array, values: Array, last: LastValues) -> Changes:
    """Return values by symbol, each beside the one before it, and keep the newest in `last`.

    Args:
        codes: the code of each value's symbol, (N,).
        values: the values, float64 of shape (N,); NaN where a tick has no value.
        last: the newest values before these.
    """
    places = np.flatnonzero(values == values)
    if not len(places):
        return NO_CHANGES
    order, symbols, starts, stops = group_rows(codes[places])
    places = places[order]
    found = values[places]
    before = np.empty_like(found)
    before[1:] = found[:-1]
    last.reserve(int(symbols[-1]) + 1)
    before[starts] = last.values[symbols]
    last.values[symbols] = found[stops - 1]
    spans = zip(symbols.tolist(), starts.tolist(), stops.tolist(), strict=True)
    parts = {code: slice(start, stop) for code, start, stop in spans}
    return Changes(places, found, before, codes[places], starts, parts)


class View:
    """Successive ticks of a log.

    Attributes:
        rows: the ticks.
        clock: the clock of the log at each tick, int64 ns, (N,).
        gaps: the gaps right before the first tick.
        is_past: whether what fires here is left out: a new alert first sees earlier ticks.
    """

    def __init__(
        self,
        rows: Rows,
        clock: Array,
        gaps: Sequence[Gap],
        columns: dict[str, LastValues],
        *,
        is_past: bool,
    ) -> None:
        self.rows = rows
        self.clock = clock
        self.gaps = gaps
        self.is_past = is_past
        self._columns = columns
        self._changes: dict[str, Changes] = {}

    @cached_property
    def codes(self) -> Array:
        """The code of each tick's symbol, (N,)."""
        return self.rows.array("symbol")

    @property
    def times(self) -> Array:
        """When each tick happened, int64 ns, (N,)."""
        return self.rows.array("time")

    @cached_property
    def groups(self) -> Groups:
        """The ticks by symbol."""
        return group_rows(self.codes)

    @cached_property
    def symbols(self) -> frozenset[int]:
        """The codes of the symbols that have ticks here."""
        return frozenset(self.groups.codes.tolist())

    def values(self, column: str) -> Array | None:
        """Return a column of numbers as float64 of shape (N,); None if the rows lack it.

        A row without a value has NaN.
        """
        return self._lags() if column == LAG else self.rows.numbers(column)

    def changes(self, column: str) -> Changes:
        """Return the values of a column, each beside the one before it; computed once."""
        if (found := self._changes.get(column)) is None:
            values = self.values(column)
            if values is None:
                found = NO_CHANGES
            else:
                last = self._columns.setdefault(column, LastValues())
                found = find_changes(self.codes, values, last)
            self._changes[column] = found
        return found

    def tick(self, place: int) -> Tick:
        """Return what an event keeps of a tick."""
        rows, words = self.rows, self.rows.dictionaries["symbol"].words
        position = rows.position(place)
        return Tick(
            words[int(self.codes[place])],
            float(rows.array("price")[place]),
            position.seq,
            position.epoch,
            int(rows.array("time")[place]),
            int(rows.array("received")[place]),
        )

    def _lags(self) -> Array:
        rows = self.rows
        lags = (rows.array("received") - rows.array("time")) / NS_PER_S
        # The lag of a past trade, which a venue sends again, is not that of the connection.
        dictionary = rows.dictionaries.get("origin")
        if dictionary is not None and len(dictionary.words) > (LIVE in dictionary.words):
            codes = rows.array("origin")
            others = [code for word, code in dictionary.codes.items() if word != LIVE]
            lags[np.isin(codes, others)] = np.nan
        return lags
