"""ClassExtension: the class inside its server: what it answers, and who comes and goes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from websockets.http11 import Request, Response

from tickerkit.classroom.room.class_orders import ClassOrders
from tickerkit.classroom.room.class_state import REMOVED, ClassState
from tickerkit.classroom.room.handouts import respond_with_handout
from tickerkit.classroom.room.pages import respond_to_mistyped_code, respond_with_page
from tickerkit.classroom.room.seat_client import SeatClient
from tickerkit.classroom.room.wires import REFUSES
from tickerkit.formatting import format_line
from tickerkit.server.client_handler import ClientHandler
from tickerkit.server.extension import Extension, ExtensionHost

__all__ = ["ClassExtension"]

PING_CHECKS = 5


class ClassExtension(Extension):
    """Gives each client of a server a seat, sends it that, and executes the teacher's orders.

    Args:
        code: the word by which a class joins; also the server's token.
        kept: what an earlier server has left, from `Record.state`.
    """

    _state: ClassState
    _orders: ClassOrders

    def __init__(self, code: str, kept: Mapping[str, Any]) -> None:
        self.code = code
        self._kept = dict(kept)
        self._checks = 0
        self._clients: dict[ClientHandler, SeatClient] = {}

    def begin(self, host: ExtensionHost) -> None:
        super().begin(host)
        self._state = ClassState(host, self._kept)
        self._orders = ClassOrders(self._state)

    def end(self) -> None:
        self._state.examiner.end()

    def respond(self, request: Request) -> Response | None:
        page = respond_with_page(request, self.code)
        handout = page or respond_with_handout(request, self.code, self._state.describe_name)
        return handout or respond_to_mistyped_code(request, self.code)

    def refuse(self, address: str, name: str, code: int, reason: str) -> None:
        state = self._state
        seat = state.seats.find_for(name)
        if seat is not None:
            state.examiner.refuse(seat, reason)
        state.note("refused", name, address=address, code=int(code), reason=format_line(reason))

    def admit(self, client: ClientHandler, request: Request) -> None:
        state = self._state
        key = parse_qs(request.path.partition("?")[2]).get("key", [""])[0]
        if state.seats.is_blocked(client.name):
            client.close(*REMOVED)
            return
        now, before = time.time(), state.seats.find_for(client.name)
        if before is not None and not key and state.wires.refuses(before, now):
            client.close(*REFUSES)
            state.examiner.refuse(before, REFUSES[1])
            return
        seat, gone = state.seats.join(client.name, key, now)
        client.name = seat.name
        for each in gone:
            state.forget(each)
        student = SeatClient(client, seat, had_key=bool(key))
        self._clients[client] = student
        state.by_seat.setdefault(seat, []).append(student)
        state.reached[student.local_host] = state.reached.get(student.local_host, 0) + 1
        seat.client, seat.address = client.program, client.address
        state.wires.admit(student, request)
        state.examiner.admit(student)
        state.post_seat(seat)
        state.note("joined", seat.name, address=seat.address, client=seat.client)
        state.send_seat(seat)

    def receive(self, client: ClientHandler, data: str | bytes) -> bool:
        return self._state.examiner.takes(data)

    def remove(self, client: ClientHandler) -> None:
        student = self._clients.pop(client, None)
        if student is None:
            return
        state, seat = self._state, student.seat
        state.by_seat[seat].remove(student)
        if not state.by_seat[seat]:
            del state.by_seat[seat]
        state.examiner.remove(student)
        state.wires.remove(student)
        is_gone = state.seats.leave(seat, had_key=student.had_key, is_clean=student.is_clean)
        if is_gone or state.seats.find(seat.name) is not seat:  # a guest, or a removed student
            state.examiner.forget(seat)
            state.wires.forget(seat)
        else:
            state.post_seat(seat)
        code, reason = client.close_code, student.close_reason
        state.note("left", seat.name, address=client.address, code=code, reason=reason)

    def check(self) -> None:
        self._checks += 1
        for seat, students in list(self._state.by_seat.items()):
            if not seat.is_guest and self._checks % PING_CHECKS == 0:
                for student in students:
                    student.client.ping()
            self._state.send_seat(seat)

    def execute(self, command: str, *args: Any) -> Any:
        return self._orders.execute(command, *args)
