"""Ticks delivered to many clients at saturation: `python -m bench.fanout [--help]`.

Delivered means decoded by the reader, in a process of its own, the same program for all. Every
server sends the same ticks, as fast as the slowest client takes them; ticks of now, not history.
Connections stay open for all runs, and only one server sends at a time.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench.child import Child
from bench.peers.stream import POOL, tick
from bench.report import Report, in_turn, options

WARM_S = 0.3
SECONDS = 0.7
CLIENTS = (10, 100, 1000)
TUTORIAL = "the tutorial's handler"
PACKAGES = Path(sys.prefix) / "node_modules"


class Contender(NamedTuple):
    """A server, and how it is read.

    Attributes:
        module: of `bench.peers`.
        kind: how a message of its is decoded.
        clients: with how many it is tried.
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
        contender: which.
        clients: how many readers.
        packages: where the packages of node are.
    """

    def __init__(self, contender: Contender, clients: int, packages: Path) -> None:
        self.clients = clients
        if contender.module == "ws":
            program = Path(__file__).with_name("peers") / "ws.mjs"
            self.server = Child("node", str(program), str(packages.parent))
            self.server.ask("ticks", POOL)
        else:
            self.server = Child.python(f"bench.peers.{contender.module}")
        self.readers = Child.python("bench.reader")
        # The answer is waited for later, so that all contenders connect at the same time.
        self.readers.tell("connect", contender.kind, self.server.ready, contender.path, clients)

    def run(self, seconds: float) -> dict[str, float]:
        """Return what was delivered, and the share of a processor that each side took."""
        self.server.ask("go")
        cpu = self.server.cpu_s()
        count = self.readers.ask("count", seconds, WARM_S)
        share = (self.server.cpu_s() - cpu) / (seconds + WARM_S)
        self.server.ask("stop")
        self._check(self.readers.ask("quiet"))
        return {"ticks/s": round(count["ticks_s"]), "server": share, "reader": count["cpu"]}

    def _check(self, read: dict[str, Any]) -> None:
        """Raise if a tick was missing or was not what was sent."""
        if read["breaks"]:
            raise RuntimeError(f"{read['breaks']} messages did not go on where the last ended")
        if len(read["newest"]) != self.clients:
            raise RuntimeError(f"{len(read['newest'])} of {self.clients} readers read")
        for seq, *values in read["newest"]:
            sent = tick(seq)
            if values != [sent["symbol"], sent["price"], sent["size"]]:
                raise RuntimeError(f"of {sent} came {values}")

    def close(self) -> None:
        self.readers.kill()
        self.server.kill()


def measure(
    contenders: dict[str, Contender], clients: int, seconds: float, repeat: int, packages: Path
) -> dict[str, list[Any]]:
    """Run those contenders in turn that are tried with so many clients."""
    with ExitStack() as stack:
        races: dict[str, Race] = {}
        for name, contender in contenders.items():
            if clients in contender.clients:
                races[name] = Race(contender, clients, packages)
                stack.callback(races[name].close)
        for race in races.values():
            race.readers.answer()
        runs: dict[str, Callable[[], Any]] = {
            f"{name}, {clients:,}": partial(race.run, seconds) for name, race in races.items()
        }
        gave = in_turn(runs, repeat)
    return dict(zip(races, gave.values(), strict=True))


def tell(report: Report, clients: int, gave: dict[str, list[Any]]) -> None:
    """Add the figures of so many clients."""
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
        f"{middle(each['reader'] for each in runs):.0%}"
        for name, runs in gave.items()
    )
    report.note(f"{clients:,} clients, processor of server and reader: {', '.join(shares)}")


def middle(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def main() -> None:
    asked = options(
        __doc__,
        clients={"type": int, "nargs": "*", "default": list(CLIENTS), "help": "how many"},
        node_modules={"type": Path, "default": PACKAGES, "help": "where ws is installed"},
    )
    report = Report("fanout", "Ticks delivered at saturation, decoded by the reader")
    contenders = {name: each for name, each in {**OURS, **PEERS}.items() if asked.only in name}
    if not shutil.which("node") or not (asked.node_modules / "ws").is_dir():
        if contenders.pop("ws", None):
            report.note("ws is left out: there is no node here, or no ws in its packages.")
    seconds = 0.3 if asked.quick else SECONDS
    for clients in asked.clients[:1] if asked.quick else asked.clients:
        tell(
            report,
            clients,
            measure(contenders, clients, seconds, asked.repeat, asked.node_modules),
        )
    report.finish(asked.json)


if __name__ == "__main__":
    main()
