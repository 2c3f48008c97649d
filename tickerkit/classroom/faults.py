"""Faults: ways to break a connection, and a random choice of them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_choices

__all__ = ["CLOSING_KINDS", "ENDING_KINDS", "Direction", "Fault", "Kind", "Plan", "random_faults"]

Kind: TypeAlias = Literal["reset", "truncate", "close", "stall", "delay", "trickle"]
Direction: TypeAlias = Literal["client", "server"]

KINDS: tuple[Kind, ...] = get_args(Kind)
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
# Kinds that close the connection at once, and all kinds that end it.
CLOSING_KINDS: tuple[Kind, ...] = ("reset", "truncate", "close")
ENDING_KINDS: tuple[Kind, ...] = (*CLOSING_KINDS, "stall")

# A fault within these bytes hits the websocket handshake.
HANDSHAKE_BYTES = 200
MAX_RANDOM_BYTES = 20_000
MAX_RANDOM_DURATION_S = 0.05
HANDSHAKE_CHANCE = 0.1


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
    toward: Direction = "client"
    duration_s: float = math.inf

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidArgument("kind", self.kind, format_choices(KINDS))
        if self.toward not in DIRECTIONS:
            raise InvalidArgument("toward", self.toward, format_choices(DIRECTIONS))


# A function that returns the faults of one connection, given a generator of random numbers.
Plan: TypeAlias = Callable[[random.Random], Sequence[Fault]]


def random_faults(rng: random.Random) -> list[Fault]:
    """Return the faults of one connection: up to two that it survives, then one that ends it.

    One fault in ten hits the handshake, in either direction. The others hit the first 20,000 bytes
    toward the client.

    Args:
        rng: the generator to draw from.

    Example:
        >>> FaultProxy(server.url, random_faults, seed=1)
    """
    mild: list[Kind] = ["delay", "trickle"]
    final: list[Kind] = ["reset", "reset", "truncate", "truncate", "close", "stall"]
    kinds = [rng.choice(mild) for _ in range(rng.choice([0, 0, 0, 1, 2]))]
    faults = []
    for kind in (*kinds, rng.choice(final)):
        in_handshake = rng.random() < HANDSHAKE_CHANCE
        toward = rng.choice(DIRECTIONS) if in_handshake else "client"
        after = rng.randrange(HANDSHAKE_BYTES if in_handshake else MAX_RANDOM_BYTES)
        duration_s = rng.uniform(0, MAX_RANDOM_DURATION_S)
        faults.append(Fault(kind, after, toward, duration_s))
    return faults
