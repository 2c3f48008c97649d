"""Bars: open, high, low, close and volume of the trades in each interval."""

from tickerkit.bars.ohlcv import Bars, aggregate_symbol, bars, interval_ns

__all__ = ["Bars", "aggregate_symbol", "bars", "interval_ns"]
