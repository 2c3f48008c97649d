"""Trends: sparklines, changes and rates are those of all ticks in the window."""

from __future__ import annotations

import numpy as np
import pytest

from tickerkit.chart.desk.part_means import PartMeans
from tickerkit.chart.desk.trends import Trends
from tickerkit.chart.instruments import Instruments
from tickerkit.log import TickLog
from tickerkit.ticks import NS_PER_S, read_ticks

START = 1_795_428_000


def make_log(ticks: list[tuple[str, float, float]]) -> TickLog:
    """Return a log of (symbol, seconds, price)."""
    log = TickLog(10_000)
    append(log, ticks)
    return log


def append(log: TickLog, ticks: list[tuple[str, float, float]]) -> None:
    """Append (symbol, seconds, price) to a log."""
    rows = [
        {"symbol": symbol, "price": price, "time": int((START + at_s) * 1000)}
        for symbol, at_s, price in ticks
    ]
    log.append(read_ticks(rows), received=START * NS_PER_S)


def update(trends: Trends, log: TickLog, at_s: float = 0) -> None:
    """Have trends read a log."""
    Instruments.of(log).update(log)
    trends.update(log.stop, int((START + at_s) * NS_PER_S))


def test_sparkline_has_the_mean_of_each_complete_part() -> None:
    """The newest part still grows, so it is left out; a part without a tick has no value."""
    log = make_log([("A", 0, 1), ("A", 0.5, 3), ("A", 2, 5), ("B", 2, 7)])
    trends = Trends(log, Instruments.of(log), "1min")
    update(trends, log)
    assert trends.sparks().shape[1] == 60
    assert trends.sparks()[0, -2:].tolist() == pytest.approx([2, np.nan], nan_ok=True)
    version = trends.version
    append(log, [("A", 2.5, 6), ("A", 3, 9)])
    update(trends, log)
    assert trends.sparks()[0, -3:].tolist() == pytest.approx([2, np.nan, 5.5], nan_ok=True)
    assert trends.sparks()[1, -1] == 7
    assert trends.version > version


def test_change_begins_with_the_first_value_in_the_window() -> None:
    """Of each symbol; a value of zero is none to measure from."""
    log = make_log([("A", 0, 10), ("A", 0.1, 20), ("B", 1, 0), ("B", 1.1, 4)])
    trends = Trends(log, Instruments.of(log), "1min")
    update(trends, log)
    assert trends.firsts()[:2].tolist() == [10, 4]
    append(log, [("A", 59.5, 30), ("A", 61.5, 40)])
    update(trends, log)
    assert trends.firsts()[:2].tolist() == [30, 4]


def test_late_tick_counts_where_it_belongs() -> None:
    """One from before the window is left out."""
    log = make_log([("A", 100, 1), ("A", 103, 1)])
    trends = Trends(log, Instruments.of(log), "1min")
    update(trends, log)
    append(log, [("A", 100.5, 3), ("A", 20, 50), ("A", 104, 1)])
    update(trends, log)
    assert trends.sparks()[0, -4] == 2
    assert np.nansum(trends.sparks()[0]) == 3


def test_window_begins_anew_after_a_seek_back() -> None:
    """All new ticks are from before it."""
    log = make_log([("A", 5000, 1)])
    trends = Trends(log, Instruments.of(log), "1min")
    update(trends, log)
    append(log, [("A", 10, 7), ("A", 11, 8)])
    update(trends, log)
    assert trends.firsts()[0] == 7
    assert trends.sparks()[0, -1] == 7


def test_window_of_ticks_counts_those_of_each_symbol() -> None:
    """120 ticks are 60 parts of two."""
    log = make_log([(symbol, n, n) for n in range(300) for symbol in ("A", "B")])
    trends = Trends(log, Instruments.of(log), 120)
    update(trends, log)
    append(log, [("A", 300, 300), ("A", 301, 301), ("A", 302, 302)])
    update(trends, log)
    assert trends.sparks()[0, -1] == 300.5
    assert trends.sparks()[1, -1] == 296.5
    assert trends.firsts()[:2].tolist() == [182, 178]


def test_rate_is_of_the_last_five_seconds() -> None:
    """It fades when no tick comes."""
    log = make_log([("A", 0, n) for n in range(20)])
    trends = Trends(log, Instruments.of(log), "1min")
    update(trends, log, 1)
    assert trends.rates()[0] == 4
    update(trends, log, 5)
    assert trends.rates()[0] == 4
    update(trends, log, 7)
    assert trends.rates()[0] == 0


def test_batches_make_no_difference() -> None:
    """The state after many small updates is that after one large one."""
    rng = np.random.default_rng(5)
    times = np.sort(rng.uniform(0, 200, 2000)) + rng.normal(0, 3, 2000)
    ticks = [(f"S{n % 7}", float(at_s), float(n)) for n, at_s in enumerate(times)]
    whole, parts = make_log(ticks), make_log([])
    one, many = (Trends(log, Instruments.of(log), "1min") for log in (whole, parts))
    update(one, whole)
    start = 0
    for count in rng.integers(1, 60, 100):
        append(parts, ticks[start : start + count])
        start += int(count)
        update(many, parts)
    append(parts, ticks[start:])
    update(many, parts)
    np.testing.assert_allclose(one.sparks()[:7], many.sparks()[:7])


def test_parts_forget_what_left_the_window() -> None:
    """A slot is used again for a later part."""
    means = PartMeans(2)
    means.make_room(1)
    zeros = np.zeros(3, dtype=np.int64)
    means.add(zeros, np.array([0, 1, 2]), np.array([1.0, 2.0, 3.0]))
    assert means.means()[0].tolist() == [1, 2]
    means.advance(4)
    assert means.means()[0].tolist() == pytest.approx([3, np.nan], nan_ok=True)
    assert means.counts()[0] == 1
    means.advance(100)
    assert np.isnan(means.firsts()[0])
