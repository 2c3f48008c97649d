"""Instruments: value, decimals and place of each symbol, the same in all charts of a log."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np

from tickerkit.chart.instruments import Instruments
from tickerkit.log import TickLog
from tickerkit.ticks import read_ticks


def log_of(*ticks: dict[str, Any]) -> TickLog:
    """Return a log of these ticks."""
    log = TickLog()
    append(log, *ticks)
    return log


def append(log: TickLog, *ticks: dict[str, Any]) -> None:
    """Append ticks to a log."""
    log.append(read_ticks(list(ticks)), received=0)


def test_log_has_one_object_of_instruments() -> None:
    """All charts of a log share it; it does not keep the log in memory."""
    log, other = TickLog(), TickLog()
    assert Instruments.of(log) is Instruments.of(log)
    assert Instruments.of(log) is not Instruments.of(other)
    Instruments.of(log).update(log)
    gone = weakref.ref(log)
    del log
    gc.collect()
    assert gone() is None


def test_symbol_keeps_its_place() -> None:
    """Places follow each other as symbols are asked for; unplaced symbols sort last."""
    instruments = Instruments()
    assert [instruments.place(each) for each in ("MSFT", "AAPL", "MSFT")] == [0, 1, 0]
    assert instruments.sort(["TSLA", "AAPL", "NVDA", "MSFT"]) == ["MSFT", "AAPL", "TSLA", "NVDA"]


def test_decimals_are_those_of_each_symbol() -> None:
    """They are learnt from prices, quotes, and the middle of quotes without a trade."""
    log = log_of(
        {"symbol": "AAPL", "price": 187.5, "bid": 187.25, "ask": 187.5},
        {"symbol": "EURUSD", "bid": 1.1095, "ask": 1.1096},
        {"symbol": "SHIB", "price": 0.0000123},
    )
    instruments = Instruments()
    instruments.update(log)
    symbols = ("AAPL", "EURUSD", "SHIB", "unknown")
    assert [instruments.decimals(each) for each in symbols] == [2, 5, 7, 2]
    append(log, {"symbol": "AAPL", "price": 187.255})
    instruments.update(log)
    assert instruments.decimals("AAPL") == 3


def test_value_is_the_price_or_without_a_trade_the_middle() -> None:
    """After the first trade of a symbol, its quotes have no value."""
    log = log_of(
        {"symbol": "AAPL", "price": 5}, {"symbol": "AAPL", "price": None, "bid": 1, "ask": 2}
    )
    append(log, {"symbol": "EURUSD", "bid": 1, "ask": 2}, {"symbol": "EURUSD", "bid": 1})
    instruments = Instruments()
    instruments.update(log)
    assert np.array_equal(instruments.values(log.rows()), [5, np.nan, 1.5, np.nan], equal_nan=True)


def test_update_reads_only_new_ticks() -> None:
    """An empty log, and a log without new ticks, change nothing."""
    log = TickLog()
    instruments = Instruments()
    instruments.update(log)
    append(log, {"symbol": "AAPL", "price": 1.125})
    instruments.update(log)
    instruments.update(log)
    assert instruments.decimals("AAPL") == 3


def test_decimals_are_learnt_one_by_one_as_all_at_once() -> None:
    """It does not matter with which values the decimals of a symbol were learnt before."""
    prices = [
        1.5,
        1.5,
        1000.25,
        9.5,
        2 / 3,
        5,
        187.25,
        0.5,
        1e-13,
        0.00012,
        np.inf,
        12345.678,
        2.0,
        1e10 + 0.5,
        1e12,
    ]
    ticks = [{"symbol": f"S{i % 2}", "price": price} for i, price in enumerate(prices * 2)]
    log, instruments = TickLog(), Instruments()
    for tick in ticks:
        append(log, tick)
        instruments.update(log)
        at_once = Instruments()
        at_once.update(log)
        for symbol in ("S0", "S1"):
            assert instruments.decimals(symbol) == at_once.decimals(symbol)


def test_decimals_are_those_of_the_column_that_is_drawn() -> None:
    """A sensor that gets a price has the decimals of its prices from then on."""
    log, instruments = TickLog(), Instruments()
    append(log, {"symbol": "S", "price": None, "temperature": 21.1255})
    instruments.update(log)
    assert (instruments.column("S"), instruments.decimals("S")) == ("temperature", 4)
    append(log, {"symbol": "S", "price": 20.125})
    instruments.update(log)
    assert (instruments.column("S"), instruments.decimals("S")) == ("price", 3)


def test_sensor_has_fewer_decimals_even_if_it_was_asked_for_before_its_first_value() -> None:
    """A symbol that has only other numbers so far is known already."""
    log, instruments = log_of({"symbol": "S", "price": 1, "temperature": None}), Instruments("t")
    instruments.update(log)
    instruments.decimals("S")
    append(log, {"symbol": "S", "price": 1, "t": 21.5})
    instruments.update(log)
    assert instruments.decimals("S") == 1
