"""Formulas: how an indicator is computed from bars, in one of two forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tickerkit.ticks import Array

__all__ = ["StepFormula", "WindowFormula"]


@dataclass(frozen=True, slots=True)
class WindowFormula:
    """A formula whose value depends on the last bars alone, as that of a simple average.

    It has no state, so no rounding error adds up over a million bars, and a bar that changes
    changes the values of as many bars as the window is long.

    Attributes:
        inputs: the columns of the bars that it needs.
        length: how many bars a window has; earlier bars have no value.
        compute: takes a window of each input, shape (length,) for one bar or (bars, length) for
            many; returns a value for each column, of shape () or (bars,).
    """

    inputs: tuple[str, ...]
    length: int
    compute: Callable[..., tuple[Array, ...]]


@dataclass(frozen=True, slots=True)
class StepFormula:
    """A formula that continues from the state after the previous bar, as an exponential average.

    A state is never changed: a step returns the next one. So to revise a bar is to take its step
    again, from the same state, and to keep a state costs a reference.

    Attributes:
        inputs: the columns of the bars that it needs.
        start: the state before the first bar.
        step: takes a state, and the value of each input as a Python number; returns the next
            state, and the value of each column: NaN while the indicator warms up.
    """

    inputs: tuple[str, ...]
    start: Any
    step: Callable[..., tuple[Any, tuple[float, ...]]]
