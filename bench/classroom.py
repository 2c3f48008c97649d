"""A class on one server: `python -m bench.classroom [join back memory wire roster codes ...]`.

join    how soon 30 and 300 students are in, each with the page and a websocket, while 100 ticks a
        second come, and how much later those that are in get their ticks meanwhile
back    how soon 300 students are back after the server's process was killed, with which scores
memory  of the server's process for each of 30 and 300 students, and for each seat
wire    how much later the others get their ticks while one student's wire is broken
roster  what the notebook spends on the roster of 300 students, twice a second
codes   how much later the class gets its ticks while an address tries wrong codes

The students are in one separate process, and the server in another. All times are of this machine's
loopback: a wifi is slower.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import pickle
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import tickerkit as tk
from bench.child import Child
from tickerkit.classroom.room.room import Room

STUDENTS = 300
RATE = 100
LISTEN_S = 5.0
ROUNDS = 3


async def make_ticks() -> AsyncIterator[dict[str, Any]]:
    """Yield 100 ticks a second, each with the moment at which it is made."""
    start, sent = time.monotonic(), 0
    while True:
        while sent < (time.monotonic() - start) * RATE:
            yield {"symbol": "A", "price": time.monotonic()}
            sent += 1
        await asyncio.sleep(0.002)


def open_class() -> Room:
    return tk.room(make_ticks, port=0, host="127.0.0.1")


def server_pid(room: Room) -> int:
    return int(room.server.pid)  # type: ignore[attr-defined]


def rss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    raise RuntimeError(f"process {pid} has no Rss")


def join() -> None:
    for count in (30, STUDENTS):
        with open_class() as room, Child.python("bench.classroom_side") as inside:
            inside.ask("join", room.port, room.code, 0, 10, False)
            alone = inside.ask("listen", LISTEN_S)
            with Child.python("bench.classroom_side") as side:
                inside.tell("listen", LISTEN_S)
                time.sleep(0.5)
                took = side.ask("join", room.port, room.code, 10, count, False)
                beside = inside.answer()
                counts = side.ask("counts")
                seats = len(room.roster)
            print(
                f"{count} students in after {took:.2f} s; {counts['refused']} refused, "
                f"{counts['retries']} retries, {seats} seats, page {counts['page_bytes']:,} B; "
                f"p99 of 10 that were in {alone['p99']:.1f} ms alone, {beside['p99']:.1f} ms then"
            )


def back() -> None:
    with open_class() as room, Child.python("bench.classroom_side") as side:
        room.challenge("speak")
        side.ask("join", room.port, room.code, 0, STUDENTS, True)
        while (scores := room.scores)["passed"].sum() < STUDENTS:
            side.ask("listen", 0.5)
        print(f"{STUDENTS} students, {scores['passed'].sum()} passed tasks")
        for number in range(ROUNDS):
            began = time.monotonic()
            os.kill(server_pid(room), signal.SIGKILL)
            side.ask("listen", 0.1)
            live = side.ask("await_all", 60)
            took = time.monotonic() - began
            roster = room.roster
            kept = roster[roster["passed"] == 1]
            is_same = list(roster["name"]) == [f"student-{n}" for n in range(STUDENTS)]
            print(
                f"kill {number + 1}: all {STUDENTS} live after {took:.1f} s ({live:.1f} s); "
                f"{len(kept)} with their score, {(roster['status'] == 'live').sum()} live, "
                f"names {'kept' if is_same else 'CHANGED'}"
            )


def memory() -> None:
    with open_class() as room, Child.python("bench.classroom_side") as side:
        side.ask("join", room.port, room.code, 0, 5, False)
        side.ask("listen", 3)
        pid, at = server_pid(room), [(5, rss_kb(server_pid(room)))]
        for total in (30, STUDENTS):
            side.ask("join", room.port, room.code, at[-1][0], total - at[-1][0], False)
            side.ask("listen", 3)
            at.append((total, rss_kb(pid)))
        for (before, had), (total, has) in itertools.pairwise(at):
            each = (has - had) / (total - before)
            print(f"{before} to {total} students: {each:.1f} kB each, connected, with a seat")
        side.ask("leave")
        firsts = [0, 0, 0, 1000, 1300]
        for first in firsts:  # the first of these fill what connections leave behind
            had = rss_kb(pid) if first != 1300 else had
            side.ask("join", room.port, room.code, first, STUDENTS, False)
            side.ask("leave")
        grown = (rss_kb(pid) - had) / 2 / STUDENTS
        print(f"{2 * STUDENTS} further seats of students who are away: {grown:.1f} kB each")
        for name in list(room.roster["name"][:1]):
            size = len(pickle.dumps(room.snapshot()["seats"][0]))
            print(f"row of {name}: {size} B pickled")
    tap()


def tap() -> None:
    with open_class() as room, Child.python("bench.classroom_side") as side:
        side.ask("join", room.port, room.code, 0, 30, False)
        side.ask("listen", 3)
        pid = server_pid(room)
        had = rss_kb(pid)
        for name in room.roster["name"]:
            room.tap(name)
        side.ask("listen", 20)
        print(f"30 of 30 tapped: {(rss_kb(pid) - had) / 30:.0f} kB each")


def wire() -> None:
    with open_class() as room, Child.python("bench.classroom_side") as side:
        side.ask("join", room.port, room.code, 0, 30, False)
        for kind in ("stall", "delay", "drop", "corrupt"):
            ratios = []
            for _ in range(ROUNDS):
                alone = side.ask("listen", LISTEN_S, "student-0")
                side.tell("listen", LISTEN_S, "student-0")
                end = time.monotonic() + LISTEN_S - 0.5
                while time.monotonic() < end:
                    break_one(room, kind)
                    time.sleep(1.0)
                broken = side.answer()
                room.wire("student-0").resume()
                ratios.append(broken["p99"] / alone["p99"])
            shown = ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios))
            print(f"29 others while one's wire has {kind:<7}: p99 x {shown}")


def break_one(room: Room, kind: str) -> None:
    one = room.wire("student-0")
    match kind:
        case "stall":
            one.stall(1.0)
        case "delay":
            one.delay(0.2, 0.1)
        case "drop":
            one.drop()
        case "corrupt":
            one.corrupt("rsv")


def roster() -> None:
    with open_class() as room, Child.python("bench.classroom_side") as side:
        side.ask("join", room.port, room.code, 0, STUDENTS, False)
        side.tell("listen", 20.0)
        began, cpu, version = time.monotonic(), time.process_time(), 0
        sizes = []
        while time.monotonic() - began < 15:
            snapshot = room.snapshot(version)
            version = snapshot["version"]
            sizes.append(len(pickle.dumps(snapshot)))
            time.sleep(0.5)
        cost = (time.process_time() - cpu) / (time.monotonic() - began)
        late = side.answer()
        print(
            f"{STUDENTS} rows twice a second: {cost:.1%} of a core in the notebook, with its "
            f"mirror of the log; {max(sizes):,} B at most, {sizes[-1]:,} B at last; "
            f"p99 of ticks {late['p99']:.1f} ms"
        )


def codes() -> None:
    with open_class() as room, Child.python("bench.classroom_side") as side:
        side.ask("join", room.port, room.code, 0, 30, False)
        alone = side.ask("listen", LISTEN_S)
        has_ended = threading.Event()
        tried: list[int] = []
        thread = threading.Thread(target=guess, args=(room.port, has_ended, tried))
        thread.start()
        beside = side.ask("listen", LISTEN_S)
        has_ended.set()
        thread.join()
        print(
            f"{len(tried):,} wrong codes in {LISTEN_S:.0f} s, {tried.count(200)} let in; p99 of "
            f"the class {alone['p99']:.1f} ms alone, {beside['p99']:.1f} ms then"
        )


def guess(port: int, has_ended: threading.Event, tried: list[int]) -> None:
    number = 0
    while not has_ended.is_set():
        number += 1
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/b{number:05}") as answer:
                tried.append(answer.status)
        except urllib.error.HTTPError as error:
            tried.append(error.code)
        except OSError:
            tried.append(0)


MEASUREMENTS = (join, back, memory, wire, roster, codes)


def main() -> None:
    by_name = {each.__name__: each for each in MEASUREMENTS}
    parser = argparse.ArgumentParser(
        prog="python -m bench.classroom",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="*", choices=[*by_name, []], help="by default all")
    for name in parser.parse_args().what or by_name:
        by_name[name]()


if __name__ == "__main__":
    main()
