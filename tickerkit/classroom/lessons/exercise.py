"""Exercises: what a check runs, what it found, and what a student guesses beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

__all__ = ["AnswerError", "Exercise", "Outcome", "Prediction"]


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        passed: whether the answer is right.
        checked: how many inputs were right; all of them if it passed.
        said: one sentence for the student.
        expected: what was expected, in kind: it does not give the answer away.
        came: what came instead.
        boxes: the bytes that the failed input had; the card shows them as boxes.
        called: what the student's function was called with, unless the boxes show it.
        written: whether there was an answer at all; one that is still empty counts as no try.
    """

    passed: bool
    checked: int
    said: str
    expected: str = ""
    came: str = ""
    boxes: bytes = b""
    called: str = ""
    written: bool = True


@dataclass(frozen=True)
class Exercise:
    """An exercise that checks itself.

    Attributes:
        key: its number in the lessons, such as "2b".
        task: one sentence.
        judge: called with the answer and a source of random inputs, in a thread of its own, for 10
            seconds at most. It returns an `Outcome`. A function of the student raises
            `AnswerError` in place of its own errors; any other error counts as a fault of the
            judge, unless a line of the student's code is in its traceback.
        hints: three, each says more than the one before.
        solution: source of the model answer.
        wrong: source of each known wrong answer, and the sentence that it gets.
    """

    key: str
    task: str
    judge: Callable[[Any, Random], Outcome]
    hints: tuple[str, str, str]
    solution: str
    wrong: Mapping[str, str]


@dataclass(frozen=True)
class Prediction:
    """A question to answer before a cell is run.

    Attributes:
        question: what to guess.
        truth: a number, or text.
        why: one sentence that explains the truth.
        near: a guessed number is right if it is off by no more.
        words: how the truth is shown; by default as it is.
    """

    question: str
    truth: float | str
    why: str
    near: float = 0
    words: str = ""

    def is_right(self, guess: object) -> bool:
        """Return whether a guess is the truth; capitals do not matter, nor "8" for 8."""
        if isinstance(self.truth, str):
            return str(guess).strip().casefold() == self.truth.casefold()
        try:
            return abs(float(str(guess)) - self.truth) <= self.near
        except ValueError:
            return False


class AnswerError(Exception):
    """The student's function raised an error, or ended the program.

    Attributes:
        error: what it raised.
        checked: how many inputs were right before.
        boxes: the bytes that it was called with.
        called: what else it was called with.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__("the student's function raised an error")
        self.error = error
        self.checked = 0
        self.boxes = b""
        self.called = ""
