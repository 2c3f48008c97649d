"""Ticks delivered to many clients at saturation: `python -m bench.fanout [--help]`.

Delivered means decoded by the readers. They run in two separate processes, the same program for all
servers; one process would limit tickerkit. Every server sends the same new ticks (no history), as
fast as the slowest client takes them. Connections stay open for all runs, and only one server sends
at a time.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench.child import Child
from bench.peers.stream import POOL, tick
from bench.report import Report, in_turn, options

WARM_S = 0.2
SECONDS = 0.5
CLIENTS = (10, 100, 1000)
TUTORIAL = "the tutorial's handler"
PACKAGES = Path(sys.prefix) / "node_modules"


class Contender(NamedTuple):
    """A server, and the way to read it.

    Attributes:
        module: of `bench.peers`.
        kind: how its messages are decoded.
        clients: the numbers of clients to try.
    """

    module: str
    kind: str
    path: str = "/"
    clients: tuple[int, ...] = CLIENTS


OURS = {
    "/ticks": Contender("ours", "many", "/ticks"),
    "v1": Contender("ours", "v1"),
}
PEERS = {
    TUTORIAL: Contender("tutorial", "deflated"),
    "broadcast": Contender("broadcast", "one", clients=(10, 1000)),
    "ws": Contender("ws", "one", clients=(10, 1000)),
    "FastAPI": Contender("fastapi_uvicorn", "one", clients=(10, 1000)),
}
WANTED = {("/ticks", TUTORIAL): 100.0, ("v1", TUTORIAL): 200.0}
WANTED_OF_V1 = 20.0


class Race:
    """A contender with its readers, ready to run.

    Args:
        contender: the server.
        clients: how many readers.
        processes: how many processes the readers use.
        packages: folder of the packages of node.
    """

    def __init__(self, contender: Contender, clients: int, processes: int, packages: Path) -> None:
        self.clients = clients
        if contender.module == "ws":
            program = Path(__file__).with_name("peers") / "ws.mjs"
            self.server = Child("node", str(program), str(packages.parent))
            self.server.ask("ticks", POOL)
        else:
            self.server = Child.python(f"bench.peers.{contender.module}")
        self.readers = [Child.python("bench.reader") for _ in range(processes)]
        for number, child in enumerate(self.readers):
            count = len(range(number, clients, processes))
            child.tell("connect", contender.kind, self.server.ready, contender.path, count)

    def connected(self) -> None:
        """Wait until all readers are connected; contenders connect at the same time."""
        for child in self.readers:
            child.answer()

    def run(self, seconds: float) -> dict[str, float]:
        """Return the ticks delivered, and the processor share of each side."""
        self.server.ask("go")
        began, cpu = time.perf_counter(), self.server.cpu_s()
        counts = self._ask_all("count", seconds, WARM_S)
        share = (self.server.cpu_s() - cpu) / (time.perf_counter() - began)
        self.server.ask("stop")
        self._check(self._ask_all("quiet"))
        return {
            "ticks/s": round(sum(each["ticks_s"] for each in counts)),
            "server": round(share, 2),
            "readers": round(sum(each["cpu"] for each in counts), 2),
        }

    def _ask_all(self, *order: Any) -> list[Any]:
        for child in self.readers:
            child.tell(*order)
        return [child.answer() for child in self.readers]

    def _check(self, read: list[dict[str, Any]]) -> None:
        """Raise if a tick is missing or differs from what was sent."""
        if breaks := sum(each["breaks"] for each in read):
            raise RuntimeError(f"{breaks} messages did not go on where the last ended")
        newest = [of_one for each in read for of_one in each["newest"]]
        if len(newest) != self.clients:
            raise RuntimeError(f"{len(newest)} of {self.clients} readers read")
        for seq, *values in newest:
            sent = tick(seq)
            if values != [sent["symbol"], sent["price"], sent["size"]]:
                raise RuntimeError(f"of {sent} came {values}")

    def close(self) -> None:
        for child in (*self.readers, self.server):
            child.kill()


def measure(races: dict[str, Race], seconds: float, repeat: int) -> dict[str, list[Any]]:
    """Run contenders in turn once all are connected, then close them."""
    with ExitStack() as stack:
        for race in races.values():
            stack.callback(race.close)
        for race in races.values():
            race.connected()
        runs: dict[str, Callable[[], Any]] = {
            f"{name}, {race.clients:,}": partial(race.run, seconds) for name, race in races.items()
        }
        gave = in_turn(runs, repeat)
    return dict(zip(races, gave.values(), strict=True))


def tell(report: Report, clients: int, gave: dict[str, list[Any]]) -> None:
    """Add the figures for this number of clients."""
    rates = {name: [each["ticks/s"] for each in runs] for name, runs in gave.items()}
    for name, values in rates.items():
        report.figure(f"{clients:,} clients: {name}", values, "ticks/s")
    for our in (name for name in OURS if name in rates):
        for peer in (name for name in PEERS if name in rates):
            wanted = WANTED.get((our, peer), WANTED_OF_V1 if our == "v1" else None)
            what = f"{clients:,} clients: {our} against {peer}"
            report.ratio(what, rates[our], rates[peer], at_least=wanted)
    shares = (
        f"{name} {middle(each['server'] for each in runs):.0%} and "
        f"{middle(each['readers'] for each in runs):.0%}"
        for name, runs in gave.items()
    )
    report.note(f"{clients:,} clients, processor of server and of readers: {', '.join(shares)}")


def middle(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def main() -> None:
    asked = options(
        __doc__,
        clients={"type": int, "nargs": "*", "default": list(CLIENTS), "help": "how many"},
        readers={"type": int, "default": 2, "help": "processes of readers"},
        node_modules={"type": Path, "default": PACKAGES, "help": "where ws is installed"},
    )
    report = Report("fanout", "Ticks delivered at saturation, decoded by the reader")
    contenders = {name: each for name, each in {**OURS, **PEERS}.items() if asked.only in name}
    can_ws = shutil.which("node") and (asked.node_modules / "ws").is_dir()
    if not can_ws and contenders.pop("ws", None):
        report.note("ws is left out: there is no node here, or no ws in its packages.")
    seconds = 0.3 if asked.quick else SECONDS
    for clients in asked.clients[:1] if asked.quick else asked.clients:
        races = {
            name: Race(each, clients, asked.readers, asked.node_modules)
            for name, each in contenders.items()
            if clients in each.clients or asked.only
        }
        tell(report, clients, measure(races, seconds, asked.repeat))
    report.note(
        f"{os.cpu_count()} cores for server and readers: where both together take nearly all, and "
        "the server less than one, it is decoding that limits what is delivered."
    )
    report.finish(asked.json)


if __name__ == "__main__":
    main()
