"""OHLCV: bars checked by hand, against a plain loop, and against pandas on a day of trades."""

from __future__ import annotations

import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from soaks import examples

from tickerkit.bars import Bars, aggregate_symbol, bars, log_bars
from tickerkit.bars import ohlcv as bars_module
from tickerkit.bars.partial import MAX_SEARCHED_CODES
from tickerkit.errors import InvalidArgument
from tickerkit.log import Rows, TickLog
from tickerkit.log import compaction as compaction_module
from tickerkit.ticks import NS_PER_S as S
from tickerkit.ticks import UTC_NS, Batch, Text, read_ticks

T0 = 1_763_000_000 * S  # 2025-11-13T02:13:20Z, a whole multiple of 10 s

COLUMNS = ["open", "high", "low", "close", "volume", "ticks"]


def log_of(*ticks: dict[str, object], keep: int = 1000) -> TickLog:
    """Return a log of these ticks."""
    log = TickLog(keep=keep)
    log.append(read_ticks(ticks), received=T0)
    return log


def trade(at_s: float, price: float | None, symbol: str = "AAPL", **more: object) -> dict[str, Any]:
    """Return a tick `at_s` seconds after `T0`; a quote if it has no price."""
    return {"symbol": symbol, "time": T0 + round(at_s * S), "price": price, **more}


def test_bar_has_first_highest_lowest_and_last_price() -> None:
    """A bar holds the first, highest, lowest and last price, the summed sizes and the count."""
    log = log_of(
        trade(0, 10.0, size=1), trade(1, 12.0, size=2), trade(2, 9.0, size=4), trade(3, 11.0)
    )
    frame = bars(log.rows(), "10s", symbol="AAPL")
    assert frame.columns.tolist() == COLUMNS
    assert frame.iloc[0].tolist() == [10.0, 12.0, 9.0, 11.0, 7.0, 4]
    assert frame.dtypes.tolist() == [np.dtype("float64")] * 5 + [np.dtype("int64")]
    assert frame.index.name == "time"
    assert frame.index.dtype == UTC_NS
    assert frame.index[0] == pd.Timestamp(T0, tz="UTC")


def test_bars_start_at_whole_multiples_of_the_interval() -> None:
    """Bars start at whole multiples of the interval since 1970; empty intervals have no bar."""
    log = log_of(trade(9.999999999, 1.0), trade(10, 2.0), trade(35, 3.0))
    frame = bars(log.rows(), "10s", symbol="AAPL")
    assert [at.value - T0 for at in frame.index] == [0, 10 * S, 30 * S]


def test_times_before_1970_belong_to_the_interval_that_contains_them() -> None:
    """A negative time belongs to the interval that starts before it, not to the one nearer zero."""
    log = log_of({"symbol": "OLD", "price": 1.0, "time": "1969-12-31T23:59:59Z"})
    assert bars(log.rows(), "10s", symbol="OLD").index[0].value == -10 * S


def test_open_and_close_follow_the_order_of_the_log() -> None:
    """The first trade in the log opens a bar and the last closes it, whatever their times."""
    log = log_of(trade(5, 1.0), trade(5, 2.0), trade(5, 3.0), trade(12, 7.0), trade(4, 9.0))
    frame = bars(log.rows(), "10s", symbol="AAPL")
    assert frame["open"].tolist() == [1.0, 7.0]
    assert frame["close"].tolist() == [9.0, 7.0]
    assert frame["ticks"].tolist() == [4, 1]


def test_quotes_make_no_bar() -> None:
    """Ticks without a price don't count, and an interval with only such ticks has no bar."""
    log = log_of(trade(1, None, bid=1.0, ask=2.0), trade(11, 5.0), trade(12, None, bid=1.0))
    frame = bars(log.rows(), "10s")
    assert frame["ticks"].tolist() == [1]


def test_bars_of_another_column_count_the_ticks_that_have_it() -> None:
    """Bars of a sensor's temperature need no price; sizes are summed where there are some."""
    log = log_of(
        trade(0, None, "kitchen", temperature=21.5),
        trade(1, None, "kitchen", temperature=-3.0),
        trade(2, None, "kitchen", humidity=40),
        trade(3, 7.0, "kitchen", size=5),
    )
    expected = [[21.5, 21.5, -3.0, -3.0, 0.0, 2]]
    assert bars(log.rows(), "10s", "kitchen", "temperature").to_numpy().tolist() == expected
    assert bars(log.frame(), "10s", "kitchen", "temperature").to_numpy().tolist() == expected
    cached = Bars(log)
    for value, close, ticks in [("temperature", -3.0, 2), ("humidity", 40.0, 1), ("price", 7.0, 1)]:
        frame = cached.frame("10s", "kitchen", value)
        assert frame[["close", "ticks"]].to_numpy().tolist() == [[close, ticks]]


def test_bars_of_large_integers_leave_out_missing_values() -> None:
    """In a column of integers, 0 stands for no value, and makes no bar."""
    log = log_of(trade(0, None, count=2**60), trade(1, 5.0))
    assert bars(log.rows(), "10s", "AAPL", "count")["ticks"].tolist() == [1]


@pytest.mark.parametrize("value", ["temprature", "note", "time", "symbol", ""])
def test_bars_of_a_column_without_numbers_are_refused(value: str) -> None:
    """The error lists the columns that have values; without ticks there are no bars to refuse."""
    log = log_of(trade(0, None, temperature=21.5, note="x", size=1), trade(1, None, humidity=40))
    with pytest.raises(InvalidArgument, match="expected 'temperature' or 'humidity'"):
        bars(log.rows(), "10s", value=value)
    assert len(bars(TickLog().rows(), "10s", value=value)) == 0
    with pytest.raises(InvalidArgument, match="name of a column"):
        bars(log.rows(), "10s", value=7)  # type: ignore[arg-type]


def test_symbols_are_ordered_by_their_first_trades() -> None:
    """Bars of several symbols have an index of symbol, by first trade, and ascending time."""
    log = log_of(
        trade(0, None, "QUOTED", bid=1.0),
        trade(0, 1.0, "Z"),
        trade(20, 2.0, "A"),
        trade(3, 3.0, "A"),
        trade(40, 4.0, "Z"),
        trade(50, 5.0, "QUOTED"),
    )
    frame = bars(log.rows(), "10s")
    assert frame.index.names == ["symbol", "time"]
    assert [(name, (at.value - T0) // S) for name, at in frame.index] == [
        ("Z", 0),
        ("Z", 40),
        ("A", 0),
        ("A", 20),
        ("QUOTED", 50),
    ]
    assert frame.loc["A"]["open"].tolist() == [3.0, 2.0]


def test_order_of_symbols_ignores_dropped_ticks() -> None:
    """When the log has dropped a symbol's first ticks, the order is that of those it holds."""
    log = log_of(trade(0, 1.0, "A"), trade(1, 1.0, "B"), trade(2, 1.0, "A"), keep=2)
    assert bars(log.rows(), "10s").index.get_level_values(0).tolist() == ["B", "A"]


def test_bar_is_found_by_symbol_and_time() -> None:
    """A lookup of one bar among several symbols gives no warning of an unsorted index."""
    log = log_of(*(trade(at, at + 1.0, name) for at in range(0, 60, 10) for name in "ZAM"))
    frame = bars(log.rows(), "10s")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row: Any = frame.loc[("A", pd.Timestamp(T0 + 20 * S, tz="UTC"))]
    assert row["open"] == 21.0


def test_arrays_of_one_symbol_equal_its_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of some rows in several blocks, with late ticks, quotes and other symbols."""
    monkeypatch.setattr(bars_module, "BLOCK_ROWS", 8)
    rng = np.random.default_rng(1)
    log = log_of(*(
        trade(rng.integers(90), rng.choice([5.0, 6.5, np.nan]), "AB"[i % 2], size=float(i))
        for i in range(50)
    ))  # fmt: skip
    rows = log.rows(11)
    [code] = log.symbol_codes("B")
    made = aggregate_symbol(rows, code, rows.array("price"), 10 * S)
    expected = bars(rows, "10s", "B")
    assert (made.intervals * 10 * S).tolist() == [each.value for each in expected.index]
    for name in COLUMNS:
        assert getattr(made, name).tolist() == expected[name].tolist()
    assert len(aggregate_symbol(rows, code, np.full(len(rows), np.nan), 10 * S).open) == 0


def test_symbol_selects_bars() -> None:
    """One symbol gives an index of times, a list an index of both; unknown symbols no bars."""
    log = log_of(trade(0, 1.0, "A"), trade(1, 2.0, "B"), trade(2, 3.0, "C"))
    rows = log.rows()
    assert bars(rows, "10s", symbol="B")["open"].tolist() == [2.0]
    assert bars(rows, "10s", symbol=["C", "A", "A"]).index.get_level_values(0).tolist() == [
        "A",
        "C",
    ]
    assert bars(rows, "10s", symbol="NONE").index.name == "time"
    assert bars(rows, "10s", symbol=["NONE"]).index.names == ["symbol", "time"]
    assert len(bars(rows, "10s", symbol=[])) == 0


def test_empty_log_gives_empty_bars_of_the_same_types() -> None:
    """Without ticks the frame has all columns and index levels, with their types."""
    for symbol in (None, "AAPL"):
        frame = bars(TickLog().rows(), "10s", symbol=symbol)
        assert frame.columns.tolist() == COLUMNS
        assert frame["ticks"].dtype == np.int64
        times = frame.index.get_level_values("time")
        assert times.dtype == UTC_NS


@pytest.mark.parametrize(
    "interval",
    ["10s", "10000ms", 10, 10.0, np.float64(10), timedelta(seconds=10), np.timedelta64(10, "s")],
)
def test_interval_accepts_text_timedelta_and_seconds(interval: Any) -> None:
    """Text with a unit, a timedelta and a number of seconds give the same bars."""
    rows = log_of(trade(0, 1.0), trade(9, 2.0), trade(10, 3.0)).rows()
    assert bars(rows, interval, symbol="AAPL")["ticks"].tolist() == [2, 1]


@pytest.mark.parametrize(
    "interval",
    [
        *("", "soon", "10", "10.5", "0s", "-5s", "5 parsecs", None, [10], timedelta(0)),
        *(0, -1, float("nan"), float("inf"), 1e-12, 1e30, True),
    ],
)
def test_invalid_interval_raises(interval: Any) -> None:
    """What is not a length of time raises an error that names the argument."""
    with pytest.raises(ValueError, match="Invalid interval="):
        bars(log_of(trade(0, 1.0)).rows(), interval)


def test_frame_and_rows_give_the_same_bars() -> None:
    """A frame of ticks gives the same bars as the rows of the log that it shows."""
    log = log_of(*(trade(i, i % 7, "AB"[i % 2], size=i) for i in range(100)))
    for symbol in (None, "B"):
        of_frame = bars(log.frame(), "10s", symbol=symbol)
        pd.testing.assert_frame_equal(of_frame, bars(log.rows(), "10s", symbol=symbol))


def test_plain_frame_gives_bars() -> None:
    """A frame with text symbols, times without a zone, missing values and no sizes gives bars."""
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime(
                ["2026-01-05 10:00:01", "2026-01-05 10:00:02", None, "2026-01-05 11:00:00"]
            ),
            "symbol": ["A", "A", "A", None],
            "price": [1, 2, 3, 4],
        }
    )
    made = bars(frame, "1min")
    assert made.iloc[0].tolist() == [1.0, 2.0, 1.0, 2.0, 0.0, 2]
    assert len(made) == 1


def test_frame_without_a_column_raises() -> None:
    """A frame that lacks a column raises an error that names it."""
    with pytest.raises(ValueError, match="column price"):
        bars(pd.DataFrame({"time": [], "symbol": []}), "10s")


def by_pandas(frame: pd.DataFrame, interval: str) -> pd.DataFrame:
    """Return the bars of one symbol as pandas makes them."""
    indexed = frame.set_index("time")
    expected = indexed["price"].resample(interval, origin="epoch").ohlc()
    expected["volume"] = indexed["size"].resample(interval, origin="epoch").sum()
    expected["ticks"] = indexed["price"].resample(interval, origin="epoch").count()
    return expected[expected["ticks"] > 0]


@pytest.fixture(scope="session")
def spy(recorded: Path) -> TickLog:
    """Return a log of a day of trades in SPY; half of them share their time with another."""
    day = pd.read_csv(
        recorded / "ticks" / "lean-spy-20131007-trade.csv.gz",
        names=["ms", "price", "size", "exchange", "condition", "suspicious"],
        dtype={"exchange": "category", "condition": "category"},
    )
    midnight = pd.Timestamp("2013-10-07", tz="America/New_York").as_unit("ns").value
    frame = pd.DataFrame(
        {
            "symbol": "SPY",
            "time": pd.to_datetime(midnight + day["ms"] * 10**6, utc=True),
            "price": day["price"] / 10_000,
            "size": day["size"].astype("float64"),
        }
    )
    log = TickLog()
    log.append(read_ticks(frame), received=0)
    assert len(log) == 250_601
    return log


@pytest.mark.parametrize("interval", ["1s", "10s", "1min", "7min", "1h", "12h"])
def test_bars_of_a_real_day_equal_those_of_pandas(spy: TickLog, interval: str) -> None:
    """On 250,601 real trades every bar is the one that pandas' resample makes."""
    made = bars(spy.rows(), interval, symbol="SPY")
    expected = by_pandas(spy.frame(), interval)
    pd.testing.assert_frame_equal(made, expected, check_freq=False)


def test_interleaved_symbols_give_the_bars_of_each(spy: TickLog) -> None:
    """Three symbols whose trades alternate have the bars that each has alone."""
    frame = spy.frame()
    dealt = pd.Categorical.from_codes(np.arange(len(frame)) % 3, ["C", "A", "B"])
    log = TickLog()
    log.append(read_ticks(frame.assign(symbol=dealt)), received=0)
    made = bars(log.rows(), "1min")
    assert made.index.get_level_values(0).unique().tolist() == ["C", "A", "B"]
    for place, name in enumerate(["C", "A", "B"]):
        expected = by_pandas(frame.iloc[place::3], "1min")
        pd.testing.assert_frame_equal(made.loc[name], expected, check_freq=False)


def bars_by_loop(rows: Rows, interval_s: int) -> dict[tuple[str, int], list[float]]:
    """Return bars tick by tick, in plain Python."""
    made: dict[tuple[str, int], list[float]] = {}
    for row in rows.frame().itertuples():
        price, size = row.price, row.size
        if price != price:
            continue
        key = (str(row.symbol), row.time.value // (interval_s * S) * interval_s * S)
        bar = made.setdefault(key, [price, price, price, price, 0.0, 0])
        bar[1], bar[2], bar[3] = max(bar[1], price), min(bar[2], price), price
        bar[4] += 0.0 if size != size else size
        bar[5] += 1
    return made


@settings(deadline=None, max_examples=examples(60))
@given(
    st.lists(
        st.tuples(
            st.integers(0, 200),
            st.sampled_from(["A", "B", "C"]),
            st.one_of(st.none(), st.integers(1, 50)),
            st.one_of(st.none(), st.integers(0, 9)),
        ),
        max_size=60,
    ),
    st.sampled_from([1, 7, 10, 60]),
)
def test_ticks_in_any_order_give_the_bars_of_a_plain_loop(
    ticks: list[tuple[int, str, int | None, int | None]], interval_s: int
) -> None:
    """Late, equal and interleaved ticks give the bars of a loop over them."""
    given_ticks = [trade(at, price, name, size=size, bid=1) for at, name, price, size in ticks]
    rows = log_of(*given_ticks).rows()
    made = bars(rows, interval_s)
    expected = bars_by_loop(rows, interval_s)
    assert {(name, at.value): list(row) for (name, at), row in zip(
        made.index, made.itertuples(index=False), strict=True
    )} == expected  # fmt: skip
    firsts = list(dict.fromkeys(name for name, _ in expected))
    assert list(dict.fromkeys(made.index.get_level_values(0))) == firsts


@pytest.mark.parametrize("symbols", [1, *range(MAX_SEARCHED_CODES, MAX_SEARCHED_CODES + 3), 100])
def test_any_number_of_symbols_is_grouped(symbols: int) -> None:
    """Few symbols are searched for and many are sorted, with the same result."""
    rows = log_of(*(trade(n, n, f"S{n % symbols}") for n in range(300))).rows()
    frame = bars(rows, T0 * 2 / S)
    assert frame["open"].tolist() == list(range(symbols))
    assert frame["close"].tolist() == [max(range(code, 300, symbols)) for code in range(symbols)]


def test_times_as_far_apart_as_possible_are_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars of a nanosecond at both ends of the range of times are right, at once and by blocks."""
    monkeypatch.setattr(bars_module, "BLOCK_ROWS", 2)
    first, last = -(2**63) + 1, 2**63 - 1
    times = np.array([last, first, 0, last, first, last])
    prices = np.arange(6, dtype=float)
    symbols = Text(np.array([0, 0, 1, 1, 0, 0]), ["A", "B"])
    log = TickLog()
    log.append(Batch(6, times, {"symbol": symbols, "price": prices, "size": prices}), received=0)
    for frame in (bars(log.frame(), 1e-9), bars(log.rows(), 1e-9), Bars(log).frame(1e-9)):
        assert [(name, at.value) for name, at in frame.index] == [
            *(("A", first), ("A", last)),
            *(("B", 0), ("B", last)),
        ]
        assert frame["close"].tolist() == [4, 5, 2, 3]
        assert frame["ticks"].tolist() == [2, 2, 1, 1]


# --- kept from one call to the next ---------------------------------------------------------------

Tick = tuple[int, str, int | None, int | None]
TICKS = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.sampled_from(["A", "B", "C", "D"]),
        st.one_of(st.none(), st.integers(1, 50)),
        st.one_of(st.none(), st.integers(0, 9)),
    ),
    max_size=40,
)
ASKED = st.lists(
    st.tuples(st.sampled_from([1, 7, 60]), st.sampled_from([None, "A", ("B", "D"), (), "NONE"])),
    max_size=3,
)


@settings(deadline=None, max_examples=examples(80))
@given(
    st.lists(st.tuples(TICKS, st.sampled_from(["e1", "e1", "e2"]), ASKED), max_size=12),
    st.sampled_from([3, 20, 50, 10_000]),
    st.sampled_from([1, 4, 16]),
)
def test_kept_bars_equal_recomputed_ones(
    steps: list[tuple[list[Tick], str, list[tuple[int, Any]]]], keep: int, block: int
) -> None:
    """Late ticks, new symbols, new epochs and dropped rows: kept bars equal recomputed ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bars_module, "BLOCK_ROWS", block)
        patch.setattr(bars_module, "MAX_KEPT_BARS", 3)
        patch.setattr(compaction_module, "MIN_ROWS", 8)
        log = TickLog(keep)
        kept = Bars(log)
        made: list[tuple[pd.DataFrame, pd.DataFrame]] = []
        for ticks, epoch, asked in steps:
            rows = [trade(at, price, name, size=size, bid=1) for at, name, price, size in ticks]
            log.append(read_ticks(rows), received=T0, epoch=epoch)
            for interval, symbol in asked:
                frame = kept.frame(interval, symbol)
                pd.testing.assert_frame_equal(frame, bars(log.rows(), interval, symbol))
                pd.testing.assert_frame_equal(frame, bars(log.frame(), interval, symbol))
                made.append((frame, frame.copy(deep=True)))
        for frame, copy in made:
            pd.testing.assert_frame_equal(frame, copy)


def count_aggregated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which the size of each block that is aggregated is appended."""
    aggregated: list[int] = []
    aggregate = bars_module.aggregate

    def counted(trades: Any, *others: Any) -> Any:
        aggregated.append(len(trades.price))
        return aggregate(trades, *others)

    monkeypatch.setattr(bars_module, "aggregate", counted)
    return aggregated


def test_second_call_aggregates_only_new_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second call aggregates new ticks, and in a full log what is left of the oldest block."""
    monkeypatch.setattr(bars_module, "BLOCK_ROWS", 100)
    aggregated = count_aggregated(monkeypatch)
    log = TickLog(1000)
    kept = Bars(log)

    def come(count: int) -> list[int]:
        many = [trade(n, 1.0) for n in range(log.stop, log.stop + count)]
        log.append(read_ticks(many), received=T0)
        aggregated.clear()
        kept.frame("100s")
        return aggregated[:]

    assert come(950) == [100] * 9 + [50]
    assert come(30) == [80]
    assert come(50) == [70, 100, 30]
    assert come(100) == [70, 100, 30]
    assert come(0) == [70, 30]
    assert come(3000) == [70, *[100] * 9, 30]


def test_kept_bars_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks with too many bars, dropped blocks, and intervals beyond the eighth are not kept."""
    monkeypatch.setattr(bars_module, "BLOCK_ROWS", 64)
    monkeypatch.setattr(bars_module, "MAX_KEPT_BARS", 4)
    aggregated = count_aggregated(monkeypatch)
    log = log_of(*(trade(n, 1.0) for n in range(640)))
    kept = Bars(log)
    for interval, again in (("1s", 10), ("64s", 0)):
        kept.frame(interval)
        aggregated.clear()
        kept.frame(interval)
        assert len(aggregated) == again
    for seconds in range(1000, 1000 + log_bars.MAX_KEPT):
        kept.frame("1000s")
        kept.frame(seconds)
    assert len(kept._kept) == log_bars.MAX_KEPT
    aggregated.clear()
    kept.frame("1000s")
    assert aggregated == []
    kept.frame("64s")
    assert len(aggregated) == 10
    log.append(read_ticks([trade(n, 1.0) for n in range(2000)]), received=T0)
    kept.frame("1000s")
    assert len(kept._kept[1000 * S, None, "price"]) == 1000 // 64
