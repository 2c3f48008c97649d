"""Origin: what a server knows of the stream that its log comes from; a relay has one, a maker none.

A reader that comes from another relay may stand ahead of this one. What is missing here is not
lost: it is still on its way. So a relay reports a gap only if it has proof.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["CaughtUp", "Origin"]

# Epochs that readers have asked about: of readers that choose what they send.
MAX_QUESTIONS = 1000


class CaughtUp(NamedTuple):
    """The event that the log holds all that the stream's tail had, when it was looked at.

    Attributes:
        questions: how many questions of `Origin` had been asked before that look.
    """

    questions: int


class Origin:
    """What a relay knows of its stream.

    Attributes:
        is_ready: whether the log has caught up with the stream once, and knows the epoch.
        questions: how many unknown epochs readers have asked about.
        on_question: called in the writer's thread when another question is asked: look at the
            tail, take all up to it, and then report `CaughtUp`.
    """

    def __init__(self) -> None:
        self.is_ready = False
        self.questions = 0
        self.on_question: Callable[[], object] = lambda: None
        # The number of the question about each epoch; those answered are foreign.
        self._asked: dict[str, int] = {}
        self._answered = 0

    def __reduce__(self) -> tuple[type[Origin], tuple[()]]:
        # In another process another log is filled, and the hook belongs to this one.
        return Origin, ()

    def is_foreign(self, epoch: str) -> bool:
        """Return whether an epoch that the log doesn't hold is proved to be of another stream.

        Without proof, the question is noted, and the proof is sought: ask again soon.
        """
        asked = self._asked.get(epoch)
        if asked is None:
            if len(self._asked) >= MAX_QUESTIONS:
                del self._asked[next(iter(self._asked))]
            self.questions += 1
            self._asked[epoch] = self.questions
            self.on_question()
            return False
        return asked <= self._answered

    def take(self, event: CaughtUp) -> None:
        """Note that the log holds all that was in the stream after these questions."""
        self.is_ready = True
        self._answered = max(self._answered, event.questions)

    def close(self, *, has_all: bool) -> None:
        """Note that nothing more will come, and nobody looks at the stream any more.

        Args:
            has_all: whether the log holds all that there ever will be: then each unknown epoch is
                foreign.
        """
        self.on_question = lambda: None
        if has_all:
            self._answered = sys.maxsize
