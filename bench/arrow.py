"""A log as an Arrow table, SQL over it, and a join: `python -m bench.arrow [--help]`.

table  an Arrow table of 10,000,000 ticks, and the memory that it takes: the first of a log, and
       later ones after new ticks; of trades alone, and with quotes among them
sql    DuckDB's average price by second and symbol over the table, against pandas', and equal to it
asof   `tk.asof` of two logs of 1,000,000 ticks each, the first time and after 1,000 new ticks;
       against `pd.merge_asof`, and equal to it
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

import tickerkit as tk
from bench.bars import BEGIN_NS, ticks
from bench.report import Report, in_turn, options
from tickerkit.log import TickLog
from tickerkit.ticks import Batch

BUCKETS = "time_bucket(interval '1 second', time)"
SECONDS = "epoch_ns(time) // 1_000_000_000"
NEW = 1_000


def with_quotes(batch: Batch) -> Batch:
    """Return the same ticks, four of five of which are quotes: without a price and a size."""
    is_trade = np.arange(batch.count) % 5 == 0
    price, size = (np.where(is_trade, batch.columns[name], np.nan) for name in ("price", "size"))
    bid = np.where(is_trade, np.nan, batch.columns["price"])
    columns = {**batch.columns, "price": price, "size": size, "bid": bid, "ask": bid + 0.01}
    return Batch(batch.count, batch.time, columns)


def make_log(batch: Batch) -> TickLog:
    """Return a log with room for some more ticks."""
    log = TickLog(batch.count + 100 * NEW)
    log.append(batch, received=BEGIN_NS)
    return log


def timed(run: Callable[..., Any], *arguments: Any) -> float:
    begin = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - begin


def resident_mb() -> float:
    """Return the memory of this process; 0 where the system has no such file."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * 4096 / 1e6


def hold(held: list[pa.Table], log: TickLog) -> None:
    held.append(log.to_arrow())


def query(log: TickLog, second: str) -> pa.Table:
    """Return the answer of DuckDB, which finds `log` by its name."""
    sql = f"select {second} as second, symbol, avg(price) as price from log group by all"
    return pa.table(duckdb.sql(sql))


def table(report: Report, repeat: int, name: str, batch: Batch) -> None:
    make_log(batch.part(0, 10)).to_arrow()  # imports pyarrow
    first_ms, later_ms, later_mb = [], [], []
    for _ in range(repeat):
        log = make_log(batch)
        log.rows().array("price").max()  # the memory is read once, as a feed's would be
        first_ms.append(timed(log.to_arrow) * 1e3)
        held: list[pa.Table] = []
        for _ in range(5):
            log.append(batch.part(0, NEW), received=BEGIN_NS)
            before = resident_mb()
            later_ms.append(timed(hold, held, log) * 1e3)
            later_mb.append(resident_mb() - before)
    report.figure(f"table of {batch.count:,} ticks, {name}", later_ms, "ms", at_most=5)
    report.figure("… memory that it takes", later_mb, "MB", at_most=1)
    report.figure("… the first of a log", first_ms, "ms", at_most=5)


def sql(report: Report, repeat: int, batch: Batch) -> None:
    log = make_log(batch)
    frame = log.frame()

    def pandas() -> pd.DataFrame:
        keys = [frame["time"].dt.floor("s").rename("second"), frame["symbol"]]
        return frame.groupby(keys, observed=True)["price"].mean().reset_index()

    found = query(log, BUCKETS).to_pandas()
    found = found.astype({"second": "datetime64[ns, UTC]", "symbol": "str"})
    keys = ["second", "symbol"]
    pd.testing.assert_frame_equal(
        found.sort_values(keys, ignore_index=True),
        pandas().astype({"symbol": "str"}).sort_values(keys, ignore_index=True),
        check_exact=False,
        rtol=1e-12,
    )
    gave = in_turn(
        {
            "seconds": lambda: timed(query, log, SECONDS),
            "buckets": lambda: timed(query, log, BUCKETS),
            "pandas": lambda: timed(pandas),
        },
        repeat,
        quiet=True,
    )
    what = f"average by second and symbol of {batch.count:,} ticks, {len(found):,} groups"
    report.figure(f"sql, {what}, by epoch_ns(time)", gave["seconds"], "s", at_most=0.5)
    report.figure("… by time_bucket(interval '1 second', time)", gave["buckets"], "s", at_most=0.5)
    report.figure("… pandas", gave["pandas"], "s")


def asof(report: Report, repeat: int, count: int) -> None:
    batches = [ticks(count, 20, seconds=1_000) for _ in range(2)]
    batches[1].time = batches[1].time - 500_000

    def merge(logs: list[TickLog]) -> pd.DataFrame:
        left, right = (log.frame().astype({"symbol": "str", "epoch": "str"}) for log in logs)
        options: Any = {"on": "time", "by": "symbol", "suffixes": ("", "_right")}
        return pd.merge_asof(left, right, **options)

    first_s, later_s, merge_s = [], [], []
    for _ in range(repeat):
        logs = [make_log(batch) for batch in batches]
        first_s.append(timed(tk.asof, *logs))
        for log, batch in zip(logs, batches, strict=True):
            more = batch.part(0, NEW)
            more.time = more.time + 1_000 * 10**9
            log.append(more, received=BEGIN_NS)
        later_s.append(timed(tk.asof, *logs))
        merge_s.append(timed(merge, logs))
        joined = tk.asof(*logs).astype(dict.fromkeys(("symbol", "epoch", "epoch_right"), "str"))
        pd.testing.assert_frame_equal(joined, merge(logs))
    report.figure(f"asof of two logs of {count:,} ticks, the first time", first_s, "s")
    report.figure(f"… again after {NEW:,} ticks more of each", later_s, "s")
    report.figure("… pd.merge_asof of their frames", merge_s, "s")
    report.ratio("… pandas / tickerkit, again", merge_s, later_s, at_least=5)


def main() -> None:
    chosen = options(__doc__)
    report = Report("arrow", "a log as a table of Arrow, SQL and joins")
    count = 100_000 if chosen.quick else 10_000_000
    for name, change in (("trades", lambda batch: batch), ("trades and quotes", with_quotes)):
        if chosen.only in f"table, {name}":
            table(report, chosen.repeat, name, change(ticks(count, 10)))
    if chosen.only in "sql":
        sql(report, chosen.repeat, ticks(count, 10))
    if chosen.only in "asof":
        asof(report, chosen.repeat, count // 10)
    report.note(
        "Whether a number is missing is found out while ticks are appended, a block of 131,072 "
        "rows at a time; a table looks only at the newest block."
    )
    report.finish(chosen.json)


if __name__ == "__main__":
    main()
