"""Level and Crossing: a value that passes a level, upward, downward or either way."""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from tickerkit.alerts.condition import NOTHING, Firing
from tickerkit.alerts.view import LastValues, View, find_changes
from tickerkit.formatting import format_measure

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

    sees_all = False

    def __init__(self, column: str, level: float, kind: str = "above") -> None:
        self.column, self.level, self.kind = column, level, kind

    def judge(self, view: View, codes: Set[int] | None) -> list[Firing]:
        """Return where the level is passed, see `Condition`."""
        changes = view.changes(self.column)
        if codes is None:
            parts = [EVERYTHING]
        else:
            # Most alerts have one symbol, and most values pass no level.
            ranges, level = changes.ranges, self.level
            near = [c for c in codes if c in ranges and ranges[c][0] <= level <= ranges[c][1]]
            if not near:
                return NOTHING
            parts = [changes.parts[code] for code in near]
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

    sees_all = False

    def __init__(self, column: str, level: float) -> None:
        self.column, self.level = column, level
        self._sides = LastValues()

    def judge(self, view: View, codes: Set[int] | None) -> list[Firing]:
        """Return where the level is crossed, see `Condition`."""
        changes = view.changes(self.column)
        found = []
        for part in [EVERYTHING] if codes is None else [part for _, part in changes.select(codes)]:
            sides = np.sign(changes.values[part] - self.level)
            sides[sides == 0] = np.nan  # as if there were no value
            passed = find_changes(changes.codes[part], sides, self._sides)
            for index in passed.places[passed.values * passed.before < 0].tolist():
                value = float(changes.values[part][index])
                way = "up" if value > self.level else "down"
                level, shown = format_measure(self.level), describe_value(self.column, value)
                found.append(
                    Firing(
                        int(changes.places[part][index]),
                        "crossing",
                        int(changes.codes[part][index]),
                        value,
                        f"crosses {level} {way}: {shown}",
                        self.level,
                    )
                )
        return found
