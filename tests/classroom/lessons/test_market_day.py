"""Lesson 6: its checks run a student's client on a seat of a class, and ask the class's server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from rooms import find, open_room

import tickerkit as tk
from tickerkit.classroom import Tap
from tickerkit.classroom.lessons import lesson6
from tickerkit.classroom.lessons.exercise import Outcome
from tickerkit.classroom.lessons.judging import load_answer
from tickerkit.classroom.lessons.market_clients import LISTEN, SOLUTIONS
from tickerkit.classroom.lessons.running import Result, run_check
from tickerkit.classroom.room.room import Room

EXERCISES = {each.key: each for each in lesson6.EXERCISES}
PACE = 20
CAREFUL = SOLUTIONS["slow"]


@pytest.fixture
def room() -> Iterator[Room]:
    """Open a class."""
    with open_room(tk.simulate(["AAPL", "MSFT"], rate=200, seed=1)) as room:
        yield room


@pytest.fixture
def tap(room: Room, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tap]:
    """Take a seat, named ana, by way of a tap; what the checks have started ends with the test."""
    monkeypatch.setattr("tickerkit.classroom.lessons.desk._desk", None)
    seat = tk.join(room.page, name="ana")
    with seat.tap() as tap:
        lesson6.play_through(seat, tap)
        yield tap
        tk.stop_all()


def judge(key: str, source: str) -> Outcome:
    """Check the source of an answer."""
    return EXERCISES[key].judge(load_answer(source), Random(1))


def check(key: str, answer: Any) -> Result:
    """Check an answer as a notebook does."""
    return run_check(EXERCISES[key], answer, 1)


def test_one_client_passes_what_the_class_asks_for(room: Room, tap: Tap) -> None:
    """It goes on from check to check: one seat, and no connection but those after breaks."""
    room.challenge(pace=PACE)
    client = load_answer(CAREFUL)
    for key in "abcdef":
        assert judge_again(f"6{key}", client).passed
    assert room.roster["name"].tolist() == ["ana"]
    assert find(room, "ana")["passed"] == 6
    assert judge("6g", SOLUTIONS["leave"]).passed
    assert find(room, "ana")["passed"] == 7
    assert len(tap.links) < 15


def judge_again(key: str, client: Callable[[str], None]) -> Outcome:
    """Check a client, a second time if it has not come so far."""
    outcome = EXERCISES[key].judge(client, Random(1))
    return outcome if outcome.passed else EXERCISES[key].judge(client, Random(1))


def test_client_that_is_checked_again_goes_on(room: Room, tap: Tap) -> None:
    """A cell that is run again makes the same function anew, which is not started again."""
    room.challenge()  # 30 s to listen: not over within a check
    for _ in range(2):
        assert judge("6a", LISTEN).passed
    assert len(tap.links) == 1
    assert judge("6c", SOLUTIONS["speak"]).passed  # another client takes its place
    assert len(tap.links) == 2
    assert find(room, "ana")["drops"] == 1


def test_class_without_tasks_says_so(room: Room, tap: Tap) -> None:
    """It is no try of the student's; nor is a class that sets another task, or is closed."""
    for prepare, said in (
        (lambda: None, "The class has no tasks now."),
        (lambda: room.challenge("leave"), "The class has other tasks now"),
        (room.stop, "Your class was not reached"),
    ):
        prepare()
        outcome = judge("6a", SOLUTIONS["knock"])
        assert outcome.said.startswith(said)
        assert not outcome.written


def test_error_of_the_client_is_shown_with_its_line(room: Room, tap: Tap) -> None:
    """The client runs in a thread of its own, and prints; the card has both."""
    room.challenge(pace=PACE)

    def client(url: str) -> None:
        print("here I am")
        raise ValueError("no such price")

    result = check("6b", client)
    assert "ValueError: no such price" in result.outcome.said
    assert "raise ValueError" in result.line
    assert result.printed == "here I am\n"


def test_async_client_counts(room: Room, tap: Tap) -> None:
    """Any way to write a client is right."""
    room.challenge(pace=PACE)
    source = LISTEN.replace("sync", "asyncio").replace("def ", "async def ")
    source = source.replace("with ", "async with ").replace("for ", "async for ")
    assert judge("6b", source).passed


def test_seat_without_a_name_is_pointed_out(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest has no tasks."""
    monkeypatch.setattr("tickerkit.classroom.lessons.desk._desk", None)
    room.challenge(pace=PACE)
    seat = tk.join(room.page)
    with seat.tap() as tap:
        lesson6.play_through(seat, tap)
        assert "NAME" in judge("6a", SOLUTIONS["knock"]).said
