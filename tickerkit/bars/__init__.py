"""Bars: open, high, low, close and volume of the trades in each interval."""

from tickerkit.bars.ohlcv import Bars, bars, interval_ns

__all__ = ["Bars", "bars", "interval_ns"]
