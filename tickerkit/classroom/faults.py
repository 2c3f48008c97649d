"""Random faults: what breaks each connection through a fault proxy, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeAlias

from tickerkit.wire import DIRECTIONS, Fault, Kind

__all__ = ["Plan", "random_faults"]

# A fault within these bytes hits the websocket handshake.
HANDSHAKE_BYTES = 200
MAX_RANDOM_BYTES = 20_000
MAX_RANDOM_DURATION_S = 0.05
HANDSHAKE_CHANCE = 0.1

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
