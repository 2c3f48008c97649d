"""Indicators of bars, each alone, and talipp's: `python -m bench.indicators [--help]`.

tick     a tick revises the newest of 2,000 bars, and the indicator's columns follow
history  the columns of many bars at once, as at the first call
memory   what an indicator keeps for each bar, the bars themselves aside
call     `Bars.arrays` of the newest bar after each tick, as a chart asks: with the bars alone, and
         with all indicators

Times are of the processor: other processes on the machine take nothing from them.

That their values are right is tested: against TA-Lib, or numpy, on a million bars.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.report import Report, in_turn, options
from tickerkit.bars import Bars, parse_indicators
from tickerkit.bars.indicators import CATALOGUE
from tickerkit.bars.indicators.columns import IndicatorColumns
from tickerkit.bars.partial import PartialBars
from tickerkit.bars.series import BarSeries
from tickerkit.log import TickLog
from tickerkit.ticks import NS_PER_S, Batch, Text

MINUTE_NS = 60 * NS_PER_S
BEGIN = 29_000_000  # minutes since 1970
HELD, TICKS = 2_000, 5_000
ALL = [each.spec().text for each in CATALOGUE.values()]
LONG = ["sma(200)", "wma(200)", "bbands(200, 2)", "cci(200)", "stoch(200, 3, 3)"]


def random_bars(count: int) -> PartialBars:
    """Return bars of a minute whose prices walk at random."""
    chance = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(chance.normal(0, 1e-3, count)))
    start = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(start, close) + chance.exponential(0.05, count)
    low = np.minimum(start, close) - chance.exponential(0.05, count)
    volume = chance.integers(1, 1_000, count).astype(float)
    row = np.arange(count)
    codes, intervals = np.zeros(count, "i8"), BEGIN + row
    return PartialBars(
        codes, intervals, row, row, start, high, low, close, volume, np.ones(count, "i8")
    )


def filled(bars: PartialBars) -> BarSeries:
    series = BarSeries("A", MINUTE_NS)
    series.add(bars)
    return series


def tick_us(text: str, bars: PartialBars) -> float:
    """Return the time of a revision of the last bar."""
    series = filled(bars)
    columns = IndicatorColumns(parse_indicators(text)[0], 0)
    columns.update(series)
    last, close = series.stop - 1, series.arrays["close"]
    prices = bars.close[-TICKS:].tolist() or [1.0]
    begin = time.thread_time()
    for price in prices:
        close[last] = price
        columns.forget(last)
        columns.update(series)
    return (time.thread_time() - begin) / len(prices) * 1e6


def history_us(text: str, series: BarSeries) -> float:
    """Return the time for each bar of many at once."""
    columns = IndicatorColumns(parse_indicators(text)[0], 0)
    begin = time.thread_time()
    columns.update(series)
    return (time.thread_time() - begin) / series.stop * 1e6


def memory_bytes(text: str, series: BarSeries) -> float:
    """Return the memory for each bar."""
    tracemalloc.start()
    columns = IndicatorColumns(parse_indicators(text)[0], 0)
    columns.update(series)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / series.stop


def talipp_makers() -> dict[str, tuple[Callable[[], Any], bool]]:
    """Return how talipp makes each indicator that it has, and whether it takes whole bars."""
    from talipp import indicators as made

    return {
        "sma(20)": (lambda: made.SMA(20), False),
        "ema(20)": (lambda: made.EMA(20), False),
        "wma(200)": (lambda: made.WMA(200), False),
        "bbands(20, 2)": (lambda: made.BB(20, 2), False),
        "bbands(200, 2)": (lambda: made.BB(200, 2), False),
        "rsi(14)": (lambda: made.RSI(14), False),
        "cci(20)": (lambda: made.CCI(20), True),
        "adx(14)": (lambda: made.ADX(14, 14), True),
        "stoch(14, 3, 3)": (lambda: made.Stoch(14, 3), True),
    }


def talipp_run(make: Callable[[], Any], values: list[Any]) -> dict[str, float]:
    """Return talipp's time of a revision and for each bar, and its memory for each bar."""
    indicator = make()
    begin = time.thread_time()
    for value in values:
        indicator.add(value)
    added = (time.thread_time() - begin) / len(values) * 1e6
    begin = time.thread_time()
    for value in values[-TICKS:]:
        indicator.update(value)
    updated = (time.thread_time() - begin) / TICKS * 1e6
    tracemalloc.start()
    indicator = make()
    for value in values:
        indicator.add(value)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"tick": updated, "history": added, "memory": taken / len(values)}


def call_us(texts: list[str], bars: PartialBars) -> float:
    """Return the time of a call of `Bars.arrays` after each tick."""
    count = len(bars.close)
    log = TickLog(keep=2 * count)
    log.append(batch(bars.intervals * MINUTE_NS, bars.close), received=0)
    kept = Bars(log)
    newest = int(bars.intervals[-1]) * MINUTE_NS
    kept.arrays("1min", "A", indicators=texts)
    taken = 0.0
    for price in bars.close[:500].tolist():
        log.append(batch(np.array([newest + 1]), np.array([price])), received=0)
        begin = time.thread_time()
        kept.arrays("1min", "A", indicators=texts, since_ns=newest)
        taken += time.thread_time() - begin
    return taken / 500 * 1e6


def batch(times: Any, prices: Any) -> Batch:
    size = len(times)
    codes = Text(np.zeros(size, np.int32), ["A"])
    return Batch(size, times, {"symbol": codes, "price": prices, "size": np.ones(size)})


def main() -> None:
    chosen = options(__doc__, repeat=3)
    report = Report("indicators", "Indicators of bars")
    count = 20_000 if chosen.quick else 1_000_000
    bars, some = random_bars(count), random_bars(HELD)
    series = filled(bars)
    for text in [each for each in [*ALL, *LONG] if chosen.only in each]:
        gave = in_turn(
            {
                "tick": lambda text=text: tick_us(text, some),
                "history": lambda text=text: history_us(text, series),
            },
            chosen.repeat,
            quiet=True,
        )
        report.figure(f"{text}: a tick", gave["tick"], "µs", at_most=5)
        report.figure(f"… {count:,} bars at once, a bar", gave["history"], "µs", at_most=5)
        report.figure("… kept for a bar", [memory_bytes(text, series)], "bytes", at_most=50)
    from talipp.ohlcv import OHLCV

    short = random_bars(20_000)
    prices = short.close.tolist()
    rows = zip(short.open, short.high, short.low, short.close, short.volume, strict=True)
    whole = [OHLCV(*map(float, row)) for row in rows]
    for text, (make, takes_bars) in talipp_makers().items():
        if chosen.only in f"talipp's {text}":
            gave = talipp_run(make, whole if takes_bars else prices)
            report.figure(f"talipp's {text}: a tick", [gave["tick"]], "µs")
            report.figure("… 20,000 bars one by one, a bar", [gave["history"]], "µs")
            report.figure("… kept for a bar", [gave["memory"]], "bytes")
    if chosen.only in "a call of Bars.arrays":
        gave = in_turn(
            {"bars": lambda: call_us([], short), "all": lambda: call_us(ALL, short)},
            chosen.repeat,
            quiet=True,
        )
        report.figure("a call of Bars.arrays after a tick, bars alone", gave["bars"], "µs")
        report.figure(f"… with {len(ALL)} indicators", gave["all"], "µs")
    report.note(
        "Of talipp's, macd, adx, atr and psar begin with other values than TA-Lib's, and all keep "
        "their whole history as Python objects: so tickerkit has formulas of its own."
    )
    report.finish(chosen.json)


if __name__ == "__main__":
    main()
