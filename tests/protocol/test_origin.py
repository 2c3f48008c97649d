"""A relay calls an epoch foreign only with proof: a look at the stream after the question."""

from __future__ import annotations

import pickle

import pytest

from tickerkit.protocol.origin import MAX_QUESTIONS, CaughtUp, Origin


def test_an_epoch_is_foreign_only_after_a_look_at_the_stream_that_came_after_the_question() -> None:
    """Else the epoch may be one that has not come to this relay yet."""
    origin, asked = Origin(), []
    origin.on_question = lambda: asked.append(origin.questions)
    origin.take(CaughtUp(0))
    assert not origin.is_foreign("x")
    origin.take(CaughtUp(0))  # looked at before the question
    assert not origin.is_foreign("x")
    origin.take(CaughtUp(1))
    assert origin.is_foreign("x")
    assert asked == [1]


@pytest.mark.parametrize("has_all", [True, False])
def test_unknown_epoch_is_foreign_once_nothing_more_will_come(has_all: bool) -> None:
    """No question is asked then."""
    origin, asked = Origin(), []
    origin.on_question = lambda: asked.append(origin.questions)
    assert not origin.is_foreign("x")
    origin.close(has_all=has_all)
    assert not origin.is_foreign("y")
    assert [origin.is_foreign("x"), origin.is_foreign("y")] == [has_all] * 2
    assert asked == [1]


def test_origin_in_another_process_is_a_new_one() -> None:
    """There another log is filled, and the hook belongs to this process."""
    origin = Origin()
    origin.on_question = lambda: None  # which can't be pickled
    origin.take(CaughtUp(0))
    copy = pickle.loads(pickle.dumps(origin))
    assert (copy.is_ready, copy.questions) == (False, 0)


def test_questions_of_hostile_readers_take_a_bounded_memory() -> None:
    """The oldest questions are forgotten."""
    origin = Origin()
    for number in range(3 * MAX_QUESTIONS):
        origin.is_foreign(f"e{number}")
    assert origin.questions == 3 * MAX_QUESTIONS
    assert len(origin._asked) == MAX_QUESTIONS
