"""Steps: the indicators that continue from their state after the previous bar.

Each function takes its parameters and returns a formula. Where TA-Lib has the indicator, the
definition, the first bar with a value, and the seed are TA-Lib's.
"""

from __future__ import annotations

from math import nan
from typing import Any

from tickerkit.bars.indicators.formula import StepFormula
from tickerkit.errors import InvalidArgument

__all__ = ["adx", "atr", "ema", "keltner", "macd", "obv", "rsi", "stoch", "vwap"]

# TA-Lib takes numbers that are nearer to 0 for 0.
NEAR_ZERO = 1e-14

State = tuple[Any, ...]


def ema(period: int) -> StepFormula:
    """Exponential moving average; its seed is the mean of the first `period` closes."""
    weight = 2 / (period + 1)

    def step(state: State, close: float) -> tuple[State, tuple[float]]:
        count, value = state
        if count >= period:
            value += (close - value) * weight
            return (count, value), (value,)
        count, value = count + 1, value + close
        if count < period:
            return (count, value), (nan,)
        value /= period
        return (count, value), (value,)

    return StepFormula(("close",), (0, 0.0), step)


def macd(fast: int, slow: int, signal: int) -> StepFormula:
    """Difference of a fast and a slow exponential average, and an average of the difference.

    As in TA-Lib both averages have their first value at the bar `slow`, and none of the three
    columns has a value before all have.
    """
    if fast >= slow:
        shown = f"macd({fast}, {slow}, {signal})"
        raise InvalidArgument("indicators", shown, "a fast period below the slow period")
    fast_weight, slow_weight, signal_weight = (2 / (each + 1) for each in (fast, slow, signal))
    none = nan, nan, nan

    def step(state: State, close: float) -> tuple[State, tuple[float, float, float]]:
        count, quick, steady, signals, average = state
        if count < slow:
            count, steady = count + 1, steady + close
            if count > slow - fast:
                quick += close
            if count < slow:
                return (count, quick, steady, signals, average), none
            quick, steady = quick / fast, steady / slow
        else:
            quick += (close - quick) * fast_weight
            steady += (close - steady) * slow_weight
        line = quick - steady
        if signals >= signal:
            average += (line - average) * signal_weight
        else:
            signals, average = signals + 1, average + line
            if signals < signal:
                return (count, quick, steady, signals, average), none
            average /= signal
        return (count, quick, steady, signals, average), (line, average, line - average)

    return StepFormula(("close",), (0, 0.0, 0.0, 0, 0.0), step)


def rsi(period: int) -> StepFormula:
    """Relative strength index: gains as a share of all moves, by Wilder's averages."""

    def step(state: State, close: float) -> tuple[State, tuple[float]]:
        count, before, gain, loss = state
        if before is None:
            return (0, close, 0.0, 0.0), (nan,)
        move = close - before
        up, down = (move, 0.0) if move > 0 else (0.0, -move)
        if count >= period:
            gain = (gain * (period - 1) + up) / period
            loss = (loss * (period - 1) + down) / period
        else:
            count, gain, loss = count + 1, gain + up, loss + down
            if count < period:
                return (count, close, gain, loss), (nan,)
            gain, loss = gain / period, loss / period
        moves = gain + loss
        value = 0.0 if moves < NEAR_ZERO else 100 * (gain / moves)
        return (count, close, gain, loss), (value,)

    return StepFormula(("close",), (0, None, 0.0, 0.0), step)


def atr(period: int) -> StepFormula:
    """Average true range: Wilder's average of the range, with the gap to the close before."""

    def step(state: State, high: float, low: float, close: float) -> tuple[State, tuple[float]]:
        count, before, value = state
        if before is None:
            return (0, close, 0.0), (nan,)
        reach = true_range(before, high, low)
        if count >= period:
            value = (value * (period - 1) + reach) / period
            return (count, close, value), (value,)
        count, value = count + 1, value + reach
        if count < period:
            return (count, close, value), (nan,)
        value /= period
        return (count, close, value), (value,)

    return StepFormula(("high", "low", "close"), (0, None, 0.0), step)


def true_range(close_before: float, high: float, low: float) -> float:
    """Return the range of a bar; a jump from the close before it counts too."""
    # Comparisons are quicker than `max` and `min`.
    top = high if high > close_before else close_before
    bottom = low if low < close_before else close_before
    return top - bottom


def keltner(period: int, width: float, atr_period: int) -> StepFormula:
    """Keltner channel: an exponential average, and `width` average true ranges around it."""
    average, reach = ema(period), atr(atr_period)

    def step(
        state: State, high: float, low: float, close: float
    ) -> tuple[State, tuple[float, float, float]]:
        first, (middle,) = average.step(state[0], close)
        second, (value,) = reach.step(state[1], high, low, close)
        distance = value * width
        if distance != distance or middle != middle:  # one of them is NaN
            return (first, second), (nan, nan, nan)
        return (first, second), (middle + distance, middle, middle - distance)

    return StepFormula(("high", "low", "close"), (average.start, reach.start), step)


def stoch(period: int, smooth: int, signal: int) -> StepFormula:
    """Stochastic oscillator: where the close lies in the range of the last bars, in percent."""

    def step(
        state: State, high: float, low: float, close: float
    ) -> tuple[State, tuple[float, float]]:
        highs, lows, raw, smoothed = state
        highs, lows = (*highs, high)[-period:], (*lows, low)[-period:]
        if len(highs) < period:
            return (highs, lows, raw, smoothed), (nan, nan)
        lowest = min(lows)
        reach = max(highs) - lowest
        raw = (*raw, 100 * ((close - lowest) / reach) if reach else 0.0)[-smooth:]
        if len(raw) < smooth:
            return (highs, lows, raw, smoothed), (nan, nan)
        k = sum(raw) / smooth
        smoothed = (*smoothed, k)[-signal:]
        # As in TA-Lib, neither line has a value before both have.
        values = (k, sum(smoothed) / signal) if len(smoothed) == signal else (nan, nan)
        return (highs, lows, raw, smoothed), values

    return StepFormula(("high", "low", "close"), ((), (), (), ()), step)


def adx(period: int) -> StepFormula:
    """Average directional index: how strong a trend is, up or down."""

    def step(state: State, high: float, low: float, close: float) -> tuple[State, tuple[float]]:
        count, before, plus, minus, reach, value = state
        if before is None:
            return (0, (high, low, close), 0.0, 0.0, 0.0, 0.0), (nan,)
        up, down = high - before[0], before[1] - low
        # The sums are complete after `period - 1` moves; then Wilder's smoothing begins.
        if count >= period - 1:
            plus, minus, reach = (
                plus - plus / period,
                minus - minus / period,
                reach - reach / period,
            )
        if down > 0 and up < down:
            minus += down
        elif up > 0 and up > down:
            plus += up
        reach += true_range(before[2], high, low)
        count += 1
        before = high, low, close
        if count < period:
            return (count, before, plus, minus, reach, value), (nan,)
        index = None if reach < NEAR_ZERO else _directional_index(plus / reach, minus / reach)
        if count < 2 * period:
            value += index or 0.0
            if count < 2 * period - 1:
                return (count, before, plus, minus, reach, value), (nan,)
            value /= period
        elif index is not None:
            value = (value * (period - 1) + index) / period
        return (count, before, plus, minus, reach, value), (value,)

    return StepFormula(("high", "low", "close"), (0, None, 0.0, 0.0, 0.0, 0.0), step)


def _directional_index(plus: float, minus: float) -> float | None:
    total = plus + minus
    return None if 100 * total < NEAR_ZERO else 100 * abs(minus - plus) / total


def obv() -> StepFormula:
    """On-balance volume: the volume of bars that rose, less that of bars that fell."""

    def step(state: State, close: float, volume: float) -> tuple[State, tuple[float]]:
        before, value = state
        if before is None or close > before:
            value += volume
        elif close < before:
            value -= volume
        return (close, value), (value,)

    return StepFormula(("close", "volume"), (None, 0.0), step)


def vwap(session: int) -> StepFormula:
    """Average of the typical price since the session began, weighted by volume.

    Sessions begin at whole multiples of their length in ns since 1970 UTC: a day at midnight.
    """

    def step(
        state: State, time: int, high: float, low: float, close: float, volume: float
    ) -> tuple[State, tuple[float]]:
        current, paid, volumes = state
        if (number := time // session) != current:
            current, paid, volumes = number, 0.0, 0.0
        paid, volumes = paid + (high + low + close) / 3 * volume, volumes + volume
        return (current, paid, volumes), (paid / volumes if volumes else nan,)

    return StepFormula(("time", "high", "low", "close", "volume"), (None, 0.0, 0.0), step)
