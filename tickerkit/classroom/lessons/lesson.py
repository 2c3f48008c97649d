"""Lessons: what a notebook calls to check an answer, and to show hints, guesses and progress."""

from __future__ import annotations

import importlib
import importlib.util
import secrets
from typing import Any

from tickerkit.classroom.lessons.card import Card
from tickerkit.classroom.lessons.exercise import Exercise, Prediction
from tickerkit.classroom.lessons.judging import describe
from tickerkit.classroom.lessons.progress import Guess, Progress, Work
from tickerkit.classroom.lessons.reports import (
    TRIES,
    compare,
    make_check_card,
    make_fault_card,
    make_hint_card,
    make_lesson_card,
    make_no_guess_card,
    make_question_card,
    make_refusal_card,
    make_solution_card,
    make_task_card,
    make_truth_card,
)
from tickerkit.classroom.lessons.running import run_check
from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_choices
from tickerkit.net.addresses import is_loopback
from tickerkit.runtime import registry
from tickerkit.runtime.hosts import show
from tickerkit.validation import check_flag, check_number, check_text

__all__ = ["Lesson", "lesson"]

TITLES = {
    "1": "A line that stays open",
    "2": "Frames",
    "3a": "The tutorial that does not run",
    "3b": "Server and client in a notebook",
    "4": "When the wire breaks",
    "5": "Nothing lost",
    "6": "Market day",
}
# What `tk.status` lists while a teacher's class runs in this kernel.
TEACHER = "room"
NOTHING = object()
MAX_GUESS = 80


class Lesson:
    """The exercises of one lesson, and what is done of them. Made by `lesson`.

    Each call shows a card. Progress is kept in `~/.tickerkit/lessons.json`.

    To grade with nbgrader, add a cell `assert L.passed("2b")` behind that of the check.
    """

    def __init__(
        self,
        number: str,
        exercises: tuple[Exercise, ...],
        predictions: dict[str, Prediction],
    ) -> None:
        self._number = number
        self._exercises = {each.key: each for each in exercises}
        self._predictions = predictions
        self._progress = Progress()
        self._results: dict[str, bool] = {}  # of the newest check of each, in this kernel

    def check(self, key: str, answer: Any, *, trace: bool = False, seed: int | None = None) -> None:
        """Check an answer, for 10 seconds at most, and show what was found.

        Each check draws other inputs. A function is called in a thread of its own; its
        errors are shown in words, and what it prints is shown on the card.

        Args:
            key: the exercise, such as "2b".
            answer: the function or value; a function without brackets behind its name. Three dots
                stand for no answer yet: they show the task, and are not counted as a try.
            trace: also show the traceback of an error.
            seed: draw the same inputs in each check.

        Raises:
            InvalidArgument: there is no such exercise.
        """
        exercise = self._find_exercise(key)
        check_flag("trace", trace)
        check_number("seed", seed, 0, whole=True, optional=True)
        if answer is ...:
            show(make_task_card(exercise))
            return
        seed = secrets.randbits(32) if seed is None else int(seed)
        result = run_check(exercise, answer, seed)
        if result.is_fault:
            show(make_fault_card(key, seed, result))
            return
        outcome = result.outcome
        self._results[key] = outcome.passed

        def change(work: Work) -> None:
            work.tries += outcome.written and not work.passed
            work.passed = work.passed or outcome.passed

        work = self._progress.change_work(key, change)
        guess = compare(self._predictions.get(key), self._progress.guess(key))
        show(make_check_card(exercise, result, work, guess, trace=trace))

    def hint(self, key: str) -> None:
        """Show the next hint of an exercise, and those before it; there are three."""
        exercise = self._find_exercise(key)

        def change(work: Work) -> None:
            work.hints = min(work.hints + 1, len(exercise.hints))

        show(make_hint_card(exercise, self._progress.change_work(key, change)))

    def solution(self, key: str) -> None:
        """Show the model answer, after three tries; in a kernel with a running `room`, at once."""
        exercise = self._find_exercise(key)
        work = self._progress.work(key)
        if work.passed or work.tries >= TRIES or _is_teacher():
            show(make_solution_card(exercise))
        else:
            show(make_refusal_card(exercise, work))

    def passed(self, key: str) -> bool:
        """Return whether an answer is right: that of the newest check, else of an earlier kernel.

        Example:
            >>> assert L.passed("2b")
        """
        self._find_exercise(key)
        return self._results.get(key, self._progress.work(key).passed)

    def predict(self, key: str, guess: Any = NOTHING) -> None:
        """Note a guess before a cell is run. Without a guess, show it beside the truth.

        A guess may be changed until the truth is shown, or the exercise of the same name is
        checked; a first guess after that is marked as late. With `...` as the guess, the question
        is shown.

        Args:
            key: the question, such as "2a".
            guess: a number, or text.

        Raises:
            InvalidArgument: there is no such question.
        """
        question = self._find_prediction(key)
        kept = self._progress.guess(key)
        is_known = kept.shown or self._progress.work(key).tries > 0
        if guess is NOTHING:
            if kept.value and not kept.shown:
                kept = self._progress.change_guess(key, _set_shown)
            is_known = kept.shown
        elif guess is not ... and not (kept.value and is_known):
            value = guess if isinstance(guess, str) else describe(guess)

            def change(entry: Guess) -> None:
                entry.value, entry.late = value[:MAX_GUESS], is_known

            kept = self._progress.change_guess(key, change)
        if guess is NOTHING and not kept.value:
            show(make_no_guess_card(key))
        else:
            make = make_truth_card if is_known and kept.value else make_question_card
            show(make(key, question, kept))

    def _find_exercise(self, key: str) -> Exercise:
        check_text("key", key, format_choices(self._exercises))
        if key not in self._exercises:
            raise InvalidArgument("key", key, format_choices(self._exercises))
        return self._exercises[key]

    def _find_prediction(self, key: str) -> Prediction:
        check_text("key", key, format_choices(self._predictions))
        if key not in self._predictions:
            raise InvalidArgument("key", key, format_choices(self._predictions))
        return self._predictions[key]

    def _make_card(self) -> Card:
        works = [(each, self._progress.work(key)) for key, each in self._exercises.items()]
        guesses = [bool(self._progress.guess(key).value) for key in self._predictions]
        title = f"Lesson {self._number}: {TITLES[self._number]}"
        return make_lesson_card(title, works, guesses, self._progress.where)

    def __repr__(self) -> str:
        return repr(self._make_card())

    def _repr_html_(self) -> str:
        return self._make_card()._repr_html_()


def lesson(number: int | str) -> Lesson:
    """Return a lesson: its checks, hints, guesses and progress.

    Args:
        number: such as 2 or "3a".

    Raises:
        InvalidArgument: there is no such lesson.

    Example:
        >>> L = lesson(2)
        >>> L.check("2b", read_frame)
    """
    numbers = [each for each in TITLES if importlib.util.find_spec(_name_module(each))]
    text = str(number)
    if text not in numbers:
        raise InvalidArgument("number", number, format_choices(numbers))
    module = importlib.import_module(_name_module(text))
    return Lesson(text, module.EXERCISES, dict(module.PREDICTIONS))


def _name_module(number: str) -> str:
    return f"tickerkit.classroom.lessons.lesson{number}"


def _set_shown(guess: Guess) -> None:
    guess.shown = True


def _is_teacher() -> bool:
    """Return whether this kernel has a class for others; at home, one is for its student alone."""
    return any(
        service.summary()["kind"] == TEACHER and not is_loopback(getattr(service, "host", ""))
        for service in registry.running()
    )
