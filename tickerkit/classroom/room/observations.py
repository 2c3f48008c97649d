"""Observations: the single facts that a seat's wire shows, and how ticks are found in a message."""

from __future__ import annotations

import re

import msgspec

__all__ = ["MAX_QUOTED", "Fault", "Leave", "Probe", "Said", "parse_seq", "read_seqs"]

MAX_QUOTED = 40
SEQ = re.compile(rb'"seq": ?(\d+)')


class Probe(msgspec.Struct):
    """A ping to the client, and the pong that came.

    Attributes:
        number: which ping of the connection it is, from 1.
        payload: its payload.
        at: when it was sent.
        pong_bytes: the size of the pong's payload; None without a pong.
        is_right: whether a pong had the ping's payload.
    """

    number: int
    payload: bytes
    at: float
    pong_bytes: int | None = None
    is_right: bool = False


class Fault(msgspec.Struct):
    """The first frame of a connection that breaks a rule of the websocket.

    Attributes:
        number: which frame of the client's it is on this connection, from 1.
        note: the name of its note, see `tickerkit.wire.NOTES`.
    """

    number: int
    note: str


class Said(msgspec.Struct):
    """The newest message of the client that is not a valid one.

    Attributes:
        number: which frame of the client's it ends with.
        problem: "binary", "json", "type", "symbols" or "long".
        quoted: the beginning of the part that is wrong.
    """

    number: int
    problem: str
    quoted: str = ""


class Leave(msgspec.Struct):
    """How the client ended a connection.

    Attributes:
        code: the code of its close frame; 1005 if that was empty, 1006 if there was none.
        reason: the reason in it.
    """

    code: int
    reason: str = ""


def read_seqs(payload: bytes) -> tuple[int, int] | None:
    """Return the first and the last seq of a message of ticks; None if it has none."""
    payload = payload[: payload.rfind(b"}") + 1]  # of a large message only the beginning is kept
    first = SEQ.search(payload)
    last = SEQ.match(payload, max(payload.rfind(b'"seq"'), 0))
    return None if first is None or last is None else (int(first[1]), int(last[1]))


def parse_seq(text: str) -> int | None:
    """Return the seq of a query; None for other text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
