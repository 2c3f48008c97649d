"""Stops: the indicators that follow a trend on one side until the price crosses them."""

from __future__ import annotations

from math import nan
from typing import Any

from tickerkit.bars.indicators.formula import StepFormula
from tickerkit.bars.indicators.steps import atr

__all__ = ["psar", "supertrend"]

State = tuple[Any, ...]


def psar(step_size: float, limit: float) -> StepFormula:
    """Parabolic stop and reverse, with TA-Lib's rules for the first bars.

    A stop for a falling trend is one for a rising trend in a mirror. So prices are taken times
    `side`, 1 or -1, and only the rising trend is written down.
    """
    first = min(step_size, limit)

    def step(state: State, high: float, low: float) -> tuple[State, tuple[float]]:
        if len(state) < 3:
            if not state:
                return (high, low), (nan,)
            before_high, before_low = state
            drop = before_low - low
            side = -1 if drop > 0 and high - before_high < drop else 1
            # The stop begins at the other end of the bar before. As in TA-Lib, the second bar
            # counts as the bar before itself.
            stop, extreme = (before_low, high) if side > 0 else (-before_high, -low)
            before_high, before_low, factor = high, low, first
        else:
            side, stop, extreme, factor, before_high, before_low = state
        near, far = (low, high) if side > 0 else (-high, -low)
        near_before, far_before = (
            (before_low, before_high) if side > 0 else (-before_high, -before_low)
        )
        if near <= stop:
            # The trend turns: from here on, everything is seen in the mirror.
            side = -side
            shown = -max(extreme, far_before, far)
            extreme, factor = -near, first
            stop = min(shown + factor * (extreme - shown), -far_before, -far)
        else:
            shown = stop
            if far > extreme:
                extreme, factor = far, min(factor + first, limit)
            stop = min(stop + factor * (extreme - stop), near_before, near)
        return (side, stop, extreme, factor, high, low), (side * shown,)

    return StepFormula(("high", "low"), (), step)


def supertrend(period: int, width: float) -> StepFormula:
    """A band `width` average true ranges from the middle of the bar, on one side of the price.

    The lower band only rises while the trend is up, and the upper one only falls while it is down.
    The trend turns when the close crosses the band. It counts as down at first.
    """
    reach = atr(period)

    def step(state: State, high: float, low: float, close: float) -> tuple[State, tuple[float]]:
        inner, before, upper, lower, is_up = state
        inner, (value,) = reach.step(inner, high, low, close)
        if value != value:  # NaN
            return (inner, close, nan, nan, False), (nan,)
        middle, distance = (high + low) / 2, value * width
        new_upper, new_lower = middle + distance, middle - distance
        # Comparisons with NaN, at the first bar, are false.
        if upper <= new_upper and before <= upper:
            new_upper = upper
        if lower >= new_lower and before >= lower:
            new_lower = lower
        if upper == upper:
            is_up = close >= new_lower if is_up else close > new_upper
        line = new_lower if is_up else new_upper
        return (inner, close, new_upper, new_lower, is_up), (line,)

    start = reach.start, nan, nan, nan, False
    return StepFormula(("high", "low", "close"), start, step)
