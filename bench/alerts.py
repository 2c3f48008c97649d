"""Alerts: from a tick to its event, and the cost of judging: `python -m bench.alerts [--help]`.

delay    1,000 ticks a second over a websocket; from when the feed has a tick to when its callback
         is called, with 1, 100 and 1,000 alerts, while one callback sleeps and a webhook is dead
judging  ticks a second that one thread can judge, in batches as they come at 100,000 a second
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import tickerkit as tk
from bench.report import Report, in_turn, options
from tickerkit.alerts import AlertEvent, Judge, Watch, parse_spec
from tickerkit.log import Gaps, TickLog
from tickerkit.ticks import Batch, Text

RATE = 1_000
SYMBOLS = 200
BATCH = 1_000  # ticks, of 10 ms at 100,000 a second
BEGIN_NS = 1_763_000_000 * 10**9


def measure_delay(alerts: int, seconds: float) -> dict[str, float]:
    """Return the delays of events from when their ticks were received, in ms."""
    delays: list[float] = []

    def note(event: AlertEvent) -> None:
        delays.append((time.time_ns() - event.received.value) / 1e6)

    def sleep(event: AlertEvent) -> None:
        stopped.wait(1)

    plain: list[float] = []

    def note_plain(frame: pd.DataFrame) -> None:
        now_ns = time.time_ns()
        plain.extend((now_ns - frame["received"].astype("int64").to_numpy()) / 1e6)

    stopped = threading.Event()
    with tk.serve(None, port=0) as server, tk.connect(server.url) as feed:
        while feed.status != "live":
            time.sleep(0.01)
        feed.on_ticks(note_plain)
        feed.alert("S0", above=100, call=note)
        feed.alert("S0", above=100, call=sleep)
        feed.alert("S0", above=100, webhook="http://127.0.0.1:9/")
        for index in range(alerts - 3):
            feed.alert(f"S{index % SYMBOLS}", above=1_000 + index)
        begin, count = time.perf_counter(), round(RATE * seconds)
        for index in range(count):
            # Each tenth tick is of the symbol, and each twentieth crosses its level.
            symbol = "S0" if index % 10 == 0 else f"S{index % SYMBOLS}"
            price = 101.0 if index % 20 == 0 else 99.0
            server.publish({"symbol": symbol, "price": price})
            pause_s = begin + (index + 1) / RATE - time.perf_counter()
            if pause_s > 0:
                time.sleep(pause_s)
        deadline = time.monotonic() + 10
        while feed.log.last_seq < count and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        expected = feed.alerts.query("alert == 'S0 > 100'")
        assert len(delays) == len(expected) / 3, (len(delays), len(expected))
        stopped.set()
    values = np.array(delays)
    return {
        "p50_ms": float(np.percentile(values, 50)),
        "p99_ms": float(np.percentile(values, 99)),
        "max_ms": float(values.max()),
        "on_ticks_p99_ms": float(np.percentile(plain, 99)),
    }


DELAYS = (
    ("p50_ms", "p50 of the delay", None),
    ("p99_ms", "p99 of the delay", 10.0),
    ("max_ms", "max of the delay", None),
    ("on_ticks_p99_ms", "p99 of on_ticks meanwhile", None),
)
CONDITIONS: dict[str, list[dict[str, Any]]] = {
    "one level, all symbols": [{"above": 100}],
    "200 levels, a symbol each": [{"symbol": f"S{n}", "above": 100} for n in range(SYMBOLS)],
    "1,000 levels, 5 a symbol": [
        {"symbol": f"S{n % SYMBOLS}", "above": 100 + n} for n in range(1_000)
    ],
    "a crossing, all symbols": [{"crossing": 100}],
    "1 % in 5 min, all symbols": [{"move": 1, "within": "5min"}],
    "silence by pace, all symbols": [{"silence": True}],
    "a function on frames": [{"when": lambda ticks: ticks["price"] > 100}],
}


def random_walks(count: int) -> TickLog:
    """Return a log of 200 symbols whose prices walk."""
    chance = np.random.default_rng(7)
    codes = chance.integers(0, SYMBOLS, count).astype(np.int32)
    prices = np.full(count, 100.0)
    for code in range(SYMBOLS):
        mine = np.flatnonzero(codes == code)
        prices[mine] += np.cumsum(chance.normal(0, 0.01, len(mine)))
    log = TickLog(count)
    times = BEGIN_NS + np.arange(count) * 10_000
    words = [f"S{n}" for n in range(SYMBOLS)]
    log.append(Batch(count, times, {"symbol": Text(codes, words), "price": prices}), received=0)
    return log


def measure_judging(log: TickLog, specs: list[dict[str, Any]]) -> float:
    """Return how many ticks a second are judged."""
    judge = Judge(log, Gaps(log), 0)
    watches = []
    for arguments in specs:
        spec = parse_spec(**arguments)
        conditions = spec.make_conditions(arguments.get("when"), "rule")
        watches.append(Watch(conditions, spec.symbols, print))
    judge.watches = watches
    begin = time.perf_counter()
    for start in range(0, log.stop, BATCH):
        for _ in judge.take(log.rows(start, start + BATCH)):
            pass
    return log.stop / (time.perf_counter() - begin)


def main() -> None:
    chosen = options(__doc__, repeat=3)
    report = Report("alerts", "Alerts: delay and cost")
    seconds = 1.0 if chosen.quick else 5.0
    runs = {
        f"{count:,} alerts": partial(measure_delay, count, seconds)
        for count in (3, 100, 1_000)
        if chosen.only in f"{count:,} alerts"
    }
    for name, gave in in_turn(runs, chosen.repeat).items():
        for key, what, at_most in DELAYS:
            values = [each[key] for each in gave]
            report.figure(f"{name}: {what}", values, "ms", at_most=at_most)
    log = random_walks(200_000 if chosen.quick else 1_000_000)
    judged = {
        name: partial(measure_judging, log, specs)
        for name, specs in CONDITIONS.items()
        if chosen.only in name
    }
    for name, rates in in_turn(judged, chosen.repeat).items():
        report.figure(f"judged: {name}", [each / 1e6 for each in rates], "M ticks/s", at_least=0.1)
    report.note("Delays are measured in the process of the server and the feed together.")
    report.finish(chosen.json)


if __name__ == "__main__":
    main()
