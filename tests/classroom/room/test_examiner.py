"""A whole class: programs and robots do the tasks on real connections, ten times as fast."""

from __future__ import annotations

import contextlib
import json
import random
import re
import threading
from collections.abc import Callable, Iterator

import pytest
from rooms import open_room
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

import tickerkit as tk
from tickerkit.classroom.room.room import Room

Until = Callable[..., None]

PACE = 10
NAMES = ["knock", "listen", "speak", "answer", "survive", "slow", "leave"]


def do_tasks(url: str, name: str, ended: threading.Event) -> None:
    """Do all tasks, as a student's program of some lines does."""
    ticks: dict[int, tuple[str, float]] = {}
    gap, tries, is_done = [0, 0], 0, False
    while not (is_done or ended.is_set()):
        after = f"&after={max(ticks)}" if ticks else ""
        with (
            contextlib.suppress(OSError, WebSocketException),
            connect(f"{url}&name={name}{after}", close_timeout=1) as websocket,
        ):
            websocket.send('{"type": "subscribe", "symbols": null}')
            for message in websocket:
                data = json.loads(message)
                if isinstance(data, list):
                    tries = 0
                    ticks |= {tick["seq"]: (tick["symbol"], tick["price"]) for tick in data}
                elif data["type"] == "gap":
                    gap = [data["from"], data["to"]]
                elif data["type"] == "ask":
                    value: object = gap
                    if data["question"] != "gap":
                        prices = [
                            ticks[seq][1]
                            for seq in sorted(ticks)
                            if data["from"] <= seq <= data["to"] and ticks[seq][0] == data["symbol"]
                        ]
                        value = {"count": len(prices), "min": min(prices), "last": prices[-1]}[
                            data["question"]
                        ]
                    answer = {"type": "answer", "id": data["id"], "value": value}
                    websocket.send(json.dumps(answer))
                elif data["type"] == "seat":
                    missing = [t["title"] for t in data["tasks"] if t["state"] != "passed"]
                    is_done = missing == ["Leave"]
                if is_done or ended.is_set():
                    websocket.close(1000, "all done")
                    break
        ended.wait(0.05 * 2**tries * random.uniform(1, 2))
        tries += 1


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    """Return a class in which a good program, a bad one and robots do the tasks at once."""
    ended = threading.Event()
    with open_room(tk.simulate("AAPL,MSFT", rate=200)) as running:
        running.challenge(pace=PACE)
        programs = [
            threading.Thread(target=do_tasks, args=(running.url, "ana", ended)),
            threading.Thread(target=do_little, args=(running.url, "bob", ended)),
        ]
        for program in programs:
            program.start()
        running.robots(5)
        try:
            yield running
        finally:
            ended.set()
            for program in programs:
                program.join()


def do_little(url: str, name: str, ended: threading.Event) -> None:
    """Answer each question wrongly, and leave without a close frame after some time."""
    with connect(f"{url}&name={name}") as websocket:
        websocket.send(b'{"type": "subscribe", "symbols": null}')
        while not ended.is_set():
            data = json.loads(websocket.recv())
            if isinstance(data, dict) and data["type"] == "seat":
                hints = [task["hint"] for task in data["tasks"]]
                if any("is binary" in hint for hint in hints):
                    websocket.send('{"type": "subscribe", "symbols": null}')
            if isinstance(data, dict) and data["type"] == "ask":
                websocket.send(json.dumps({"type": "answer", "id": data["id"], "value": -1}))
            if has_read(data, "is wrong"):
                break
        websocket.socket.close()


def has_read(data: object, text: str) -> bool:
    """Return whether a message is about a task whose hint has a text."""
    tasks = data["tasks"] if isinstance(data, dict) and data["type"] == "seat" else []
    return any(text in task["hint"] for task in tasks)


def list_tasks(room: Room, name: str) -> dict[str, tuple[str, str]]:
    """Return the state and the hint of a student's tasks."""
    seats = [seat for seat in room.snapshot()["seats"] if seat["name"] == name]
    tasks = seats[0]["tasks"] if seats else {}
    return {number: (task["state"], task["hint"]) for number, task in tasks.items()}


def has_passed(room: Room, name: str, count: int) -> bool:
    """Return whether a student has passed so many tasks."""
    states = [state for state, _ in list_tasks(room, name).values()]
    return states.count("passed") >= count


def has_hint(room: Room, name: str, pattern: str) -> bool:
    """Return whether a student is told what is wrong with a task."""
    hints = [hint for state, hint in list_tasks(room, name).values() if state == "failed"]
    return any(re.search(pattern, hint) for hint in hints)


def test_a_program_of_some_lines_passes_all_seven_tasks(room: Room, until: Until) -> None:
    """Its score is the mean time from a break to the first tick, and the journal tells the way."""
    until(lambda: has_passed(room, "ana", 7), timeout_s=40)
    scores = room.scores.set_index("name").loc["ana"]
    assert scores["passed"] == 7
    assert 0 < scores["score"] < 3
    journal = room.journal
    passed = journal[(journal["name"] == "ana") & (journal["event"] == "passed")]
    assert sorted(passed["reason"]) == sorted(NAMES)


def test_a_program_that_does_it_wrongly_reads_why(room: Room, until: Until) -> None:
    """Its binary subscribe message is shown first, then its answer, then how it left."""
    until(lambda: has_hint(room, "bob", "^1006: TCP ended without a close frame"), timeout_s=20)
    tasks = list_tasks(room, "bob")
    assert tasks["3"] == ("passed", "")
    assert re.search(r": -1 is wrong; expected is a number from \d+ to \d+$", tasks["4"][1])


def test_robots_do_the_tasks_each_with_its_temper(room: Room, until: Until) -> None:
    """The good one passes all of them; others read what they do wrongly.

    How fast is too fast depends on the machine here, and is tested with a simulated clock.
    """
    until(lambda: has_passed(room, "robot-1", 7), timeout_s=40)
    until(lambda: has_hint(room, "robot-2", "got no pong"), timeout_s=20)
    until(lambda: has_hint(room, "robot-4", "got no answer|got no pong"), timeout_s=20)
    until(lambda: has_hint(room, "robot-5", "^1006"), timeout_s=40)


def test_a_challenge_replaces_another_and_ends(room: Room, until: Until) -> None:
    """What was passed before counts no more; the board shows the time that is left."""
    until(lambda: has_passed(room, "ana", 7), timeout_s=40)
    room.challenge("knock", within="5min", pace=PACE)
    challenge = room.snapshot()["challenge"]
    assert challenge["name"] == "knock"
    assert challenge["until"] - challenge["since"] == pytest.approx(300)
    until(lambda: list_tasks(room, "robot-1").get("1") == ("passed", ""))
    room.end_challenge()
    assert room.snapshot()["challenge"] is None
