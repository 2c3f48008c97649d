"""Exercise 4c: a client that connects again after each break, and waits in between."""

from __future__ import annotations

from random import Random
from typing import Any

from tickerkit.classroom.lessons.exercise import Exercise, Outcome
from tickerkit.classroom.lessons.judging import NO_FUNCTION, describe
from tickerkit.classroom.lessons.refusal import Refusal
from tickerkit.classroom.lessons.rough_wire import (
    NO_WAIT,
    NOT_CAUGHT,
    NOT_CAUGHT_IN_HANDSHAKE,
    NOTHING_TAKEN,
    RETURNED,
    RoughWire,
)

__all__ = ["SURVIVOR"]

BREAKS = 5

SOLUTION = """
import random
import time

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect


def survive(url, take):
    wait = 0.05
    while True:
        try:
            with connect(url) as client:
                for message in client:
                    take(message)
                    wait = 0.05
        except (ConnectionClosed, InvalidHandshake, OSError):
            pass
        time.sleep(wait * random.uniform(0.5, 1))
        wait = min(1, 2 * wait)
"""

WRONG = {
    '''
from websockets.sync.client import connect
def survive(url, take):
    with connect(url) as client:
        for message in client:
            take(message)
''': NOT_CAUGHT,
    '''
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
def survive(url, take):
    with connect(url) as client:
        try:
            for message in client:
                take(message)
        except ConnectionClosed:
            return
''': RETURNED,
    '''
import time
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
def survive(url, take):
    while True:
        with connect(url) as client:
            try:
                for message in client:
                    take(message)
            except ConnectionClosed:
                pass
        time.sleep(0.05)
''': NOT_CAUGHT_IN_HANDSHAKE,
    SOLUTION.replace("        time.sleep(wait * random.uniform(0.5, 1))\n", ""): NO_WAIT,
    '''
def survive(url, take):
    return None
''': NOTHING_TAKEN,
}  # fmt: skip


def _check_message(given: Any) -> None:
    if not isinstance(given, str | bytes):
        raise Refusal("take() gets a message as it came: text.", describe(given))


def _judge(answer: Any, rng: Random) -> Outcome:
    kind = f"a client that takes messages, and continues after {BREAKS} breaks"
    if not callable(answer):
        return Outcome(False, 0, NO_FUNCTION, kind, describe(answer))
    wire = RoughWire(BREAKS)
    try:
        wire.run(answer, _check_message, rng)
    except Refusal as refusal:
        return refusal.make_outcome(wire.broken if wire.calls else 0, kind)
    praise = f"{wire.broken} breaks, and {wire.calls:,} messages came all the same."
    return Outcome(True, BREAKS, praise)


SURVIVOR = Exercise(
    key="4c",
    task="survive(url, take): call take(message) for each message, whatever breaks.",
    judge=_judge,
    hints=(
        "An endless loop: connect, take each message (`for message in client:`), wait, again.",
        "Both `connect` and the loop over the messages belong inside of one `try`.",
        "Catch ConnectionClosed, InvalidHandshake and OSError. Then wait, each time longer.",
    ),
    solution=SOLUTION,
    wrong=WRONG,
)
