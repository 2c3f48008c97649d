"""Tickerkit beside the limits of the machine: a bare socket, a bare decoder.

    python -m bench.limits            the limits, and the share of each that one v1 reader reaches
    python -m bench.limits --profile  also profiles of the server and a feed, by py-spy

The limits are the bytes per second over loopback between two processes that only run asyncio (or
uvloop), and the ticks per second that msgspec alone decodes and encodes in tickerkit's messages.
The reader is one process with one connection; so is the feed, which makes a frame of its ticks.
Both get as many ticks as they take.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import tickerkit as tk
from bench import reader, steady
from bench.child import Child, answer_orders
from bench.report import Report, in_turn, options
from tickerkit.log import TickLog
from tickerkit.protocol import Client
from tickerkit.protocol.codec import encode_columns, encode_objects
from tickerkit.protocol.decode import decode_ticks
from tickerkit.protocol.messages import FromServer, Hello, encode
from tickerkit.protocol.words import ReceivedWords
from tickerkit.ticks import Batch, Text

BLOCK = 2**18
MESSAGE_TICKS = 4096
LOOPS = ("asyncio", "uvloop")
TOP = 5


# --- a bare pair of sockets -------------------------------------------------------------------


class Flood(asyncio.Protocol):
    """Writes large blocks as fast as the peer takes them."""

    block = bytes(BLOCK)

    def connection_made(self, transport: Any) -> None:
        self.transport, self.paused, self.gone = transport, False, False
        asyncio.get_running_loop().call_soon(self.write)

    def write(self) -> None:
        if not self.paused and not self.gone:
            self.transport.write(self.block)
            asyncio.get_running_loop().call_soon(self.write)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.write()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True


class Drain(asyncio.Protocol):
    """Counts the bytes that arrive."""

    def connection_made(self, transport: Any) -> None:
        self.bytes, self.transport = 0, transport

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)


def new_loop(kind: str) -> asyncio.AbstractEventLoop:
    return importlib.import_module(kind).new_event_loop()


def socket_child(kind: str) -> None:
    """Listen, and flood each client, in a separate process."""

    async def flood() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Flood, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await loop.run_in_executor(None, answer_orders, port, {})

    new_loop(kind).run_until_complete(flood())


def socket_bytes_s(kind: str, seconds: float) -> float:
    """Return the bytes per second over loopback."""

    async def drain(port: int) -> float:
        _, drained = await asyncio.get_running_loop().create_connection(Drain, "127.0.0.1", port)
        await asyncio.sleep(0.2)
        before, began = drained.bytes, time.perf_counter()
        await asyncio.sleep(seconds)
        rate = (drained.bytes - before) / (time.perf_counter() - began)
        drained.transport.abort()
        return rate

    with Child.python("bench.limits", "--child", kind) as child:
        loop = new_loop(kind)
        try:
            return loop.run_until_complete(drain(child.ready))
        finally:
            loop.close()


# --- a bare decoder ---------------------------------------------------------------------------


def a_log() -> TickLog:
    """Return a log with the ticks of one message of `Steady`."""
    random, log = np.random.default_rng(1), TickLog()
    symbols = random.integers(0, len(steady.SYMBOLS), MESSAGE_TICKS, dtype=np.int32)
    price = np.round(100 + random.standard_normal(MESSAGE_TICKS).cumsum() / 100, 2)
    size = random.integers(1, 1000, MESSAGE_TICKS).astype(float)
    times = time.time_ns() + np.arange(MESSAGE_TICKS, dtype=np.int64) * 10_000
    columns: dict[str, Any] = {"symbol": Text(symbols, steady.SYMBOLS), "price": price}
    log.append(Batch(MESSAGE_TICKS, times, {**columns, "size": size}), received=time.time_ns())
    return log


def per_second(run: Callable[[], object], seconds: float) -> float:
    """Return the ticks per second of processor time of `run`, which handles one message."""
    run()
    rounds, began = 0, time.process_time()
    while (took := time.process_time() - began) < seconds:
        run()
        rounds += 1
    return rounds * MESSAGE_TICKS / took


def codecs() -> tuple[dict[str, Callable[[], object]], dict[str, int]]:
    """Return the functions to time by name, and the size of a message of each kind."""
    log = a_log()
    rows = log.rows()
    columns, objects = encode_columns(rows, None), encode_objects(rows, None)
    assert columns is not None
    assert objects is not None
    typed = msgspec.json.Decoder(FromServer)
    ticks: Any = typed.decode(columns)
    plain = msgspec.json.Decoder(list[reader.Tick])
    loose = msgspec.json.decode(objects)
    words = ReceivedWords()
    words.extend("symbol", 0, list(steady.SYMBOLS))
    client = Client()
    client.start_connection()
    client.receive(encode(Hello(log.epoch, 1, 1, steady.SYMBOLS, {})))

    def receive() -> None:
        client.seq = 0
        client.receive(columns)

    runs: dict[str, Callable[[], object]] = {
        "msgspec decodes v1": lambda: typed.decode(columns),
        "v1 to columns, after msgspec": lambda: decode_ticks(ticks, words),
        "v1 to columns, all": receive,
        "msgspec decodes /ticks": lambda: plain.decode(objects),
        "msgspec encodes v1": lambda: encode(ticks),
        "columns to v1, all": lambda: encode_columns(rows, None),
        "msgspec encodes /ticks": lambda: encode(loose),
        "columns to /ticks, all": lambda: encode_objects(rows, None),
    }
    return runs, {"v1": len(columns), "/ticks": len(objects)}


# --- tickerkit --------------------------------------------------------------------------------


def reader_alone(seconds: float) -> dict[str, float]:
    """Return the ticks that one v1 reader decodes at full speed."""
    with steady.start(0) as server:
        before_s, began = server.cpu_s(), time.perf_counter()
        took = reader.count("v1", server.ready, "/", 1, seconds, 0.5)
        cpu = (server.cpu_s() - before_s) / (time.perf_counter() - began)
    return {**took, "server_cpu": cpu}


def feed_child(port: str) -> None:
    """Run a feed, in a separate process."""
    feed = tk.connect(f"ws://127.0.0.1:{port}", history=0, keep=2_000_000)
    answer_orders(0, {"next": lambda: [feed.log.stop, time.perf_counter(), time.process_time()]})
    feed.stop()


def feed_alone(seconds: float, profile_s: float = 0) -> dict[str, Any]:
    """Return the ticks per second into the frame of one feed, and a profile."""
    with (
        steady.start(0) as server,
        Child.python("bench.limits", "--child", str(server.ready)) as feed,
    ):
        time.sleep(1.0)
        before, before_s = feed.ask("next"), server.cpu_s()
        time.sleep(seconds)
        count, took, cpu = (b - a for a, b in zip(before, feed.ask("next"), strict=True))
        told = {"ticks_s": count / took, "cpu": cpu / took}
        told["server_cpu"] = (server.cpu_s() - before_s) / took
        if not profile_s:
            return told
        both = (("the server", server), ("the feed", feed))
        return {**told, **{name: profile(child, profile_s) for name, child in both}}


def profile(child: Child, seconds: float) -> list[tuple[str, float]]:
    """Return the functions that take most time in tickerkit's thread, and their shares.

    The time of C code counts for the Python function that calls it; waiting is left out.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw"
        command = [str(Path(sys.executable).with_name("py-spy")), "record", "--format", "raw"]
        # Non-blocking: a process stopped for each sample seems to spend its time in system calls.
        command += ["--function", "--threads", "--nonblocking", "--rate", "200"]
        command += ["--duration", str(max(round(seconds), 1)), "--output", str(path)]
        command += ["--pid", str(child.process.pid)]
        subprocess.run(command, check=True, capture_output=True)
        own: Counter[str] = Counter()
        for line in path.read_text().splitlines():
            stack, _, samples = line.rpartition(" ")
            thread, _, function = stack.partition(";")
            function = function.rpartition(";")[2]  # none where a sample failed
            if function and thread.endswith("tickerkit") and "Selector.select" not in function:
                own[function.rpartition(":")[0] + ")"] += int(samples)
    return [(name, count / own.total()) for name, count in own.most_common(TOP)]


def main() -> None:
    chosen = options(
        __doc__,
        profile={"action": "store_true", "help": "also tell the top five costs (needs py-spy)"},
        child={"help": argparse.SUPPRESS},
    )
    if chosen.child:
        (socket_child if chosen.child in LOOPS else feed_child)(chosen.child)
        return
    seconds = 0.3 if chosen.quick else 1.0
    report = Report("limits", "The limits of the machine, and how near one v1 reader comes")
    loops = [kind for kind in LOOPS if importlib.util.find_spec(kind)]
    codes, sizes = codecs()
    runs: dict[str, Callable[[], Any]] = {
        f"loopback, {kind}": lambda kind=kind: socket_bytes_s(kind, seconds) for kind in loops
    }
    for name, run in codes.items():
        runs[name] = lambda run=run: per_second(run, seconds / 4)
    runs["one v1 reader"] = lambda: reader_alone(seconds * 2)
    runs["one feed"] = lambda: feed_alone(seconds * 2)
    runs = {name: run for name, run in runs.items() if chosen.only in name}
    gave = in_turn(runs, chosen.repeat)

    for kind in loops:
        if values := gave.get(f"loopback, {kind}"):
            report.figure(f"loopback, bare {kind}", [value / 1e6 for value in values], "MB/s")
    for name in codes:
        if name in gave:
            report.figure(name, [value / 1e6 for value in gave[name]], "M ticks/s")
    for name in ("one v1 reader", "one feed"):
        if name not in gave:
            continue
        ticks = [each["ticks_s"] for each in gave[name]]
        report.figure(f"{name}: ticks", [each / 1e6 for each in ticks], "M ticks/s")
        for who, key in ((name, "cpu"), ("server", "server_cpu")):
            cores = [each[key] for each in gave[name]]
            per_s = [each / busy / 1e6 for each, busy in zip(ticks, cores, strict=True)]
            report.figure(f"{name}: processor of the {who.split()[-1]}", cores, "cores")
            report.figure(f"{name}: for a second of the {who.split()[-1]}'s", per_s, "M ticks")
        wire = [each * sizes["v1"] / MESSAGE_TICKS for each in ticks]
        for limit, ours in (
            ("loopback, asyncio", wire),
            ("msgspec decodes v1", ticks),
            ("v1 to columns, all", ticks),
            ("columns to v1, all", ticks),
        ):
            if limit in gave:
                report.ratio(f"{name}: share of “{limit}”", ours, gave[limit])
    for kind, size in sizes.items():
        report.note(
            f"A {kind} message of {MESSAGE_TICKS:,} ticks has {size / MESSAGE_TICKS:.1f} B/tick."
        )
    report.note("“All” is tickerkit's own way between numpy columns and text, msgspec included.")
    if chosen.profile:
        gave_by = feed_alone(seconds, profile_s=seconds * 5)
        for who in ("the server", "the feed"):
            costs = "; ".join(f"{share:.0%} {name}" for name, share in gave_by[who])
            report.note(f"What takes the time of {who}'s thread: {costs}.")
    report.finish(chosen.json)


if __name__ == "__main__":
    main()
