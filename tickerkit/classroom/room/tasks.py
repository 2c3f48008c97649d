"""Tasks: the seven tasks of a class, each a rule about the evidence, with a hint in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tickerkit.classroom.room.evidence import Evidence
from tickerkit.classroom.room.rules import Rules
from tickerkit.classroom.room.survival import find_problem, find_same_waits, is_survived
from tickerkit.wire import NOTES

__all__ = ["TASKS", "Task", "Verdict"]

CLOSE_CODES = {"utf8": 1007, "close reason": 1007}
PROTOCOL_ERROR = 1002
NORMAL = 1000


class Verdict(NamedTuple):
    """What the evidence says about a task.

    Attributes:
        state: "passed", "open" or "failed"; a task that failed may still be passed.
        hint: what to do, or what was wrong; empty if passed.
        fault: a name of what was wrong, for programs; empty for what has none.
    """

    state: str
    hint: str = ""
    fault: str = ""


PASSED = Verdict("passed")


class Task(NamedTuple):
    """A task of a class.

    Attributes:
        number: its number, from 1.
        name: how a teacher chooses it.
        title: what students see.
        text: what to do, in one or two sentences.
        needs: the numbers of the tasks that have to be passed before, if they are given too.
        judge: decides by the evidence, the rules and the time.
    """

    number: int
    name: str
    title: str
    text: str
    needs: tuple[int, ...]
    judge: Callable[[Evidence, Rules, float], Verdict]


def judge_knock(evidence: Evidence, rules: Rules, now: float) -> Verdict:
    """Passed when a connection with a name was accepted."""
    if evidence.connects and evidence.is_named:
        return PASSED
    if evidence.refused:
        return Verdict("failed", evidence.refused)
    if evidence.connects:
        return Verdict("failed", "your address has no name: add &name=… to it")
    return Verdict("open", TASKS[0].text)


def judge_listen(evidence: Evidence, rules: Rules, now: float) -> Verdict:
    """Passed when the connection is old enough, and the newest pings were answered rightly."""
    probes = evidence.probes[-rules.pings :]
    if (hint := _describe_fault(evidence)) is not None:
        return Verdict("failed", hint)
    for probe in reversed(probes):
        if probe.is_right:
            continue
        number, size = probe.number, len(probe.payload)
        if evidence.binary:
            hint = (
                f"frame {evidence.binary} is binary (opcode 2), whatever its bytes are; "
                "a pong is a control frame (opcode 10)"
            )
            return Verdict("failed", hint)
        if probe.pong_bytes == size:
            return Verdict("failed", f"pong {number} had other bytes than ping {number}")
        if probe.pong_bytes is not None:
            return Verdict("failed", f"pong {number} had {probe.pong_bytes} of {size} bytes")
        if evidence.is_connected and now - probe.at > rules.pong_s:
            hint = f"ping {number} got no pong within {rules.pong_s:g} s"
            return Verdict("failed", f"{hint}: answer opcode 9 with opcode 10 and the same bytes")
    if evidence.silent:
        hint = f"ping {evidence.silent} got no pong, so the server closed with 1013"
        return Verdict("failed", hint)
    is_whole = len(probes) == rules.pings and all(probe.is_right for probe in probes)
    has_listened = evidence.is_connected and now - evidence.connected_at >= rules.listen_s
    if is_whole and has_listened:
        return PASSED
    done = sum(probe.is_right for probe in probes)
    return _show_progress(TASKS[1], done, rules.pings, "pings answered in a row")


def judge_speak(evidence: Evidence, rules: Rules, now: float) -> Verdict:
    """Passed when a subscribe message was taken, which only masked text can be."""
    if evidence.is_subscribed:
        return PASSED
    if (hint := _describe_fault(evidence)) is not None:
        return Verdict("failed", hint)
    if (said := evidence.said) is None:
        return Verdict("open", TASKS[2].text)
    problem = {
        "binary": "is binary (opcode 2); send the JSON as text (opcode 1)",
        "long": "is too long for a subscribe message",
        "json": f"is no JSON: {said.quoted}",
        "type": f'has "type": {said.quoted}; expected "subscribe"',
        "symbols": f'has "symbols": {said.quoted}; expected a list such as ["AAPL"], or null',
    }[said.problem]
    return Verdict("failed", f"frame {said.number} {problem}", said.problem)


def judge_answer(evidence: Evidence, rules: Rules, now: float) -> Verdict:
    """Passed when the newest answers are all right."""
    questions = evidence.newest_questions("answer", rules.answers)
    if len(questions) == rules.answers and all(each.is_right for each in questions):
        return PASSED
    if not evidence.is_every_tick:
        return Verdict("failed", "at / you get only the newest prices: connect to /ticks")
    if (verdict := _judge_newest(evidence, "answer", rules, now)) is not None:
        return verdict
    done = 0
    for question in questions:
        done = done + 1 if question.is_right else 0 if question.answered_at else done
    return _show_progress(TASKS[3], done, rules.answers, "answers right in a row")


def judge_survive(evidence: Evidence, rules: Rules, now: float) -> Verdict:
    """Passed when the client came back well from each break, and has every tick once."""
    survived = [each for each in evidence.outages if is_survived(each, rules)]
    asked = evidence.newest_questions("survive", 1)
    if len(survived) >= rules.breaks and asked and asked[0].is_right:
        return PASSED
    for outage in reversed(evidence.outages):
        if outage in survived:
            break
        if (problem := find_problem(outage, rules, now)) is not None:
            return Verdict("failed", problem.text, problem.fault)
    if len(survived) >= rules.breaks and (wait_s := find_same_waits(survived, rules)) is not None:
        hint = f"after each break you waited {wait_s:.2f} s: make it random, or all come at once"
        return Verdict("failed", hint, "no chance")
    if (verdict := _judge_newest(evidence, "survive", rules, now)) is not None:
        return verdict
    return _show_progress(
        TASKS[4], min(len(survived), rules.breaks), rules.breaks, "breaks survived"
    )


def judge_slow(evidence: Evidence, rules: Rules, now: float) -> Verdict:
    """Passed when the client knows which range of ticks it has missed."""
    asked = evidence.newest_questions("slow", 1)
    if asked and asked[0].is_right:
        return PASSED
    return _judge_newest(evidence, "slow", rules, now) or Verdict("open", TASKS[5].text)


def judge_leave(evidence: Evidence, rules: Rules, now: float) -> Verdict:
    """Passed when the client has closed with 1000 and a reason, before TCP ended."""
    leave = evidence.leave
    if leave is None:
        return Verdict("open", TASKS[6].text)
    if leave.code == NORMAL:
        return PASSED if leave.reason else Verdict("failed", "close 1000 came without a reason")
    if leave.code == 1006:
        return Verdict("failed", "1006: TCP ended without a close frame")
    if leave.code == 1005:
        return Verdict("failed", "1005: the close frame was empty; expected 1000 and a reason")
    return Verdict("failed", f"you closed with {leave.code}; expected 1000 and a reason")


def _show_progress(task: Task, done: int, wanted: int, what: str) -> Verdict:
    return Verdict("open", f"{done} of {wanted} {what}" if done else task.text)


def _describe_fault(evidence: Evidence) -> str | None:
    """Return what the first wrong frame of the connection did; None without one."""
    if (fault := evidence.fault) is None:
        return None
    code = CLOSE_CODES.get(fault.note, PROTOCOL_ERROR)
    what = f": {NOTES[fault.note].text}" if fault.note != "unmasked" else " has MASK 0"
    return f"frame {fault.number}{what}: close {code}"


def _judge_newest(evidence: Evidence, task: str, rules: Rules, now: float) -> Verdict | None:
    """Judge the newest answer to a task's questions; None if there is nothing wrong."""
    for question in evidence.newest_questions(task, 2)[::-1]:
        if question.is_right:
            return None
        if question.answered_at is not None:
            fault = "empty answer" if question.is_empty else "wrong answer"
            return Verdict("failed", question.describe_wrong(), fault)
        if now - question.at > rules.answer_s:
            hint = f"{question.text} got no answer within {rules.answer_s:g} s"
            return Verdict("failed", hint, "no answer")
    return None


TASKS = (
    Task(1, "knock", "Knock", "Connect to /ticks with &name=… in the address.", (), judge_knock),
    Task(
        2,
        "listen",
        "Listen",
        "Stay connected, and answer each ping with a pong that has the ping's bytes.",
        (1,),
        judge_listen,
    ),
    Task(
        3,
        "speak",
        "Speak",
        'Send {"type": "subscribe", "symbols": ["AAPL"]} as a masked text frame.',
        (1,),
        judge_speak,
    ),
    Task(
        4,
        "answer",
        "Answer",
        "Keep each tick. Answer three questions in a row about those that you were sent.",
        (3,),
        judge_answer,
    ),
    Task(
        5,
        "survive",
        "Survive",
        "Your connection breaks. Come back with after= your last seq, and wait longer, for a "
        "random time, after each failed attempt.",
        (2, 4),
        judge_survive,
    ),
    Task(
        6,
        "slow",
        "Be slow",
        "One message a second passes, and what does not fit is dropped. Tell the range of the gap.",
        (5,),
        judge_slow,
    ),
    Task(
        7,
        "leave",
        "Leave",
        "Close with code 1000 and a reason of your own.",
        (1,),
        judge_leave,
    ),
)
