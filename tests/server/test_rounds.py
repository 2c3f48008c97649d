"""Rounds: how a crowd gets what is new, and what the loop does meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from mirrors import make_mirrored_server
from peers import LOCAL, dial, receive
from simulated_clock import run_simulated

import tickerkit as tk
from tickerkit.log import TickLog
from tickerkit.protocol import Publication
from tickerkit.server import rounds
from tickerkit.server.rounds import MAX_AT_ONCE, MAX_STEP_S, ROUND_S, Rounds
from tickerkit.ticks import read_ticks

TICK = {"symbol": "A", "price": 1.0}


class Crowd:
    """Handlers that note when they are called, and the rounds that call them.

    Attributes:
        calls: the number of each handler that was called, with the method's name.
        times: when the first handler was called.
    """

    def __init__(self, count: int) -> None:
        self.calls: list[tuple[str, int]] = []
        self.times: list[float] = []
        self.log = TickLog(1000)
        self.publication = Publication(self.log)
        self.handlers = [cast("Any", Handler(self, number)) for number in range(count)]
        self.rounds = Rounds(self.publication, self.handlers, lambda: None)
        self.work: Callable[[], object] = lambda: None

    def publish(self) -> None:
        """Append a tick, and send it."""
        self.log.append(read_ticks(TICK), received=0)
        self.rounds.send()


class Handler:
    """Stands for the handler of a client."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self.crowd, self.number = crowd, number

    def send_next(self) -> None:
        """Note the call, and its time."""
        self.crowd.calls.append(("one", self.number))
        if not self.number:
            self.crowd.times.append(asyncio.get_running_loop().time())
        self.crowd.work()

    def send_pending(self) -> None:
        """Note the call."""
        self.crowd.calls.append(("rest", self.number))


def test_few_clients_get_each_append_at_once() -> None:
    """Each gets one message before the rest, so that none waits for the backlog of another."""

    async def main() -> None:
        crowd = Crowd(3)
        crowd.publish()
        assert crowd.calls == [(what, number) for what in ("one", "rest") for number in range(3)]
        assert crowd.publication.columns.stop == 1

    run_simulated(main())


def test_crowd_gets_at_most_twenty_rounds_a_second() -> None:
    """The first append is sent soon; the last one is not forgotten."""

    async def main() -> None:
        crowd = Crowd(MAX_AT_ONCE + 1)
        for _ in range(1000):
            crowd.publish()
            await asyncio.sleep(0.001)
        await asyncio.sleep(1)
        assert crowd.times[0] < 0.001
        spans = [
            after - before for before, after in zip(crowd.times, crowd.times[1:], strict=False)
        ]
        assert min(spans) >= ROUND_S - 1e-9
        assert len(crowd.times) in (20, 21, 22)
        assert crowd.publication.columns.stop == crowd.log.stop == 1000
        assert crowd.calls.count(("rest", MAX_AT_ONCE)) == len(crowd.times)

    run_simulated(main())


def test_loop_does_other_work_between_the_steps_of_a_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows that are appended between two steps come in the next round, for all."""
    spent = [0.0]
    monkeypatch.setattr(time, "thread_time", lambda: spent[0])

    async def main() -> None:
        crowd = Crowd(MAX_AT_ONCE + 1)
        seen: list[int] = []

        def work() -> None:
            spent[0] += MAX_STEP_S / 20
            seen.append(crowd.publication.columns.stop)

        crowd.work = work
        crowd.publish()
        between = 0
        while len(seen) < len(crowd.handlers):
            await asyncio.sleep(0)
            crowd.publish()
            between += 1
        await asyncio.sleep(1)
        first, second = seen[: len(crowd.handlers)], seen[len(crowd.handlers) :]
        assert len(set(first)) == 1
        assert set(second) == {crowd.log.stop}
        assert between >= 10
        crowd.rounds.stop()

    run_simulated(main())


def test_rounds_that_have_stopped_send_no_more() -> None:
    """Also in the middle of a crowd's round."""

    async def main() -> None:
        crowd = Crowd(MAX_AT_ONCE + 1)
        crowd.publish()
        crowd.rounds.stop()
        await asyncio.sleep(1)
        assert crowd.calls == []

    run_simulated(main())


def test_crowd_that_shrinks_is_served_at_once_again() -> None:
    """Nothing is held back any more."""

    async def main() -> None:
        crowd = Crowd(MAX_AT_ONCE + 1)
        crowd.publish()
        await asyncio.sleep(1)
        crowd.handlers.pop()
        crowd.publish()
        assert crowd.calls[-1] == ("rest", MAX_AT_ONCE - 1)
        assert crowd.publication.columns.stop == 2

    run_simulated(main())


def test_each_client_of_a_crowd_gets_every_tick_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, up to the end, on both streams."""
    monkeypatch.setattr(rounds, "MAX_AT_ONCE", 0)
    server = tk.serve(None, port=0)
    with contextlib.ExitStack() as stack:
        url = f"ws://{LOCAL}:{server.port}/ticks"
        plain = [stack.enter_context(dial(url)) for _ in range(3)]
        feed = stack.enter_context(tk.connect(server))
        feed.wait(0)
        for number in range(200):
            server.publish({"symbol": "A", "price": float(number)})
        for peer in plain:
            seqs: list[int] = []
            while len(seqs) < 200:
                seqs += [tick["seq"] for tick in receive(peer)]
            assert seqs == list(range(1, 201))
        assert list(feed.wait(200).frame()["seq"]) == list(range(1, 201))
        assert feed.gaps.empty


def test_mirror_of_a_crowds_server_gets_every_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server in a process of its own sends to its mirror in the same rounds."""
    monkeypatch.setattr(rounds, "MAX_AT_ONCE", -1)
    server = make_mirrored_server()

    async def main() -> None:
        async def receive_until(kind: str) -> list[str]:
            types = []
            while kind not in types:
                types.append(json.loads((await server.next_message())[0])["type"])
            return types

        assert await receive_until("at") == ["hello", "at"]
        for _ in range(3):
            await server._publish(read_ticks(TICK))
            assert await receive_until("ticks") == ["ticks"]
        await server._end()
        assert await receive_until("end") == ["end"]
        await server._publish(read_ticks(TICK))
        assert await receive_until("ticks") == ["ticks"]

    run_simulated(main())
