"""What a page receives of a dashboard, without a browser."""

from __future__ import annotations

from typing import Any

import tickerkit as tk
from tickerkit.runtime.scheduler import SENDER

__all__ = ["DeskReceiver"]


class DeskReceiver:
    """Takes the messages of a dashboard as its page side does.

    Args:
        board: the dashboard.

    Attributes:
        rows: the fields of each row by its id.
        status: the newest message of state; empty before.
        events: the events, in the order of their numbers.
        messages: all messages.
    """

    def __init__(self, board: tk.Dashboard) -> None:
        self.board = board
        self.rows: dict[str, dict[str, Any]] = {}
        self.status: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        board.send = self._take
        self.post("here", page="page", **{"from": 0})

    def post(self, kind: str, **fields: Any) -> None:
        """Send a message to the kernel."""
        self.board._handle_message(self.board, {"kind": kind, **fields}, [])

    def choose(self, **choices: Any) -> None:
        """Choose something, as a click does."""
        self.post("choose", choices=choices)

    @property
    def symbols(self) -> list[str]:
        """The symbols of the rows, in their order."""
        return [row["symbol"] for row in sorted(self.rows.values(), key=lambda row: row["place"])]

    @property
    def feed(self) -> dict[str, Any]:
        """The state of the first feed; empty before it is known."""
        feeds: list[dict[str, Any]] = self.status.get("feeds", [{}])
        return feeds[0]

    @property
    def menu_symbols(self) -> list[str]:
        """The symbols that the menu offers."""
        return [each["symbol"] for each in self.board._menu["symbols"]]

    def row(self, symbol: str) -> dict[str, Any]:
        """Return the row of a symbol; an empty one if there is none."""
        return next((row for row in self.rows.values() if row["symbol"] == symbol), {})

    def show(self, symbol: str, *names: str) -> tuple[Any, ...]:
        """Return some fields of a symbol's row."""
        row = self.row(symbol)
        return tuple(row.get(name) for name in names)

    def _take(self, message: dict[str, Any], _: object = None) -> None:
        self.messages.append(message)
        if message["kind"] == "status":
            self.status = message
        elif message["kind"] == "events":
            known = {each["number"] for each in self.events}
            new = [each for each in message["events"] if each["number"] not in known]
            self.events = sorted([*self.events, *new], key=lambda each: each["number"])
        elif message["kind"] == "rows":
            rows = {} if message["whole"] else dict(self.rows)
            for row in message["rows"]:
                name = row["id"]
                rows[name] = {**rows.get(name, {}), **row}
            for name in message["gone"]:
                rows.pop(name, None)
            self.rows = rows

    def leave(self) -> None:
        """Show the dashboard no more."""
        self.post("away", page="page")
        SENDER.request(self.board)
