"""The tap: `python -m bench.tap [--help]`, a minute.

reader   frames of 95 bytes, masked, found, judged and kept, by processor time; and the same in
         reads of one byte
through  frames of 95 bytes, and of 64 KiB, from a server in a process of its own to a client in
         another, through a tap that keeps them and through a bare asyncio proxy, by processor time
         of the process in between
ping     how much longer it takes for its sender than for the tap: the way between those two
latency  messages of 95 bytes there and back, 1,000 a second, through both, in turn
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import time
from contextlib import ExitStack
from typing import Any, Self

import tickerkit as tk
from bench.child import Child
from bench.report import Report, in_turn, options
from tickerkit.classroom import Tap
from tickerkit.runtime.portal import portal
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


class BareProxy:
    """The least that passes bytes on the same event loop: two coroutines for each connection."""

    def __init__(self, target: int) -> None:
        self.port, self._target = 0, target

    def __enter__(self) -> Self:
        portal.enter(self)
        portal.call(self._start)
        return self

    def __exit__(self, *_: object) -> None:
        portal.call(self._stop)
        portal.leave(self)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_client = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(pump(reader, to_client[1]), pump(to_client[0], writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes until the sender ends."""
    with contextlib.suppress(OSError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


def pass_frames(through: Any, client: Child, count: int) -> float:
    """Return frames per second of this process's own time, since the machine may be busy."""
    cpu_s = time.process_time()
    client.ask("read", through.port, count)
    return abs(count) / (time.process_time() - cpu_s)


def time_pings(tap: Tap, client: Child, count: int) -> float:
    """Return by how many milliseconds a ping takes longer for its sender than for the tap."""
    took_ms, _ = client.ask("trips", tap.port, -count)
    times = tap.frames(last=2 * count)["time"].astype("int64")
    at_tap_ms = statistics.median(times.diff()[1::2]) / 1e6
    return float(took_ms - at_tap_ms)


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
        tap = stack.enter_context(tk.tap(url))
        bare = stack.enter_context(BareProxy(server.ready))
        ways: dict[str, Any] = {"tap": tap, "bare proxy": bare}
        passed = in_turn(
            {name: lambda way=way: pass_frames(way, client, count) for name, way in ways.items()},
            chosen.repeat,
        )
        report.figure("through the tap, all kept: frames/s", passed["tap"], "/s", at_least=50_000)
        report.figure("through a bare asyncio proxy: frames/s", passed["bare proxy"], "/s")
        report.ratio("frames of 95 B: tap / bare proxy", passed["tap"], passed["bare proxy"])
        large = in_turn(
            {
                name: lambda way=way: pass_frames(way, client, -count // 40) * 2**16 / 1e6
                for name, way in ways.items()
            },
            chosen.repeat,
        )
        report.figure("frames of 64 KiB: through the tap", large["tap"], "MB/s", at_least=300)
        report.ratio("frames of 64 KiB: tap / bare proxy", large["tap"], large["bare proxy"])
        ports = {"none": server.ready, "tap": tap.port, "bare proxy": bare.port}
        trips = in_turn(
            {
                name: lambda port=port: client.ask("trips", port, count // 100)
                for name, port in ports.items()
            },
            chosen.repeat,
        )
        for at, word, limit in ((0, "p50", 0.15), (1, "p99", 1.0)):
            added = {
                name: [
                    (through[at] - direct[at]) / 2
                    for through, direct in zip(trips[name], trips["none"], strict=True)
                ]
                for name in ways
            }
            name = f"1,000/s: added one way, {word}"
            report.figure(f"{name}, by the tap", added["tap"], "ms", at_most=limit)
            report.ratio(
                f"{name}: tap / bare proxy", added["tap"], added["bare proxy"], at_most=2.5
            )
        pings = in_turn({"pings": lambda: time_pings(tap, client, count // 400)}, chosen.repeat)[
            "pings"
        ]
        report.figure("ping: longer for its sender than for the tap", pings, "ms", at_most=0.2)
        assert not tap.frames()["note"].str.contains("RFC").any()
    report.finish(chosen.json)


if __name__ == "__main__":
    main()
