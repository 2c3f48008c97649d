"""Own indicators: a user's functions and classes compute columns, as the catalogue's do."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tickerkit.bars import Bars
from tickerkit.bars.indicators import Bar
from tickerkit.errors import InvalidArgument
from tickerkit.log import TickLog
from tickerkit.ticks import NS_PER_S as S
from tickerkit.ticks import read_ticks

T0 = 1_763_000_000 * S


def append(log: TickLog, *ticks: tuple[float, float], symbol: str = "A") -> None:
    """Append ticks of a second after T0 and a price."""
    log.append(
        read_ticks([
            {"symbol": symbol, "time": T0 + round(at * S), "price": price, "size": 1.0}
            for at, price in ticks
        ]),
        received=T0,
    )  # fmt: skip


@pytest.fixture
def log() -> TickLog:
    """Return a log of ten bars of a second, of two symbols."""
    log = TickLog()
    for symbol, factor in (("A", 1.0), ("B", 10.0)):
        append(log, *((at, factor * (at + 1)) for at in range(10)), symbol=symbol)
    return log


class Mean:
    """The mean of all closes: state that a revision must not count twice."""

    made = 0

    def __init__(self) -> None:
        Mean.made += 1
        self.closes: list[float] = []

    def update(self, bar: Bar) -> float:
        self.closes.append(bar.close)
        return sum(self.closes) / len(self.closes)


def test_function_gets_the_bars_of_each_symbol_and_returns_a_column(log: TickLog) -> None:
    """It is given a frame indexed by time, of one symbol."""
    seen: list[pd.DataFrame] = []

    def rise(bars: pd.DataFrame) -> pd.Series:
        seen.append(bars)
        return bars["close"].diff()

    frame = Bars(log).frame("1s", indicators=rise)
    assert frame["rise"].loc["B"].tolist()[1:] == [10.0] * 9
    assert np.isnan(frame["rise"].loc["A"].iloc[0])
    assert [each.columns.tolist() for each in seen] == [frame.columns.tolist()[:6]] * 2
    assert seen[0].index.name == "time"


def test_function_is_called_only_when_a_bar_changed(log: TickLog) -> None:
    """Its values are kept while no tick comes for the symbol."""
    calls: list[int] = []

    def count(bars: pd.DataFrame) -> Any:
        calls.append(len(bars))
        return np.arange(len(bars))

    kept = Bars(log)
    for _ in range(3):
        kept.frame("1s", "A", indicators=count)
    append(log, (10, 5.0))
    append(log, (10, 5.0), symbol="B")
    assert kept.frame("1s", "A", indicators=count)["count"].tolist() == list(range(11))
    assert calls == [10, 11]


def test_function_may_write_to_its_frame_and_return_another(log: TickLog) -> None:
    """It gets a copy; a frame gives a column for each of its own."""

    def parts(bars: pd.DataFrame) -> pd.DataFrame:
        bars["close"] *= 2
        return pd.DataFrame({"half": bars["close"] / 2, "all": bars["close"]})

    frame = Bars(log).frame("1s", "A", indicators=parts)
    assert frame.columns.tolist()[6:] == ["parts half", "parts all"]
    assert (frame["parts half"] == frame["close"]).all()
    parts.columns = ("low", "high")  # type: ignore[attr-defined]
    assert Bars(log).frame("1s", "A", indicators=parts).columns.tolist()[6:] == [
        "parts low",
        "parts high",
    ]


def test_function_may_leave_out_bars_without_a_value(log: TickLog) -> None:
    """A Series with some of the times has NaN at the others."""

    def mean(bars: pd.DataFrame) -> pd.Series:
        return bars["close"].rolling(3).mean().dropna()

    frame = Bars(log).frame("1s", "A", indicators=[mean, "sma(3)"])
    pd.testing.assert_series_equal(frame["mean"], frame["sma(3)"], check_names=False)


def test_function_may_return_a_series_made_of_an_array(log: TickLog) -> None:
    """Its rows have no times, and are taken in order; of another length it is refused."""

    def double(bars: pd.DataFrame) -> pd.Series:
        return pd.Series(bars["close"].to_numpy() * 2)

    frame = Bars(log).frame("1s", "A", indicators=double)
    assert (frame["double"] == frame["close"] * 2).all()
    with pytest.raises(InvalidArgument, match="with a row for each bar"):
        Bars(log).frame("1s", "A", indicators=lambda bars: double(bars)[3:])


@pytest.mark.parametrize("returned", [None, 5.0, [1.0, 2.0], "text", ["a"] * 10, np.zeros((10, 2))])
def test_function_that_returns_something_else_is_refused(log: TickLog, returned: Any) -> None:
    """The error says what a function returns."""
    with pytest.raises(InvalidArgument, match="returns a Series, a frame or an array"):
        Bars(log).frame("1s", "A", indicators=lambda bars: returned)


def test_class_gets_each_bar_once_though_ticks_revise_the_last(log: TickLog) -> None:
    """Each symbol has an object of its own, and the last bar counts with its newest close."""
    kept = Bars(log)
    Mean.made = 0
    kept.frame("1s", indicators=Mean)
    assert Mean.made == 2
    for price in (30.0, 40.0, 50.0):
        append(log, (9.5, price))
        frame = kept.frame("1s", "A", indicators=Mean)
    assert frame["close"].tolist() == [*range(1, 10), 50]
    assert frame["Mean"].iloc[-1] == (sum(range(1, 10)) + 50) / 10
    append(log, (3.5, 100.0), (10, 1.0))  # a late tick, and a new bar
    frame = kept.frame("1s", "A", indicators=Mean)
    np.testing.assert_allclose(frame["Mean"], frame["close"].expanding().mean(), rtol=1e-12)
    assert Mean.made == 2


def test_object_is_copied_and_stays_as_it_was(log: TickLog) -> None:
    """An object that a user made, with parameters of its own, is only a pattern."""
    pattern = Mean()
    pattern.closes.append(0.0)
    frame = Bars(log).frame("1s", indicators=pattern)
    assert frame["Mean"].loc["A"].iloc[0] == 0.5
    assert frame["Mean"].loc["B"].iloc[0] == 5.0
    assert pattern.closes == [0.0]


def test_class_with_several_columns_returns_a_tuple_or_a_dict(log: TickLog) -> None:
    """None is no value, also of all columns."""

    class Both:
        columns = ("low", "high")

        def update(self, bar: Bar) -> Any:
            if bar.close <= 2:
                return (None, None) if bar.close == 1 else None
            return {"high": bar.high, "low": bar.low} if bar.close % 2 else (bar.low, bar.high)

    frame = Bars(log).frame("1s", "A", indicators=Both)
    assert frame["Both low"].isna().tolist() == [True] * 2 + [False] * 8
    assert frame["Both low"].tolist()[2:] == frame["low"].tolist()[2:]
    assert frame["Both high"].tolist()[2:] == frame["high"].tolist()[2:]


@pytest.mark.parametrize("returned", [(1.0, 2.0), "text", [], {"a": object()}])
def test_class_that_returns_something_else_is_refused(log: TickLog, returned: Any) -> None:
    """The error names the class, and how many numbers it returns."""

    class Wrong:
        def update(self, bar: Bar) -> Any:
            return returned

    with pytest.raises(InvalidArgument, match=r"'Wrong'; .* update\(bar\) returns 1 number"):
        Bars(log).frame("1s", "A", indicators=Wrong)


def test_bar_says_time_prices_and_symbol(log: TickLog) -> None:
    """The time is in UTC, and the count of ticks a whole number."""
    seen: list[Bar] = []

    class See:
        def update(self, bar: Bar) -> None:
            seen.append(bar)

    append(log, (0.5, 7.0), symbol="B")
    Bars(log).frame("1s", "B", indicators=See)
    assert seen[0] == Bar(pd.Timestamp(T0, tz="UTC"), 10.0, 10.0, 7.0, 7.0, 2.0, 2, "B")


def test_what_own_code_raises_is_raised_and_tried_again(log: TickLog) -> None:
    """An error of the user's leaves no half-computed column behind."""

    class Fragile:
        broken = True

        def __init__(self) -> None:
            self.count = 0

        def update(self, bar: Bar) -> int:
            self.count += 1
            if self.count == 5 and Fragile.broken:
                raise ZeroDivisionError("mine")
            return self.count

    kept = Bars(log)
    with pytest.raises(ZeroDivisionError, match="mine"):
        kept.frame("1s", "A", indicators=[Fragile, "sma(3)"])
    Fragile.broken = False
    assert kept.frame("1s", "A", indicators=Fragile)["Fragile"].tolist() == list(range(1, 11))


def test_two_functions_of_one_name_are_kept_apart(log: TickLog) -> None:
    """As when a cell that defines one is run again."""
    kept = Bars(log)
    for factor in (2, 3):

        def scaled(bars: pd.DataFrame, factor: int = factor) -> pd.Series:
            return bars["close"] * factor

        frame = kept.frame("1s", "A", indicators=scaled)
        assert frame["scaled"].tolist() == (frame["close"] * factor).tolist()


def test_function_that_is_given_twice_is_one_column(log: TickLog) -> None:
    """As a name that is given twice."""

    def half(bars: pd.DataFrame) -> pd.Series:
        return bars["close"] / 2

    columns = Bars(log).frame("1s", indicators=[half, "sma(3)", half]).columns
    assert columns.tolist()[6:] == ["half", "sma(3)"]


def test_columns_of_forgotten_functions_are_bounded(log: TickLog) -> None:
    """A loop that makes functions leaves no more than 64 of them behind."""
    kept = Bars(log)
    for _ in range(100):
        kept.frame("1s", "A", indicators=[lambda bars: bars["close"], copy.deepcopy(Mean())])
    [series] = [each for each in kept._series[S, "price"].series.values() if each.symbol == "A"]
    assert len(series._columns) == 64


def test_more_own_indicators_at_once_than_are_kept_are_computed(log: TickLog) -> None:
    """Those that are asked for together are all returned."""
    functions = [lambda bars, n=n: bars["close"] + n for n in range(100)]
    frame = Bars(log).frame("1s", "A", indicators=functions)
    assert (frame["lambda 100"] == frame["close"] + 99).all()


def test_own_indicator_may_ask_for_other_bars(log: TickLog) -> None:
    """It gets them as of the same moment, though ticks came since."""
    kept = Bars(log)

    def share(bars: pd.DataFrame) -> pd.Series:
        append(log, (20 + len(kept.frame("1s", "A")), 7.0))
        other = kept.frame("1s", "A", indicators="sma(2)", last=len(bars))
        return bars["close"] / other["sma(2)"]

    frame = kept.frame("1s", "B", indicators=share)
    assert frame["share"].iloc[-1] == 100 / 9.5
    assert len(kept.frame("1s", "A")) == 11
