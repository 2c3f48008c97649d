"""Wires: which connections of a class are read, and what the teacher asks of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from websockets.http11 import Request

from tickerkit.classroom.room.seat_client import SeatClient
from tickerkit.classroom.room.seats import Seat
from tickerkit.classroom.room.socket_wire import SocketWire
from tickerkit.wire import Fields, FrameLog, Head, WireFrame, corrupt, hide_head_secrets, truncate

__all__ = ["REFUSES", "RESTARTS", "SeatLog", "Wires"]

# With this, a seat that is tapped takes less than 256 kB.
KEEP_BYTES = 128 * 1024
RESTARTS = (1012, "the teacher restarts this connection")
REFUSES = (1013, "no connection is taken for some seconds; try again later")


class SeatLog(FrameLog):
    """The newest frames of one seat, each of which is also passed on.

    Attributes:
        on_frame: called with each frame; None for nobody.
    """

    on_frame: Callable[[WireFrame], object] | None = None

    def append(self, fields: Fields) -> None:
        super().append(fields)
        if self.on_frame is not None:
            self.on_frame(WireFrame._make(fields))


class Wires:
    """The wires of the seats that are tapped, broken or in a challenge; others have none.

    Args:
        report: called with an error of what reads the frames.
    """

    def __init__(self, report: Callable[[Exception], object]) -> None:
        self._report = report
        self._wires: dict[SeatClient, SocketWire] = {}
        self._links = 0
        # By the number of a seat: its log, and how long each of its connections is delayed.
        self._logs: dict[int, SeatLog] = {}
        self._delays: dict[int, tuple[float, float]] = {}
        self._refused: dict[int, float] = {}
        self._dropped: set[int] = set()
        self._all_delay = (0.0, 0.0)

    # --- connections --------------------------------------------------------------------------

    def refuses(self, seat: Seat, now: float) -> bool:
        """Return whether a seat may not connect now."""
        return now < self._refused.get(seat.number, 0.0)

    def admit(self, student: SeatClient, request: Request) -> None:
        """Take a new connection, before its first frame."""
        number = student.seat.number
        self._links += 1
        student.link = self._links
        self._dropped.discard(number)
        delay = self._delays.get(number, self._all_delay)
        log = self._logs.get(number)
        is_read = log is not None and (log.keep_bytes > 0 or not student.had_key)
        if is_read or any(delay):
            headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers.raw_items())
            line = f"GET {request.path} HTTP/1.1\r\n"
            wire = self._attach(student, f"{line}{headers}\r\n")
            if any(delay):
                wire.delay(*delay)

    def remove(self, student: SeatClient) -> None:
        """Take the end of a connection."""
        wire = self._wires.pop(student, None)
        if wire is not None and wire.ended_by:
            self._dropped.add(student.seat.number)

    def forget(self, seat: Seat) -> None:
        """Forget a seat that is removed."""
        for table in (self._logs, self._delays, self._refused):
            table.pop(seat.number, None)
        self._dropped.discard(seat.number)

    def attach(self, student: SeatClient) -> SocketWire:
        """Return the wire of a connection; it is made if there is none."""
        if (wire := self._wires.get(student)) is not None:
            return wire
        path = student.path
        return self._attach(student, f"GET {path} HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")

    def _attach(self, student: SeatClient, request: str) -> SocketWire:
        log = self._logs.get(student.seat.number, FrameLog(0))
        head = Head(request.encode("latin-1", "replace"))
        wire = SocketWire(student.client.socket, student.link, log, head, self._report)
        self._wires[student] = wire
        return wire

    def was_ended(self, student: SeatClient) -> bool:
        """Return whether the room has ended a connection."""
        wire = self._wires.get(student)
        return wire is not None and wire.ended_by != ""

    def describe(self, seat: Seat, students: Iterable[SeatClient]) -> str:
        """Return one word about the wires of a seat; empty if they pass everything at once."""
        students = list(students)
        wires = [self._wires[each] for each in students if each in self._wires]
        if any(wire.is_stalled for wire in wires):
            return "stalled"
        if not students and seat.number in self._dropped:
            return "dropped"
        return "delayed" if any(wire.is_delayed for wire in wires) else ""

    # --- orders -------------------------------------------------------------------------------

    def order(self, students: Iterable[SeatClient], kind: str, *args: Any) -> int:
        """Give an order to connections; return how many there were."""
        order = ORDERS[kind]
        count = 0
        for student in students:
            order(self.attach(student), student, *args)
            count += 1
        return count

    def end_rates(self) -> None:
        """Let all messages pass at once of which a challenge has let only some a second pass."""
        for wire in list(self._wires.values()):
            if wire.conversation.gate.rate is not None:
                wire.conversation.gate.run()
                wire.advance()

    def refuse(self, seat: Seat, seconds: float) -> None:
        """Refuse the connections of a seat for so long."""
        self._refused[seat.number] = time.time() + seconds

    def set_delay(self, seat: Seat | None, delay: tuple[float, float]) -> None:
        """Delay also the later connections of a seat, or of all."""
        if seat is None:
            self._all_delay = delay
            self._delays.clear()
        else:
            self._delays[seat.number] = delay

    # --- taps ---------------------------------------------------------------------------------

    def watch(
        self, seat: Seat, students: Iterable[SeatClient], keep_bytes: int = KEEP_BYTES
    ) -> SeatLog:
        """Read the frames of a seat from now on, and keep so many bytes; return where they go."""
        log = self._logs.setdefault(seat.number, SeatLog(keep_bytes))
        log.keep_bytes = max(log.keep_bytes, keep_bytes)
        for student in students:
            self.attach(student).conversation.log = log
        return log

    def unwatch(self, seat: Seat) -> None:
        """Pass on the frames of a seat no more; a seat that is tapped is read nonetheless."""
        log = self._logs.get(seat.number)
        if log is not None:
            log.on_frame = None
            if not log.keep_bytes:
                del self._logs[seat.number]

    def read(self, seat: Seat) -> tuple[int, list[Fields]]:
        """Return the frames of a seat that are held, and the number of the first."""
        log = self._logs.get(seat.number)
        return (1, []) if log is None else log.read()

    def describe_handshakes(self, students: Iterable[SeatClient]) -> str:
        """Return the requests with which connections began, without secrets."""
        wires = [self._wires[each] for each in students if each in self._wires]
        requests = [wire.conversation.request for wire in wires]
        texts = [hide_head_secrets(each.data).decode("latin-1") for each in requests if each]
        return "\n\n".join(text.replace("\r\n", "\n").strip() for text in texts)


def _drop(wire: SocketWire, student: SeatClient) -> None:
    wire.end("reset")


def _stall(wire: SocketWire, student: SeatClient, seconds: float) -> None:
    wire.stall(seconds)


def _resume(wire: SocketWire, student: SeatClient) -> None:
    wire.resume()


def _delay(wire: SocketWire, student: SeatClient, seconds: float, jitter: float) -> None:
    wire.delay(seconds, jitter)


def _truncate(wire: SocketWire, student: SeatClient) -> None:
    wire.conversation.wires["client"].order(truncate)


def _corrupt(wire: SocketWire, student: SeatClient, kind: str) -> None:
    wire.conversation.wires["client"].order(corrupt(kind))


def _close(wire: SocketWire, student: SeatClient, code: int, reason: str) -> None:
    student.client.close(code, reason)


def _ping(wire: SocketWire, student: SeatClient) -> None:
    student.client.ping()


ORDERS: dict[str, Callable[..., None]] = {
    "drop": _drop,
    "stall": _stall,
    "resume": _resume,
    "delay": _delay,
    "truncate": _truncate,
    "corrupt": _corrupt,
    "close": _close,
    "ping": _ping,
}
