"""ClassState: who is in a class, on which connections, and what has happened; on the event loop."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from tickerkit.classroom.room.examiner import Examiner
from tickerkit.classroom.room.market import Market
from tickerkit.classroom.room.plan import Plan
from tickerkit.classroom.room.seat_client import SeatClient
from tickerkit.classroom.room.seats import Seat, Seats
from tickerkit.classroom.room.wires import Wires
from tickerkit.server.extension import ExtensionHost

__all__ = ["REMOVED", "ClassState"]

MAX_JOURNAL = 1000
MAX_NOTES = 100
REMOVED = (1008, "the teacher has removed this name; join with another")


class ClassState:
    """What the hooks of a class and the orders of the teacher share.

    Every change is posted to the owner as an event of `Record`, whose state a later server begins
    with.

    Args:
        host: the server.
        kept: what an earlier server has left, from `Record.state`.

    Attributes:
        seats: who has a name, or is connected.
        by_seat: the connections of each seat that has any.
        wires: which connections are read or broken.
        examiner: the challenge of the class.
        market: the teacher's control of the source.
        reached: how many connections came by each address of this machine.
        notes: what was said, as objects for the board.
        journal: what has happened, the newest 1,000.
        version: the number of the newest of these.
    """

    def __init__(self, host: ExtensionHost, kept: Mapping[str, Any]) -> None:
        self._host = host
        self.seats, self.wires = Seats(), Wires(self._report)
        self.seats.load(kept)
        self.market = Market(host.source)
        self.market.restore(kept.get("market") or {})
        self.examiner = Examiner(self.wires, host.log, self._take_tasks, self._report)
        self.by_seat: dict[Seat, list[SeatClient]] = {}
        self.journal: deque[dict[str, Any]] = deque(maxlen=MAX_JOURNAL)
        self.notes: deque[dict[str, Any]] = deque(maxlen=MAX_NOTES)
        self.reached: dict[str, int] = {}
        self.version = 0
        if kept.get("challenge") is not None:
            self.examiner.begin(msgspec.convert(kept["challenge"], Plan), self.seats, ())

    # --- students ---------------------------------------------------------------------------

    def find(self, name: str) -> Seat:
        """Return a student's seat.

        Raises:
            KeyError: if there is no such student.
        """
        seat = self.seats.find(name)
        if seat is None:
            raise KeyError(name)
        return seat

    def list_students(self, name: str | None) -> list[SeatClient]:
        """Return the connections of a student, or of all.

        Raises:
            KeyError: if there is no such student.
        """
        if name is not None:
            return self.list_at(self.find(name))
        return [each for students in self.by_seat.values() for each in students]

    def list_at(self, seat: Seat) -> list[SeatClient]:
        """Return the connections of a seat."""
        return list(self.by_seat.get(seat, ()))

    def list_programs(self, name: str | None) -> list[SeatClient]:
        """Return the connections of a student, or of all, that are to be tapped or broken.

        The page of a student who also has a program goes on, so that it can say what happens.
        """
        students = self.list_students(name)
        with_programs = {each.seat for each in students if not each.had_key}
        return [each for each in students if not each.had_key or each.seat not in with_programs]

    def send_seat(self, seat: Seat) -> None:
        """Send a student the object about its seat, if that has changed."""
        message = self.describe(seat)
        for student in self.by_seat.get(seat, ()):
            student.send_seat(message)

    def describe(self, seat: Seat) -> dict[str, Any]:
        """Return the object about a seat, as its student gets it."""
        return {
            "type": "seat",
            "name": seat.name,
            "status": self.market.describe() or f"connected, {self._count_behind(seat):,} behind",
            "tasks": self.examiner.list_tasks(seat),
            "wire": self.wires.describe(seat, self.by_seat.get(seat, ())),
        }

    def _count_behind(self, seat: Seat) -> int:
        """Return how many ticks wait for a student who reads nothing.

        Each client is behind by a few ticks for an instant: to send that would take a message a
        second.
        """
        clients = [each.client for each in self.by_seat.get(seat, ())]
        return max((each.session.behind for each in clients if each.is_stalled), default=0)

    def describe_name(self, name: str) -> dict[str, Any] | None:
        """Return the object about the seat with a name; None if there is none."""
        seat = self.seats.find_for(name)
        return None if seat is None else self.describe(seat)

    def send_all_seats(self) -> None:
        """Send each student the object about its seat, if that has changed."""
        for seat in list(self.by_seat):
            self.send_seat(seat)

    # --- what is kept -------------------------------------------------------------------------

    def post_seat(self, seat: Seat) -> None:
        """Keep what has changed of a seat."""
        if not seat.is_guest:
            self._post("seat", seat=seat.dump())

    def forget(self, seat: Seat) -> None:
        """Forget a seat that is removed."""
        self.examiner.forget(seat)
        self.wires.forget(seat)
        self._post("gone", number=seat.number, name=seat.name)

    def keep(self, name: str, value: object) -> None:
        """Keep a part of the state for a later server."""
        self._post("kept", name=name, value=value)

    def note(self, event: str, name: str, **facts: Any) -> None:
        """Write a line of the journal."""
        self.version += 1
        row = {"number": self.version, "time": time.time(), "name": name, "event": event, **facts}
        self.journal.append(row)
        self._post(event, name=name, **facts)

    def _take_tasks(self, seat: Seat, passed: list[str]) -> None:
        self.post_seat(seat)
        self.send_seat(seat)
        for name in passed:
            self.note("passed", seat.name, text=name)

    def _post(self, event: str, **facts: Any) -> None:
        self._host.post({"at": time.time(), "event": event, **facts})

    def _report(self, error: Exception) -> None:
        self.note("error", "", reason=f"{type(error).__name__}: {error}")
