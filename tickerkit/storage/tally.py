"""Tally: what the end of a file says about ticks that were written piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec
import pandas as pd

from tickerkit.storage.extent import ExtentBuilder
from tickerkit.storage.sidecar import Columns, End, Line, Sidecar, WordCollector, merge_kinds

__all__ = ["About", "Tally"]

# Returns what else a file says: called when all of its ticks are written, as what is missing in a
# recording is known only when it was read to its end.
About: TypeAlias = Callable[[], Sidecar]


class Tally:
    """Collects what must be known of ticks: their columns, their extent and the last of them.

    Attributes:
        rows: how many ticks there are.
        extent: how far they reach.
        end: the last of them, without a size.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.extent = ExtentBuilder()
        self.end = End(0)
        self._kinds: dict[str, str] = {}
        self._words = WordCollector()

    def add(self, frame: pd.DataFrame) -> None:
        """Add the next ticks; all frames have the same columns."""
        self.rows += len(frame)
        self.extent.add(frame)
        end = End.from_frame(frame) if len(frame) else self.end
        self.end = msgspec.structs.replace(end, rows=self.rows)
        columns = Columns.from_frame(frame)
        for name, kind in columns.kinds.items():
            self._kinds[name] = merge_kinds(self._kinds.get(name, kind), kind)
        self._words.add(columns)

    @property
    def columns(self) -> Columns:
        """The columns; without the categories of text that has too many of them."""
        return Columns(dict(self._kinds), self._words.ordered({}))

    @property
    def lines(self) -> list[Line]:
        """The last lines about the ticks, but for the columns."""
        return [*self.extent.lines, self.end]
