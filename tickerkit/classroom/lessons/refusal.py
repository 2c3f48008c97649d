"""Refusals: what a judge finds wrong while it tries the server or the client of a student."""

from __future__ import annotations

from tickerkit.classroom.lessons.exercise import Outcome

__all__ = ["Refusal"]


class Refusal(Exception):
    """The answer does something wrong.

    Attributes:
        said: one sentence for the student.
        came: what came instead.
        written: whether there was an answer at all.
    """

    def __init__(self, said: str, came: str = "", *, written: bool = True) -> None:
        super().__init__(said)
        self.said, self.came, self.written = said, came, written

    def make_outcome(self, checked: int, expected: str) -> Outcome:
        """Return what the check found.

        Args:
            checked: how much was right before.
            expected: what was expected, in kind.
        """
        return Outcome(False, checked, self.said, expected, self.came, written=self.written)
