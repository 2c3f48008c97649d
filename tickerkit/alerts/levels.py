"""Level and Crossing: a value that passes a level, upward, downward or either way."""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from tickerkit.alerts.condition import Firing
from tickerkit.alerts.view import View
from tickerkit.formatting import format_measure
from tickerkit.ticks import Array

__all__ = ["Crossing", "Level", "describe_value"]

EVERYTHING = slice(None)
WORDS = {"above": "is above", "below": "is below", "lag": "lags by more than"}


def describe_value(column: str, value: float) -> str:
    """Return a value for a text: "200.05", or "bid 200.05" where it is not a price."""
    return format_measure(value) if column == "price" else f"{column} {format_measure(value)}"


class Level:
    """Fires when a value passes a level: above, from ≤ to >; below, from ≥ to <.

    It keeps no state: a view has the value before each.

    Args:
        column: the column that is judged.
        level: the level.
        kind: the kind of the events: "above" or "below"; or "lag", for above.
    """

    def __init__(self, column: str, level: float, kind: str = "above") -> None:
        self.column, self.level, self.kind = column, level, kind

    def judge(self, view: View, codes: Set[int] | None) -> list[Firing]:
        """Return where the level is passed, see `Condition`."""
        changes = view.changes(self.column)
        parts = [EVERYTHING] if codes is None else [part for _, part in changes.select(codes)]
        found = []
        for part in parts:
            values, before = changes.values[part], changes.before[part]
            if self.kind == "below":
                hits = (values < self.level) & (before >= self.level)
            else:
                hits = (values > self.level) & (before <= self.level)
            for index in np.flatnonzero(hits).tolist():
                place, code = int(changes.places[part][index]), int(changes.codes[part][index])
                value = float(values[index])
                text = self._describe(value)
                found.append(Firing(place, self.kind, code, value, text, self.level))
        return found

    def _describe(self, value: float) -> str:
        level = format_measure(self.level)
        if self.kind == "lag":
            return f"{WORDS['lag']} {level} s: {format_measure(value)} s"
        return f"{WORDS[self.kind]} {level}: {describe_value(self.column, value)}"


class Crossing:
    """Fires when a value comes to the other side of a level; one equal to it is on neither side.

    Args:
        column: the column that is judged.
        level: the level.
    """

    def __init__(self, column: str, level: float) -> None:
        self.column, self.level = column, level
        # Of each symbol whose newest value equals the level: the side of those before.
        self._sides: dict[int, float] = {}

    def judge(self, view: View, codes: Set[int] | None) -> list[Firing]:
        """Return where the level is crossed, see `Condition`."""
        changes = view.changes(self.column)
        found = []
        for code, part in changes.select(codes):
            before = float(changes.before[part][0])
            side = np.sign(before - self.level)  # NaN before the first value
            if side == 0:
                side = self._sides.pop(code, np.nan)
            values = changes.values[part]
            sides: Array = np.sign(values - self.level)
            away = np.flatnonzero(sides)
            sides = sides[away]
            crossed = away[sides * np.append(side, sides[:-1])[: len(sides)] == -1]
            for index in crossed.tolist():
                value = float(values[index])
                way = "up" if value > self.level else "down"
                text = (
                    f"crosses {format_measure(self.level)} {way}: "
                    f"{describe_value(self.column, value)}"
                )
                place = int(changes.places[part][index])
                found.append(Firing(place, "crossing", code, value, text, self.level))
            if values[-1] == self.level:
                self._sides[code] = float(sides[-1]) if len(sides) else float(side)
        return found
