"""SeatClient: one connection of a student, as the class sees it."""

from __future__ import annotations

from typing import Any

from websockets.frames import CloseCode

from tickerkit.classroom.room.seats import Seat
from tickerkit.server.client_handler import ClientHandler

__all__ = ["SeatClient"]


class SeatClient:
    """One connection of a student.

    Args:
        client: the server's handler of the connection.
        seat: where the student sits.
        had_key: whether it has sent a key, as the page does.

    Attributes:
        client: as given.
        seat: as given.
        had_key: as given.
        path: the path of its request, with the query.
        link: its number among all connections of the class.
        local_host: the address of this machine by which it came.
    """

    def __init__(self, client: ClientHandler, seat: Seat, *, had_key: bool) -> None:
        self.client = client
        self.seat = seat
        self.had_key = had_key
        request = client.socket.request
        self.path = "" if request is None else request.path
        self.link = 0
        self.local_host = str(client.socket.local_address[0])
        self._sent: dict[str, Any] | None = None

    def send_seat(self, message: dict[str, Any]) -> None:
        """Send an object about the seat if it has changed; guests have none."""
        if not self.seat.is_guest and message != self._sent and self.client.send_object(message):
            self._sent = message

    @property
    def close_reason(self) -> str:
        """The reason in the close frame; empty without one."""
        return self.client.socket.close_reason or ""

    @property
    def is_clean(self) -> bool:
        """Whether the connection has ended with a close frame."""
        return self.client.close_code != CloseCode.ABNORMAL_CLOSURE
