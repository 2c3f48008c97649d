"""Windows: the indicators whose value depends on the last bars alone.

Each function takes its parameters and returns a formula. In the formulas, the last axis of every
array is the bars of a window, oldest first.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tickerkit.bars.indicators.formula import WindowFormula
from tickerkit.ticks import Array

__all__ = ["bbands", "cci", "donchian", "roc", "rvol", "sma", "stddev", "wma", "zscore"]

# Lambert's constant: by it, most values lie between -100 and 100.
CCI_SCALE = 0.015
# The mean of equal numbers may differ from them by a rounding error. A deviation no larger than
# this share of the mean counts as 0: a division by it would give an arbitrary number.
ROUNDING = 1e-14
# For one window, a number less a truth value takes fifty times as long if the number is Python's.
ONE = np.float64(1)
# To the power of True it is NaN, and to that of False 1: `np.where` takes much longer, too.
NAN = np.float64(np.nan)

Columns = tuple[Array, ...]


def sma(period: int) -> WindowFormula:
    """Simple moving average: the mean of the last closes."""
    return WindowFormula(("close",), period, lambda close: (_mean(close),))


def wma(period: int) -> WindowFormula:
    """Weighted moving average: the newest close counts `period` times, the oldest once."""
    weights = np.arange(1.0, period + 1)
    total = period * (period + 1) / 2
    return WindowFormula(("close",), period, lambda close: (close.dot(weights) / total,))


def stddev(period: int) -> WindowFormula:
    """Standard deviation of the last closes, of the population: divided by their number."""
    return WindowFormula(("close",), period, lambda close: (_deviation(close, _mean(close)),))


def zscore(period: int) -> WindowFormula:
    """How many standard deviations the close is above the mean; NaN where nothing deviates."""

    def compute(close: Array) -> Columns:
        mean = _mean(close)
        deviation = _deviation(close, mean)
        is_flat = deviation <= np.abs(mean) * ROUNDING
        score = (close.T[-1] - mean) / (deviation + is_flat)
        return (score * NAN**is_flat,)

    return WindowFormula(("close",), period, compute)


def bbands(period: int, width: float) -> WindowFormula:
    """Bollinger bands: the mean of the closes, and `width` standard deviations around it."""

    def compute(close: Array) -> Columns:
        mean = _mean(close)
        distance = _deviation(close, mean) * width
        return mean + distance, mean, mean - distance

    return WindowFormula(("close",), period, compute)


def donchian(period: int) -> WindowFormula:
    """Donchian channel: the highest high and the lowest low, this bar included."""

    def compute(high: Array, low: Array) -> Columns:
        upper = np.maximum.reduce(high, axis=-1)
        lower = np.minimum.reduce(low, axis=-1)
        return upper, (upper + lower) / 2, lower

    return WindowFormula(("high", "low"), period, compute)


def cci(period: int) -> WindowFormula:
    """Commodity channel index: distance of the typical price from its mean, by mean deviation.

    As in TA-Lib, it is 0 where nothing deviates.
    """

    def compute(high: Array, low: Array, close: Array) -> Columns:
        total = high + low + close  # three times the typical price: the factor cancels out
        mean = _mean(total)
        spread = _mean(np.abs(_distances(total, mean))) * CCI_SCALE
        is_flat = spread <= np.abs(mean) * ROUNDING
        return ((total.T[-1] - mean) * (ONE - is_flat) / (spread + is_flat),)

    return WindowFormula(("high", "low", "close"), period, compute)


def roc(period: int) -> WindowFormula:
    """Rate of change in percent, from the close `period` bars before; 0 from a close of 0."""

    def compute(close: Array) -> Columns:
        first = close.T[0]
        is_zero = first == 0
        return ((close.T[-1] / (first + is_zero) - 1) * 100 * (ONE - is_zero),)

    return WindowFormula(("close",), period + 1, compute)


def rvol(period: int) -> WindowFormula:
    """Realised volatility: the root of the sum of the last squared log returns."""

    def compute(close: Array) -> Columns:
        with np.errstate(divide="ignore", invalid="ignore"):
            logarithm = np.log(close)
            returns = logarithm[..., 1:] - logarithm[..., :-1]
        return (np.sqrt(np.add.reduce(returns * returns, axis=-1)),)

    return WindowFormula(("close",), period + 1, compute)


@lru_cache(maxsize=64)
def _ones(length: int) -> Array:
    return np.ones(length)


def _mean(values: Array) -> Array:
    # For one window, `values.mean` takes ten times as long.
    mean: Array = values.dot(_ones(values.shape[-1])) / values.shape[-1]
    return mean


def _distances(values: Array, mean: Array) -> Array:
    """Return how far each value of a window is above the mean of its window."""
    return values - (mean if values.ndim == 1 else mean[:, None])


def _deviation(values: Array, mean: Array) -> Array:
    # Not by the mean of squares less the square of the mean: that difference has few digits left
    # where prices are large and their moves small.
    distances = _distances(values, mean)
    deviation: Array = np.sqrt(_mean(distances * distances))
    return deviation
