"""The exercises of all lessons: right answers pass, and known wrong ones get their own sentence."""

from __future__ import annotations

import importlib
import importlib.util
from random import Random

import pytest
from soaks import examples

from tickerkit.classroom.lessons.exercise import AnswerError, Exercise, Prediction
from tickerkit.classroom.lessons.judging import load_answer
from tickerkit.classroom.lessons.lesson import TITLES
from tickerkit.classroom.lessons.running import run_check

PACKAGE = "tickerkit.classroom.lessons"
MODULES = [
    importlib.import_module(name)
    for number in TITLES
    if importlib.util.find_spec(name := f"{PACKAGE}.lesson{number}")
]
EXERCISES: list[Exercise] = [each for module in MODULES for each in module.EXERCISES]
PREDICTIONS: list[Prediction] = [each for module in MODULES for each in module.PREDICTIONS.values()]
# Their judges run servers or wait: one seed is enough for each run of the tests.
LESSON_6 = {f"6{letter}" for letter in "abcdefg"}
SLOW: set[str] = {"3a6", "3b", "4b", "4c", "5b", "5c"} | LESSON_6
SEEDS = 1000
WRONG_SEEDS = 30

BY_KEY = pytest.mark.parametrize("exercise", EXERCISES, ids=[each.key for each in EXERCISES])
WRONG = [(each, source) for each in EXERCISES for source in each.wrong]
WRONG_IDS = [f"{each.key}-{number}" for each in EXERCISES for number, _ in enumerate(each.wrong, 1)]


@BY_KEY
def test_the_model_answer_passes_with_any_seed(exercise: Exercise) -> None:
    """No drawn input makes a right answer fail."""
    answer = load_answer(exercise.solution)
    for seed in range(1 if exercise.key in SLOW else examples(SEEDS)):
        outcome = exercise.judge(answer, Random(seed))
        assert outcome.passed, (seed, outcome)
        assert outcome.checked > 0


@pytest.mark.parametrize(("exercise", "source"), WRONG, ids=WRONG_IDS)
def test_a_known_wrong_answer_gets_its_own_sentence(exercise: Exercise, source: str) -> None:
    """Each mistake is named, whatever the inputs are."""
    for seed in range(1 if exercise.key in SLOW else examples(WRONG_SEEDS)):
        result = run_check(exercise, load_answer(source), seed)
        assert not result.is_fault
        assert not result.outcome.passed
        assert result.outcome.said == exercise.wrong[source], (seed, result)


@BY_KEY
def test_each_wrong_answer_has_a_sentence_of_its_own(exercise: Exercise) -> None:
    """No two mistakes share a sentence, and none is empty."""
    sentences = list(exercise.wrong.values())
    assert len(set(sentences)) == len(sentences)
    assert all(each.endswith((".", "?")) for each in sentences)


@BY_KEY
def test_an_answer_of_another_kind_fails_in_words(exercise: Exercise) -> None:
    """Whatever a student passes, the check neither passes nor fails itself."""
    values = [None, True, 0, -1, 1e308, "", "text", b"", (), (1, 2), [], {}, object(), ...]
    answers = [*values, *(lambda *_, value=value: value for value in values), lambda: 1]
    for answer in answers[:: 5 if exercise.key in SLOW else 1]:
        result = run_check(exercise, answer, 1)
        assert not result.is_fault, (answer, result)
        assert not result.outcome.passed, (answer, result)
        assert result.outcome.said.endswith((".", "?"))


@BY_KEY
def test_the_hints_do_not_give_the_answer_away_at_once(exercise: Exercise) -> None:
    """Each of the three says something, and the texts fit on a card."""
    assert len(set(exercise.hints)) == 3
    assert max(map(len, exercise.hints)) < 200
    assert len(exercise.task) < 120


def test_keys_are_used_once() -> None:
    """An exercise is found by its key alone, in the file of progress too."""
    keys = [each.key for each in EXERCISES]
    assert len(set(keys)) == len(keys)
    guesses = [key for module in MODULES for key in module.PREDICTIONS]
    assert len(set(guesses)) == len(guesses)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda each: each.question[:30])
def test_the_truth_is_right(prediction: Prediction) -> None:
    """Who guesses the truth is right, also as text; a word that is none is wrong."""
    assert prediction.is_right(prediction.truth)
    assert prediction.is_right(f" {prediction.truth} ")
    assert not prediction.is_right("perhaps")


def test_an_error_of_the_model_answer_would_be_seen() -> None:
    """The judge does not swallow errors of an answer that is not guarded."""

    def fail(*_: object) -> None:
        raise AnswerError(ValueError())

    with pytest.raises(AnswerError):
        EXERCISES[0].judge(fail, Random(1))
