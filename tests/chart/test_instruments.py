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
