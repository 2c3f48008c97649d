"""Classes for the tests, and students who join them."""

from __future__ import annotations

from typing import Any

from peers import LOCAL, dial
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

import tickerkit as tk
from tickerkit.classroom.room.room import Room

__all__ = ["close_code", "find", "join", "open_room"]


def open_room(source: object = None, code: str | None = None, **options: Any) -> Room:
    """Open a class on a free port of this machine, in this process."""
    return tk.room(source, code, **{"port": 0, "host": LOCAL, "process": False} | options)


def join(room: Room, name: str = "", key: str = "") -> ClientConnection:
    """Connect a student's program, or a page with a key."""
    return dial(f"{room.url}&name={name}&key={key}")


def close_code(closed: ConnectionClosed) -> int:
    """Return the code that the server has closed with; 0 without one."""
    return 0 if closed.rcvd is None else closed.rcvd.code


def find(room: Room, name: str) -> dict[str, Any]:
    """Return a student's row of the roster; empty without one."""
    rows = room.roster.to_dict("records")
    return next((row for row in rows if row["name"] == name), {})
