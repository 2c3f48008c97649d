"""Lessons: exercises that check themselves, for the notebooks of a class."""

from tickerkit.classroom.lessons.by_request import RequestServer, serve_by_request
from tickerkit.classroom.lessons.exercise import AnswerError, Exercise, Outcome, Prediction
from tickerkit.classroom.lessons.judging import Case, judge_function, judge_value
from tickerkit.classroom.lessons.lesson import Lesson, lesson

__all__ = [
    "AnswerError",
    "Case",
    "Exercise",
    "Lesson",
    "Outcome",
    "Prediction",
    "RequestServer",
    "judge_function",
    "judge_value",
    "lesson",
    "serve_by_request",
]
