"""Exercise 5b: a client that continues after its newest tick, so that none is missing or double."""

from __future__ import annotations

from random import Random
from typing import Any

from tickerkit.classroom.lessons.exercise import Exercise, Outcome
from tickerkit.classroom.lessons.judging import NO_FUNCTION, describe
from tickerkit.classroom.lessons.refusal import Refusal
from tickerkit.classroom.lessons.rough_wire import NOTHING_TAKEN, RoughWire

__all__ = ["RESUMING"]

BREAKS = 10

SOLUTION = """
import json
import random
import time

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect


def stay(url, take):
    address, epoch = f"{url}?after=now", ""
    while True:
        try:
            with connect(address) as client:
                for message in client:
                    data = json.loads(message)
                    if isinstance(data, dict):
                        epoch = data.get("epoch", epoch)
                        continue
                    for tick in data:
                        take(tick)
                        address = f"{url}?after={tick['seq']}&epoch={epoch}"
        except (ConnectionClosed, InvalidHandshake, OSError):
            pass
        time.sleep(random.uniform(0.02, 0.08))
"""

MISSING = "Ticks are missing after a break. Connect again with ?after= and your newest seq."
DOUBLE = "A tick came twice. `after` takes the seq of the newest tick that you have."
NO_TICK = "Call take() with one tick, a dict with a seq. An object with a `type` is not a tick."

WRONG = {
    SOLUTION.replace(
        "                        address = f\"{url}?after={tick['seq']}&epoch={epoch}\"\n", ""
    ): MISSING,
    SOLUTION.replace("{tick['seq']}", "{tick['seq'] - 1}"): DOUBLE,
    SOLUTION.replace(
        "                        continue\n", "                        data = [data]\n"
    ): (NO_TICK),
    "def stay(url, take):\n    return None\n": NOTHING_TAKEN,
}


class _Sequence:
    """The numbers of the ticks that a client has taken."""

    def __init__(self) -> None:
        self.last: int | None = None

    def check(self, given: Any) -> None:
        """Raise a refusal if a tick is not the next one."""
        seq = given.get("seq") if isinstance(given, dict) and "type" not in given else None
        if not isinstance(seq, int):
            raise Refusal(NO_TICK, describe(given))
        if self.last is not None and seq <= self.last:
            raise Refusal(DOUBLE, f"tick {seq:,} after tick {self.last:,}")
        if self.last is not None and seq > self.last + 1:
            raise Refusal(MISSING, f"tick {seq:,} after tick {self.last:,}")
        self.last = seq


def _judge(answer: Any, rng: Random) -> Outcome:
    kind = f"a client that takes each tick once, through {BREAKS} breaks"
    if not callable(answer):
        return Outcome(False, 0, NO_FUNCTION, kind, describe(answer))
    wire, ticks = RoughWire(BREAKS), _Sequence()
    try:
        wire.run(answer, ticks.check, rng)
    except Refusal as refusal:
        return refusal.make_outcome(wire.broken if wire.calls else 0, kind)
    praise = f"{wire.broken} breaks, {wire.calls:,} ticks: none is missing, none came twice."
    return Outcome(True, BREAKS, praise)


RESUMING = Exercise(
    key="5b",
    task="stay(url, take): call take(tick) for each tick, once, whatever breaks.",
    judge=_judge,
    hints=(
        "Begin with ?after=now. Keep the epoch of the `at` object, and the seq of each tick.",
        "Come back with ?after=SEQ&epoch=EPOCH; the server continues behind that tick.",
        "An array has ticks: take each. An object has no tick: look for its epoch.",
    ),
    solution=SOLUTION,
    wrong=WRONG,
)
