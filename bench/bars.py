"""`bars("1s")` against pandas' resample: `python -m bench.bars [--help]`.

first        the first bars of 10,000,000 ticks of one symbol and of five, and of a recorded day
             of SPY if `TICKERKIT_DATA` names its folder; against `resample("1s").ohlc()`, which
             has neither volume nor ticks, and against the same bars made with pandas. Every bar
             is compared
incremental  bars made again after new ticks, as `feed.bars` does; the logs are full, so each new
             tick drops an old one
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.report import Report, in_turn, options
from tickerkit.bars import Bars, bars
from tickerkit.log import TickLog
from tickerkit.ticks import Batch, Text, read_ticks

DAY_S = 23_400
BEGIN_NS = 1_763_000_000 * 10**9
NEW = (1_000, 10_000, 100_000)


def ticks(count: int, symbols: int, seconds: float = DAY_S) -> Batch:
    """Return ticks of `symbols` symbols at random times of a trading day, in order of time."""
    chance = np.random.default_rng(7)
    time_ns = BEGIN_NS + np.sort(chance.integers(0, int(seconds * 1e9), count))
    codes = chance.integers(0, symbols, count).astype(np.int32)
    price = (18_000 + np.round(chance.standard_normal(count).cumsum())) / 100
    size = chance.integers(1, 500, count).astype(float)
    words = [f"S{n}" for n in range(symbols)]
    return Batch(count, time_ns, {"symbol": Text(codes, words), "price": price, "size": size})


def filled(batch: Batch) -> TickLog:
    log = TickLog(batch.count)
    log.append(batch, received=BEGIN_NS)
    return log


def recorded() -> TickLog | None:
    """Return a log with a recorded day of trades; None without recorded data."""
    folder = Path(os.environ.get("TICKERKIT_DATA", "")) / "ticks"
    path = folder / "lean-spy-20131007-trade.csv.gz"
    if not path.is_file():
        return None
    names = ["ms", "price", "size", "exchange", "condition", "suspicious"]
    day = pd.read_csv(path, names=names, dtype={"exchange": "str", "condition": "str"})
    midnight = pd.Timestamp("2013-10-07", tz="America/New_York").as_unit("ns").value
    times = pd.to_datetime(midnight + day["ms"] * 10**6, utc=True)
    price, size = day["price"] / 10_000, day["size"].astype("float64")
    frame = pd.DataFrame({"symbol": "SPY", "time": times, "price": price, "size": size})
    return filled(read_ticks(frame))


def resampled(frame: pd.DataFrame, one: bool) -> pd.DataFrame:
    """Return pandas' `ohlc` alone."""
    indexed = frame.set_index("time")
    grouped: Any = indexed if one else indexed.groupby("symbol", observed=True)
    return grouped["price"].resample("1s").ohlc()


def the_same(frame: pd.DataFrame, one: bool) -> pd.DataFrame:
    """Return the same bars as tickerkit's, without empty intervals."""
    indexed = frame.set_index("time")
    grouped: Any = indexed if one else indexed.groupby("symbol", observed=True)
    made = grouped["price"].resample("1s").ohlc()
    made["volume"] = grouped["size"].resample("1s").sum()
    made["ticks"] = grouped["price"].resample("1s").count()
    return made[made["ticks"] > 0]


def timed(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def read(log: TickLog) -> float:
    rows = log.rows()
    return sum(float(rows.array(name).sum()) for name in ("time", "price", "size"))


def first(report: Report, repeat: int, name: str, log: TickLog) -> None:
    symbols = log.symbols()
    one = symbols[0] if len(symbols) == 1 else None
    frame = log.frame()
    made = bars(log.rows(), "1s", one)
    same = the_same(frame, one is not None)
    if one is None:
        same = same.reindex(made.index.get_level_values(0).unique(), level=0)
        assert made.index.equals(same.index.set_levels(same.index.levels[0].astype("str"), level=0))
        same.index = made.index
    pd.testing.assert_frame_equal(made, same, check_freq=False, check_exact=True)
    gave = in_turn(
        {
            f"{name}, tickerkit": lambda: timed(lambda: bars(log.rows(), "1s", one)) * 1e3,
            f"{name}, read": lambda: timed(lambda: read(log)) * 1e3,
            f"{name}, ohlc": lambda: timed(lambda: resampled(frame, one is not None)) * 1e3,
            f"{name}, same": lambda: timed(lambda: the_same(frame, one is not None)) * 1e3,
        },
        repeat,
        quiet=True,
    )
    ours, reading, ohlc, same_ms = gave.values()
    report.figure(f"first, {name}, {len(made):,} bars", ours, "ms")
    report.figure("… per tick", [each * 1e6 / len(log) for each in ours], "ns")
    report.figure("… to only read time, price and size, as a sum", reading, "ms")
    report.figure("… pandas, ohlc alone", ohlc, "ms")
    report.ratio(f"{name}: pandas, ohlc alone / tickerkit", ohlc, ours, at_least=5)
    report.figure("… pandas, the same bars", same_ms, "ms")
    report.ratio(f"{name}: pandas, the same bars / tickerkit", same_ms, ours, at_least=5)


def incremental(report: Report, repeat: int, sizes: tuple[int, int]) -> None:
    logs: dict[int, tuple[TickLog, Bars, Batch]] = {}
    for size in sizes:
        # The same number of bars from more ticks: a call must not cost more with more ticks.
        batch = ticks(size, 5, DAY_S / 10)
        log = filled(batch)
        logs[size] = log, Bars(log), batch

    def again(size: int, new: int) -> float:
        log, kept, batch = logs[size]
        span = int(batch.time[-1] - batch.time[0])
        kept.frame("1s")
        at = log.stop % max(size - new, 1)
        some = batch.part(at, at + new)
        some.time = some.time + log.stop // size * span
        log.append(some, received=BEGIN_NS)
        took = timed(lambda: kept.frame("1s"))
        pd.testing.assert_frame_equal(kept.frame("1s"), bars(log.rows(), "1s"), check_exact=True)
        return took * 1e3

    runs = {(size, new): lambda s=size, n=new: again(s, n) for new in NEW for size in sizes}
    runs = {**runs, **{(size, 0): lambda s=size: anew(logs[s][0]) for size in sizes}}
    gave = in_turn(runs, repeat, quiet=True)
    for new in NEW:
        for size in sizes:
            report.figure(f"again after {new:,} of {size:,} ticks", gave[size, new], "ms")
        report.ratio("… larger against smaller", gave[sizes[1], new], gave[sizes[0], new])
    for size in sizes:
        report.figure(f"all anew, of {size:,} ticks", gave[size, 0], "ms")
    report.ratio("… larger against smaller", gave[sizes[1], 0], gave[sizes[0], 0])


def anew(log: TickLog) -> float:
    return timed(lambda: bars(log.rows(), "1s")) * 1e3


def main() -> None:
    chosen = options(__doc__)
    report = Report("bars", 'bars("1s") against pandas')
    count = 1_000_000 if chosen.quick else 10_000_000
    cases: dict[str, Callable[[], TickLog | None]] = {
        f"{count:,} ticks of one symbol": lambda: filled(ticks(count, 1)),
        f"{count:,} ticks of five symbols": lambda: filled(ticks(count, 5)),
        "a day of SPY": recorded,
    }
    for name, make in cases.items():
        if chosen.only in f"first, {name}" and (log := make()) is not None:
            first(report, chosen.repeat, name, log)
    if chosen.only in "again incremental":
        incremental(report, chosen.repeat, (count // 10, count))
    report.note(
        "Asked again, a call folds the oldest block and the newest, of at most 65,536 ticks each, "
        "and joins the bars there are: it costs by new ticks and bars, not by the ticks held."
    )
    report.note(
        "pandas' ohlc alone is one compiled loop over two columns of one symbol, sorted by time: "
        "five times as fast as that is about what memory needs to give time, price and size."
    )
    report.finish(chosen.json)


if __name__ == "__main__":
    main()
