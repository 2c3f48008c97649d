"""Indicators: each against TA-Lib or a plain formula, whatever happened to the bars before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from indicator_references import REFERENCES, assert_equal_columns, random_bars
from soaks import examples, soak

from tickerkit.bars import Bars, log_bars, series
from tickerkit.bars.indicators import CATALOGUE, columns, indicators
from tickerkit.log import TickLog
from tickerkit.ticks import NS_PER_S as S
from tickerkit.ticks import Batch, Text, read_ticks

ALL = list(REFERENCES)
T0 = 1_763_000_000 * S
PRICES = ["open", "high", "low", "close", "volume", "ticks"]


def ticks_of(bars: pd.DataFrame, symbol: str = "A") -> Batch:
    """Return four ticks for each bar, which give that bar."""
    times = np.repeat(pd.DatetimeIndex(bars.index).as_unit("ns").asi8, 4)
    times += np.tile(np.arange(4), len(bars)) * S
    prices = bars[["open", "high", "low", "close"]].to_numpy().ravel()
    sizes = np.zeros((len(bars), 4))
    sizes[:, 0] = bars["volume"]
    return batch(times, prices, sizes.ravel(), symbol)


def batch(times: Any, prices: Any, sizes: Any, symbol: str = "A") -> Batch:
    """Return ticks of one symbol."""
    codes = np.zeros(len(times), dtype=np.int32)
    return Batch(
        len(times), times, {"symbol": Text(codes, [symbol]), "price": prices, "size": sizes}
    )


def part(ticks: Batch, start: int, stop: int) -> Batch:
    """Return some of the ticks, all of one symbol."""
    found = [ticks.time, ticks.columns["price"], ticks.columns["size"]]
    return batch(*(each[start:stop] for each in found))


def assert_right(frame: pd.DataFrame) -> None:
    """Check every indicator in a frame of one symbol."""
    for text in ALL:
        assert_equal_columns(frame, text)


def test_every_indicator_has_a_reference() -> None:
    """The catalogue and the references name the same indicators, by their default parameters."""
    assert sorted(each.spec().text for each in CATALOGUE.values()) == sorted(ALL)
    assert indicators()["example"].tolist() == [each.spec().text for each in CATALOGUE.values()]


@pytest.fixture(scope="module")
def walk() -> TickLog:
    """Return a log of 3,000 bars of prices that walk at random."""
    log = TickLog()
    log.append(ticks_of(random_bars(3_000)), received=T0)
    return log


@pytest.mark.parametrize("text", ALL)
def test_indicator_of_random_bars_equals_its_reference(walk: TickLog, text: str) -> None:
    """Values and warm-up are those of TA-Lib where it has the indicator, else of the formula."""
    frame = Bars(walk).frame("1min", "A", indicators=text)
    assert len(frame) == 3_000
    assert_equal_columns(frame, text)


def test_deviations_of_random_bars_equal_those_of_talib(walk: TickLog) -> None:
    """TA-Lib has them too; on real bars that hardly move, its one pass loses digits, not ours."""
    frame = Bars(walk).frame("1min", "A", indicators=["bbands(20, 2)", "stddev(20)"])
    close = frame["close"].to_numpy()
    np.testing.assert_allclose(frame["stddev(20)"], talib.STDDEV(close, 20), rtol=1e-9)
    for name, values in zip(("upper", "middle", "lower"), talib.BBANDS(close, 20), strict=True):
        np.testing.assert_allclose(frame[f"bbands(20, 2) {name}"], values, rtol=1e-9)


@pytest.mark.parametrize("count", [10_000, soak(1_000_000)])
def test_indicators_of_real_bars_equal_their_references(recorded: Path, count: int) -> None:
    """A recorded day of trades, without its quiet seconds; the soak test plays it many times."""
    day = pd.read_csv(
        recorded / "ticks" / "lean-spy-20131007-trade.csv.gz",
        usecols=[0, 1, 2],
        names=["ms", "price", "size", "exchange", "condition", "suspicious"],
    )
    times = pd.Timestamp("2013-10-07 04:00", tz="UTC").as_unit("ns").value + day["ms"] * 10**6
    interval, bars_a_day = ("1s", 10_000) if count == 10_000 else ("100ms", 40_000)
    days = -(-count // bars_a_day)
    log = TickLog(keep=days * len(day))
    kept = Bars(log)
    for number in range(days):
        begin = number * 7 * 86_400 * S
        prices, sizes = day["price"].to_numpy() / 10_000, day["size"].to_numpy(float)
        log.append(batch(times.to_numpy() + begin, prices, sizes), received=T0)
        frame = kept.frame(interval, "A", indicators=ALL)
    assert len(frame) > count
    assert_right(frame)


@pytest.mark.parametrize("price", [100.0, 0.0, -3.0])
def test_prices_that_do_not_move_give_the_values_of_talib(price: float) -> None:
    """Where a formula would divide by 0, the value is TA-Lib's, or none; nothing warns."""
    log = TickLog()
    flat = random_bars(60).assign(open=price, high=price, low=price, close=price, volume=0.0)
    log.append(ticks_of(flat), received=T0)
    frame = Bars(log).frame("1min", "A", indicators=ALL)
    for text in ALL:
        if text != "rvol(20)" or price > 0:  # there is no logarithm
            assert_equal_columns(frame, text)


def test_equal_prices_deviate_by_nothing_though_their_mean_is_rounded() -> None:
    """Twenty times 100.1, added up and divided by 20, is not 100.1: no number comes of that."""
    log = TickLog()
    flat = random_bars(200).assign(open=100.1, high=100.1, low=100.1, close=100.1)
    log.append(ticks_of(flat), received=T0)
    frame = Bars(log).frame(
        "1min", "A", indicators=["cci(20)", "zscore(20)", "cci(7)", "zscore(7)"]
    )
    assert (frame[["cci(20)", "cci(7)"]].iloc[20:] == 0).all(axis=None)
    assert frame[["zscore(20)", "zscore(7)"]].isna().all(axis=None)


@pytest.mark.parametrize(
    "text", ["sma(1)", "ema(1)", "wma(1)", "donchian(1)", "atr(1)", "stoch(1, 1, 1)", "roc(1)"]
)
def test_shortest_periods_are_accepted(walk: TickLog, text: str) -> None:
    """A period of one bar has a value from the first bar, or from the first move, on."""
    frame = Bars(walk).frame("1min", "A", indicators=text, last=2_999)
    assert frame.drop(columns=PRICES).notna().all(axis=None)


def test_periods_longer_than_the_bars_have_no_value(walk: TickLog) -> None:
    """The column is there, without a number in it."""
    texts = [f"{name}(5000)" for name in ("sma", "ema", "rsi", "atr", "adx", "rvol", "donchian")]
    frame = Bars(walk).frame("1min", "A", indicators=texts)
    assert frame.drop(columns=PRICES).isna().all(axis=None)


def test_vwap_begins_with_each_session() -> None:
    """By default a session is a day in UTC; another length can be given."""
    log = TickLog()
    log.append(ticks_of(random_bars(3_000)), received=T0)
    frame = Bars(log).frame("1min", "A", indicators=["vwap", "vwap(4h)"])
    typical = (frame["high"] + frame["low"] + frame["close"]) / 3
    first = frame[(frame.index.floor("4h").to_series().diff() != pd.Timedelta(0)).to_numpy()]
    assert len(first) > 50
    begun = first[first["volume"] > 0]
    assert np.allclose(begun["vwap(4h)"], typical[begun.index], rtol=1e-12)
    assert (begun["vwap"] != begun["vwap(4h)"]).any()


# --- bars that change -----------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "revisions"), [(400, 300), soak(1_000_000, 10_000)])
def test_indicators_after_revisions_late_ticks_and_gaps_equal_their_references(
    count: int, revisions: int
) -> None:
    """Ticks revise the last bar one by one, some come late, and at the end all is right."""
    chance = np.random.default_rng(5)
    bars = random_bars(count + revisions // 4)
    ticks = ticks_of(bars)
    log = TickLog(keep=ticks.count + revisions)
    kept = Bars(log)
    log.append(part(ticks, 0, 4 * count), received=T0)
    for row in range(4 * count, ticks.count):
        log.append(part(ticks, row, row + 1), received=T0)
        kept.arrays("1min", "A", indicators=ALL, since_ns=int(ticks.time[row]))
        if row % 50 == 0:  # to a bar, or to where there was none
            behind = int(chance.integers(1, min(5_000, count // 2)))
            late = ticks.time[row - behind : row - behind + 1] + chance.integers(0, 3) * 60 * S
            price = ticks.columns["price"][row - behind : row - behind + 1]
            log.append(batch(late, price + 0.5, np.array([3.0])), received=T0)
            kept.arrays("1min", "A", indicators=ALL, since_ns=int(ticks.time[row]))
    frame = kept.frame("1min", "A", indicators=ALL)
    pd.testing.assert_frame_equal(frame[PRICES], Bars(log).frame("1min", "A"))
    assert frame.attrs["revised"] > 0
    assert_right(frame)


Step = tuple[int, str, int, int]
STEPS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from("AB"), st.integers(1, 9), st.integers(0, 3)),
        max_size=6,
    ),
    max_size=12,
)
SOME = [
    "sma(3)",
    "ema(3)",
    "rsi(2)",
    "psar",
    "stoch(3, 2, 2)",
    "adx(2)",
    "vwap(10s)",
    "macd(2, 3, 2)",
]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make checkpoints, blocks of windows and trims frequent."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "CHECKPOINT_BARS", 4)
        patch.setattr(series, "CHECKPOINT_BARS", 4)
        patch.setattr(series, "MAX_DROPPED", 4)
        patch.setattr(columns, "BLOCK_WINDOWS", 3)
        yield


@settings(deadline=None, max_examples=examples(60))
@given(STEPS)
@pytest.mark.usefixtures("small")
def test_columns_kept_up_to_date_equal_columns_computed_at_once(steps: list[list[Step]]) -> None:
    """Late, equal and interleaved ticks, in any batches, give what all ticks give at once."""
    log = TickLog()
    kept = Bars(log)
    for number, batch_of in enumerate(steps):
        given_ticks = [
            {"symbol": name, "time": T0 + at * S, "price": float(price), "size": float(size)}
            for at, name, price, size in batch_of
        ]
        if given_ticks:
            log.append(read_ticks(given_ticks), received=T0)
        if number % 3:
            kept.frame("1s", "A", indicators=SOME)
        found = kept.frame("1s", indicators=SOME)
        pd.testing.assert_frame_equal(found, Bars(log).frame("1s", indicators=SOME), rtol=1e-9)
        newest = kept.frame("1s", indicators=SOME, last=3)
        pd.testing.assert_frame_equal(newest, found.groupby(level=0, sort=False).tail(3), rtol=1e-9)
        arrays = kept.arrays("1s", "B", indicators=SOME, since_ns=T0 + 7 * S)
        expected = kept.frame("1s", "B", indicators=SOME)
        expected = expected[expected.index >= pd.Timestamp(T0 + 7 * S, tz="UTC")]
        assert arrays.pop("time").tolist() == [each.value for each in expected.index]
        for name, values in arrays.items():
            np.testing.assert_allclose(values, expected[name], rtol=1e-9)


@settings(deadline=None, max_examples=examples(60))
@given(STEPS, st.sampled_from([3, 8, 20]))
@pytest.mark.usefixtures("small")
def test_bars_that_the_log_drops_change_no_column(steps: list[list[Step]], keep: int) -> None:
    """The bars held have the columns that they have in a log which drops nothing."""
    log, whole = TickLog(keep=keep), TickLog()
    kept, expected = Bars(log), Bars(whole)
    clock = 0
    for batch_of in steps:
        for at, name, price, size in batch_of[:keep]:
            clock += max(at - 30, 0)  # late by up to 3 s, so that no bar is made anew when dropped
            tick = {"symbol": name, "time": T0 + (clock + at % 2) * S, "price": price, "size": size}
            log.append(read_ticks([tick]), received=T0)
            whole.append(read_ticks([tick]), received=T0)
        found = kept.frame("1s", indicators=SOME)
        pd.testing.assert_frame_equal(found[PRICES], Bars(log).frame("1s"))
        names = [name for name in found.columns if name not in PRICES]
        everything = expected.frame("1s", indicators=SOME)[names]
        alive = {each.symbol for each in kept._series[S, "price"].series.values()}
        if alive == set(everything.index.get_level_values(0)) and not _begun_anew(kept, expected):
            pd.testing.assert_frame_equal(found[names], everything.loc[found.index], rtol=1e-9)
        newest = kept.frame("1s", indicators=SOME, last=2)
        tails = found.groupby(level=0, sort=False).tail(2)
        pd.testing.assert_frame_equal(newest.sort_index(), tails.sort_index(), rtol=1e-9)


def _begun_anew(kept: Bars, expected: Bars) -> bool:
    """Return whether a symbol went from the log, came again, and so began anew."""
    first = {each.symbol: each.first_row for each in kept._series[S, "price"].series.values()}
    whole = {each.symbol: each.first_row for each in expected._series[S, "price"].series.values()}
    return first != whole


def test_ticks_dropped_unread_begin_the_columns_anew() -> None:
    """After a pause in which the log was filled anew, the columns are those of its bars alone."""
    ticks = ticks_of(random_bars(200))
    log = TickLog(keep=200)
    kept = Bars(log)
    log.append(part(ticks, 0, 100), received=T0)
    kept.frame("1min", "A", indicators="ema(3)")
    for row in range(100, 800, 100):
        log.append(part(ticks, row, row + 100), received=T0)
    expected = Bars(log).frame("1min", "A", indicators="ema(3)")
    pd.testing.assert_frame_equal(kept.frame("1min", "A", indicators="ema(3)"), expected)


def test_memory_stays_bounded_while_the_log_drops_bars() -> None:
    """Of a log that holds 4,000 ticks, a series keeps about the bars it holds, not all."""
    ticks = ticks_of(random_bars(20_000))
    log = TickLog(keep=4_000)
    kept = Bars(log)
    for row in range(0, ticks.count, 1_000):
        log.append(part(ticks, row, row + 1_000), received=T0)
        kept.arrays("1min", "A", indicators=["ema(3)", "sma(500)"], since_ns=0)
    [found] = kept._series[60 * S, "price"].series.values()
    assert found.stop == 20_000
    assert found.stop - found.start < 4_000
    assert all(len(each) < 10_000 for each in found.arrays.values())
    frame = kept.frame("1min", "A", indicators=["sma(500)"])
    assert 1_000 <= len(frame) <= 1_001
    assert frame["sma(500)"].notna().all()


def test_last_returns_the_newest_bars_of_each_symbol() -> None:
    """They are those that all bars end with; 0 gives none, and a large number all."""
    log = TickLog()
    for symbol in "ZA":
        log.append(ticks_of(random_bars(50), symbol), received=T0)
    kept = Bars(log)
    everything = kept.frame("1min", indicators="ema(3)")
    for last in (0, 1, 7, 50, 1000):
        found = kept.frame("1min", indicators="ema(3)", last=last)
        expected = everything.groupby(level=0, sort=False).tail(last)
        pd.testing.assert_frame_equal(found, expected)
    assert kept.frame("1min", "NONE", last=3).columns.tolist() == PRICES


def test_last_costs_by_new_ticks_and_not_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeated call reads only the rows that are new."""
    log = TickLog()
    ticks = ticks_of(random_bars(3_000))
    log.append(part(ticks, 0, 11_990), received=T0)
    kept = Bars(log)
    kept.frame("1min", "A", indicators="ema(3)", last=5)
    read: list[int] = []
    aggregate = log_bars.aggregate_blocks
    monkeypatch.setattr(
        log_bars,
        "aggregate_blocks",
        lambda trades, *rest: (read.append(len(trades.price)), aggregate(trades, *rest))[1],
    )
    log.append(part(ticks, 11_990, 12_000), received=T0)
    frame = kept.frame("1min", "A", indicators="ema(3)", last=5)
    assert read == [10]
    assert len(frame) == 5


def test_indicators_of_another_value_are_kept_apart() -> None:
    """Bars of a sensor's temperature have indicators of their own."""
    log = TickLog()
    log.append(
        read_ticks([
            {"symbol": "A", "time": T0 + n * S, "price": 1.0, "temperature": 20.0 + n}
            for n in range(9)
        ]),
        received=T0,
    )  # fmt: skip
    kept = Bars(log)
    assert kept.frame("1s", "A", indicators="sma(3)")["sma(3)"].iloc[-1] == 1
    assert kept.frame("1s", "A", "temperature", "sma(3)")["sma(3)"].iloc[-1] == 27
    assert list(kept.arrays("1s", "NONE", indicators="sma(3)")) == ["time", *PRICES, "sma(3)"]
