"""Examiner: gives each seat its challenge: what its wire shows, and what its wire is to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from tickerkit.classroom.room.challenges import Challenge
from tickerkit.classroom.room.plan import Plan
from tickerkit.classroom.room.seat_client import SeatClient
from tickerkit.classroom.room.seats import Seat
from tickerkit.classroom.room.tasks import TASKS
from tickerkit.classroom.room.truth import LogTruth
from tickerkit.classroom.room.wire_orders import Ask, Break, Order, Ping, Skip, Slow, skip_ticks
from tickerkit.classroom.room.wires import RESTARTS, Wires
from tickerkit.log import TickLog
from tickerkit.wire import TEXT

__all__ = ["Examiner"]

STEP_S, MIN_STEP_S = 0.1, 0.02
# Seats in one step, which takes 2 ms then: each of 300 has its turn twice a second.
MAX_SEATS_AT_ONCE = 60
ANSWER = '"answer"'

encode = msgspec.json.Encoder().encode


class Examiner:
    """Runs the challenges of a class, on its server's event loop.

    Only programs are judged: a page answers pings and comes back without a line of the student's.
    The newest program of a seat counts. While there is no challenge, nothing is read.

    Args:
        wires: the wires of the class.
        log: the ticks of the class.
        on_change: called with a seat whose tasks have changed, and the names of those passed now.
        report: called with an error of a challenge; the others go on.

    Attributes:
        plan: what the class is to do; None without a challenge.
    """

    def __init__(
        self,
        wires: Wires,
        log: TickLog,
        on_change: Callable[[Seat, list[str]], object],
        report: Callable[[Exception], object],
    ) -> None:
        self.plan: Plan | None = None
        self._wires = wires
        self._truth = LogTruth(log)
        self._on_change, self._report = on_change, report
        self._challenges: dict[Seat, Challenge] = {}
        self._students: dict[Seat, SeatClient] = {}
        self._turn: list[Seat] = []
        self._timer: asyncio.TimerHandle | None = None

    # --- the challenge ------------------------------------------------------------------------

    def begin(
        self, plan: Plan | None, seats: Iterable[Seat], students: Iterable[SeatClient]
    ) -> None:
        """Begin a challenge, or end one with None.

        What a seat has passed since the plan began counts, so that a server which is started again
        goes on with the plan of the one before.
        """
        self.end()
        self.plan = plan
        for seat in list(self._challenges):
            self.forget(seat)
        if plan is None:
            return
        for seat in seats:
            seat.tasks = plan.select(seat.tasks)
        for student in students:
            self.admit(student)
        self._run()

    def end(self) -> None:
        """Give no further orders, and let pass what waits because of earlier ones."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wires.end_rates()

    def forget(self, seat: Seat) -> None:
        """Forget a seat."""
        self._students.pop(seat, None)
        if self._challenges.pop(seat, None) is not None:
            self._wires.unwatch(seat)

    def snapshot(self) -> dict[str, Any] | None:
        """Return what the board shows of the challenge; None without one."""
        plan = self.plan
        if plan is None:
            return None
        return {"name": plan.name, "since": plan.since, "until": plan.until}

    def list_tasks(self, seat: Seat) -> list[dict[str, Any]]:
        """Return the tasks of a seat as its messages have them."""
        if self.plan is None or seat.is_guest:
            return []
        return self.plan.list_tasks(seat.tasks)

    # --- connections --------------------------------------------------------------------------

    def admit(self, student: SeatClient) -> None:
        """Take a connection, before its first frame or later."""
        seat = student.seat
        if self.plan is None or seat.is_guest or student.had_key:
            return
        challenge = self._challenges.get(seat)
        if challenge is None:
            challenge = self._challenges[seat] = Challenge(seat.name, seconds=seat.score)
            challenge.begin(self.plan, seat.tasks)
        self._students[seat] = student
        self._wires.watch(seat, [student], 0).on_frame = challenge.evidence.take
        challenge.evidence.connect(time.time(), student.link, student.path)

    def remove(self, student: SeatClient) -> None:
        """Take the end of a connection, while the wires still know of it."""
        seat = student.seat
        challenge = self._challenges.get(seat)
        if challenge is not None:
            is_ours = self._wires.was_ended(student)
            challenge.evidence.disconnect(time.time(), student.link, is_ours=is_ours)
        if self._students.get(seat) is student:
            del self._students[seat]

    def refuse(self, seat: Seat, reason: str) -> None:
        """Take an attempt to connect that was refused."""
        if (challenge := self._challenges.get(seat)) is not None:
            challenge.evidence.refuse(time.time(), reason)

    def takes(self, data: str | bytes) -> bool:
        """Return whether a message of a client is an answer: its session must not get it."""
        if not isinstance(data, str) or ANSWER not in data[:1000]:
            return False
        try:
            message = msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return False
        return isinstance(message, Mapping) and message.get("type") == "answer"

    # --- now and then -------------------------------------------------------------------------

    def _run(self) -> None:
        plan = self.plan
        if plan is None:
            return
        now = time.time()
        if not self._turn:
            self._turn = list(self._challenges)
        turn, self._turn = self._turn[:MAX_SEATS_AT_ONCE], self._turn[MAX_SEATS_AT_ONCE:]
        for seat in turn:
            try:
                self._step(seat, now)
            except Exception as error:  # a fault of ours must not end the lesson
                self._report(error)
        self._timer = None
        if plan.is_over(now):
            self.end()
        else:
            step_s = max(STEP_S * plan.rules.second_s, MIN_STEP_S)
            self._timer = asyncio.get_running_loop().call_later(step_s, self._run)

    def _step(self, seat: Seat, now: float) -> None:
        if (challenge := self._challenges.get(seat)) is None:  # removed meanwhile
            return
        student = self._students.get(seat)
        for order in challenge.due(now, self._truth):
            if student is not None:
                self._execute(order, student)
        tasks = {**seat.tasks, **challenge.snapshot(now)}
        if tasks != seat.tasks or challenge.seconds != seat.score:
            passed = [
                TASKS[int(number) - 1].name
                for number, task in tasks.items()
                if task["state"] == "passed" and seat.tasks.get(number, {}).get("state") != "passed"
            ]
            seat.tasks, seat.score = tasks, challenge.seconds
            self._on_change(seat, passed)

    def _execute(self, order: Order, student: SeatClient) -> None:
        wire = self._wires.attach(student)
        conversation = wire.conversation
        match order:
            case Ping(payload):
                conversation.ping("client", payload, wire.now_ns)
            case Ask(message):
                conversation.wires["client"].inject(TEXT, encode(message), wire.now_ns)
            case Slow(rate):
                conversation.gate.run(rate)
            case Skip():
                skip_ticks(conversation, wire.now_ns)
            case Break("half"):
                self._wires.order([student], "truncate")
            case Break("restart"):
                self._wires.order([student], "close", *RESTARTS)
            case Break("stall", seconds):
                wire.stall(2 * seconds)
                asyncio.get_running_loop().call_later(seconds, wire.end, "reset")
            case Break(_, seconds):
                if seconds:
                    self._wires.refuse(student.seat, seconds)
                self._wires.order([student], "drop")
        wire.advance()
