"""Trial: a task of a class as an exercise: a client runs, and the class's server judges it."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from websockets.exceptions import ConnectionClosed

from tickerkit.classroom.lessons.client_run import ClientRun
from tickerkit.classroom.lessons.desk import Desk, find_desk
from tickerkit.classroom.lessons.exercise import AnswerError, Exercise, Outcome
from tickerkit.classroom.lessons.judging import NO_FUNCTION, describe
from tickerkit.classroom.lessons.market_clients import SOLUTIONS, WRONG

__all__ = ["COME_BACK", "NAMELESS", "NEVER", "RETURNED", "Trial"]

# How long a check looks at the class.
WATCH_S = 8.0
# How often it asks; how long a client may stay wrong, since it may still do better; and how long
# the class may take to judge a client that has ended. In parts of the desk's patience.
ASK_EACH, STANDS, SETTLE = 0.1, 1.0, 0.5

EXPECTED = "a function that connects to the url that it is called with"
NEVER = "Your client never connected to its url. Begin with `with connect(url) as ws:`."
NAMELESS = "The class does not know your client. Connect to url as it is: your name is in it."
NO_NAME = "You have no name in the class. Fill in NAME in section 1, and run the cells from there."
NO_TASKS = "The class has no tasks now. Ask your teacher to begin the challenge."
OTHER_TASKS = "The class has other tasks now, and this one is not among them."
RETURNED = "Your client has left. It must stay, in a loop over the messages."
BROKEN = "The connection ended, and your client with it."
COME_BACK = "A break ended your client. Catch ConnectionClosed, and connect again."


@dataclass(frozen=True)
class Trial:
    """One task of a class, as an exercise.

    Attributes:
        number: the number of the task.
        name: its name.
        text: what to do, in one sentence.
        praise: what is said once it is passed.
        hints: three.
        ended: what is said of a client that ends before.
        meanings: by the server's name of a fault, what it means.
        wrong: the sentence of each known mistake.
    """

    number: int
    name: str
    text: str
    praise: str
    hints: tuple[str, str, str]
    ended: str = RETURNED
    meanings: Mapping[str, str] = field(default_factory=dict)
    wrong: Sequence[tuple[str, str]] = ()

    def make_exercise(self, key: str) -> Exercise:
        """Return the exercise."""
        solution = SOLUTIONS[self.name]
        wrong = {solution.replace(*WRONG[self.name][mistake]): said for mistake, said in self.wrong}
        return Exercise(key, self.text, self.judge, self.hints, solution, wrong)

    def judge(self, answer: Any, rng: Random) -> Outcome:
        """Run a client, and ask the class's server what it has seen."""
        if not callable(answer) or inspect.isclass(answer):
            return Outcome(False, 0, NO_FUNCTION, EXPECTED, describe(answer))
        with find_desk(self.name) as desk:
            if not desk.seat.name:
                return Outcome(False, 0, NO_NAME, written=False)
            if (status := desk.seat.status).startswith(("not reached", "not found")):
                return Outcome(False, 0, f"Your class was {status}.", written=False)
            run = desk.play(answer)
            return self._watch(desk, run)

    def _watch(self, desk: Desk, run: ClientRun) -> Outcome:
        """Wait until the task is passed, the client has ended, or a new hint stands."""
        begin, patience_s = time.monotonic(), desk.patience_s
        wrong_at = ended_at = float("inf")
        task = self._find(desk)
        old = task.get("hint", "")
        while task.get("state") != "passed":
            now = time.monotonic()
            is_wrong = task.get("state") == "failed" and task["hint"] != old
            wrong_at = min(wrong_at, now) if is_wrong else float("inf")
            ended_at = min(ended_at, now) if run.has_ended else float("inf")
            settle_s = SETTLE * patience_s if run.has_connected else 0
            if now - ended_at > settle_s or now - wrong_at > STANDS * patience_s:
                break
            if now - begin > WATCH_S:
                break
            time.sleep(ASK_EACH * patience_s)
            task = self._find(desk)
        if task.get("state") == "passed":
            return Outcome(True, 1, self.praise)
        return self._explain(desk, run, task)

    def _find(self, desk: Desk) -> dict[str, Any]:
        return desk.find_tasks().get(self.number, {})

    def _explain(self, desk: Desk, run: ClientRun, task: dict[str, Any]) -> Outcome:
        """Return what was wrong, or what is missing."""
        hint = str(task.get("hint", ""))
        if run.error is not None and not isinstance(run.error, ConnectionClosed):
            raise AnswerError(run.error)
        if run.has_ended and not run.has_connected:
            return Outcome(False, 0, NEVER, self.text, written=False)
        if not task:
            return self._explain_missing(desk)
        if task["state"] == "failed" and (said := self.meanings.get(task.get("fault", ""))):
            return Outcome(False, 0, said, came=f"the server's hint: {hint}")
        if run.has_ended and self.ended:
            said = self.ended if run.error is None or self.ended is not RETURNED else BROKEN
            return Outcome(False, 0, said, self.text, str(run.error or ""))
        if task["state"] == "failed":
            return Outcome(False, 0, f"The server says: {hint}.")
        said = f"Not yet; your client goes on. The server says: {hint.rstrip('.')}."
        return Outcome(False, 0, said, "Run this cell again in a moment.", written=False)

    def _explain_missing(self, desk: Desk) -> Outcome:
        if desk.seat.status.startswith("not in the class"):
            return Outcome(False, 0, NAMELESS)
        said = OTHER_TASKS if desk.find_tasks() else NO_TASKS
        return Outcome(False, 0, said, written=False)
