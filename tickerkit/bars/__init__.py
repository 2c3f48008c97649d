"""Bars: open, high, low, close and volume of the trades in each interval."""

from tickerkit.bars.indicators import IndicatorSpec, parse_indicators
from tickerkit.bars.log_bars import Bars
from tickerkit.bars.ohlcv import aggregate_symbol, bars, interval_ns

__all__ = [
    "Bars",
    "IndicatorSpec",
    "aggregate_symbol",
    "bars",
    "interval_ns",
    "parse_indicators",
]
