"""The tap: `python -m bench.tap [--help]`, a minute.

reader   frames of 95 bytes, masked, found, judged and kept, by processor time; and the same in
         reads of one byte
through  frames of 95 bytes from a server in a process of its own to a client in another, through a
         tap that keeps them and through a proxy that only passes bytes, by processor time of the
         process in between
latency  a message of 95 bytes there and back, through both, in turn
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import Any

import tickerkit as tk
from bench.child import Child
from bench.report import Report, in_turn, options
from tickerkit.classroom import FaultProxy
from tickerkit.wire import Conversation, FrameLog, Gate, Line, Toward
from tickerkit.wire.header import make_frame

SIDE = "bench.tap_side"
SIZE = 95
READ_BYTES = 65_536
REQUEST = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def nothing(_: object) -> None:
    """Send bytes nowhere."""


def read_frames(count: int, read_bytes: int) -> float:
    """Return the processor time of each frame in nanoseconds."""
    lines: dict[Toward, Line] = {"client": Line(nothing), "server": Line(nothing)}
    conversation = Conversation(1, FrameLog(2**24), lines, Gate(), nothing)
    conversation.feed("server", REQUEST, 0)
    conversation.feed("client", ANSWER, 0)
    data = b"".join(make_frame(1, b"x" * SIZE, os.urandom(4)) for _ in range(count))
    reads = [data[start : start + read_bytes] for start in range(0, len(data), read_bytes)]
    feed = conversation.wires["server"].feed  # as a link does
    began = time.process_time()
    for each in reads:
        feed(each, 1)
    return (time.process_time() - began) / count * 1e9


def pass_frames(through: Any, client: Child, count: int) -> dict[str, float]:
    """Return frames per second, by the clock and by this process's own time."""
    began, cpu_s = time.perf_counter(), time.process_time()
    client.ask("read", through.port, count)
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    return {"frames_s": count / took_s, "frames_cpu_s": count / cpu_s}


def main() -> None:
    chosen = options(__doc__, repeat=3)
    count = 20_000 if chosen.quick else 400_000
    report = Report("tap", "every frame of a websocket seen, in between")
    reads = {
        "reads of 64 KiB": lambda: read_frames(count // 4, READ_BYTES),
        "reads of one byte": lambda: read_frames(count // 400, 1),
    }
    took = in_turn(reads, chosen.repeat)
    whole, bytewise = took.values()
    report.figure("reader: masked frames/s", [1e9 / each for each in whole], "/s", at_least=400_000)
    report.ratio("reader: reads of one byte", bytewise, whole, at_most=20)
    with ExitStack() as stack:
        server = stack.enter_context(Child.python(SIDE, "serve"))
        client = stack.enter_context(Child.python(SIDE, "read"))
        url = f"ws://127.0.0.1:{server.ready}/"
        tap, proxy = stack.enter_context(tk.tap(url)), stack.enter_context(FaultProxy(url))
        ways = {"tap": tap, "proxy": proxy}
        passed = in_turn(
            {name: lambda way=way: pass_frames(way, client, count) for name, way in ways.items()},
            chosen.repeat,
        )
        for name, runs in passed.items():
            limit = 50_000 if name == "tap" else None
            report.figure(
                f"through the {name}: frames/s of its processor time",
                [run["frames_cpu_s"] for run in runs],
                "/s",
                at_least=limit,
            )
            report.figure(f"through the {name}", [run["frames_s"] for run in runs], "/s")
        trips = in_turn(
            {
                name: lambda port=port: client.ask("trips", port, count // 200)
                for name, port in (("none", server.ready), ("tap", tap.port), ("proxy", proxy.port))
            },
            chosen.repeat,
        )
        for name in ("tap", "proxy"):
            added = [
                (through - direct) / 2
                for through, direct in zip(trips[name], trips["none"], strict=True)
            ]
            limit = 0.15 if name == "tap" else None
            report.figure(f"added by the {name}, one way, p50", added, "ms", at_most=limit)
        assert tap.frames(last=5)["note"].eq("").all()
    report.finish(chosen.json)


if __name__ == "__main__":
    main()
