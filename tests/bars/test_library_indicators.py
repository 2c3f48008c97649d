"""Indicators of talipp: a user's object computes columns by talipp's own definition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
import pytest
from indicator_references import random_bars
from talipp import indicators as talipp
from talipp.ohlcv import OHLCV

from tickerkit.bars import Bars, parse_indicators
from tickerkit.log import TickLog
from tickerkit.ticks import NS_PER_S as S
from tickerkit.ticks import Batch, Text

MAKERS: list[Callable[[], Any]] = [
    lambda: talipp.KAMA(10, 2, 30),
    lambda: talipp.TSI(8, 12),
    lambda: talipp.MACD(5, 9, 3),
    lambda: talipp.Aroon(10),
    lambda: talipp.SuperTrend(10, 3),
]
NAMES = ["KAMA", "TSI", "MACD", "Aroon", "SuperTrend"]


def append(log: TickLog, start: int, stop: int) -> None:
    """Append the ticks of that number; two make a bar of a minute."""
    number = np.arange(start, stop)
    prices = random_bars(4_000)["close"].to_numpy()[number]
    times = (1_763_000_040 + 30 * number) * S
    columns = {"symbol": Text(np.zeros(len(number), np.int32), ["A"]), "price": prices}
    log.append(Batch(len(number), times, {**columns, "size": np.ones(len(number))}), received=0)


def at_once(make: Callable[[], Any], bars: pd.DataFrame) -> np.ndarray:
    """Return what talipp computes from bars, shape (bars, columns)."""
    takes_bars = "OHLCV" in str(type(make()).__doc__)
    rows = bars[["open", "high", "low", "close", "volume"]].to_numpy().tolist()
    values = list(make_all(make(), [OHLCV(*row) if takes_bars else row[3] for row in rows]))
    width = max(len(each) for each in values)
    return np.array([each if len(each) == width else [np.nan] * width for each in values], float)


def make_all(made: Any, inputs: list[Any]) -> Any:
    """Yield talipp's value at each input, as a tuple."""
    made.add(inputs)
    for value in made:
        each = astuple(value) if is_dataclass(value) else (value,)
        yield tuple(one.value if isinstance(one, Enum) else one for one in each)


@pytest.mark.parametrize(("make", "name"), list(zip(MAKERS, NAMES, strict=True)), ids=NAMES)
def test_object_of_talipp_computes_what_talipp_does(make: Callable[[], Any], name: str) -> None:
    """At once, and after each tick has revised the newest bar, and after a late one."""
    log = TickLog()
    kept = Bars(log)
    given = make()
    append(log, 0, 400)
    for number in range(400, 440):
        append(log, number, number + 1)
        kept.frame("1min", "A", indicators=given, last=1)
    append(log, 301, 302)
    frame = kept.frame("1min", "A", indicators=given)
    columns = [each for each in frame.columns if each.startswith(name)]
    assert tuple(columns) == parse_indicators(given)[0].columns
    np.testing.assert_allclose(frame[columns], at_once(make, frame), rtol=1e-9)
    assert len(given) == 0  # it was only copied


def test_bars_that_the_log_drops_change_nothing() -> None:
    """A log of 600 ticks has the same newest values as one that drops none."""
    log, whole = TickLog(keep=600), TickLog()
    kept = Bars(log)
    given = [make() for make in MAKERS]
    for start in range(0, 4_000, 50):
        append(log, start, start + 50)
        append(whole, start, start + 50)
        kept.frame("1min", "A", indicators=given, last=1)
    newest = kept.frame("1min", "A", indicators=given, last=200)
    expected = Bars(whole).frame("1min", "A", indicators=given, last=200)
    pd.testing.assert_frame_equal(newest, expected, rtol=1e-9)
