"""Rounds of one operation each, which real SIGINTs end at random moments; run as a program.

Each round starts what its operation needs, has Ctrl-C sent once or twice at a random moment of the
operation, and then checks that `tk.stop_all` leaves no service, thread or port behind.

Usage: python interrupter.py SEED ROUNDS FOLDER [OPERATION ...]
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow

import tickerkit as tk
from tickerkit.classroom import FaultProxy
from tickerkit.runtime.portal import portal

__all__ = ["OPERATIONS", "PROCESS_OPERATIONS", "TICK", "find_left", "make_ticks"]

TICK = {"symbol": "A", "price": 1.0}
LOST_S = 20.0
SENDER = "tickerkit figures"  # it ends by itself, 50 ms after the last figure


def open_ports() -> set[int]:
    """Return the TCP ports that this process listens on, where Linux shows them."""
    ports = set()
    folder = Path("/proc/self/fd")
    for fd in folder.iterdir() if folder.is_dir() else ():
        try:
            if os.readlink(fd).startswith("socket:"):
                with socket.socket(fileno=os.dup(int(fd.name))) as sock:
                    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        ports.add(sock.getsockname()[1])
        except OSError:  # closed meanwhile
            continue
    return ports


def list_children() -> list[bytes]:
    """Return the command lines of this process's children, where Linux shows them."""
    found = []
    for children in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # of a thread or a process that has ended meanwhile
            found += [
                Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children.read_text().split()
            ]
    return found


def find_left() -> list[object]:
    """Return what runs although all was stopped: services, threads, ports, processes, users."""
    threads = [
        each
        for each in threading.enumerate()
        if each.name.startswith("tickerkit") and each.name != SENDER
    ]
    children = [each for each in list_children() if b"tickerkit.server.process" in each]
    users = [f"users of the loop: {portal._users}"] if portal._users else []
    return [*tk.status()["address"], *threads, *open_ports(), *children, *users]


class World:
    """What the operations of one round use: a folder, and what earlier steps have made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server: Any = None
        self.feed: Any = None
        self.made: Any = None

    def serve(self) -> None:
        """Start a server."""
        self.server = tk.serve(make_ticks, port=0, every=0.01)

    def connect(self) -> None:
        """Connect a feed with a callback and a recorder."""
        self.feed = tk.connect(self.server.url)
        self.feed.on_ticks(len)
        self.record()

    def record(self) -> None:
        """Record to the file that each round records to: it must not stay locked."""
        self.made = self.feed.record(self.folder / "ticks.csv", raw=True)


def make_ticks() -> list[dict[str, object]]:
    """Return what a polled function returns."""
    return [TICK]


def serve_in_process() -> None:
    """Start a server in a process of its own."""
    tk.serve("sim:A", port=0, process=True)


def _nothing(_: World) -> None:
    pass


def _server(world: World) -> None:
    world.serve()


def _feed(world: World) -> None:
    world.serve()
    world.feed = tk.connect(world.server.url)


def _all(world: World) -> None:
    world.serve()
    world.connect()


Step = Callable[[World], Any]
# By name: what runs before the operation, and the operation.
OPERATIONS: dict[str, tuple[Step, Step]] = {
    "serve": (_nothing, lambda world: world.serve()),
    "serve again": (
        _server,
        lambda world: tk.serve(make_ticks, port=world.server.port, every=0.01),
    ),
    "connect": (_server, lambda world: tk.connect(world.server.url)),
    "on_ticks": (_feed, lambda world: [world.feed.on_ticks(len) for _ in range(5)]),
    "record": (_feed, lambda world: world.record()),
    "chart": (_feed, lambda world: world.feed.chart()),
    "dashboard": (_feed, lambda world: world.feed.dashboard()),
    "live": (_nothing, lambda _: tk.live(make_ticks)),
    "wait": (_feed, lambda world: world.feed.wait(10**9, timeout=0.05)),
    "publish": (_server, lambda world: [world.server.publish(TICK) for _ in range(50)]),
    "recorder.stop": (_all, lambda world: world.made.stop()),
    "feed.stop": (_all, lambda world: world.feed.stop()),
    "server.stop": (_all, lambda world: world.server.stop()),
    "stop_all": (_all, lambda _: tk.stop_all()),
    "proxy": (_server, lambda world: FaultProxy(world.server.url).start().stop()),
    "tap": (_server, lambda world: tk.tap(world.server.url).stop()),
}
# These take a second each.
PROCESS_OPERATIONS: dict[str, tuple[Step, Step]] = {
    "serve in a process": (_nothing, lambda _: serve_in_process()),
    "stop a process": (lambda _: serve_in_process(), lambda _: tk.stop_all()),
}
# Interrupts that Python has ignored: they came while it ran a finalizer.
_ignored: list[object] = []
# Operations whose interrupt nobody has raised. CPython 3.11 itself drops one that comes while it
# makes the text of an error (`int("a")` inside plotly): once in 3,000 rounds.
_lost: list[str] = []
# Seconds that each operation takes, measured as it is used.
_took_s: dict[str, float] = {}


def absorb(function: Callable[[], object]) -> bool:
    """Call a function; return whether an interrupt has ended it."""
    try:
        function()
    except (KeyboardInterrupt, tk.WaitTimeout) as error:
        return isinstance(error, KeyboardInterrupt)
    return False


def _note_ignored(ignored: Any) -> None:
    if ignored.exc_type is KeyboardInterrupt:
        _ignored.append(ignored.object)
    else:
        sys.__unraisablehook__(ignored)


def run_round(world: World, name: str, delays: list[float]) -> None:
    """Run an operation, and send Ctrl-C after each of the delays; see that nothing is left."""
    prepare, operate = (OPERATIONS | PROCESS_OPERATIONS)[name]
    prepare(world)
    sent: list[float] = []
    begin = threading.Lock()
    begin.acquire()

    def send() -> None:
        begin.acquire()
        for delay in delays:
            time.sleep(delay)
            os.kill(os.getpid(), signal.SIGINT)
            sent.append(delay)

    sender = threading.Thread(target=send)
    sender.start()
    began = time.monotonic()

    def run() -> None:
        begin.release()
        operate(world)

    _ignored.clear()
    interrupted = absorb(run)
    if not interrupted:
        _took_s[name] = time.monotonic() - began
    while len(sent) < len(delays):  # not join(): before Python 3.13 interrupts break it
        interrupted |= absorb(lambda: time.sleep(0.001))
    while not interrupted and not _ignored:  # it is raised at the next instruction
        interrupted |= absorb(lambda: time.sleep(0.001))
        if time.monotonic() - began > LOST_S:
            _lost.append(name)
            break
    absorb(lambda: time.sleep(0.001))
    sender.join()
    tk.stop_all()
    assert not (left := find_left()), f"{name}: left behind: {left}"


def main(seed: int, rounds: int, folder: Path, *only: str) -> None:
    """Run the rounds; an AssertionError names the first one that left something behind."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.unraisablehook = _note_ignored
    # pyarrow replaces the handler while it reads a file, and loses a signal that comes too late.
    pyarrow.enable_signal_handlers(False)
    # Imports all that the operations need: a package whose import is interrupted may stay broken.
    tk.live(make_ticks).wait(1).chart()
    tk.stop_all()
    rng = random.Random(seed)
    names = only or list(OPERATIONS)
    for number in range(rounds):
        name = rng.choice(names)
        longest_s = 1.2 * _took_s.get(name, 0.05)
        delays = [rng.uniform(0, longest_s) for _ in range(rng.choice((1, 1, 1, 2)))]
        # Half of the rounds run beside another server, which keeps the loop.
        other = tk.serve(None, port=0) if rng.random() < 0.5 else None
        try:
            run_round(World(folder), name, delays)
        except BaseException as error:
            error.add_note(f"round {number} of seed {seed}: {name}, {delays}, {other}")
            raise
    assert len(_lost) <= 1 + rounds // 500, f"interrupts were lost in {_lost}"
    print(f"{rounds} rounds")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
