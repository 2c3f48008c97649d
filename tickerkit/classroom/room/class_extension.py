"""ClassExtension: the class inside its server: who sits where, and the teacher's orders."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from websockets.http11 import Request, Response

from tickerkit.classroom.room.handouts import respond_with_handout
from tickerkit.classroom.room.pages import respond_with_page
from tickerkit.classroom.room.seat_client import SeatClient
from tickerkit.classroom.room.seats import Seat, Seats
from tickerkit.server.client_handler import ClientHandler
from tickerkit.server.extension import Extension, ExtensionHost

__all__ = ["ClassExtension"]

MAX_JOURNAL = 1000
MAX_NOTES = 100
PING_CHECKS = 5
REMOVED = (1008, "the teacher has removed this name; join with another")


class ClassExtension(Extension):
    """Keeps the seats of a class, sends each student what concerns it, and executes orders.

    Every change is posted to the owner as an event of `Record`, whose state a later server begins
    with.

    Args:
        code: the word by which a class joins; also the server's token.
        state: what an earlier server has left, from `Record.state`.
    """

    def __init__(self, code: str, state: Mapping[str, Any]) -> None:
        self.code = code
        self._state = dict(state)
        self.seats = Seats()
        self._clients: dict[ClientHandler, SeatClient] = {}
        self._journal: deque[dict[str, Any]] = deque(maxlen=MAX_JOURNAL)
        self._notes: deque[dict[str, Any]] = deque(maxlen=MAX_NOTES)
        self._reached: dict[str, int] = {}
        self._version = 0
        self._checks = 0

    def begin(self, host: ExtensionHost) -> None:
        super().begin(host)
        self.seats.load(self._state)

    # --- students -----------------------------------------------------------------------------

    def respond(self, request: Request) -> Response | None:
        page = respond_with_page(request, self.code)
        return page or respond_with_handout(request, self.code, self._describe_name)

    def admit(self, client: ClientHandler, request: Request) -> None:
        key = parse_qs(request.path.partition("?")[2]).get("key", [""])[0]
        if self.seats.is_blocked(client.name):
            client.close(*REMOVED)
            return
        seat, gone = self.seats.join(client.name, key, time.time())
        client.name = seat.name
        for each in gone:
            self._post("gone", number=each.number, name=each.name)
        student = SeatClient(client, seat, had_key=bool(key))
        self._clients[client] = student
        seat.client, seat.address = client.program, client.address
        local = student.local_host
        self._reached[local] = self._reached.get(local, 0) + 1
        self._post_seat(seat)
        self._note("joined", seat.name, address=seat.address, client=seat.client)
        student.tell(self._describe_seat(seat))

    def remove(self, client: ClientHandler) -> None:
        student = self._clients.pop(client, None)
        if student is None:
            return
        seat = student.seat
        is_gone = self.seats.leave(seat, had_key=student.had_key, is_clean=student.is_clean)
        if not is_gone:
            self._post_seat(seat)
        code, reason = client.close_code, student.close_reason
        self._note("left", seat.name, address=client.address, code=code, reason=reason)

    def check(self) -> None:
        self._checks += 1
        for student in list(self._clients.values()):
            if not student.seat.is_guest:
                if self._checks % PING_CHECKS == 0:
                    student.client.ping()
                student.tell(self._describe_seat(student.seat))

    def _list_students(self, name: str | None) -> list[SeatClient]:
        """Return the connections of a student, or of all."""
        if name is not None and self.seats.find(name) is None:
            raise KeyError(name)
        return [each for each in self._clients.values() if name in (None, each.seat.name)]

    # --- what is known ------------------------------------------------------------------------

    def _post_seat(self, seat: Seat) -> None:
        """Keep what has changed of a seat."""
        if not seat.is_guest:
            self._post("seat", seat=seat.dump())

    def _post(self, event: str, **facts: Any) -> None:
        self.host.post({"at": time.time(), "event": event, **facts})

    def _note(self, event: str, name: str, **facts: Any) -> None:
        """Write a line of the journal."""
        self._version += 1
        row = {"number": self._version, "time": time.time(), "name": name, "event": event, **facts}
        self._journal.append(row)
        self._post(event, name=name, **facts)

    def _describe_seat(self, seat: Seat) -> dict[str, Any]:
        """Return the object that tells a student of its seat."""
        return {"type": "seat", "name": seat.name, "status": "connected", "tasks": [], "wire": ""}

    def _describe_name(self, name: str) -> dict[str, Any] | None:
        """Return what a student is told about the seat with a name; None if there is none."""
        seat = self.seats.find(name)
        return None if seat is None else self._describe_seat(seat)

    def _list_seats(self) -> list[dict[str, Any]]:
        students: dict[int, list[SeatClient]] = {}
        for student in self._clients.values():
            students.setdefault(student.seat.number, []).append(student)
        rows = []
        for seat in self.seats:
            clients = [each.client for each in students.get(seat.number, [])]
            pings = [each.ping_ms for each in clients if each.ping_ms is not None]
            is_stalled = any(each.is_stalled for each in clients)
            programs = ", ".join(dict.fromkeys(each.program for each in clients))
            rows.append(
                {
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
                    "wire": "",
                }
            )
        return rows

    # --- orders of the teacher ----------------------------------------------------------------

    def execute(self, command: str, *args: Any) -> Any:
        method = getattr(self, f"_do_{command}", None)
        if method is None:
            raise NotImplementedError(command)
        return method(*args)

    def _do_snapshot(self, since: int = 0) -> dict[str, Any]:
        return {
            "version": self._version,
            "seats": self._list_seats(),
            "journal": [row for row in self._journal if row["number"] > since],
            "market": None,
            "challenge": None,
            "reached": dict(self._reached),
            "notes": list(self._notes),
        }

    def _do_say(self, text: str, name: str | None = None) -> int:
        students = self._list_students(name)
        for student in students:
            student.client.send_object({"type": "note", "text": text})
        self._notes.append({"time": time.time(), "from": "", "to": name or "", "text": text})
        self._note("said", name or "", text=text)
        return len(students)

    def _do_kick(self, name: str) -> int:
        students = self._list_students(name)
        seat = self.seats.remove(name)
        for student in students:
            student.client.close(*REMOVED)
        self._post("gone", number=seat.number, name=name)
        self._keep("blocked", self.seats.dump()["blocked"])
        self._note("removed", name)
        return len(students)

    def _do_rename(self, old: str, new: str) -> str:
        seat = self.seats.rename(old, new)
        self._post_seat(seat)
        self._note("renamed", seat.name, before=old)
        for student in self._list_students(seat.name):
            student.client.name = seat.name
            student.tell(self._describe_seat(seat))
        return seat.name

    def _keep(self, name: str, value: object) -> None:
        """Keep a part of the state for a later server."""
        self._post("kept", name=name, value=value)
