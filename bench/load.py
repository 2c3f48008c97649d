"""A server under load: one source of 100,000 ticks a second, 300 readers, for any time.

    python -m bench.load               20 s of each way to listen
    python -m bench.load --seconds 60  the promised minute

The server is one process, all readers are another. A core can't decode 300 times 100,000 ticks
a second, so most readers look only at the head of each message, which shows missing ticks and the
time of arrival; some decode everything, as a feed does. A latency begins when a batch was due at
the source and ends with the message in the readers' process; each message of each reader counts.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from typing import Any

import numpy as np

from bench import reader, skim, steady
from bench.report import Report, in_turn, options

BATCHES = 100
WARM_S = 2.0
HISTORY = 1_000_000


class Crowd:
    """Readers of one server, and the arrival time of each message.

    Args:
        rate: the rate of the source.
    """

    def __init__(self, kind: str, port: int, rate: int) -> None:
        self.kind, self.port, self.rate = kind, port, rate
        self.seqs, self.at_ns = array("q"), array("q")
        self.decoded: list[tuple[int, int]] = []

    def took(self, seq: int, at_ns: int) -> None:
        self.seqs.append(seq)
        self.at_ns.append(at_ns)

    def took_all(self, one: reader.Reader) -> None:
        """Record how late the newest tick of a message is, once the message is decoded."""
        now = time.time_ns()
        if one.newest is None:  # a message without ticks
            return
        if self.kind == "v1":
            due = int(one.newest.batch.time[-1])
            seq = int(one.newest.seq[-1])
        else:
            due = int(np.datetime64(one.newest.time.rstrip("Z"), "ns").astype(np.int64))
            seq = one.newest.seq
        one.newest = None
        self.decoded.append((now - due, due - seq * 10**9 // self.rate))

    async def connect(self, skimmers: int, decoders: int) -> None:
        path = "/" if self.kind == "v1" else "/ticks"
        self.skimmers = await skim.connect(self.kind, self.port, skimmers, self.took)
        self.decoders = await reader.connect(self.kind, self.port, path, decoders, self.took_all)

    def counts(self) -> dict[str, Any]:
        return {
            "least": min(each.ticks for each in self.skimmers),
            "ticks": sum(each.ticks for each in [*self.skimmers, *self.decoders]),
            "bytes": sum(each.bytes for each in [*self.skimmers, *self.decoders]),
            "messages": sum(each.messages for each in [*self.skimmers, *self.decoders]),
            "cpu": time.process_time(),
        }

    def late_ms(self) -> np.ndarray[Any, Any]:
        """Return how late each message was at the readers that decode nothing."""
        every_ns, count = 10**9 // BATCHES, self.rate // BATCHES
        began_ns = int(np.median([began for _, began in self.decoded]))
        batch = -(-np.array(self.seqs) // count)  # the one that the newest tick came with
        due_ns = began_ns + batch * every_ns
        return np.asarray((np.array(self.at_ns) - due_ns) / 1e6)

    def troubles(self) -> list[str]:
        """Return descriptions of what went wrong."""
        missed = sum(each.missed for each in self.skimmers)
        lost = sum(each.lost for each in self.skimmers)
        unread = [text for each in self.skimmers for text in each.unread]
        return [
            *([f"{missed:,} ticks were missed"] if missed else []),
            *([f"{lost} connections were lost"] if lost else []),
            *([f"{len(unread)} messages such as {unread[0][:80]!r}"] if unread else []),
        ]


async def crowd(
    kind: str, rate: int, readers: int, decoders: int, seconds: float
) -> dict[str, Any]:
    """Return the figures of a server with many readers."""
    with steady.start(rate, batches=BATCHES, history=HISTORY) as server:
        people = Crowd(kind, server.ready, rate)
        await people.connect(readers - decoders, decoders)
        await asyncio.sleep(WARM_S)
        people.seqs, people.at_ns, people.decoded = array("q"), array("q"), []
        before, cpu_s = people.counts(), server.cpu_s()
        at_first, began = server.ask("next"), time.perf_counter()
        await asyncio.sleep(seconds)
        after, cpu_s = people.counts(), server.cpu_s() - cpu_s
        at_last, took = server.ask("next"), time.perf_counter() - began
        behind = max(at_last - each.last for each in people.skimmers)
        stats = await asyncio.to_thread(server.ask, "stats")
        troubles = people.troubles()
    told = {name: (after[name] - before[name]) / took for name in before}
    late = people.late_ms()
    if stats["cut_off"] or stats["refused"]:
        troubles.append(f"the server says: {stats}")
    return {
        "offered": (at_last - at_first) / took / rate,
        "least": told["least"] / rate,
        "ticks_s": told["ticks"],
        "bytes_s": told["bytes"],
        "messages_s": told["messages"],
        "p50_ms": float(np.percentile(late, 50)),
        "p99_ms": float(np.percentile(late, 99)),
        "most_ms": float(late.max()),
        "decoded_p99_ms": float(np.percentile([each for each, _ in people.decoded], 99)) / 1e6,
        "behind_s": behind / rate,
        "server_cpu": cpu_s / took,
        "readers_cpu": told["cpu"],
        "troubles": troubles,
    }


def main() -> None:
    chosen = options(
        __doc__,
        repeat=1,
        seconds={"type": float, "default": 20.0, "help": "for how long, each"},
        rate={"type": int, "default": 100_000, "help": "ticks per second, v1"},
        plain_rate={"type": int, "default": 10_000, "help": "ticks per second, /ticks"},
        readers={"type": int, "default": 300, "help": "how many read"},
        decoders={"type": int, "default": 2, "help": "how many of them decode all"},
    )
    seconds = 2.0 if chosen.quick else chosen.seconds
    report = Report("load", f"One source, {chosen.readers} readers, {seconds:g} s")
    rates = {"v1": ("v1", chosen.rate), "/ticks": ("many", chosen.plain_rate)}
    gave = in_turn(
        {
            name: lambda kind=kind, rate=rate: asyncio.run(
                crowd(kind, rate, chosen.readers, chosen.decoders, seconds)
            )
            for name, (kind, rate) in rates.items()
            if chosen.only in name
        },
        chosen.repeat,
    )
    rows: list[tuple[str, str, str, float, dict[str, float]]] = [
        ("offered", "of the rate offered", "%", 100, {"at_least": 99}),
        ("least", "of that, the slowest reader got", "%", 100, {"at_least": 99}),
        ("p50_ms", "latency p50", "ms", 1, {}),
        ("p99_ms", "latency p99", "ms", 1, {"at_most": 250}),
        ("most_ms", "latency, most", "ms", 1, {}),
        ("decoded_p99_ms", "latency p99, all decoded", "ms", 1, {}),
        ("behind_s", "behind at the end, the last reader", "s", 1, {"at_most": 0.5}),
        ("ticks_s", "delivered in all", "M ticks/s", 1e-6, {}),
        ("bytes_s", "on the wire", "MB/s", 1e-6, {}),
        ("messages_s", "messages", "/s", 1, {}),
        ("server_cpu", "the server's processor", "cores", 1, {}),
        ("readers_cpu", "the readers' processor", "cores", 1, {}),
    ]
    for name, runs in gave.items():
        for key, what, unit, factor, wanted in rows:
            told = f"{name}, {rates[name][1]:,} ticks/s: {what}"
            report.figure(told, [run[key] * factor for run in runs], unit, **wanted)
        troubles = [trouble for run in runs for trouble in run["troubles"]]
        none = "no seq was missing, no connection lost, no reader fell off the log"
        report.note(f"{name}: {'; '.join(troubles) or none}.")
    report.note(
        f"{chosen.decoders} readers decode every tick; the others look at the head of each message."
    )
    report.note("A tick of /ticks has five times the bytes: fewer of them fit.")
    report.finish(chosen.json)


if __name__ == "__main__":
    main()
