"""Parts of a room's snapshot, by hand."""

from __future__ import annotations

from typing import Any

__all__ = ["make_line", "make_seat"]


def make_seat(name: str, **facts: Any) -> dict[str, Any]:
    """Return a student as a room's snapshot has it."""
    seat = {"name": name, "status": "live", "client": "Chrome", "address": "192.168.1.57:5000"}
    rest = {"since": 1000.4, "drops": 0, "behind": 0, "ping_ms": 12.34, "tasks": {}, "score": None}
    return {**seat, **rest, "is_connected": True, "wire": "", **facts}


def make_line(number: int, **facts: Any) -> dict[str, Any]:
    """Return a line of the journal."""
    return {"number": number, "time": 1.0, "event": "joined", "name": "ana", **facts}
