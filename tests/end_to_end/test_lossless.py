"""The promise: what a server accepted reaches every feed once, in order, or is told to be gone.

Each test is run short by `make test`, and whole by `make soak`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from commands import environment
from peers import LOCAL, free_port
from soaks import soak

import tickerkit as tk
from tickerkit.classroom import FaultProxy, random_faults

Until = Callable[..., None]

SAME = ["seq", "time", "symbol", "price", "size"]
SYMBOLS = [f"SYM{number}" for number in range(20)]
SEED = 20261124


class Market:
    """Makes ticks, the same for a seed, as many at once as asked for."""

    def __init__(self, seed: int = SEED) -> None:
        self._chance = np.random.default_rng(seed)
        self._made = 0

    def ticks(self, count: int) -> pd.DataFrame:
        """Return the next `count` ticks."""
        start = pd.Timestamp("2026-11-24T10:00:00Z").value + self._made * 1_000_003
        self._made += count
        return pd.DataFrame(
            {
                "time": pd.to_datetime(start + np.arange(count) * 1_000_003, utc=True),
                "symbol": self._chance.choice(SYMBOLS, count),
                "price": self._chance.integers(1, 10**6, count) / 100,
                "size": self._chance.integers(1, 1000, count).astype(float),
            }
        )


def of(frame: pd.DataFrame, symbols: list[str] | None) -> pd.DataFrame:
    """Return what a feed of these symbols must have of a server's ticks."""
    wanted = frame if symbols is None else frame[frame["symbol"].isin(symbols)]
    return wanted[SAME].astype({"symbol": "str"}).reset_index(drop=True)


def newest(server: tk.TickServer, feed: tk.Feed) -> int:
    """Return the seq of the newest tick of a server's that is for a feed."""
    return int(of(server.log.frame(), feed.symbols)["seq"].iloc[-1])


def all_there(server: tk.TickServer, feeds: list[tk.Feed]) -> Callable[[], bool]:
    """Return a condition: every feed has the newest tick that there is for it now."""
    wanted = [newest(server, feed) for feed in feeds]
    return lambda: all(feed.log.last_seq == seq for feed, seq in zip(feeds, wanted, strict=True))


@pytest.fixture
def wanted_symbols() -> list[list[str] | None]:
    """Return what 20 feeds subscribe to: most to everything, some to a few symbols or to one."""
    chance = random.Random(SEED)
    some = [sorted(chance.sample(SYMBOLS, count)) for count in (1, 1, 2, 5, 10)]
    return [*some, *([None] * 15)]


@pytest.mark.parametrize(("disconnects", "ticks"), [(30, 3_000), soak(10_000, 1_000_000)])
def test_no_tick_is_lost_however_often_the_wire_breaks(
    disconnects: int, ticks: int, wanted_symbols: list[list[str] | None], until: Until
) -> None:
    """20 feeds through resets, truncations, stalls: nothing lost, twice, out of order or a gap."""
    market, batch = Market(), 4 * ticks // disconnects
    server = tk.serve(None, port=0, history=2 * ticks)
    with FaultProxy(server.url, random_faults, SEED) as proxy:
        feeds = [
            tk.connect(proxy.url, symbols=symbols, history=None, keep=2 * ticks)
            for symbols in wanted_symbols
        ]
        eager = [feed for feed in feeds if feed.symbols is None]
        while proxy.broken < disconnects or server.log.stop < ticks:
            server.publish(market.ticks(batch))
            # No faster than half of them take it, so that breaks come all along.
            last = server.log.last_seq
            until(lambda last=last: sum(e.log.last_seq < last for e in eager) < 8, 60)
        proxy.plan = None
        until(all_there(server, feeds), 120)
        made = server.log.frame()
        for feed in feeds:
            assert feed.gaps.empty
            pd.testing.assert_frame_equal(of(feed.frame(), None), of(made, feed.symbols))
        until(lambda: {feed.status for feed in feeds} == {"live"})  # the last break may be new
        assert sum(feed.stats["reconnects"] for feed in feeds) > disconnects / 2
        print(
            f"\n{proxy.broken:,} disconnects under {len(made):,} ticks on {len(feeds)} feeds:"
            f" {dict(proxy.faults)}; duplicates dropped:"
            f" {sum(feed.stats['duplicates'] for feed in feeds):,}"
        )


@pytest.mark.parametrize("outages", [20, soak(1000)])
def test_an_outage_longer_than_the_history_is_one_exact_gap(outages: int, until: Until) -> None:
    """Each feed lists each hole with the very seqs that the server held no more, and no other."""
    market, chance, history = Market(), random.Random(SEED), 1000
    server = tk.serve(None, port=0, history=history)
    with FaultProxy(server.url) as proxy:
        feeds = [tk.connect(proxy.url, history=None) for _ in range(20)]
        server.publish(market.ticks(10))
        until(all_there(server, feeds))
        expected: list[tuple[int, int]] = []
        for _ in range(outages // len(feeds)):
            proxy.refuse()
            proxy.reset()
            had = server.log.last_seq
            server.publish(market.ticks(history + chance.randrange(1, 2 * history)))
            expected.append((had + 1, server.log.last_seq - history))
            proxy.refuse(False)
            until(all_there(server, feeds), 60)
            server.publish(market.ticks(chance.randrange(1, history // 2)))
            until(all_there(server, feeds), 60)
        for feed in feeds:
            gaps = feed.gaps
            assert list(zip(gaps["from"], gaps["to"], strict=True)) == expected
            assert set(gaps["epoch"]) == {server.log.epoch}
            missing = np.concatenate([np.arange(start, stop + 1) for start, stop in expected])
            has = feed.frame()["seq"].to_numpy()
            everything = np.arange(1, server.log.last_seq + 1)
            np.testing.assert_array_equal(np.sort(np.concatenate([has, missing])), everything)
            assert feed.frame(mark_gaps=True)["gap"].sum() == len(expected)


# Forks a server for each line that it reads, so that one dies and the next is there in a moment.
LIVES = """
import os, signal, sys, time
import pandas, tickerkit as tk
import tickerkit.server

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
port = int(sys.argv[1])


def serve():
    while True:
        try:
            return tk.serve(None, port=port)
        except tk.PortTaken:  # the one that was killed needs a moment to be gone
            time.sleep(0.01)


def live(life, last):
    server, seq = serve(), 0
    while seq < last:
        ticks = [{"symbol": f"S{n % 3}", "price": life * 1e6 + n} for n in range(seq + 1, seq + 21)]
        server.publish(ticks)
        seq += len(ticks)
        time.sleep(0.0005)
    time.sleep(3600)


for line in sys.stdin:
    life, last = map(int, line.split())
    child = os.fork()
    if not child:
        live(life, last)
    print(child, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="wants fork and SIGKILL")
@pytest.mark.parametrize("lives", [3, soak(200)])
def test_a_server_that_is_killed_again_and_again_is_found_again(lives: int, until: Until) -> None:
    """Each feed has the ticks of each life from its first on, and a gap where it died."""
    chance, port, last = random.Random(SEED), free_port(), 2000
    children: list[int] = []
    with subprocess.Popen(
        [sys.executable, "-c", LIVES, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as mother:
        assert mother.stdin is not None
        assert mother.stdout is not None
        feeds = [
            tk.connect(f"ws://{LOCAL}:{port}", symbols=symbols, history=None)
            for symbols in (None, None, None, ["S1"])
        ]
        try:
            for life in range(1, lives + 1):
                lived = [len(feed.log.runs) for feed in feeds]
                mother.stdin.write(f"{life} {10**9 if life < lives else last}\n")
                mother.stdin.flush()
                children.append(int(mother.stdout.readline()))
                until(lambda had=lived[0]: len(feeds[0].log.runs) > had, 60)
                if life < lives:
                    wanted = feeds[0].log.stop + chance.randrange(1, 400)
                    until(lambda wanted=wanted: feeds[0].log.stop >= wanted, 60)
                    os.kill(children[-1], signal.SIGKILL)
            for feed, had in zip(feeds, lived, strict=True):
                until(lambda feed=feed, had=had: len(feed.log.runs) > had, 60)
                until(lambda feed=feed: feed.log.last_seq >= last - 2, 60)
        finally:
            for child in children[-1:]:
                os.kill(child, signal.SIGKILL)
            mother.stdin.close()
    for feed in feeds:
        frame, gaps = feed.frame(), feed.gaps
        lives_had = [part for _, part in frame.groupby("epoch", observed=True, sort=False)]
        for part in lives_had:
            seq = part["seq"].to_numpy()
            np.testing.assert_array_equal(part["price"], part["price"].iloc[0] - seq[0] + seq)
            step = 1 if feed.symbols is None else 3
            np.testing.assert_array_equal(seq, np.arange(1, seq[-1] + 1, step))
        assert lives_had[-1]["seq"].iloc[-1] >= last - 2
        # Of an epoch that died the end can't be known; there is no other gap.
        assert gaps["to"].isna().all()
        ends = {part["epoch"].iloc[0]: int(part["seq"].iloc[-1]) for part in lives_had[:-1]}
        starts = dict(zip(gaps["epoch"], gaps["from"], strict=True))
        assert len(starts) == len(gaps)
        assert ends.keys() <= starts.keys()
        for epoch, start in starts.items():
            # A filtered feed knows of ticks that were not for it.
            here = start == ends.get(epoch, 0) + 1
            assert here or (feed.symbols is not None and start > ends.get(epoch, 0))
    assert len(feeds[0].log.runs) == lives
