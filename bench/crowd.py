"""A server with many clients: `python -m bench.crowd [stalled restart idle silent ...] [--help]`.

stalled  how much later 900 clients get their ticks while 100 others read nothing, and the memory
         of those 100
restart  how long 300 feeds need to recover after their server is killed and restarted
idle     how long a client waits to be admitted beside 5,000 idle connections, or 1,000 half
         handshakes
silent   how soon each side notices that the other is silent, and how soon a feed has caught up
accept   how fast 10,000 readers of v1 are admitted while 1,000 ticks a second come, and the memory
         of each
drain    how soon 2,500 readers are live at another server after theirs has drained
flat     growth of the memory of a server and six feeds at ten times the usual rate

The server runs in a separate process, driven by lines of JSON. Latencies are from `publish` to the
message in the client's process, by the clock that both processes share.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import os
import re
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import tickerkit as tk
from bench.child import Child, answer_orders
from tickerkit.classroom import FaultProxy
from tickerkit.runtime.portal import portal

HANDSHAKE = (
    "GET /ticks HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SENT_AT = re.compile(rb'"price":([0-9.]+)')
PAD = "x" * 200
STALL_STEP_S = 0.005
READERS, MOVED = 10_000, 2500
DRAIN_S, MAKER_S = 5.0, 0.2


def rss_mb() -> float:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 1e6


def in_use_mb() -> float:
    """Return the memory that the program uses, without what the allocator keeps in reserve."""
    libc = ctypes.CDLL("libc.so.6")
    libc.mallinfo2.restype = Mallinfo
    info = libc.mallinfo2()
    return (info.uordblks + info.hblkhd) / 1e6


class Mallinfo(ctypes.Structure):
    """glibc's struct mallinfo2 (mallinfo(3))."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


# --- the server's process ---------------------------------------------------------------------


def serve(port: int) -> None:
    """Obey the lines on stdin, and answer each with a line on stdout."""
    server = tk.serve(None, port=port, max_clients=15_000, stall_timeout=None, history=20_000)
    stalls = watch_stalls(server)

    def pace(every_s: float, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            server.publish({"symbol": "A", "price": time.monotonic(), "note": PAD})
            time.sleep(max(0.0, every_s - (time.monotonic() - now)))

    def bulk(count: int) -> None:
        for _ in range(count):
            server.publish([{"symbol": "A", "price": 1.0, "note": PAD}] * 1000)
            time.sleep(0.02)

    def stats() -> dict[str, Any]:
        unsent = [handler.socket.unsent_bytes for handler in list(server._handlers)]
        return {
            "rss_mb": rss_mb(),
            "unsent": unsent,
            **{name: server.stats[name] for name in ("clients", "stalled", "ticks")},
        }

    def tick(start: float, rate: int, epoch: str = "crowd") -> None:
        """Publish ticks from now on: the nth one at `start` plus n / `rate`, by the clock."""
        server.log.epoch = epoch
        threading.Thread(target=publish_steadily, args=(server, start, rate), daemon=True).start()

    def stall() -> float:
        """Return by how much the loop was late, at most since the last call, in seconds."""
        longest, stalls[0] = stalls[0], 0.0
        return longest

    def stop(seconds: float) -> float:
        """Stop with a drain; return when its last client was closed."""
        server.stop(drain=seconds)
        return time.monotonic()

    orders = (pace, bulk, stats, tick, stall, stop)
    does: dict[str, Callable[..., Any]] = {each.__name__: each for each in orders}
    answer_orders(server.port, does)
    server.stop()


def publish_steadily(server: tk.TickServer, start: float, rate: int) -> None:
    sent = 0
    with contextlib.suppress(tk.Stopped):
        while True:
            due = int((time.monotonic() - start) * rate)
            server.publish([{"symbol": "A", "price": float(n)} for n in range(sent, due)])
            sent = max(due, sent)
            time.sleep(0.001)


def watch_stalls(server: tk.TickServer) -> list[float]:
    """Return a list with the longest delay of the server's loop, in seconds, from now on."""
    longest = [0.0]

    async def watch() -> None:
        asyncio.get_running_loop().call_later(STALL_STEP_S, check, time.monotonic())

    def check(before: float) -> None:
        now = time.monotonic()
        longest[0] = max(longest[0], now - before - STALL_STEP_S)
        asyncio.get_running_loop().call_later(STALL_STEP_S, check, now)

    portal.call(watch)
    return longest


class ServerProcess(Child):
    """A server in a separate process."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(sys.executable, "-m", "bench.crowd", "--serve", str(port))
        self.port: int = self.ready

    def await_clients(self, count: int) -> None:
        wait(lambda: self.ask("stats")["clients"] >= count, 20)


# --- the clients ------------------------------------------------------------------------------


class Listener(asyncio.Protocol):
    """A cheap client, so that the server is measured and not the clients."""

    def __init__(self, port: int, latencies: list[float]) -> None:
        self.port, self.latencies = port, latencies

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(HANDSHAKE.format(port=self.port).encode())

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if data[0] == 0x89:  # a ping, which comes alone on a quiet line
            self.transport.write(b"\x8a\x80\0\0\0\0" if data[1] == 0 else pong(data))
        self.latencies += [now - float(sent) for sent in SENT_AT.findall(data)]


def pong(ping: bytes) -> bytes:
    size = ping[1] & 0x7F
    return bytes([0x8A, 0x80 | size]) + b"\0\0\0\0" + ping[2 : 2 + size]


async def listen(server: ServerProcess, clients: int, seconds: float) -> list[float]:
    """Return the latencies of the clients, in seconds."""
    loop, latencies = asyncio.get_running_loop(), list[float]()
    transports = []
    for _ in range(clients):
        transport, _ = await loop.create_connection(
            lambda: Listener(server.port, latencies), "127.0.0.1", server.port
        )
        transports.append(transport)
    await loop.run_in_executor(None, server.await_clients, clients)
    server.tell("pace", 0.1, seconds)
    await loop.run_in_executor(None, server.answer)
    await asyncio.sleep(0.5)
    for transport in transports:
        transport.abort()
    await asyncio.sleep(0.5)
    return latencies


def connected(port: int, said: str = "") -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(said.encode())
    return sock


# --- the measurements -------------------------------------------------------------------------


def stalled(seconds: float) -> None:
    server = ServerProcess()

    def row(name: str, latencies: list[float]) -> float:
        p50, p99 = np.percentile(np.array(latencies) * 1000, [50, 99])
        print(f"{name:<28} p50 {p50:7.1f} ms   p99 {p99:7.1f} ms   {len(latencies):,} messages")
        return float(p99)

    asyncio.run(listen(server, 900, 2))
    alone = row("900 clients", asyncio.run(listen(server, 900, seconds)))
    server.ask("bulk", 25)  # its own memory for the history is in what was before
    before = server.ask("stats")
    crowd = [connected(server.port, HANDSHAKE.format(port=server.port)) for _ in range(100)]
    while (now := server.ask("stats"))["stalled"] < 100:
        server.ask("bulk", 5)
    cost = (now["rss_mb"] - before["rss_mb"]) / 100
    print(f"100 stalled: {cost:.2f} MB each in the server, at most {max(now['unsent']):,} B unsent")
    beside = row("900 clients beside 100 stalled", asyncio.run(listen(server, 900, seconds)))
    again = row("900 clients, those gone", gone(server, crowd, seconds))
    print(f"p99 beside stalled / without: {beside / alone:.2f}, {beside / again:.2f}")
    server.kill()


def gone(server: ServerProcess, crowd: list[socket.socket], seconds: float) -> list[float]:
    for sock in crowd:
        sock.close()
    return asyncio.run(listen(server, 900, seconds))


def restart(_: float) -> None:
    server = ServerProcess()
    feeds = [tk.connect(f"ws://127.0.0.1:{server.port}") for _ in range(300)]
    server.ask("bulk", 3)
    wait(lambda: all(feed.log.last_seq == 3000 for feed in feeds))
    for round_ in range(5):
        server.kill()
        wait(lambda: all(feed.status == "reconnecting" for feed in feeds))
        had = [len(feed.log.runs) for feed in feeds]
        server = ServerProcess(server.port)
        began = time.monotonic()
        server.ask("bulk", 3)
        wait(lambda had=had: all(len(f.log.runs) > n for f, n in zip(feeds, had, strict=True)))
        wait(lambda: all(feed.log.last_seq == 3000 for feed in feeds))
        print(f"300 feeds caught up {time.monotonic() - began:.1f} s after restart {round_ + 1}")
    tk.stop_all()
    server.kill()


def idle(_: float) -> None:
    for count, said, name in (
        (0, "", "nobody else"),
        (5000, "", "5,000 idle connections"),
        (1000, "GET / HTTP/1.1\r\nHost: 127", "1,000 half handshakes"),
    ):
        server = ServerProcess()
        crowd = []
        waits = []
        for number in range(max(count, 100)):
            if count:
                crowd.append(connected(server.port, said))
            if number % max(count // 100, 1) == 0:
                began = time.monotonic()
                with connected(server.port, HANDSHAKE.format(port=server.port)) as good:
                    assert good.recv(12) == b"HTTP/1.1 101"
                waits.append((time.monotonic() - began) * 1000)
        p50, p99 = np.percentile(waits, [50, 99])
        print(
            f"beside {name:<24} let in after p50 {p50:.1f}, p99 {p99:.1f}, most {max(waits):.1f} ms"
        )
        for sock in crowd:
            sock.close()
        server.kill()


def silent(_: float) -> None:
    server = ServerProcess()
    with FaultProxy(f"ws://127.0.0.1:{server.port}") as proxy:
        feed = tk.connect(proxy.url)
        wait(lambda: feed.status == "live")
        proxy.stall()
        began = time.monotonic()
        noticed: dict[str, float] = {}
        while len(noticed) < 2:
            if feed.status != "live":
                noticed.setdefault("the feed", time.monotonic() - began)
            if not server.ask("stats")["clients"]:
                noticed.setdefault("the server", time.monotonic() - began)
            time.sleep(0.05)
        for who, seconds in noticed.items():
            print(f"{who} noticed the silence after {seconds:.1f} s")
        server.ask("bulk", 3)
        proxy.reset()
        proxy.stall(False)
        began = time.monotonic()
        wait(lambda: feed.log.last_seq == 3000)
        print(f"caught up {time.monotonic() - began:.1f} s after the wire was whole again")
    tk.stop_all()
    server.kill()


def start_crowd(count: int, port: int, at_once: int) -> tuple[list[Child], float]:
    """Connect readers from two processes; return these, and the seconds that it took."""
    crowds = [Child.python("bench.crowd_readers") for _ in range(2)]
    for crowd in crowds:
        crowd.tell("connect", port, count // 2, at_once)
    return crowds, max(crowd.answer() for crowd in crowds)


def ask_all(crowds: list[Child]) -> dict[str, float]:
    """Return the sums of the counts of all crowds, and the time at which the last was live."""
    states = [crowd.ask("state") for crowd in crowds]
    names = ("live", "messages", "breaks", "gaps", "lost", "retries")
    sums = {name: sum(state[name] for state in states) for name in names}
    return {**sums, "live_at": max(state["live_at"] for state in states)}


def accept(seconds: float) -> None:
    for at_once in (100, 2500):
        server = ServerProcess()
        before = server.ask("stats")["rss_mb"]
        server.ask("tick", time.monotonic(), 1000)
        server.ask("stall")
        cpu_s = server.cpu_s()
        crowds, took = start_crowd(READERS, server.port, at_once)
        cpu_s, stall = server.cpu_s() - cpu_s, server.ask("stall")
        print(
            f"{READERS:,} readers, {2 * at_once:,} at once: {READERS / took:,.0f} a second, "
            f"{READERS / cpu_s:,.0f} per second of the server's processor; "
            f"longest stall of the loop {stall * 1000:.0f} ms"
        )
        began, was = time.monotonic(), ask_all(crowds)
        time.sleep(seconds)
        now, took = ask_all(crowds), time.monotonic() - began
        cost = (server.ask("stats")["rss_mb"] - before) * 1000 / READERS
        print(
            f"  {cost:.1f} kB each; then {(now['messages'] - was['messages']) / took:,.0f} "
            f"messages a second; {now['live']:,} live, {now['lost']} lost, {now['breaks']} breaks, "
            f"{now['gaps']} gaps, {now['retries']} tries again"
        )
        for child in (server, *crowds):
            child.kill()


def drain(_: float) -> None:
    # The second server is ahead, as any that a reader moves to without a wait.
    servers, start = [ServerProcess(), ServerProcess()], time.monotonic()
    for server, late_s in zip(servers, (MAKER_S, 0.0), strict=True):
        server.ask("tick", start + late_s, 1000)
    crowds, _ = start_crowd(MOVED, servers[0].port, 100)
    for crowd in crowds:
        crowd.ask("move", servers[1].port)
    closed_at = servers[0].ask("stop", DRAIN_S)
    wait(lambda: ask_all(crowds)["live"] == MOVED)
    now = ask_all(crowds)
    print(
        f"{MOVED:,} readers moved in {DRAIN_S:.0f} s: all live {now['live_at'] - closed_at:.2f} s "
        f"after the last close; {now['lost']:,} closed, {now['breaks']} breaks, "
        f"{now['gaps']} gaps, {now['retries']} tries again"
    )
    for child in (*servers, *crowds):
        child.kill()


def flat(seconds: float) -> None:
    symbols = [f"SYM{number}" for number in range(10)]
    server = tk.serve(tk.simulate(symbols, rate=200.0), port=0, history=20_000)
    wanted: list[list[str] | None] = [None] * 5 + [symbols[:2]]
    feeds = [tk.connect(server, symbols=each, keep=20_000) for each in wanted]
    began, rows = time.monotonic(), []
    while (passed := time.monotonic() - began) < seconds:
        time.sleep(5)
        for feed in feeds:
            feed.frame().tail()
        rows.append((int(passed / 60), rss_mb(), in_use_mb()))
    # Each time a full log moves its newest ticks, it allocates arrays: so the lowest value of each
    # minute counts. The logs are small: the allocator sees hundreds of moves in the first minutes.
    lowest = pd.DataFrame(rows, columns=["minute", "resident", "in use"]).groupby("minute").min()
    half = lowest.iloc[len(lowest) // 2 :]
    print(lowest.T.round(1).to_string())
    for name in half if len(half) > 1 else ():
        slope = np.polyfit(half.index, half[name], 1)[0]
        print(f"{name}: slope of the second half {slope:+.3f} MB/min")
    gaps = sum(len(feed.gaps) for feed in feeds)
    print(f"{server.log.stop:,} ticks to {len(feeds)} feeds in {passed:.0f} s, {gaps} gaps")
    tk.stop_all()


def wait(condition: Callable[[], bool], timeout_s: float = 120) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"the crowd did not get there: {condition()}")
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.crowd",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cases = {each.__name__: each for each in (stalled, restart, idle, silent, accept, drain, flat)}
    parser.add_argument("cases", nargs="*", metavar="CASE", help="all but flat by default")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if given.serve is not None:
        serve(given.serve)
        return
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    for name in given.cases or list(cases)[:-1]:
        print(f"\n{name}")
        cases[name](given.seconds)


if __name__ == "__main__":
    main()
