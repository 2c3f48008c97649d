"""Seat: a student's place in a class, in the student's own notebook; made by `tk.join`."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from tickerkit.classroom.room.handouts import SEAT_PATH
from tickerkit.errors import InvalidArgument
from tickerkit.net.urls import complete_websocket_url
from tickerkit.runtime.cards import render_card
from tickerkit.server.client_facts import MAX_NAME_CHARACTERS
from tickerkit.validation import check_text

if TYPE_CHECKING:
    from tickerkit.classroom import Tap
    from tickerkit.feed import Feed

__all__ = ["Seat", "join"]

ASK_S = 5.0
MAX_ANSWER_BYTES = 65_536
EXPECTED = "the address of a class, such as '192.168.1.20:8000/otter42'"
EXPECTED_NAME = f"a name of at most {MAX_NAME_CHARACTERS} characters"


class Seat:
    """A student's place in a class. Made by `tk.join`.

    It holds no connection: the class sees the student as soon as a feed, or any program, connects.

    Attributes:
        name: the student's name; empty for a guest.
        page: the address of the class's page for students.
        url: the address of every tick for any program, with the code and the name.
    """

    def __init__(self, address: str, code: str, name: str) -> None:
        self.name = name
        self.page = f"http://{address}/{quote(code, safe='')}"
        values = {"token": code, "name": name}
        query = urlencode({key: value for key, value in values.items() if value}, quote_via=quote)
        self._query = f"?{query}" if query else ""
        self._address = address
        self.url = f"ws://{address}/ticks{self._query}"

    def feed(self, symbols: str | list[str] | None = None, **options: Any) -> Feed:
        """Connect a feed with this seat's name; it resumes after a break.

        Args:
            symbols: as for `tk.connect`; all by default.
            **options: further arguments of `tk.connect`, such as `keep=`.
        """
        from tickerkit.feed import connect

        return connect(f"ws://{self._address}/{self._query}", symbols, **options)

    def tap(self, **options: Any) -> Tap:
        """Put a tap before the class's server: a program that connects to it has this seat.

        Args:
            **options: arguments of `tk.tap`, such as `hold=`.
        """
        from tickerkit.classroom import tap

        return tap(self.url, **options)

    @property
    def status(self) -> str:
        """What the class's server says about the seat, or why it can't be asked, in words."""
        return self._look()[0]

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The tasks, each a dict of `number`, `title`, `state` and `hint`; empty without any."""
        return self._look()[1]

    def _look(self) -> tuple[str, list[dict[str, Any]]]:
        """Return the status in words, and the tasks."""
        try:
            status, answer = self._ask()
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            return f"not reached: {reason}; see tickerkit doctor --reach {self.page}", []
        if status == http.client.NOT_FOUND:
            return "not found: no class has this address and code", []
        said = str(answer.get("status", ""))
        return said or f"not known: the server answered {status}", list(answer.get("tasks", []))

    def _ask(self) -> tuple[int, dict[str, Any]]:
        """Return the status and the object with which the class's server describes the seat."""
        parts = urlsplit(self.page)
        connection = http.client.HTTPConnection(parts.netloc, timeout=ASK_S)
        try:
            path = f"{parts.path}/{SEAT_PATH}?{urlencode({'name': self.name}, quote_via=quote)}"
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read(MAX_ANSWER_BYTES)
        finally:
            connection.close()
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {}
        return response.status, answer if isinstance(answer, dict) else {}

    def __repr__(self) -> str:
        return f"<Seat {self.name or 'guest'} at {self._address}>"

    def _repr_html_(self) -> str:
        lines = {"name": self.name or "a guest", "for programs": self.url}
        status, tasks = self._look()
        for task in tasks:
            is_passed = task["state"] == "passed"
            lines[f"{task['number']} {task['title']}"] = "✓" if is_passed else task["hint"]
        return render_card("Seat", status, lines, {"page": self.page})


def join(address: object, name: str = "") -> Seat:
    """Join a class; nothing is connected before `seat.feed()`.

    Args:
        address: what the teacher shows, such as "192.168.1.20:8000/otter42"; or the address of the
            page, or that for programs.
        name: what you want to be called, at most 32 characters. Every program that connects with
            this name has the same seat. Without one, you are a guest.

    Raises:
        InvalidArgument: if an argument is invalid.

    Example:
        >>> seat = tk.join("192.168.1.20:8000/otter42", name="ana")
        >>> feed = seat.feed()
        >>> feed.wait(20).frame()
    """
    try:
        parts = urlsplit(complete_websocket_url(address))
    except InvalidArgument as error:
        raise type(error)("address", error.value, EXPECTED) from None
    check_text("name", name, EXPECTED_NAME)
    name = name.strip()
    if len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        raise InvalidArgument("name", name, EXPECTED_NAME)
    query = parse_qs(parts.query)
    path = unquote(parts.path.strip("/"))
    code = query.get("token", ["" if path == "ticks" else path])[0]
    if "/" in code or parts.scheme != "ws":
        raise InvalidArgument("address", address, EXPECTED)
    return Seat(parts.netloc.rpartition("@")[2], code, name or query.get("name", [""])[0])
