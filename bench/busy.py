"""A kernel whose main thread computes, with a server inside, a server beside it, or a feed inside.

    python -m bench.busy           latency of ticks while the kernel idles and while it computes
    python -m bench.busy --switch  also with a shorter switch interval of the interpreter

The kernel is one process, the readers another. A latency begins when ticks were due at the source,
even if its thread was late, and ends with the message in the readers' process; every message of
every reader counts. The computation is a loop in pure Python, which releases the interpreter's lock
only after another thread has waited 5 ms for it. For the feed it is pandas, which may hold the lock
for a whole operation.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from array import array
from typing import Any

import numpy as np
import pandas as pd

import tickerkit as tk
from bench import steady
from bench.child import Child, answer_orders
from bench.load import Crowd
from bench.report import Report, in_turn, options

RATE, FEED_RATE = 1000, 10_000
WARM_S = 0.7
DEFAULT_MS = 5.0
# Kernel, server and readers share two cores: the readers sometimes wait for the kernel's loop.
MAX_RATIO = 1.5


IDLE, COMPUTING, OTHER = "idle", "computing", "idle, another program computes"


async def kernel(process: bool, turns_ms: list[float], readers: int, seconds: float) -> Any:
    """Return a server's latencies while its kernel idles, and while it computes."""
    told: dict[str, Any] = {}
    with steady.start(RATE, process=process) as child, steady.start(0) as other:
        people = Crowd("v1", child.ready, RATE)
        await people.connect(readers - 1, 1)
        await asyncio.sleep(WARM_S)

        async def measure(name: str, who: Child, order: str) -> None:
            people.seqs, people.at_ns = array("q"), array("q")
            rounds = await asyncio.to_thread(who.ask, order, seconds)
            late = people.late_ms()
            told[name] = {
                "p50_ms": float(np.percentile(late, 50)),
                "p99_ms": float(np.percentile(late, 99)),
                "rounds_s": (rounds or 0) / seconds,
            }

        await measure(IDLE, child, "idle")
        for each in turns_ms:
            child.ask("switch", each / 1000)
            turns = "" if each == DEFAULT_MS else f", turns of {each:g} ms"
            await measure(COMPUTING + turns, child, "compute")
        if process:
            await measure(OTHER, other, "compute")
        if troubles := people.troubles():
            raise RuntimeError("; ".join(troubles))
    return told


# --- a feed in the kernel ---------------------------------------------------------------------


def feed_child(port: str) -> None:
    """Run as a kernel with a feed; its main thread computes in pandas on request."""
    feed = tk.connect(f"ws://127.0.0.1:{port}")
    feed.wait(1)
    random = np.random.default_rng(1)
    table = pd.DataFrame({"key": random.integers(0, 5000, 10**6), "x": random.random(10**6)})
    longest = ended = 0.0

    def compute(seconds: float) -> list[float]:
        nonlocal longest, ended
        end, rounds, longest = time.monotonic() + seconds, 0, 0.0
        while time.monotonic() < end:
            began = time.monotonic()
            table.sort_values("x").groupby("key")["x"].agg(["mean", "std"])
            table["x"].rolling(100).mean()
            table["key"].astype(str).value_counts()
            feed.frame().groupby("symbol", observed=True)["price"].describe()
            longest = max(longest, time.monotonic() - began)
            rounds += 1
        ended = time.monotonic()
        return [feed.log.stop, rounds, longest]

    def caught_up(row: int) -> float:
        while feed.log.stop < row:
            time.sleep(0.001)
        return time.monotonic() - ended

    def whole() -> list[int]:
        seqs = feed.frame()["seq"]
        return [len(feed.gaps), int((seqs.diff().dropna() != 1).sum()), len(seqs)]

    answer_orders(0, {"compute": compute, "caught_up": caught_up, "whole": whole})
    feed.stop()


def feed_in_kernel(seconds: float) -> dict[str, float]:
    """Return the figures of a feed in a kernel that computes in pandas."""
    with (
        steady.start(FEED_RATE) as server,
        Child.python("bench.busy", "--child", str(server.ready)) as feed,
    ):
        row, rounds, longest_s = feed.ask("compute", seconds)
        at = server.ask("next")
        after_s = feed.ask("caught_up", at)
        gaps, breaks, held = feed.ask("whole")
    return {
        "behind": max(at - row, 0) / FEED_RATE,
        "after_s": after_s,
        "lost": gaps + breaks,
        "ticks": held,
        "longest_s": longest_s,
        "rounds": rounds,
    }


def main() -> None:
    chosen = options(
        __doc__,
        repeat=3,
        seconds={"type": float, "default": 3.0, "help": "for how long it idles, and computes"},
        feed_seconds={"type": float, "default": 6.0, "help": "for how long it computes in pandas"},
        readers={"type": int, "default": 100, "help": "how many read"},
        switch={"action": "store_true", "help": "also with sys.setswitchinterval of 1 and 0.5 ms"},
        child={"help": argparse.SUPPRESS},
    )
    if chosen.child:
        feed_child(chosen.child)
        return
    seconds = 1.0 if chosen.quick else chosen.seconds
    feed_s = 2.0 if chosen.quick else chosen.feed_seconds
    report = Report("busy", f"A kernel that computes; {RATE:,} ticks/s, {chosen.readers} readers")
    turns_ms = [DEFAULT_MS, 1.0, 0.5] if chosen.switch else [DEFAULT_MS]
    readers = chosen.readers
    runs: dict[str, Any] = {
        "in the kernel": lambda: asyncio.run(kernel(False, turns_ms, readers, seconds))
    }
    if steady.can_have_process():
        runs["in its own process"] = lambda: asyncio.run(
            kernel(True, [DEFAULT_MS], readers, seconds)
        )
    else:
        report.note("Without the server in its own process: this tickerkit has no serve(process=).")
    runs["a feed in the kernel"] = lambda: feed_in_kernel(feed_s)
    gave = in_turn({name: run for name, run in runs.items() if chosen.only in name}, chosen.repeat)

    fed = gave.pop("a feed in the kernel", [])
    for where, told in gave.items():
        for name in told[0]:
            for key in ("p50_ms", "p99_ms"):
                values = [each[name][key] for each in told]
                report.figure(f"server {where}, {name}: {key[:3]}", values, "ms")
            if name != IDLE:
                values = [each[name]["rounds_s"] for each in told]
                report.figure(f"server {where}, {name}: computed", values, "rounds/s")
    if len(gave) == 2:

        def compare(what: str, one: tuple[str, str], other: tuple[str, str], **to: Any) -> None:
            values = [
                [each[name]["p99_ms"] for each in gave[where]] for where, name in (one, other)
            ]
            report.ratio(what, *values, **to)

        here, apart = gave
        compare(
            "p99: own process, computing / in the kernel, idle",
            (apart, COMPUTING),
            (here, IDLE),
            at_most=MAX_RATIO,
        )
        compare(
            "p99: own process, computing / another program computes",
            (apart, COMPUTING),
            (apart, OTHER),
        )
        compare(
            "p99: computing, in the kernel / own process", (here, COMPUTING), (apart, COMPUTING)
        )
        report.note(
            "“Another program computes” is what a busy core costs whoever shares the machine: with "
            "fewer cores than what is busy (kernel, server, readers), it is the least there is."
        )
    if fed:
        about = f"feed of {FEED_RATE:,} ticks/s, {feed_s:g} s of pandas"
        report.figure(f"{about}: lost", [each["lost"] for each in fed], "ticks", at_most=0)
        report.figure(
            f"{about}: caught up after", [each["after_s"] for each in fed], "s", at_most=1
        )
        report.figure(f"{about}: behind at its end", [each["behind"] for each in fed], "s")
        report.figure(f"{about}: longest round", [each["longest_s"] for each in fed], "s")
    report.finish(chosen.json)


if __name__ == "__main__":
    main()
