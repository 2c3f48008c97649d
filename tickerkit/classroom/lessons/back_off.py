"""Exercise 4b: waits that grow, are capped, and differ between clients."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from numbers import Real
from random import Random
from statistics import median
from typing import Any

from tickerkit.classroom.lessons.exercise import Exercise, Outcome
from tickerkit.classroom.lessons.judging import NO_FUNCTION, NOTHING, describe
from tickerkit.classroom.lessons.refusal import Refusal

__all__ = ["BACK_OFF"]

CALLS = 300
WAITS = 12
MAX_WAIT_S = 30
# The typical first wait, and the typical last one, are on either side of these.
MAX_FIRST_S = 5
MIN_LAST_S = 8
# Of the clients, so many may come within a tenth of a second.
MAX_SHARE = 0.5
STEPS_A_SECOND = 10

SOLUTION = """
import random


def delays(n):
    return [random.uniform(0.5, 1) * min(30, 2**k) for k in range(n)]
"""

NOT_NUMBERS = "Return a list of n numbers: the waits in seconds."
NEGATIVE = "A wait can't be negative."
TOO_LONG = "No wait may be longer than 30 s: cap it with min(30, …)."
JITTER_OVER_CAP = "The chance brings a wait above 30 s. Cap the sum, or make the chance smaller."
ALL_EQUAL = "Each call returns the same waits: 30 clients come at the same moment. Use random."
TOGETHER = "The waits differ too little: most of the clients still come at about the same moment."
NO_GROWTH = "The waits don't grow. Double them after each attempt."
TOO_SLOW = "The waits grow too slowly: after 12 attempts the clients still ask every few seconds."
SLOW_START = "The first wait is too long: most breaks are over after a second."

WRONG = {
    "def delays(n):\n    return 1\n": NOT_NUMBERS,
    "def delays(n):\n    return [1 - k for k in range(n)]\n": NEGATIVE,
    SOLUTION.replace("min(30, 2**k)", "2**k"): TOO_LONG,
    SOLUTION.replace(
        "random.uniform(0.5, 1) * min(30, 2**k)", "min(30, 2**k) + random.random()"
    ): JITTER_OVER_CAP,
    "def delays(n):\n    return [min(30, 2**k) for k in range(n)]\n": ALL_EQUAL,
    SOLUTION.replace("random.uniform(0.5, 1)", "random.uniform(0.999, 1)"): TOGETHER,
    SOLUTION.replace("min(30, 2**k)", "2"): NO_GROWTH,
    SOLUTION.replace("min(30, 2**k)", "(1 + k / 4)"): TOO_SLOW,
    SOLUTION.replace("min(30, 2**k)", "min(30, 20 + k)"): SLOW_START,
}


def _judge(answer: Any, _: Random) -> Outcome:
    kind = f"{WAITS} waits of at most {MAX_WAIT_S} s that grow, and differ from call to call"
    if not callable(answer):
        return Outcome(False, 0, NO_FUNCTION, kind, describe(answer))
    checked = 0
    try:
        lists = []
        for _call in range(CALLS):
            lists.append(_check_waits(answer(WAITS)))
            checked += 1
        _compare(lists)
    except Refusal as refusal:
        return refusal.make_outcome(0 if checked == CALLS else checked, kind)
    praise = "The waits grow, are capped, and 30 clients come back one after the other."
    return Outcome(True, checked, praise)


def _check_waits(came: Any) -> list[float]:
    if came is None:
        raise Refusal(NOTHING, written=False)
    if not isinstance(came, list | tuple) or len(came) != WAITS:
        raise Refusal(NOT_NUMBERS, describe(came))
    if not all(isinstance(each, Real) and not isinstance(each, bool) for each in came):
        raise Refusal(NOT_NUMBERS, describe(came))
    waits = [float(each) for each in came]
    if not all(each >= 0 for each in waits):
        raise Refusal(NEGATIVE, describe(came))
    if max(waits) > MAX_WAIT_S:
        is_jitter = max(waits) <= 1.5 * MAX_WAIT_S
        raise Refusal(JITTER_OVER_CAP if is_jitter else TOO_LONG, describe(came))
    return waits


def _compare(lists: list[list[float]]) -> None:
    typical = [median(waits) for waits in zip(*lists, strict=True)]
    shown = describe([round(each, 1) for each in typical])
    if typical[0] > MAX_FIRST_S:
        raise Refusal(SLOW_START, shown)
    if typical[3] <= 1.2 * typical[0] or typical[-1] <= 1.5 * typical[0]:
        raise Refusal(NO_GROWTH, shown)
    if all(each == lists[0] for each in lists):
        raise Refusal(ALL_EQUAL, describe(lists[0]))
    if typical[-1] < MIN_LAST_S:
        raise Refusal(TOO_SLOW, shown)
    # Each attempt counts: the first one finds the server, or a later one does.
    for times in zip(*(accumulate(waits) for waits in lists), strict=True):
        steps = Counter(int(each * STEPS_A_SECOND) for each in times)
        if steps.most_common(1)[0][1] > MAX_SHARE * len(lists):
            raise Refusal(TOGETHER, shown)


BACK_OFF = Exercise(
    key="4b",
    task="delays(n): n waits in seconds that grow, stay below 30, and differ between clients.",
    judge=_judge,
    hints=(
        "Double the wait after each attempt: 2**k for the attempt number k.",
        "min(30, 2**k) never exceeds 30.",
        "Multiply by chance: random.uniform(0.5, 1) draws a number between the two.",
    ),
    solution=SOLUTION,
    wrong=WRONG,
)
