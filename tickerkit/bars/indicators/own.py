"""Own indicators: a user's function of a frame of bars, or a user's class that gets each bar."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tickerkit.errors import InvalidArgument
from tickerkit.ticks import Array

__all__ = ["Bar", "OwnClass", "OwnFunction"]

FUNCTION_RETURNS = "a function that returns a Series, a frame or an array with a row for each bar"


class Bar(NamedTuple):
    """A bar, as the method `update` of your own indicator gets it.

    Attributes:
        time: when it began, UTC.
        open: its first price.
        high: its highest price.
        low: its lowest price.
        close: its last price, so far.
        volume: the sum of the sizes.
        ticks: how many ticks are in it.
        symbol: whose bar it is.
    """

    time: pd.Timestamp
    open: float
    high: float
    low: float
    close: float
    volume: float
    ticks: int
    symbol: str


@dataclass(frozen=True, eq=False, slots=True)
class OwnFunction:
    """A user's function of a frame of bars.

    Attributes:
        given: takes the bars of one symbol; returns a row for each.
        text: the name of its column, with which the names of several begin.
        columns: its columns as far as they are known before it is called.
    """

    given: Callable[[pd.DataFrame], Any]
    text: str
    columns: tuple[str, ...]

    def compute(self, bars: pd.DataFrame) -> dict[str, Array]:
        """Return the columns, each of shape (len(bars),) and float64.

        Raises:
            InvalidArgument: the function returned something else. What the function itself raises
                is raised as it is.
        """
        # A copy: the frame is also what the next function of the user gets.
        returned = self.given(bars.copy())
        if isinstance(returned, pd.Series | pd.DataFrame):
            index = returned.index
            # Such as after `dropna`. Without any time of a bar, its rows are in order: then it was
            # made of an array.
            if index.is_unique and (index.isin(bars.index).any() or not len(index)):
                returned = returned.reindex(bars.index)
            if isinstance(returned, pd.Series):
                returned = {self.columns[0]: returned}
            else:
                names = [f"{self.text} {name}" for name in returned.columns]
                if len(self.columns) == len(names):
                    names = list(self.columns)
                returned = {name: returned.iloc[:, place] for place, name in enumerate(names)}
        else:
            returned = {self.columns[0]: returned}
        try:
            found = {name: np.asarray(each, dtype=np.float64) for name, each in returned.items()}
        except (TypeError, ValueError):
            found = {}
        if not found or any(each.shape != (len(bars),) for each in found.values()):
            raise InvalidArgument("indicators", self.given, FUNCTION_RETURNS)
        return found


@dataclass(frozen=True, eq=False, slots=True)
class OwnClass:
    """A user's class whose method `update` gets each bar.

    Attributes:
        given: the class, or an object of it, which is only copied.
        text: the name of its column, with which the names of several begin.
        columns: its columns.
    """

    given: Any
    text: str
    columns: tuple[str, ...]

    def make(self) -> Any:
        """Return a new object of the class, or a copy of the object."""
        return self.given() if isinstance(self.given, type) else self.copy(self.given)

    def read(self, returned: object) -> tuple[float, ...]:
        """Return what `update` returned as a number for each column; None is no value.

        Raises:
            InvalidArgument: it is not a number for each column.
        """
        if returned is None:
            return (np.nan,) * len(self.columns)
        values: Any = returned if isinstance(returned, tuple | list) else [returned]
        try:
            if isinstance(returned, Mapping):
                values = [returned[name.removeprefix(f"{self.text} ")] for name in self.columns]
            numbers = tuple(np.nan if each is None else float(each) for each in values)
        except (KeyError, TypeError, ValueError):
            numbers = ()
        if len(numbers) != len(self.columns):
            expected = f"a class whose update(bar) returns {len(self.columns)} number(s) or None"
            raise InvalidArgument("indicators", self.text, expected)
        return numbers

    @staticmethod
    def copy(own: object) -> Any:
        """Return a copy of a user's object, to which the next bar is given."""
        return copy.deepcopy(own)
