"""A maker and a relay through faults of a cluster: no message is lost, none comes twice."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats_cluster import NatsCluster
from soaks import TIMEOUT_S, share_of

from tickerkit.brokers import NatsBroker, StreamLimits
from tickerkit.errors import StreamError
from tickerkit.streams import StreamMessage

pytestmark = [pytest.mark.soak, pytest.mark.timeout(TIMEOUT_S)]

SECONDS = share_of(200)
FAULTS = ("kill", "kill the leader", "terminate", "pause", "kill all")


@contextlib.asynccontextmanager
async def closing(broker: NatsBroker) -> AsyncIterator[NatsBroker]:
    """Close a broker at the end; its verbs open it, since opening may fail for a while."""
    try:
        yield broker
    finally:
        await broker.close()


class Chain:
    """A writer of numbered messages, a reader of them, and faults of the servers."""

    def __init__(self, cluster: NatsCluster) -> None:
        self.cluster = cluster
        self.url = cluster.url("faults")
        self.read: list[int] = []
        self.acked = 0
        self.is_over = False
        self.errors: dict[str, int] = {}

    def note(self, error: StreamError) -> None:
        """Count an error; none may be final."""
        assert not error.is_final, error
        problem = error.problem.replace(str(self.acked), "N")
        self.errors[problem] = self.errors.get(problem, 0) + 1

    async def write(self) -> None:
        """Write as a publisher does: one message at a time; on any doubt, read the tail."""
        async with closing(NatsBroker(self.url, create=StreamLimits())) as broker:
            seq, after, is_sure = 1, 0, True
            while not self.is_over:
                try:
                    if not is_sure:
                        tail = await broker.tail()
                        seq = 1 if tail.message is None else tail.message.seq + 1
                        after, is_sure = tail.number, True
                        assert seq > self.acked, "an acknowledged message was lost"
                    message = StreamMessage("ticks", "e1", seq, 1, b"x" * (seq % 5000))
                    after = await broker.put(message, after)
                    self.acked, seq = seq, seq + 1
                    await asyncio.sleep(0.0005)
                except StreamError as error:
                    self.note(error)
                    is_sure = False
                    await asyncio.sleep(0.05)

    async def follow(self) -> None:
        """Read from the number after the last one, again and again."""
        number = 0
        async with closing(NatsBroker(self.url)) as broker:
            while True:
                reading = broker.read(number + 1)
                try:
                    async for stored in reading:
                        assert stored.message is not None
                        assert stored.message.body == b"x" * (stored.message.seq % 5000)
                        number = stored.number
                        self.read.append(stored.message.seq)
                except StreamError as error:
                    self.note(error)
                    await asyncio.sleep(0.05)
                finally:
                    await reading.aclose()  # type: ignore[attr-defined]

    async def break_things(self, chance: random.Random) -> int:
        """Break the servers by turns until the time is over; return how many faults there were."""
        end, faults = time.monotonic() + SECONDS, 0
        while time.monotonic() < end:
            before = self.acked
            fault = chance.choice(FAULTS)
            await asyncio.to_thread(self.inject, fault, chance)
            faults += 1
            limit = time.monotonic() + 60
            while self.acked < before + 200 or len(self.read) < before:
                assert time.monotonic() < limit, f"nothing moves after {fault}: {self.errors}"
                await asyncio.sleep(0.1)
            await asyncio.to_thread(self.cluster.wait_ready)
        self.is_over = True
        return faults

    def inject(self, fault: str, chance: random.Random) -> None:
        """Do something to one server, or to all of them; the sleeps are how long a fault lasts."""
        server = chance.choice(self.cluster.servers)
        match fault:
            case "kill":
                server.restart(signal.SIGKILL)
            case "kill the leader":
                server = self.cluster.leader("faults")
                server.kill()
                time.sleep(chance.uniform(0, 6))
                server.start()
            case "terminate":
                server.restart()
            case "pause":
                server.pause()
                time.sleep(chance.uniform(0, 8))
                server.resume()
            case _:
                for each in self.cluster.servers:
                    each.kill()
                for each in self.cluster.servers:
                    each.start()


def test_messages_survive_faults(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Servers are killed, ended and paused; what was acknowledged is read once and in order."""
    seed = random.randrange(10**6)
    files = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0

    async def work(chain: Chain) -> int:
        async with NatsBroker(chain.url, create=StreamLimits()):
            pass
        following = asyncio.create_task(chain.follow())
        breaking = asyncio.create_task(chain.break_things(random.Random(seed)))
        writing = asyncio.gather(chain.write(), breaking)
        await asyncio.wait([following, writing], return_when=asyncio.FIRST_COMPLETED)
        await writing
        end = time.monotonic() + 30
        while len(chain.read) < chain.acked and not following.done():
            assert time.monotonic() < end, f"{len(chain.read)} of {chain.acked} were read"
            await asyncio.sleep(0.05)
        following.cancel()
        await asyncio.wait([following])
        assert following.cancelled(), following.exception()
        return breaking.result()

    with NatsCluster(tmp_path, 3) as cluster:
        chain = Chain(cluster)
        faults = asyncio.run(work(chain))
    assert chain.read == list(range(1, chain.acked + 1)), f"{seed=}"
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]
    if files:
        assert len(os.listdir("/proc/self/fd")) <= files + 2
    assert faults
