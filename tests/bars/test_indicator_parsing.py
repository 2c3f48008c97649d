"""Parsing: what users write as indicators, and what they are told when it is wrong."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
import pytest

from tickerkit.bars import parse_indicators
from tickerkit.bars.indicators import CATALOGUE, indicators
from tickerkit.errors import InvalidArgument, InvalidType


@pytest.mark.parametrize(
    ("written", "texts"),
    [
        ("sma(20)", ["sma(20)"]),
        (" SMA ( 20 ) ", ["sma(20)"]),
        ("sma", ["sma(20)"]),
        ("sma()", ["sma(20)"]),
        ("bbands(20,2)", ["bbands(20, 2)"]),
        ("bbands(10, width=2.5)", ["bbands(10, 2.5)"]),
        ("bbands(width=1)", ["bbands(20, 1)"]),
        ("vwap", ["vwap"]),
        ("vwap(1d)", ["vwap"]),
        ("vwap('4h')", ["vwap(4h)"]),
        ("obv", ["obv"]),
        ("sma(20), bbands(20, 2), obv", ["sma(20)", "bbands(20, 2)", "obv"]),
        (["rsi", "rsi(14)", "rsi(7)"], ["rsi(14)", "rsi(7)"]),
        ([], []),
        (None, []),
    ],
)
def test_text_names_indicators_with_their_parameters(written: Any, texts: list[str]) -> None:
    """Parameters go by place or by name, and missing ones have their defaults."""
    specs = parse_indicators(written)
    assert [each.text for each in specs] == texts
    assert parse_indicators(specs) == specs


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("smaa(20)", r"one of sma, ema, .* \('sma' is the nearest\); tk\.indicators"),
        ("relative strength", "such as 'sma"),
        ("wibble", "one of sma, ema, wma, .*; tk.indicators"),
        ("sma(0)", r"sma\(period\), a whole number from 1 to 10000 for period"),
        ("sma(2.5)", "a whole number from 1 to 10000 for period"),
        ("sma(1_000_000)", "a whole number from 1 to 10000 for period"),
        ("rsi(1)", "a whole number from 2"),
        ("bbands(20, nan)", "a number from 0 to 1000 for width"),
        ("bbands(20, 2, 3)", r"expected bbands\(period, width\)$"),
        ("sma(perod=5)", r"expected sma\(period\)$"),
        ("sma(20, period=20)", r"expected sma\(period\)$"),
        ("macd(26, 12, 9)", "a fast period below the slow period"),
        ("vwap(soon)", r"a time for session, such as '1h' or '1D'"),
        ("obv(5)", "obv alone"),
        ("sma(20", "such as 'sma"),
        ("sma(20),", "such as 'sma"),
        ("", "such as 'sma"),
    ],
)
def test_wrong_text_is_refused_with_what_is_accepted(written: str, told: str) -> None:
    """The error names the nearest indicator, or the parameters."""
    with pytest.raises(InvalidArgument, match=f"Invalid indicators=.*{told}"):
        parse_indicators(written)


@pytest.mark.parametrize("given", [5, [5], object(), b"sma", ["sma", None], True, {"sma": 5}, [{}]])
def test_other_types_are_refused(given: Any) -> None:
    """The error says what can be passed."""
    with pytest.raises(InvalidType, match="a function of a frame of bars"):
        parse_indicators(given)


def test_columns_begin_with_the_name_and_find_their_style() -> None:
    """Each column has a style, and one column has the text alone as its name."""
    for definition in CATALOGUE.values():
        spec = definition.spec()
        assert spec.pane in ("price", "own")
        assert list(spec.style) == list(spec.columns)
        assert set(spec.style.values()) <= {"line", "band", "bars", "dots"}
        assert all(name.startswith(definition.name) for name in spec.columns)
        assert spec.find_columns(["open", *spec.columns, f"{spec.text}x"]) == list(spec.columns)
    [spec] = parse_indicators("bbands")
    assert spec.columns == ("bbands(20, 2) upper", "bbands(20, 2) middle", "bbands(20, 2) lower")
    assert parse_indicators("rsi(7)")[0].columns == ("rsi(7)",)
    assert parse_indicators("rsi")[0].levels == (30, 70)


def test_each_indicator_of_the_table_can_be_passed_as_it_is_written() -> None:
    """The table shows an example of each, with all of its parameters."""
    table = indicators()
    assert [each.text for each in parse_indicators(table["example"])] == table["example"].tolist()
    assert table.loc["stoch", "parameters"] == "period, smooth, signal"


def close(bars: pd.DataFrame) -> pd.Series:
    """Return a column under a name that is taken."""
    return bars["close"]


def test_own_indicators_are_named_by_their_functions() -> None:
    """A second of the same name gets a number, and a name that bars have is refused."""

    class Mean:
        columns = ("fast", "slow")
        pane = "price"
        levels = (1,)
        style = "dots"

        def update(self, bar: object) -> None: ...

    specs = parse_indicators([lambda bars: bars["close"], Mean, Mean(), partial(sum, [])])
    assert [each.text for each in specs] == ["lambda", "Mean", "Mean 2", "sum"]
    assert specs[1].columns == ("Mean fast", "Mean slow")
    assert (specs[1].pane, specs[1].levels, specs[1].style["Mean fast"]) == ("price", (1,), "dots")
    assert (specs[0].pane, specs[0].columns) == ("own", ("lambda",))
    with pytest.raises(InvalidArgument, match="a name other than those of the bars' columns"):
        parse_indicators(close)
