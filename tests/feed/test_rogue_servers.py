"""Rogue servers: a feed of a hostile server holds up nothing else, and stops at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from rogues import ROGUES, LoopWatch, RogueServer, peak_memory_mb
from soaks import TIMEOUT_S, share_of

import tickerkit as tk

Until = Callable[..., None]

# Promised are 0.05 s. The rest is for a slow machine, whose CPU time is longer, too.
MAX_HELD_S = 0.1
MAX_STOP_S = 3.0
MAX_SENT_BYTES = 40_000_000
# What the rogues' own messages take is part of it.
MAX_GROWTH_MB = 500


def besiege(name: str, seed: int, seconds: float) -> float:
    """Feed on a rogue server for a while; return the longest time for which it held the loop."""
    rogue, is_v1 = ROGUES[name]
    with (
        tk.serve(None, port=0) as own,
        RogueServer(rogue, is_v1=is_v1, seed=seed) as server,
        LoopWatch() as watch,
    ):
        honest = tk.connect(own.url)
        feed = tk.connect(server.url, keep=10_000)
        end, published = time.monotonic() + seconds, 0
        while time.monotonic() < end and server.sent_bytes < MAX_SENT_BYTES:
            own.publish({"symbol": "A", "price": published})
            published += 1
            time.sleep(0.02)
        honest.wait(published, timeout=30)
        began = time.monotonic()
        feed.stop()
        assert time.monotonic() - began < MAX_STOP_S, "stop() takes too long"
        assert server.connections
    assert watch.iterations > 10
    return watch.longest_s


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.soak] * (n % 4 > 0)) for n, name in enumerate(ROGUES)],
)
def test_rogue_server_holds_up_nobody(name: str) -> None:
    """Whatever it sends, the loop serves others in between, and the feed stops at once."""
    assert besiege(name, seed=1, seconds=0.25) < MAX_HELD_S


@pytest.mark.soak
@pytest.mark.timeout(TIMEOUT_S)
def test_rogue_servers_hold_up_nobody_in_many_ways() -> None:
    """The same with many seeds, and longer, and the memory stays bounded; in CI some of them."""
    before = peak_memory_mb()
    sieges = [(seed, name) for seed in range(5) for name in ROGUES]
    random.Random(7).shuffle(sieges)
    for seed, name in sieges[: share_of(len(sieges))]:
        longest_s = besiege(name, random.Random(seed).randrange(10**6), seconds=3.0)
        assert longest_s < MAX_HELD_S, (name, seed)
        assert peak_memory_mb() - before < MAX_GROWTH_MB, (name, seed)
