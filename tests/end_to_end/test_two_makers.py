"""Two makers of one stream, whose network is cut again and again: only one of them writes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from pathlib import Path

import pytest
from chain import FeedChecker, Tickerkit, wait_for, write_maker
from nats_cluster import NatsCluster
from networks import Host, Network
from soaks import TIMEOUT_S, share_of

import tickerkit as tk
from tickerkit.brokers import NatsBroker
from tickerkit.cli.exit_codes import FENCED
from tickerkit.streams import StreamMessage

BROKERS, MAKERS = 3, 2
SECONDS = 300
RATE = 2000
CHECK_EVERY_S = 0.1


def cut_at_random(network: Network, chance: random.Random) -> None:
    """Cut off a broker, a maker from some brokers, or two hosts from each other; or heal all."""
    brokers, makers = network.hosts[:BROKERS], network.hosts[BROKERS:]
    kind = chance.choice(("broker", "maker", "link", "heal", "heal"))
    network.heal()
    if kind == "broker":
        alone = chance.choice(brokers)
        pairs = [(alone, other) for other in network.hosts if other is not alone]
    elif kind == "maker":
        maker = chance.choice(makers)
        pairs = [(maker, broker) for broker in chance.sample(brokers, chance.randint(1, BROKERS))]
    elif kind == "link":
        pairs = [tuple[Host, Host](chance.sample(network.hosts, 2))]
    else:
        pairs = []
    for one, other in pairs:
        network.cut(one, other)


async def read_whole(url: str) -> list[StreamMessage]:
    """Return every message of a stream."""
    async with NatsBroker(url) as broker:
        last = (await broker.tail()).number
        read = [stored async for stored in broker.read(1, last)]
        return [stored.message for stored in read if stored.message is not None]


@pytest.mark.soak
@pytest.mark.timeout(TIMEOUT_S)
def test_never_do_two_makers_write_at_the_same_time(tmp_path: Path) -> None:
    """Each epoch is one unbroken piece of the stream; a fenced maker says so, and ends."""
    chance = random.Random(1)
    fenced = 0
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(Network(BROKERS + MAKERS))
        cluster = stack.enter_context(NatsCluster(tmp_path / "brokers", BROKERS, network=network))
        url = cluster.url("makers")
        arguments = ("serve", write_maker(tmp_path, RATE), "--port", "0", "--publish", url)
        makers = [
            stack.enter_context(Tickerkit(*arguments, prefix=host.prefix))
            for host in network.hosts[BROKERS:]
        ]
        relay = stack.enter_context(tk.serve(tk.relay(url, wait_s=None), port=0))
        feed = stack.enter_context(tk.connect(relay.url, history=None))
        checker = FeedChecker(feed)
        end = time.monotonic() + share_of(SECONDS)
        cut_until = 0.0
        while (now := time.monotonic()) < end:
            if now > cut_until:
                cut_at_random(network, chance)
                cut_until = now + chance.uniform(0.5, 6)
            checker.check()
            assert not checker.faults, checker.faults
            for maker in makers:
                assert maker.process is not None
                if (code := maker.process.poll()) is not None:
                    assert code == FENCED, maker.read_output()
                    assert "has taken over" in maker.read_output()
                    fenced += 1
                    maker.start()  # as somebody who doesn't know better
            time.sleep(CHECK_EVERY_S)
        network.heal()
        wait_for(lambda: cluster.find_leader("makers") is not None, 30, "the stream has a leader")
        for maker in makers:
            maker.kill()
        messages = asyncio.run(read_whole(url))
        last = next(each for each in reversed(messages) if each.kind == "ticks")
        wait_for(lambda: feed.log.last_seq >= last.last, 30, "the feed has all")
        checker.check()
        assert checker.faults == []
        assert checker.list_gap_faults() == []
    assert fenced
    print(f"{fenced} times fenced; {len(checker.lasts)} epochs, {checker.ticks:,} ticks")
    epochs = [epoch for epoch, _ in itertools.groupby(messages, key=lambda each: each.epoch)]
    assert len(epochs) == len(set(epochs)), "an epoch comes again after another one"
    for _, run in itertools.groupby(messages, key=lambda each: each.epoch):
        ticks = [each for each in run if each.kind == "ticks"]
        for one, other in itertools.pairwise(ticks):
            assert other.seq == one.last + 1
