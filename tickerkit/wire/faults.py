"""Faults: ways to break a connection after a number of bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_choices
from tickerkit.wire.header import Toward

__all__ = ["CLOSING_KINDS", "DIRECTIONS", "ENDING_KINDS", "Fault", "Kind"]

Kind: TypeAlias = Literal["reset", "truncate", "close", "stall", "delay", "trickle"]

KINDS: tuple[Kind, ...] = get_args(Kind)
DIRECTIONS: tuple[Toward, ...] = get_args(Toward)
# Kinds that close the connection at once, and all kinds that end it.
CLOSING_KINDS: tuple[Kind, ...] = ("reset", "truncate", "close")
ENDING_KINDS: tuple[Kind, ...] = (*CLOSING_KINDS, "stall")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in one direction of a connection.

    Attributes:
        kind: "reset": both ends get a TCP reset, and data on the way are lost. "truncate": the
            connection is closed in the middle of a message. "close": it is closed between two
            reads, so that messages are mostly whole. "stall": nothing passes for a while, then
            both ends get a reset. "delay": nothing passes for a while, then everything at once.
            "trickle": the next 500 bytes pass one by one.
        after: how many bytes pass in this direction before the fault.
        toward: the direction: "client" for data from the server, "server" for data from the client.
        duration_s: how long a stall or a delay lasts, in seconds.

    Raises:
        ValueError: if `kind` or `toward` is invalid.
    """

    kind: Kind
    after: int = 0
    toward: Toward = "client"
    duration_s: float = math.inf

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidArgument("kind", self.kind, format_choices(KINDS))
        if self.toward not in DIRECTIONS:
            raise InvalidArgument("toward", self.toward, format_choices(DIRECTIONS))
