"""Windows: the indicators whose value depends on the last bars alone.

Each function takes its parameters and returns a formula. In the formulas, the last axis of every
array is the bars of a window, oldest first.
"""

from __future__ import annotations

import numpy as np

from tickerkit.bars.indicators.formula import WindowFormula
from tickerkit.ticks import Array

__all__ = ["bbands", "cci", "donchian", "roc", "rvol", "sma", "stddev", "wma", "zscore"]

# Lambert's constant: by it, most values lie between -100 and 100.
CCI_SCALE = 0.015

Columns = tuple[Array, ...]


def sma(period: int) -> WindowFormula:
    """Simple moving average: the mean of the last closes."""
    return WindowFormula(("close",), period, lambda close: (_mean(close),))


def wma(period: int) -> WindowFormula:
    """Weighted moving average: the newest close counts `period` times, the oldest once."""
    weights = np.arange(1.0, period + 1)
    total = period * (period + 1) / 2
    return WindowFormula(("close",), period, lambda close: (np.dot(close, weights) / total,))


def stddev(period: int) -> WindowFormula:
    """Standard deviation of the last closes, of the population: divided by their number."""
    return WindowFormula(("close",), period, lambda close: (_deviation(close, _mean(close)),))


def zscore(period: int) -> WindowFormula:
    """How many standard deviations the close is above the mean; NaN where nothing deviates."""

    def compute(close: Array) -> Columns:
        mean = _mean(close)
        deviation = _deviation(close, mean)
        with np.errstate(divide="ignore", invalid="ignore"):
            return (np.where(deviation > 0, (close[..., -1] - mean) / deviation, np.nan),)

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
    """Commodity channel index: distance of the typical price from its mean, by mean deviation."""

    def compute(high: Array, low: Array, close: Array) -> Columns:
        typical = (high + low + close) / 3
        mean = _mean(typical)
        spread = _mean(np.abs(typical - mean[..., None])) * CCI_SCALE
        distance = typical[..., -1] - mean
        # As in TA-Lib, it is 0 where nothing deviates.
        is_flat = (distance == 0) | (spread == 0)
        return (np.where(is_flat, 0.0, distance / np.where(is_flat, 1.0, spread)),)

    return WindowFormula(("high", "low", "close"), period, compute)


def roc(period: int) -> WindowFormula:
    """Rate of change in percent, from the close `period` bars before; 0 from a close of 0."""

    def compute(close: Array) -> Columns:
        first = close[..., 0]
        is_zero = first == 0
        ratio = close[..., -1] / np.where(is_zero, 1.0, first)
        return (np.where(is_zero, 0.0, (ratio - 1) * 100),)

    return WindowFormula(("close",), period + 1, compute)


def rvol(period: int) -> WindowFormula:
    """Realised volatility: the root of the sum of the last squared returns, in logarithms."""

    def compute(close: Array) -> Columns:
        with np.errstate(divide="ignore", invalid="ignore"):
            logarithm = np.log(close)
            returns = logarithm[..., 1:] - logarithm[..., :-1]
        return (np.sqrt(np.add.reduce(returns * returns, axis=-1)),)

    return WindowFormula(("close",), period + 1, compute)


def _mean(values: Array) -> Array:
    # `values.mean` takes four times as long for one window.
    mean: Array = np.add.reduce(values, axis=-1) / values.shape[-1]
    return mean


def _deviation(values: Array, mean: Array) -> Array:
    # Not by the mean of squares less the square of the mean: that difference has few digits left
    # where prices are large and their moves small.
    distance = values - mean[..., None]
    deviation: Array = np.sqrt(_mean(distance * distance))
    return deviation
