"""Tests of alerts in words, as `tickerkit watch --alert` takes them."""

from __future__ import annotations

from typing import Any

import pytest

from tickerkit.alerts import parse_spec
from tickerkit.alerts.text import parse_alert
from tickerkit.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("AAPL > 200", {"symbol": ["AAPL"], "above": 200}),
        ("AAPL<190.5", {"symbol": ["AAPL"], "below": 190.5}),
        ("AAPL bid below 1,200", {"symbol": ["AAPL"], "column": "bid", "below": 1200}),
        ("BTC/USD crosses 65_000", {"symbol": ["BTC/USD"], "crossing": 65000}),
        ("kitchen celsius above -5", {"symbol": ["kitchen"], "column": "celsius", "above": -5}),
        ("* moves 1.5% in 5min", {"move": 1.5, "within": "5min"}),
        ('"a b" bid moves 2 % within 30 s', {"symbol": ["a b"], "column": "bid", "move": 2}),
        ("AAPL silent", {"symbol": ["AAPL"], "silence": True}),
        ("* silent for 30s", {"silence": "30s"}),
        ("AAPL lag > 2", {"symbol": ["AAPL"], "lag": 2}),
        ("gap", {"gap": True}),
    ],
)
def test_words_are_the_arguments_of_an_alert(text: str, arguments: dict[str, Any]) -> None:
    """Spaces do not matter, and words stand for signs."""
    found = parse_alert(text)
    assert {name: found.get(name) for name in arguments} == arguments
    assert "symbol" in arguments or "symbol" not in found
    parse_spec(**found)


@pytest.mark.parametrize(
    "text", ["", "AAPL", "AAPL = 200", "AAPL > x", "AAPL moves 1%", "AAPL silent soon", "A lag < 2"]
)
def test_other_words_are_refused(text: str) -> None:
    """The error lists the forms that there are."""
    with pytest.raises(InvalidArgument, match="AAPL crosses 200"):
        parse_alert(text)
