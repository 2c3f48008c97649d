"""Library: an indicator of talipp, which a user passes as an object."""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from tickerkit.ticks import Array

__all__ = ["LibraryFormula", "is_of_library"]

BASE = "talipp.indicators.Indicator"
PRICES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, eq=False, slots=True)
class LibraryFormula:
    """An indicator of talipp, by its own definition, seeds and warm-up.

    Its objects keep every bar, and can take the last ones back: by that, a bar is revised.

    Attributes:
        given: the user's object, which is only copied.
        text: the name of its column, with which the names of several begin.
        columns: its columns.
        takes_bars: whether it takes whole bars, and not closes.
    """

    given: Any
    text: str
    columns: tuple[str, ...]
    takes_bars: bool

    @classmethod
    def from_object(cls, given: Any, text: str) -> LibraryFormula:
        """Return the formula of a user's object."""
        kind = given.get_output_value_type()
        words = [each.name for each in fields(kind)] if is_dataclass(kind) else []
        columns = tuple(f"{text} {word}" for word in words) or (text,)
        # Nothing else but its documentation says what an indicator of talipp takes.
        takes_bars = "Input type: [OHLCV]" in (type(given).__doc__ or "")
        return cls(given, text, columns, takes_bars)

    def make(self) -> Any:
        """Return an object that has had no bar yet."""
        made = copy.deepcopy(self.given)
        made.remove_all()
        return made

    def add(self, made: Any, arrays: dict[str, Array], index: int) -> tuple[float, ...]:
        """Give an object the bar at an index of arrays, and return a value for each column."""
        value: Any = arrays["close"].item(index)
        if self.takes_bars:
            from talipp.ohlcv import OHLCV

            value = OHLCV(*(arrays[name].item(index) for name in PRICES))
        made.add(value)
        found = made[-1]
        if len(self.columns) == 1:
            return (_number(found),)
        names = [name.removeprefix(f"{self.text} ") for name in self.columns]
        return tuple(_number(getattr(found, name, None)) for name in names)


def is_of_library(given: object) -> bool:
    """Return whether an object is an indicator of talipp, without importing it."""
    return any(each.__module__ == BASE for each in type(given).__mro__)


def _number(value: Any) -> float:
    if isinstance(value, Enum):  # such as the direction of a trend
        value = value.value
    return float("nan") if value is None else float(value)
