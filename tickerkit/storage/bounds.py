"""Bounds: which ticks are asked for, and where none of them can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from tickerkit.storage.extent import Extent

__all__ = ["Bounds"]


class Bounds(NamedTuple):
    """The ticks that are asked for.

    Attributes:
        symbols: only those of these symbols; None for all.
        start: only those at this time or later; None for all.
        end: only those before this time; None for all.
    """

    symbols: list[str] | None = None
    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None

    @property
    def by_time(self) -> bool:
        """Whether some times are not asked for."""
        return self.start is not None or self.end is not None

    def exclude(self, extent: Extent) -> bool:
        """Return whether no tick of a file can be asked for, by how far its ticks reach."""
        known = extent.symbols
        if self.symbols is not None and known is not None and not set(self.symbols) & set(known):
            return True
        if extent.start is None or extent.end is None:
            return False
        is_later = self.end is not None and extent.start >= self.end.value
        return is_later or (self.start is not None and extent.end < self.start.value)

    def exclude_group(self, statistics: Callable[[str], Any]) -> bool:
        """Return whether no tick of a row group can be asked for.

        Args:
            statistics: called with the name of a column; returns its statistics in a Parquet file
                of tickerkit, None if there are none.
        """
        times, symbols = statistics("time"), statistics("symbol")
        if self.by_time and times is not None and times.has_min_max:
            if self.end is not None and times.min >= self.end:
                return True
            if self.start is not None and times.max < self.start:
                return True
        if self.symbols is None or symbols is None or not symbols.has_min_max:
            return False
        return not any(symbols.min <= symbol <= symbols.max for symbol in self.symbols)
