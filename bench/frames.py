"""From the wire into a frame, `frame()`, and memory: `python -m bench.frames [--help]`.

wire    ticks/s from a tickerkit server in a separate process into a feed's log, over 10,000,000
        ticks, and the cost of each million. Every tick is checked. The alternatives get their
        ticks from a plain websocket server that sends ready JSON with 1 or 100 ticks a message,
        through a client that costs little, at two sizes that they can handle
frame   `frame()` of all ticks, against a copy of that frame
memory  bytes for each tick held, in a separate process: in a full log, and the maximum while it
        moves its newest ticks; and the slowest append
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import perspective
from streamz import Stream
from streamz.dataframe import DataFrame as Streaming

import tickerkit as tk
from bench.child import Child
from bench.frames_side import POOL, SYMBOLS, pool
from bench.reader import KINDS, Reader, connect
from bench.report import Report, in_turn, options
from tickerkit.ticks import Text

SIDE = "bench.frames_side"
SCHEMA = {
    "symbol": "string",
    "price": "float",
    "size": "float",
    "time": "datetime",
    "seq": "integer",
}
WARM_BYTES = 150
Made = tuple[Callable[[Any], None], Callable[[], int]]


# --- tickerkit --------------------------------------------------------------------------------


def wire(server: Child, count: int, look: Callable[[tk.Feed], dict[str, float]]) -> dict[str, Any]:
    """Send ticks to a feed; return the time of each million, and the result of `look`."""
    # The first write to memory that a virtual machine has not used costs several times as much.
    np.empty(count * WARM_BYTES, dtype=np.uint8).fill(1)
    with tk.connect(f"ws://127.0.0.1:{server.ready}/", history=0, keep=count) as feed:
        while feed.status != "live":
            time.sleep(0.01)
        marks: list[tuple[int, float, float]] = []

        def mark() -> None:
            if not marks or feed.log.stop >= marks[-1][0] + POOL // 10 or feed.log.stop == count:
                marks.append((feed.log.stop, time.perf_counter(), time.process_time()))

        feed.log.on_append(mark)
        began, cpu_s, server_s = time.perf_counter(), time.process_time(), server.cpu_s()
        server.ask("send", count)
        while feed.log.stop < count:
            time.sleep(0.005)
        ended = time.perf_counter()
        cpu_s, server_s = time.process_time() - cpu_s, server.cpu_s() - server_s
        check(feed.frame(), count)
        at, when, cpu = np.array(marks).T
        edges = np.linspace(at[0], count, 11)
        tenths, cpu_tenths = (
            np.diff(np.interp(edges, at, clock)) / np.diff(edges) * 1e9 for clock in (when, cpu)
        )
        return {
            "ticks_s": count / (ended - began),
            "cpu_ns": cpu_s / count * 1e9,
            "server_cpu_ns": server_s / count * 1e9,
            "first_ns": float(tenths[0]),
            "last_ns": float(tenths[-1]),
            "growth_cpu": float(cpu_tenths[-1] / cpu_tenths[0]),
            **look(feed),
        }


def check(frame: pd.DataFrame, count: int) -> None:
    """Compare every tick with the sent one."""
    sent = pool()
    symbols = sent.columns["symbol"]
    assert isinstance(symbols, Text)
    assert len(frame) == count
    assert frame["epoch"].nunique() == 1
    assert (np.diff(frame["seq"].to_numpy()) == 1).all()
    to_word = frame["symbol"].cat.categories.get_indexer(SYMBOLS)
    span = POOL * int(sent.time[1] - sent.time[0])
    for start in range(0, count, POOL):
        size = min(POOL, count - start)
        some = frame.iloc[start : start + size]
        for name in ("price", "size"):
            assert np.array_equal(some[name], sent.columns[name][:size])
        assert np.array_equal(some["symbol"].cat.codes, to_word[symbols.codes[:size]])
        times = some["time"].array.asi8
        assert np.array_equal(times, sent.time[:size] + start // POOL * span)


def look_at_frame(feed: tk.Feed) -> dict[str, float]:
    """Time `frame()` and a copy of it, and check that the frame shares the log's memory."""
    made = [timed(feed.frame) for _ in range(21)]
    frame = feed.frame()
    shared = np.shares_memory(frame["price"].to_numpy(), feed.log.state.arrays["price"])
    codes = np.shares_memory(frame["symbol"].array.codes, feed.log.state.arrays["symbol"])
    assert shared
    assert codes
    copied = [timed(lambda: frame.copy(deep=True)) for _ in range(2)]
    return {"frame_ms": statistics.median(made) * 1e3, "copy_ms": min(copied) * 1e3}


def timed(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


# --- alternatives -----------------------------------------------------------------------------


def concat() -> Made:
    """Concatenate each message's ticks to the frame: what a notebook does first."""
    held = [pd.DataFrame()]

    def take(ticks: list[dict[str, Any]]) -> None:
        held[0] = pd.concat([held[0], pd.DataFrame(ticks)], ignore_index=True)

    return take, lambda: len(held[0])


def rows() -> Made:
    """Collect dicts in a list, and make one frame of it at the end."""
    held: list[dict[str, Any]] = []
    return held.extend, lambda: len(pd.DataFrame(held))


def streamz() -> Made:
    """Emit each message's ticks as a frame into a streaming frame; join them at the end."""
    source = Stream()
    example = pd.DataFrame([{"symbol": "A", "price": 1.0, "size": 1.0, "time": 1, "seq": 1}])
    parts = Streaming(source, example=example).stream.sink_to_list()

    def take(ticks: list[dict[str, Any]]) -> None:
        source.emit(pd.DataFrame(ticks))

    return take, lambda: len(pd.concat(parts, ignore_index=True))


def table() -> Made:
    """Update a perspective Table with each message's ticks."""
    made = perspective.Server().new_local_client().table(SCHEMA)
    return made.update, lambda: int(made.size())


def dicts(reader: Reader, message: memoryview) -> None:
    """Decode a message of one tick, or of an array, into dicts."""
    ticks = msgspec.json.decode(message)
    reader.newest = ticks if isinstance(ticks, list) else [ticks]
    reader.ticks += len(reader.newest)


KINDS["dicts"] = dicts


def other(server: Child, make: Callable[[], Made], kind: str, count: int) -> float:
    """Return the ticks/s of an alternative, from the first message to a frame of all ticks."""

    async def run() -> float:
        take, finish = make()
        done = asyncio.get_running_loop().create_future()

        def took(reader: Reader) -> None:
            take(reader.newest)
            if reader.ticks == count:
                done.set_result(None)

        begin = time.perf_counter()
        await connect("dicts", server.ready, f"/{kind}/{count}", 1, took)
        await done
        assert finish() == count
        return count / (time.perf_counter() - begin)

    return asyncio.run(run())


OTHERS: dict[str, tuple[Callable[[], Made], str, int]] = {
    "pd.concat each tick": (concat, "one", 1_000),
    "pd.concat each 100": (concat, "many", 20_000),
    "list of dicts, then DataFrame": (rows, "one", 10_000),
    "list of dicts, then DataFrame, of 100": (rows, "many", 50_000),
    "streamz each tick": (streamz, "one", 500),
    "streamz each 100": (streamz, "many", 50_000),
    "perspective each tick": (table, "one", 1_000),
    "perspective each 100": (table, "many", 20_000),
}


def main() -> None:
    chosen = options(__doc__)
    report = Report("frames", "From the wire into a frame, and what a frame costs")
    count = POOL if chosen.quick else 10 * POOL
    wired(report, chosen, count)
    if not chosen.only or chosen.only in "memory append":
        memory(report, chosen, count)
    report.finish(chosen.json)


def wired(report: Report, chosen: Any, count: int) -> None:
    with Child.python(SIDE, "serve") as server, Child.python(SIDE, "plain") as plain:
        runs: dict[str, Callable[[], Any]] = {
            "tickerkit": lambda: wire(server, count, look_at_frame)
        }
        for name, (make, kind, size) in OTHERS.items():
            for times in (1, 4):
                runs[f"{name} {times * size:,}"] = lambda make=make, kind=kind, n=times * size: (
                    other(plain, make, kind, n)
                )
        runs = {name: run for name, run in runs.items() if chosen.only in name}
        gave = in_turn(runs, chosen.repeat)
    if ours := gave.pop("tickerkit", None):
        total = [each["ticks_s"] for each in ours]
        report.figure(f"wire to frame, {count:,} ticks", total, "ticks/s", at_least=2_500_000)
        first, last = ([each[name] for each in ours] for name in ("first_ns", "last_ns"))
        for name, what in (("cpu_ns", "the feed's"), ("server_cpu_ns", "the server's")):
            cpu = [each[name] for each in ours]
            report.figure(f"… {what} processor time", cpu, "ns/tick")
        report.figure("… first tenth", first, "ns/tick")
        report.figure("… last tenth", last, "ns/tick")
        report.ratio("… last against first", last, first, at_most=1.1)
        growth = [each["growth_cpu"] for each in ours]
        report.figure("… the same in the feed's processor time", growth, "×")
        report.note(
            "Before each run as much memory as it needs was written to and given back: a virtual "
            "machine hands out pages that it never used at several times the cost of an append."
        )
    for name, (_, _, size) in OTHERS.items():
        if f"{name} {size:,}" not in gave:
            continue
        small, large = gave[f"{name} {size:,}"], gave[f"{name} {4 * size:,}"]
        report.figure(f"{name}, {size:,} ticks", small, "ticks/s")
        report.figure(f"{name}, {4 * size:,} ticks", large, "ticks/s")
        report.ratio("… cost of a tick, larger against smaller", small, large)
        if ours:
            report.ratio("… tickerkit against it", total, large)
    if ours:
        made, copied = ([each[name] for each in ours] for name in ("frame_ms", "copy_ms"))
        report.figure(f"frame() of {count:,} ticks", made, "ms", at_most=1)
        report.figure("… a copy of it", copied, "ms")
        report.ratio("… the copy against it", copied, made)


def memory(report: Report, chosen: Any, count: int) -> None:
    def in_child(*order: Any) -> Any:
        with Child.python(SIDE, "memory") as child:
            return child.ask(*order)

    runs: dict[str, Callable[[], Any]] = {
        "log": lambda: in_child("hold", count, 1_000),
        "DataFrame": lambda: in_child("table", count),
        "list of dicts": lambda: in_child("dicts", min(count // 10, 200_000)),
    }
    gave = in_turn(runs, min(chosen.repeat, 3))
    log = {name: [each[name] for each in gave["log"]] for name in gave["log"][0]}
    theirs = gave["DataFrame"]
    report.figure("memory of a tick, log just full", log["full_bytes"], "B", at_most=55)
    report.ratio("… against a DataFrame", log["full_bytes"], theirs, at_most=1.1)
    report.figure("memory of a tick, the most at rest after 3 trims", log["rest_bytes"], "B")
    report.ratio("… against a DataFrame", log["rest_bytes"], theirs, at_most=1.35)
    report.figure("… the most while the tail is moved", log["moving_bytes"], "B")
    report.figure("… a DataFrame of the same", theirs, "B")
    report.figure("… a list of dicts", gave["list of dicts"], "B")
    report.ratio("… list of dicts against the log", gave["list of dicts"], log["full_bytes"])
    report.figure("longest append of 1,000", log["stall_ms"], "ms", at_most=50)
    report.figure("… in its processor time", log["stall_cpu_ms"], "ms")
    report.figure("append, in the mean", log["append_ns"], "ns/tick")
    report.note(
        "The tail of a full log is copied over the last eighth of the ticks between two moves; "
        "for that long it is held twice."
    )


if __name__ == "__main__":
    main()
