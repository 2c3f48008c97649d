"""Challenge: the tasks of one seat: which are passed, and what its wire is to do for the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

import msgspec

from tickerkit.classroom.room.evidence import Evidence
from tickerkit.classroom.room.outages import OUTAGE_KINDS, Outage
from tickerkit.classroom.room.plan import Plan
from tickerkit.classroom.room.questions import (
    Question,
    QuestionKind,
    Truth,
    choose_range,
    make_question,
)
from tickerkit.classroom.room.survival import find_same_waits, is_survived
from tickerkit.classroom.room.tasks import TASKS, Task, Verdict
from tickerkit.classroom.room.wire_orders import Ask, Break, Order, Ping, Skip, Slow

__all__ = ["Challenge"]

PAYLOAD_BYTES = 4
ASKED: tuple[QuestionKind, ...] = ("count", "min", "last")
# Seconds of the rules from an answer to the next question, and from being back to the next break.
PAUSE_S, PAUSE_AFTER_WRONG_S = 1.0, 3.0


class Score(NamedTuple):
    """How far a seat is; a larger `passed` wins, then fewer `seconds`.

    Attributes:
        passed: how many tasks are passed.
        seconds: the mean time from a break to the first tick; None before the first.
    """

    passed: int
    seconds: float | None


class Challenge(msgspec.Struct):
    """The tasks of one seat.

    It does no I/O and looks at no clock. What the seat's wire shows goes to `evidence`. `due` is
    called now and then, and returns what the wire is to do.

    It can be pickled; `msgspec.to_builtins` and `msgspec.convert` make JSON of it, and it of JSON.

    Attributes:
        seed: makes its questions differ from those of other seats: the seat's name.
        evidence: what the wire has shown.
        plan: what is to be done; None while there is no challenge.
        passed: when each task was passed, by its number as text.
        seconds: the mean time from a break to the first tick; None before the first.
    """

    seed: str
    evidence: Evidence = msgspec.field(default_factory=Evidence)
    plan: Plan | None = None
    passed: dict[str, float] = {}
    seconds: float | None = None
    orders: int = 0
    ping_at: float = 0.0
    slow_link: int = -1
    slow_since: float | None = None
    slow_gaps: int = -1

    # --- what a teacher does ------------------------------------------------------------------

    def begin(self, plan: Plan, tasks: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Begin a plan, with the tasks of the seat as its snapshots have them.

        What was passed since the plan began stays passed.
        """
        self.plan = plan
        self.evidence.forget()
        self.ping_at, self.slow_since, self.slow_gaps = 0.0, None, -1
        self.passed = {
            number: task["at"]
            for number, task in plan.select(tasks or {}).items()
            if task["state"] == "passed"
        }

    # --- what students see --------------------------------------------------------------------

    def judge(self, now: float) -> dict[int, Verdict]:
        """Return the verdict about each task of the plan, and note which are passed."""
        if self.plan is None:
            return {}
        verdicts: dict[int, Verdict] = {}
        numbers = self.plan.numbers
        for number in numbers:
            task = TASKS[number - 1]
            if str(number) in self.passed:
                verdicts[number] = Verdict("passed")
                continue
            if self.plan.is_over(now):
                verdicts[number] = Verdict("open", "the time is over")
                continue
            if missing := self._missing(task, numbers):
                verdicts[number] = Verdict("open", f"after task {missing[0]}")
                continue
            verdict = task.judge(self.evidence, self.plan.rules, now)
            if verdict.state == "passed":
                self.passed[str(number)] = now
                self._note_seconds()
            verdicts[number] = verdict
        return verdicts

    def snapshot(self, now: float) -> dict[str, dict[str, Any]]:
        """Return each task's state, hint, fault and time of passing, by number as text."""
        return {
            str(number): {
                "state": verdict.state,
                "hint": verdict.hint,
                "fault": verdict.fault,
                "at": self.passed.get(str(number)),
            }
            for number, verdict in self.judge(now).items()
        }

    @property
    def score(self) -> Score:
        """How far the seat is."""
        return Score(len(self.passed), self.seconds)

    def _missing(self, task: Task, numbers: list[int]) -> list[int]:
        """Return the numbers of the tasks that have to be passed before."""
        return [n for n in task.needs if n in numbers and str(n) not in self.passed]

    def _note_seconds(self) -> None:
        times = [each.seconds for each in self.evidence.outages if each.seconds is not None]
        if times:
            self.seconds = round(sum(times) / len(times), 3)

    # --- what the wire is to do ---------------------------------------------------------------

    def due(self, now: float, truth: Truth) -> list[Order]:
        """Return what the seat's wire is to do now; to be called some ten times a second."""
        plan = self.plan
        if plan is None or plan.is_over(now) or not self.evidence.is_connected:
            return []
        verdicts = self.judge(now)
        self._note_seconds()
        orders: list[Order] = []
        for number, verdict in verdicts.items():
            task = TASKS[number - 1]
            drive = DRIVERS.get(task.name)
            if drive is None or verdict.state == "passed":
                continue
            if not self._missing(task, list(verdicts)):
                orders += drive(self, now, truth)
        return orders

    def _number(self) -> int:
        self.orders += 1
        return self.orders

    def _random(self) -> Random:
        return Random(f"{self.seed} {self.orders}")

    def _drive_listen(self, now: float, truth: Truth) -> list[Order]:
        assert self.plan is not None
        rules = self.plan.rules
        step_s = rules.listen_s / rules.pings
        began_at = max(self.evidence.connected_at, self.plan.since)
        if now < max(began_at + step_s / 2, self.ping_at):
            return []
        self.ping_at = now + step_s
        self._number()
        return [Ping(self._random().randbytes(PAYLOAD_BYTES))]

    def _drive_answer(self, now: float, truth: Truth) -> list[Order]:
        evidence = self.evidence
        if not self._may_ask("answer", now):
            return []
        number = self._number()
        random = self._random()
        seqs = choose_range(random, evidence.first_seq, evidence.last_seq)
        if seqs is None:
            return []
        before = [each.is_right for each in evidence.newest_questions("answer", 2)]
        kind = ASKED[2 if before == [True, True] else 1 if before[-1:] == [True] else 0]
        question = make_question(number, "answer", kind, evidence.symbols, seqs, truth, now, random)
        return self._ask(question)

    def _may_ask(self, task: str, now: float) -> bool:
        """Return whether no question of a task is open, and the pause after the last is over."""
        assert self.plan is not None
        rules = self.plan.rules
        for question in self.evidence.newest_questions(task, 1):
            if question.answered_at is None:
                return now - question.at > rules.answer_s
            pause_s = PAUSE_S if question.is_right else PAUSE_AFTER_WRONG_S
            return now - question.answered_at >= pause_s * rules.second_s
        return True

    def _ask(self, question: Question | None) -> list[Order]:
        if question is None:
            return []
        self.evidence.add_question(question)
        return [Ask(question.message)]

    def _drive_survive(self, now: float, truth: Truth) -> list[Order]:
        assert self.plan is not None
        evidence, rules = self.evidence, self.plan.rules
        if not evidence.first_seq or evidence.first_seq > evidence.last_seq:
            return []
        self._clear_outages(now)
        newest = evidence.outages[-1] if evidence.outages else None
        if newest is not None and newest.ticked_at is None:
            is_lost = newest.ended_at is None and now - newest.at > rules.back_s
            if not is_lost:
                return []
            evidence.outages.pop()  # there was no frame to cut, for instance
        pause_s = PAUSE_AFTER_WRONG_S * rules.second_s
        if newest is not None and now - (newest.ticked_at or now) < pause_s:
            return []
        survived = [each for each in evidence.outages if is_survived(each, rules)]
        if len(survived) >= rules.breaks and find_same_waits(survived, rules) is None:
            return self._ask_about_span(now, truth)
        return self._break(now, len(survived))

    def _clear_outages(self, now: float) -> None:
        """Forget breaks that count no more: failed ones before the newest, and more than needed."""
        assert self.plan is not None
        evidence, rules = self.evidence, self.plan.rules
        asked = evidence.newest_questions("survive", 1)
        if asked and asked[0].answered_at is not None and not asked[0].is_right:
            # Some ticks are missing or there twice: all of it is done again.
            evidence.outages = [each for each in evidence.outages if each.at > asked[0].at]
        if evidence.outages:
            *before, newest = evidence.outages
            good = [each for each in before if is_survived(each, rules)]
            failed = [each for each in before if not is_survived(each, rules)][-1:]
            if is_survived(newest, rules):
                failed = []
            evidence.outages = [*good[-rules.breaks :], *failed, newest]

    def _break(self, now: float, survived: int) -> list[Order]:
        assert self.plan is not None
        rules = self.plan.rules
        kind = OUTAGE_KINDS[survived % len(OUTAGE_KINDS)]
        self.evidence.outages.append(Outage(kind, now, rules.second_s))
        return [Break(kind, {"stall": rules.stall_s, "refuse": rules.refuse_s}.get(kind, 0.0))]

    def _ask_about_span(self, now: float, truth: Truth) -> list[Order]:
        evidence = self.evidence
        if not self._may_ask("survive", now):
            return []
        number = self._number()
        seqs = evidence.first_seq, evidence.last_seq
        question = make_question(
            number, "survive", "count", evidence.symbols, seqs, truth, now, self._random()
        )
        return self._ask(question)

    def _drive_slow(self, now: float, truth: Truth) -> list[Order]:
        assert self.plan is not None
        evidence, rules = self.evidence, self.plan.rules
        if evidence.link != self.slow_link:
            self.slow_link, self.slow_since, self.slow_gaps = evidence.link, None, -1
        if not self._may_ask("slow", now):
            return []
        if self.slow_since is None:
            self.slow_since = now
            return [Slow(rules.slow_rate)]
        if now - self.slow_since < rules.slow_s:
            return []
        if self.slow_gaps < 0:
            self.slow_gaps = evidence.gaps
            return [Skip()]
        if evidence.gaps == self.slow_gaps or evidence.gap is None:
            return []
        self.slow_since, self.slow_gaps = None, -1
        first, last = evidence.gap
        return self._ask(
            Question(self._number(), "slow", "gap", None, first, last, [first, last], now)
        )


# What each task asks of the wire.
DRIVERS: dict[str, Callable[[Challenge, float, Truth], list[Order]]] = {
    "listen": Challenge._drive_listen,
    "answer": Challenge._drive_answer,
    "survive": Challenge._drive_survive,
    "slow": Challenge._drive_slow,
}
