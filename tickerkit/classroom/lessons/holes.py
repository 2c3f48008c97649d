"""Exercise 5a: the ranges of ticks that are missing, exactly."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

from tickerkit.classroom.lessons.exercise import Exercise, Outcome
from tickerkit.classroom.lessons.judging import Case, judge_function

__all__ = ["HOLES"]

CASES = 60

SOLUTION = """
def missing(seqs):
    ranges = []
    for before, after in zip(seqs, seqs[1:]):
        if after > before + 1:
            ranges.append((before + 1, after - 1))
    return ranges
"""

WRONG = {
    SOLUTION.replace("(before + 1, after - 1)", "(before, after)"): (
        "These are the ticks beside the hole; they came. The range begins one later."
    ),
    SOLUTION.replace("(before + 1, after - 1)", "(before + 1, after)"): (
        "The last number of a range is a tick that came."
    ),
    SOLUTION.replace("(before + 1, after - 1)", "(before, after - 1)"): (
        "The first number of a range is a tick that came."
    ),
    SOLUTION.replace("after > before + 1", "after > before + 2"): (
        "A hole of one tick is a hole, too: (5, 5)."
    ),
    SOLUTION.replace("ranges = []", "ranges = [(1, seqs[0] - 1)] if seqs[0] > 1 else []"): (
        "Before the first tick nothing is missing: the client was not there yet."
    ),
    """
def missing(seqs):
    return [seq for seq in range(seqs[0], seqs[-1]) if seq not in set(seqs)]
""": "These are single ticks. Return a pair for each range: (first, last).",
    """
def missing(seqs):
    return seqs[-1] - seqs[0] + 1 - len(seqs)
""": "This is how many are missing. Which ones are they?",
}


def find_missing(seqs: list[int]) -> list[tuple[int, int]]:
    """Return the first and the last number of each range that is missing."""
    return [(before + 1, after - 1) for before, after in pairwise(seqs) if after > before + 1]


def _judge(answer: Any, rng: Random) -> Outcome:
    simple = [[1, 2, 5, 6], [7, 8, 9], [4, 6], [100, 101, 150, 151, 153], [3]]
    drawn = []
    for _ in range(CASES - len(simple)):
        seq, seqs = rng.randrange(1, 1000), []
        for _ in range(rng.randrange(2, 30)):
            seqs.append(seq)
            seq += rng.choice([1, 1, 1, 1, 2, rng.randrange(3, 60)])
        drawn.append(seqs)
    cases = [Case((seqs,), find_missing(seqs)) for seqs in (*simple, *drawn)]
    kind = "a list of pairs (first, last); an empty one if nothing is missing"
    return judge_function(answer, cases, kind, "Each range is exact.", WRONG)


HOLES = Exercise(
    key="5a",
    task="missing(seqs): the first and the last number of each range that is missing.",
    judge=_judge,
    hints=(
        "Compare each number with the next one: zip(seqs, seqs[1:]).",
        "If the next one is larger by more than 1, something is missing between the two.",
        "After 2 comes 5: missing are 3 to 4, so the pair is (2 + 1, 5 - 1).",
    ),
    solution=SOLUTION,
    wrong=WRONG,
)
