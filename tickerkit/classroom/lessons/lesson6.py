"""Lesson 6, market day: a client that does the seven tasks of a class."""

from __future__ import annotations

from tickerkit.classroom.lessons.desk import play_through
from tickerkit.classroom.lessons.exercise import Exercise, Prediction
from tickerkit.classroom.lessons.market_day import TRIALS

__all__ = ["EXERCISES", "PREDICTIONS", "play_through"]

EXERCISES: tuple[Exercise, ...] = tuple(
    trial.make_exercise(f"6{letter}") for letter, trial in zip("abcdefg", TRIALS, strict=True)
)

PREDICTIONS = {
    "6p1": Prediction(
        "The server sends three pings. How many lines of your program answer them?",
        0,
        "The library answers. In lesson 2 you saw what a pong is.",
    ),
    "6p2": Prediction(
        "You are away for 3 seconds, and 100 ticks a second come. You return with after=. "
        "How many ticks are missing?",
        0,
        "The server has kept them, and sends them first.",
    ),
    "6p3": Prediction(
        "100 ticks a second come, and one message a second passes. What happens to the ticks that "
        "do not fit: kept or dropped?",
        "dropped",
        "A server can't keep them for every slow client. It says which it has dropped: a gap.",
    ),
}
