"""Indicators: columns computed from bars, one bar after the other."""

from tickerkit.bars.indicators.catalogue import CATALOGUE, Definition, Parameter, indicators
from tickerkit.bars.indicators.own import Bar
from tickerkit.bars.indicators.parse import parse_indicators
from tickerkit.bars.indicators.spec import IndicatorSpec

__all__ = [
    "CATALOGUE",
    "Bar",
    "Definition",
    "IndicatorSpec",
    "Parameter",
    "indicators",
    "parse_indicators",
]
