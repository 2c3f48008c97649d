"""Orders: what a challenge asks of a seat's wire, and how the wire leaves ticks out."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import msgspec

from tickerkit.classroom.room.observations import read_seqs
from tickerkit.classroom.room.outages import OutageKind
from tickerkit.wire import TEXT, Conversation, Toward
from tickerkit.wire.header import make_frame, parse_header
from tickerkit.wire.mischief import Change

__all__ = ["Ask", "Break", "Order", "Ping", "Skip", "Slow", "skip_ticks"]


class Ping(NamedTuple):
    """Send a ping.

    Attributes:
        payload: its payload.
    """

    payload: bytes


class Ask(NamedTuple):
    """Send an object.

    Attributes:
        message: the object.
    """

    message: dict[str, Any]


class Break(NamedTuple):
    """Break the connection.

    Attributes:
        kind: "reset": reset TCP. "half": send half of the next frame, then end TCP. "restart":
            close with 1012. "stall": let nothing pass for `seconds`, then reset. "refuse": reset,
            and refuse what comes within `seconds`.
        seconds: see there; 0 for the other kinds.
    """

    kind: OutageKind
    seconds: float = 0.0


class Slow(NamedTuple):
    """Let so many messages a second pass to the client; the others wait.

    Attributes:
        rate: how many.
    """

    rate: float


class Skip(NamedTuple):
    """Leave out the ticks that wait, send their gap, and let all pass again: `skip_ticks`."""


Order: TypeAlias = Ping | Ask | Break | Slow | Skip


def skip_ticks(conversation: Conversation, now_ns: int) -> None:
    """Leave out the ticks that wait for the client, and send their gap in their place.

    Other messages pass as they are. If no ticks wait, the next message of ticks is left out.
    """
    wire = conversation.wires["client"]
    order = _Skipping(max(wire.held, 1))
    for _ in range(order.left):
        wire.order(order)
    conversation.gate.run()
    conversation.advance(now_ns)


class _Skipping:
    """Leaves out so many messages of ticks, the last of which becomes the gap."""

    def __init__(self, messages: int) -> None:
        self.left = messages
        self._first: int | None = None

    def __call__(self, frame: bytes, toward: Toward) -> Change | None:
        header = parse_header(frame)
        if header is None or header.opcode != TEXT or frame[header.size : header.size + 1] != b"[":
            return None
        seqs = read_seqs(frame[header.size :])
        if seqs is None:
            return None
        self.left -= 1
        self._first = seqs[0] if self._first is None else self._first
        if self.left:
            return Change([], "left out by the room")
        gap = msgspec.json.encode({"type": "gap", "from": self._first, "to": seqs[1]})
        return Change([make_frame(TEXT, gap)], "the gap of what the room has left out")
