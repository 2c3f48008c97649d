"""ClassOrders: the commands of the teacher's notebook, executed where the connections are."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from tickerkit.classroom.room.class_state import REMOVED, ClassState
from tickerkit.classroom.room.plan import Plan
from tickerkit.classroom.room.seats import Seat
from tickerkit.errors import InvalidArgument
from tickerkit.protocol.messages import Note, encode
from tickerkit.wire import Fields

__all__ = ["ClassOrders"]


class ClassOrders:
    """Executes commands; each is a method whose name begins with `do_`.

    A command about a student raises KeyError if there is no such student.

    Args:
        room: the class.
    """

    def __init__(self, room: ClassState) -> None:
        self._room = room

    def execute(self, command: str, *args: Any) -> Any:
        """Execute a command, and return its result.

        Raises:
            InvalidArgument: if there is no such command.
        """
        method = getattr(self, f"do_{command}", None)
        if method is None:
            raise InvalidArgument("command", command, "a command of the class")
        return method(*args)

    # --- what is shown ------------------------------------------------------------------------

    def do_snapshot(self, since: int = 0) -> dict[str, Any]:
        """Return all that a board shows; of the journal, what is newer than a version."""
        room = self._room
        return {
            "version": room.version,
            "seats": [self._describe(seat) for seat in room.seats],
            "journal": [row for row in room.journal if row["number"] > since],
            "market": room.market.snapshot(),
            "challenge": room.examiner.snapshot(),
            "reached": dict(room.reached),
            "notes": list(room.notes),
        }

    def _describe(self, seat: Seat) -> dict[str, Any]:
        students = self._room.list_at(seat)
        clients = [each.client for each in students]
        pings = [each.ping_ms for each in clients if each.ping_ms is not None]
        is_stalled = any(each.is_stalled for each in clients)
        programs = ", ".join(dict.fromkeys(each.program for each in clients))
        return {
            "name": seat.name,
            "status": "stalled" if is_stalled else "live" if clients else "away",
            "client": programs or seat.client,
            "address": seat.address,
            "since": seat.since,
            "drops": seat.drops,
            "behind": max((each.session.behind for each in clients), default=0),
            "ping_ms": pings[-1] if pings else None,
            "tasks": seat.tasks,
            "score": seat.score,
            "is_connected": bool(clients),
            "wire": self._room.wires.describe(seat, students),
        }

    # --- students -----------------------------------------------------------------------------

    def do_say(self, text: str, name: str | None = None) -> int:
        """Send a line of text to all, or to one student; return to how many connections."""
        room = self._room
        message = encode(Note(text))
        sent = [student.client.send_aside(message) for student in room.list_students(name)]
        room.notes.append({"time": time.time(), "from": "", "to": name or "", "text": text})
        room.note("said", name or "", text=text)
        return sum(sent)

    def do_kick(self, name: str) -> int:
        """Remove a student; return how many connections are closed."""
        room = self._room
        students = room.list_students(name)
        seat = room.seats.remove(name)
        for student in students:
            student.client.close(*REMOVED)
        room.forget(seat)
        room.keep("blocked", room.seats.dump()["blocked"])
        room.note("removed", name)
        return len(students)

    def do_rename(self, old: str, new: str) -> str:
        """Give a student another name; return it.

        Raises:
            ValueError: if the new name can't be used.
        """
        room = self._room
        seat = room.seats.rename(old, new)
        for student in room.list_at(seat):
            student.client.name = seat.name
        room.post_seat(seat)
        room.keep("blocked", room.seats.dump()["blocked"])
        room.note("renamed", seat.name, before=old)
        room.send_seat(seat)
        return seat.name

    # --- wires --------------------------------------------------------------------------------

    def do_wire(self, name: str | None, kind: str, *args: Any) -> int:
        """Give an order to the wire of a student, or to those of all; return how many there are."""
        room = self._room
        if kind in ("delay", "resume"):
            delay = (args[0], args[1]) if kind == "delay" else (0.0, 0.0)
            room.wires.set_delay(None if name is None else room.find(name), delay)
        count = room.wires.order(room.list_programs(name), kind, *args)
        room.note(kind, name or "", text=_join(args))
        room.send_all_seats()
        return count

    def do_tap(self, name: str) -> None:
        """Keep the frames of a student from now on."""
        self._room.wires.watch(self._room.find(name), self._room.list_programs(name))

    def do_frames(self, name: str) -> tuple[int, list[Fields]]:
        """Return the frames of a student that are held, and the number of the first."""
        return self._room.wires.read(self._room.find(name))

    def do_handshake(self, name: str) -> str:
        """Return the requests of a student's connections."""
        return self._room.wires.describe_handshakes(self._room.list_programs(name))

    # --- the challenge ------------------------------------------------------------------------

    def do_challenge(self, plan: dict[str, Any] | None) -> None:
        """Begin a challenge, or end one with None."""
        room = self._room
        begun = None if plan is None else msgspec.convert(plan, Plan)
        room.examiner.begin(begun, room.seats, room.list_students(None))
        room.keep("challenge", plan)
        room.note("challenge", "", text="" if begun is None else begun.name)
        for seat in room.seats:
            room.post_seat(seat)
        room.send_all_seats()

    # --- the market ---------------------------------------------------------------------------

    def do_market_state(self) -> dict[str, Any]:
        """Return the state of the source."""
        return self._room.market.snapshot()

    def do_market(self, order: str, *args: Any) -> dict[str, Any]:
        """Give an order to the source; return its state."""
        room = self._room
        room.market.order(order, *args)
        state = room.market.snapshot()
        room.keep("market", state)
        room.note(f"market {order}", "", text=_join(args))
        room.send_all_seats()
        return state


def _join(args: tuple[Any, ...]) -> str:
    """Return the arguments of an order as the journal has them: 5, and not 5.0."""
    return " ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in args)
