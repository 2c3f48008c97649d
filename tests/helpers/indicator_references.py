"""References of indicators: TA-Lib where it has one, else the textbook's formula in numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import talib

from tickerkit.ticks import Array

__all__ = ["ATOL", "REFERENCES", "RTOL", "assert_equal_columns", "random_bars"]

RTOL = 1e-9
DAY_NS = 86_400 * 10**9

Columns = list[Array]


def windows(values: Array, length: int) -> Array:
    """Return the window that ends at each bar from the first whole one on."""
    return np.lib.stride_tricks.sliding_window_view(values, length)


def padded(values: Array, count: int) -> Array:
    """Return values with NaN before them, `count` in all."""
    return np.concatenate([np.full(count - len(values), np.nan), values])


def stddev(close: Array, period: int) -> Array:
    """Return the standard deviation in two passes: TA-Lib's one loses digits on large prices."""
    return padded(windows(close, period).std(axis=1), len(close))


def bbands(close: Array, period: int, width: float) -> Columns:
    middle = talib.SMA(close, period)
    distance = width * stddev(close, period)
    return [middle + distance, middle, middle - distance]


def keltner(bars: pd.DataFrame) -> Columns:
    high, low, close = (bars[name].to_numpy() for name in ("high", "low", "close"))
    middle, distance = talib.EMA(close, 20), 2 * talib.ATR(high, low, close, 10)
    return [middle + distance, middle, middle - distance]


def donchian(bars: pd.DataFrame) -> Columns:
    upper = talib.MAX(bars["high"].to_numpy(), 20)
    lower = talib.MIN(bars["low"].to_numpy(), 20)
    return [upper, (upper + lower) / 2, lower]


def vwap(bars: pd.DataFrame) -> Columns:
    typical = (bars["high"] + bars["low"] + bars["close"]) / 3
    day = np.asarray(pd.DatetimeIndex(bars.index).asi8) // DAY_NS
    paid = (typical * bars["volume"]).groupby(day).cumsum()
    volume = bars["volume"].groupby(day).cumsum()
    return [(paid / volume.where(volume > 0)).to_numpy()]


def zscore(close: Array) -> Columns:
    deviation = stddev(close, 20)
    mean = padded(windows(close, 20).mean(axis=1), len(close))
    # Of equal closes the deviation need not be 0: their mean may be rounded.
    is_flat = padded(np.ptp(windows(close, 20), axis=1), len(close)) == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        return [np.where(is_flat, np.nan, (close - mean) / deviation)]


def rvol(close: Array) -> Columns:
    squares = np.diff(np.log(close)) ** 2
    return [padded(np.sqrt(windows(squares, 20).sum(axis=1)), len(close))]


def supertrend(bars: pd.DataFrame) -> Columns:
    """Return the textbook's two bands, then choose one at each bar."""
    high, low, close = (bars[name].to_numpy() for name in ("high", "low", "close"))
    distance = 3 * talib.ATR(high, low, close, 10)
    upper, lower = (high + low) / 2 + distance, (high + low) / 2 - distance
    line = np.full(len(close), np.nan)
    is_up = False
    for i in range(10, len(close)):
        if i > 10:
            if close[i - 1] <= upper[i - 1]:
                upper[i] = min(upper[i], upper[i - 1])
            if close[i - 1] >= lower[i - 1]:
                lower[i] = max(lower[i], lower[i - 1])
            if is_up and close[i] < lower[i]:
                is_up = False
            elif not is_up and close[i] > upper[i]:
                is_up = True
        line[i] = lower[i] if is_up else upper[i]
    return [line]


def of(function: Callable[..., Columns | Array], *names: str) -> Callable[[pd.DataFrame], Columns]:
    """Return a reference that takes a frame of bars, from one that takes columns."""

    def reference(bars: pd.DataFrame) -> Columns:
        found = function(*(bars[name].to_numpy(np.float64) for name in names))
        return [found] if isinstance(found, np.ndarray) else list(found)

    return reference


HLC = "high", "low", "close"
REFERENCES: dict[str, Callable[[pd.DataFrame], Columns]] = {
    "sma(20)": of(lambda close: talib.SMA(close, 20), "close"),
    "ema(20)": of(lambda close: talib.EMA(close, 20), "close"),
    "wma(20)": of(lambda close: talib.WMA(close, 20), "close"),
    "vwap": vwap,
    "bbands(20, 2)": of(lambda close: bbands(close, 20, 2), "close"),
    "keltner(20, 2, 10)": keltner,
    "donchian(20)": donchian,
    "psar(0.02, 0.2)": of(lambda high, low: talib.SAR(high, low, 0.02, 0.2), "high", "low"),
    "supertrend(10, 3)": supertrend,
    "atr(14)": of(lambda *hlc: talib.ATR(*hlc, 14), *HLC),
    "rsi(14)": of(lambda close: talib.RSI(close, 14), "close"),
    "macd(12, 26, 9)": of(lambda close: talib.MACD(close, 12, 26, 9), "close"),
    "stoch(14, 3, 3)": of(lambda *hlc: talib.STOCH(*hlc, 14, 3, 0, 3, 0), *HLC),
    "cci(20)": of(lambda *hlc: talib.CCI(*hlc, 20), *HLC),
    "adx(14)": of(lambda *hlc: talib.ADX(*hlc, 14), *HLC),
    "obv": of(lambda close, volume: talib.OBV(close, volume), "close", "volume"),
    "roc(10)": of(lambda close: talib.ROC(close, 10), "close"),
    "stddev(20)": of(lambda close: stddev(close, 20), "close"),
    "zscore(20)": of(zscore, "close"),
    "rvol(20)": of(rvol, "close"),
}
# Differences of nearly equal numbers: near 0, their rounding errors are as large as they are. Then
# 1e-9 of the indicator's usual size is accepted.
ATOL = {
    "macd(12, 26, 9)": 1e-10,
    "stoch(14, 3, 3)": 1e-7,
    "cci(20)": 1e-7,
    "zscore(20)": 1e-9,
    "stddev(20)": 1e-10,
    "rvol(20)": 1e-12,
}


def assert_equal_columns(bars: pd.DataFrame, text: str) -> None:
    """Check the columns of an indicator in a frame of bars against its reference."""
    names = [name for name in bars.columns if name == text or name.startswith(f"{text} ")]
    expected = REFERENCES[text](bars)
    assert len(names) == len(expected), text
    for name, values in zip(names, expected, strict=True):
        np.testing.assert_allclose(
            bars[name].to_numpy(), values, rtol=RTOL, atol=ATOL.get(text, 0.0), err_msg=name
        )


def random_bars(count: int, seed: int = 1) -> pd.DataFrame:
    """Return bars whose prices walk at random, with gaps of time between some."""
    chance = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(chance.normal(0, 1e-3, count))), 2)
    open_ = np.concatenate([close[:1], close[:-1]])
    frame = pd.DataFrame({
        "open": open_,
        "high": np.maximum(open_, close) + np.round(chance.exponential(0.05, count), 2),
        "low": np.minimum(open_, close) - np.round(chance.exponential(0.05, count), 2),
        "close": close,
        "volume": chance.integers(0, 1_000, count).astype(float),
        "ticks": 4,
    })  # fmt: skip
    steps = chance.choice([1, 1, 1, 2, 30], count).cumsum() * 60
    frame.index = pd.to_datetime(1_763_000_040 + steps, unit="s", utc=True)
    return frame
