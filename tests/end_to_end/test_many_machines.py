"""Brokers, a maker, relays and a balancer as processes that are killed: readers lose nothing."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from balancers import run_balancer
from chain import FeedChecker, Tickerkit, is_ready, wait_for, write_maker
from nats_cluster import NatsCluster, free_ports
from soaks import TIMEOUT_S, share_of

import tickerkit as tk
from tickerkit.runtime.portal import portal

RATE = 20_000
FEEDS = 20
RELAYS = 3
# 1,000 faults under at least 5,000,000 ticks.
FAULTS = 1000
FAULT_EVERY_S = 0.5
CHECK_EVERY_S = 0.05
KEEP = 400_000
# How long a broker may take until it has caught up after a kill, and nothing else may happen to
# another one: more than one of three would stop the stream.
BROKER_REST_S = 15.0


class Chain:
    """Three brokers, a maker, three relays and a balancer, all of which can be made to fail.

    Args:
        folder: for their files.
        seed: which faults come, in which order.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.counts: dict[str, int] = {}
        self.checkers: list[FeedChecker] = []
        self._folder = folder
        self._paused: list[tuple[float, Callable[[], None]]] = []
        self._brokers_rest_until = 0.0

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """Start all, and wait until a reader can connect."""
        ports = free_ports(RELAYS)
        with contextlib.ExitStack() as stack:
            self.cluster = stack.enter_context(NatsCluster(self._folder / "brokers", 3))
            url = self.cluster.url("chain")
            source = write_maker(self._folder, RATE)
            arguments = ("serve", source, "--port", "0", "--publish", url)
            self.maker = stack.enter_context(Tickerkit(*arguments))
            self.relays = [
                stack.enter_context(Tickerkit("relay", url, "--port", str(port))) for port in ports
            ]
            for port in ports:
                wait_for(lambda port=port: is_ready(port), 60, "a relay is ready")
            balancer = stack.enter_context(run_balancer("haproxy", self._folder, ports))
            for _ in range(FEEDS):
                feed = stack.enter_context(tk.connect(balancer.url, history=None, keep=KEEP))
                self.checkers.append(FeedChecker(feed))
            yield

    def fail(self) -> None:
        """Cause one fault."""
        faults = [self.hop] * 14 + [self.pause_relay] * 3 + [self.kill_relay] * 2
        faults += [self.pause_broker, self.kill_broker, self.kill_maker]
        fault = self.random.choice(faults)
        if not fault():
            fault = self.hop
            fault()
        self.counts[fault.__name__] = self.counts.get(fault.__name__, 0) + 1

    def hop(self) -> bool:
        """Break the connection of a feed: the balancer gives it a relay, perhaps another one."""
        connection = self.random.choice(self.checkers).feed._connection

        def abort() -> None:
            websocket = connection._websocket  # type: ignore[union-attr]
            if websocket is not None:
                websocket.transport.abort()

        portal.post(abort)
        return True

    def pause_relay(self) -> bool:
        """Stop a relay for up to 2 s: it lags behind the others."""
        relay = self.random.choice(self.relays)
        relay.send(signal.SIGSTOP)
        until = time.monotonic() + self.random.uniform(0.1, 2)
        self._paused.append((until, lambda: relay.send(signal.SIGCONT)))
        return True

    def kill_relay(self) -> bool:
        """Kill a relay, and start it again."""
        relay = self.random.choice(self.relays)
        relay.kill()
        relay.start()
        return True

    def kill_maker(self) -> bool:
        """Kill the maker, and start it again: another epoch begins."""
        self.maker.kill()
        self.maker.start()
        return True

    def pause_broker(self) -> bool:
        """Stop a broker for up to 3 s."""
        if not self._may_disturb_brokers():
            return False
        broker = self.random.choice(self.cluster.servers)
        broker.pause()
        self._paused.append((time.monotonic() + self.random.uniform(0.1, 3), broker.resume))
        return True

    def kill_broker(self) -> bool:
        """Kill a broker, and start it again."""
        if not self._may_disturb_brokers():
            return False
        broker = self.random.choice(self.cluster.servers)
        broker.kill()
        broker.start()
        return True

    def _may_disturb_brokers(self) -> bool:
        now = time.monotonic()
        if now < self._brokers_rest_until:
            return False
        self._brokers_rest_until = now + BROKER_REST_S
        return True

    def check(self, seconds: float) -> None:
        """Check what has come, for some time, and end pauses that are over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for checker in self.checkers:
                checker.check()
                assert not checker.faults, checker.faults
                assert checker.feed.status != "failed", checker.feed
            for until, resume in list(self._paused):
                if time.monotonic() >= until:
                    resume()
                    self._paused.remove((until, resume))
            time.sleep(CHECK_EVERY_S)

    def settle(self) -> None:
        """End the maker, and wait until every feed has all that it wrote."""
        for _, resume in self._paused:
            resume()
        self.check(5)
        wait_for(lambda: self.maker.starts and self.maker.end() == 0, 40, "the maker ends")

        def has_all() -> bool:
            self.check(CHECK_EVERY_S)
            return len({tuple(each.lasts.items()) for each in self.checkers}) == 1

        self.check(1)
        wait_for(has_all, 60, "all feeds have the same")


@pytest.mark.soak
@pytest.mark.timeout(TIMEOUT_S)
def test_readers_lose_nothing_through_a_thousand_faults(tmp_path: Path) -> None:
    """Each tick comes once and in order, and the only gaps are those at the makers' ends."""
    chain = Chain(tmp_path, seed=1)
    with chain.run():
        for _ in range(share_of(FAULTS)):
            chain.fail()
            chain.check(FAULT_EVERY_S)
        chain.settle()
        ticks = sum(checker.ticks for checker in chain.checkers)
        print(f"{ticks:,} ticks at {FEEDS} feeds; {chain.counts}; starts: {chain.maker.starts}")
        for checker in chain.checkers:
            assert checker.list_gap_faults() == []
        assert len(chain.checkers[0].lasts) <= chain.maker.starts
