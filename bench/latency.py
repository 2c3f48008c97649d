"""Latency from a source to a frame at a rate: `python -m bench.latency [--help]`.

A latency begins when a tick is made, in the server's process, and ends when it is in the columns of
a client's frame, in another process. Each tick is sent by itself, when it is due. With 100 readers,
99 are cheap readers in a third process; for them a tick counts once it is decoded. These 99 are
compared, since which reader is served first is chance. A rate is sustained if at least 99 % of its
ticks were delivered.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

from bench.child import Child
from bench.report import Report, in_turn, options

# At a low rate only few ticks come in the given time.
SECONDS = {10: 1.6, 100: 0.8, 1000: 0.5, 10_000: 0.5}
READERS = (1, 100)
KEPT_UP = 0.99
OURS, THEIRS = "tickerkit", "broadcast"
# The server, the measured client, and how the other clients read.
CONTENDERS = {
    OURS: ("ours", "ours", "many", "/ticks"),
    THEIRS: ("broadcast", "lists", "one", "/"),
}


class Line:
    """A server and its readers."""

    def __init__(self, server: str, client: str, kind: str, path: str, readers: int) -> None:
        self.server = Child.python("bench.peers.paced", server)
        self.client = Child.python("bench.peers.frames", client, str(self.server.ready))
        self.others = Child.python("bench.reader") if readers > 1 else None
        if self.others is not None:
            self.others.ask("connect", kind, self.server.ready, path, readers - 1, True)
        self.run(1000, 0.1)

    def run(self, rate: int, seconds: float) -> dict[str, float]:
        """Return the client's latencies of one run."""
        count = max(round(rate * seconds), 1)
        made = self.server.ask("pace", rate, count)
        result: dict[str, float] = self.client.ask("result", made, rate)
        if self.others is not None:
            self.others.ask("quiet")
            waits = self.others.ask("waits")
            result |= {f"others_{name}": waits[name] for name in ("p50_ms", "p99_ms")}
        return {name: round(value, 4) for name, value in result.items()}

    def close(self) -> None:
        for child in (self.client, self.others, self.server):
            if child is not None:
                child.kill()


def measure(readers: int, rates: list[int], repeat: int) -> dict[tuple[str, int], Any]:
    """Return the runs of each contender at each rate."""
    with ExitStack() as stack:
        lines: dict[str, Line] = {}
        for name, how in CONTENDERS.items():
            lines[name] = Line(*how, readers)
            stack.callback(lines[name].close)
        keys = [(name, rate) for rate in rates for name in lines]
        gave = in_turn(
            {
                f"{name}, {readers} readers, {rate:,}/s": partial(
                    lines[name].run, rate, SECONDS.get(rate, 0.5)
                )
                for name, rate in keys
            },
            repeat,
        )
    return dict(zip(keys, gave.values(), strict=True))


def tell(report: Report, readers: int, rate: int, gave: dict[str, list[dict[str, float]]]) -> None:
    """Add the figures of a rate."""
    what = f"{readers} reader{'s' if readers > 1 else ''}, {rate:,}/s"
    kept = {}
    for name, runs in gave.items():
        share = sorted(min(run["rate"], run["came"]) for run in runs)[len(runs) // 2]
        kept[name] = share >= KEPT_UP
        if not kept[name]:
            report.note(f"{what}: {name} does not keep up, it delivers {share:.0%}.")
    whom = {"": "the frame", "others_": "the 99 others"} if readers > 1 else {"": "the frame"}
    judged = list(whom)[-1]
    for prefix, who in whom.items():
        for which, at_most in (("p50", 1.1), ("p99", 1.5)):
            ours, theirs = (
                [run[f"{prefix}{which}_ms"] for run in gave[name]] for name in CONTENDERS
            )
            report.figure(f"{what}, {which} of {who}: {OURS}", ours, "ms")
            report.figure(f"{what}, {which} of {who}: {THEIRS}", theirs, "ms")
            if all(kept.values()):
                wanted = at_most if prefix == judged else None
                report.ratio(
                    f"{what}, {which} of {who}: {OURS} / {THEIRS}", ours, theirs, at_most=wanted
                )
    late = (
        f"{name} {sorted(run['late_p99_ms'] for run in runs)[len(runs) // 2]:.2f} ms"
        for name, runs in gave.items()
    )
    report.note(f"{what}: made later than due, p99: {', '.join(late)}; no part of the latency.")


def main() -> None:
    asked = options(
        __doc__,
        rates={"type": int, "nargs": "*", "default": list(SECONDS), "help": "ticks per second"},
        readers={"type": int, "nargs": "*", "default": list(READERS), "help": "how many"},
    )
    report = Report("latency", "Latency from source to frame, each tick sent by itself")
    rates = [rate for rate in asked.rates if asked.only in f"{rate}"]
    for readers in asked.readers:
        gave = measure(readers, rates[:2] if asked.quick else rates, asked.repeat)
        for rate in dict.fromkeys(rate for _, rate in gave):
            tell(report, readers, rate, {name: gave[name, rate] for name in CONTENDERS})
    report.finish(asked.json)


if __name__ == "__main__":
    main()
