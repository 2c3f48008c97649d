"""Exercise 4a: close, reset, stall and silence are told apart by what a client can see."""

from __future__ import annotations

from random import Random
from typing import Any

from tickerkit.classroom.lessons.exercise import Exercise, Outcome
from tickerkit.classroom.lessons.judging import Case, judge_function

__all__ = ["DIAGNOSIS"]

CASES = 200
MAX_QUIET_S = 5
MAX_UNANSWERED_S = 3

SOLUTION = """
def diagnose(code, quiet_s, unanswered_s):
    if code == 1006:
        return "reset"
    if code is not None:
        return "close"
    if unanswered_s > 3:
        return "stall"
    if quiet_s > 5:
        return "silence"
    return "fine"
"""

WRONG = {
    SOLUTION.replace('    if code == 1006:\n        return "reset"\n', ""): (
        "Code 1006 is never on the wire: it means that no close frame came."
    ),
    SOLUTION.replace(
        '    if unanswered_s > 3:\n        return "stall"\n    if quiet_s > 5:\n'
        '        return "silence"\n',
        '    if quiet_s > 5:\n        return "silence"\n    if unanswered_s > 3:\n'
        '        return "stall"\n',
    ): "Ask for the ping first: where no pong comes, no message can come either.",
    SOLUTION.replace('"silence"', '"stall"'): (
        "The pongs come, so the wire works: there is just nothing to send."
    ),
    SOLUTION.replace("unanswered_s > 3", "unanswered_s > 0"): (
        "A pong needs some time. Only after 3 seconds without it, something is wrong."
    ),
    SOLUTION.replace("quiet_s > 5", "quiet_s > 0"): (
        "Between two messages there is always some time. Up to 5 seconds are fine."
    ),
    SOLUTION.replace("code is not None", "code"): (
        "Code 0 is a code, too, if a strange one: compare with None."
    ),
    SOLUTION.replace("code is not None", "code == 1000"): (
        "1000 is the normal end, but 1001, 1011 and 1012 are close codes, too."
    ),
    SOLUTION.replace("code == 1006", "code is None"): (
        "None is no reset: it means that the connection is open."
    ),
    SOLUTION.replace("unanswered_s > 3", "unanswered_s > 3 and quiet_s > 5"): (
        "A pong that is late is enough for a stall, even if a message came just before."
    ),
    SOLUTION.replace("unanswered_s > 3", "unanswered_s > 0 and quiet_s > 5"): (
        "Ask the pings alone: longer than 3 seconds without a pong is a stall, quiet or not."
    ),
}


def find_answer(code: int | None, quiet_s: float, unanswered_s: float) -> str:
    """Return what has happened to a connection."""
    if code is not None:
        return "reset" if code == 1006 else "close"
    if unanswered_s > MAX_UNANSWERED_S:
        return "stall"
    return "silence" if quiet_s > MAX_QUIET_S else "fine"


def _judge(answer: Any, rng: Random) -> Outcome:
    simple: list[tuple[int | None, float, float]] = [
        *((1000, 0.5, 0.0), (1006, 0.5, 0.0), (None, 8.0, 0.0), (None, 2.0, 0.0)),
        *((None, 9.0, 4.0), (None, 1.0, 2.0), (None, 2.0, 3.5), (0, 1.0, 0.0)),
    ]
    drawn = [
        (
            rng.choice([None, None, None, 1000, 1001, 1006, 1011, 1012]),
            round(rng.uniform(0, 10), 1),
            rng.choice([0.0, 0.0, round(rng.uniform(0, 6), 1)]),
        )
        for _ in range(CASES - len(simple))
    ]
    cases = [Case(each, find_answer(*each)) for each in (*simple, *drawn)]
    kind = 'one of "close", "reset", "stall", "silence" and "fine"'
    return judge_function(answer, cases, kind, "You tell all of them apart.", WRONG)


DIAGNOSIS = Exercise(
    key="4a",
    task="diagnose(code, quiet_s, unanswered_s): say what has happened to a connection.",
    judge=_judge,
    hints=(
        "Begin with the code: is there one, and is it one that came from the other side?",
        "Then ask whether a ping has waited for its pong for more than 3 seconds.",
        'If pongs come, the wire works: more than 5 quiet seconds are "silence", fewer "fine".',
    ),
    solution=SOLUTION,
    wrong=WRONG,
)
