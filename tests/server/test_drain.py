"""Drain: a server that stops closes its clients one after the other, and takes no new ones."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from peers import LOCAL, ask, dial, receive, receive_all
from simulated_clock import run_simulated
from websockets.exceptions import InvalidStatus

import tickerkit as tk
from tickerkit.errors import InvalidArgument
from tickerkit.server.thread_server import ThreadServer

Until = Callable[..., None]
TICK = {"symbol": "A", "price": 1.0}


class Handler:
    """Stands for the handler of a client; notes when it is closed, and with what."""

    def __init__(self) -> None:
        self.closed: list[Any] = []

    def close(self, code: int, reason: str) -> None:
        """Note the time, the code and the reason."""
        self.closed += [asyncio.get_running_loop().time(), code, reason]


def test_clients_are_closed_evenly_over_the_time() -> None:
    """The first at once, the last a share before the end."""
    server = tk.serve(None, port=0)
    server.stop()
    assert isinstance(server, ThreadServer)
    server._phase = "running"
    handlers = [Handler() for _ in range(4)]

    async def main() -> None:
        server._handlers |= {cast("Any", each): None for each in handlers}
        await server._drain(10.0, 1012, "moved")
        assert asyncio.get_running_loop().time() == 7.5

    run_simulated(main())
    assert sorted(each.closed for each in handlers) == [
        [at, 1012, "moved"] for at in (0.0, 2.5, 5.0, 7.5)
    ]


def test_stop_of_another_thread_ends_a_drain() -> None:
    """The clients that are left are closed by the stop."""
    server = tk.serve(None, port=0)
    server.stop()
    assert isinstance(server, ThreadServer)
    first, second = Handler(), Handler()

    async def main() -> None:
        server._handlers |= {cast("Any", first): None, cast("Any", second): None}
        server._phase = "running"
        asyncio.get_running_loop().call_later(1.0, setattr, server, "_phase", "stopping")
        await server._drain(10.0, 1012, "moved")

    run_simulated(main())
    assert sorted([len(first.closed), len(second.closed)]) == [0, 3]


@pytest.mark.parametrize("process", [False, pytest.param(True, marks=pytest.mark.process)])
def test_server_that_drains_serves_its_clients_but_takes_no_more(
    process: bool, until: Until
) -> None:
    """Each client is closed with 1012; a second stop ends the drain."""
    server = tk.serve(None, port=0, process=process)
    url = f"ws://{LOCAL}:{server.port}/ticks"
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(dial(url)) for _ in range(2)]
        until(lambda: server.stats["clients"] == 2)
        draining = threading.Thread(target=server.stop, kwargs={"drain": 600})
        draining.start()
        until(lambda: ask(server.port, "/readyz")[::2] == (503, "draining\n"))
        assert ask(server.port, "/healthz")[0] == 200
        with pytest.raises(InvalidStatus) as caught:
            dial(url)
        assert caught.value.response.status_code == 503
        until(lambda: server.stats["clients"] == 1)
        server.publish(TICK)
        server.stop()
        draining.join()
        messages = [receive_all(peer) for peer in peers]
        assert sorted(len(each) for each in messages) == [0, 1]
        codes = {peer.close_code: len(each) for peer, each in zip(peers, messages, strict=True)}
        assert codes == {1012: 0, 1001: 1}


def test_feed_that_is_drained_goes_on_at_another_server(until: Until) -> None:
    """It has each tick once, and no gap."""
    server, other = tk.serve(None, port=0), tk.serve(None, port=0)
    other.log.epoch = server.log.epoch
    server.publish(TICK)
    other.publish([TICK] * 3)
    with tk.connect([server.url, other.url]) as feed:
        until(lambda: feed.log.last_seq == 1)
        server.stop(drain=600)
        until(lambda: feed.log.last_seq == 3)
        assert list(feed.frame()["seq"]) == [1, 2, 3]
        assert feed.gaps.empty


def test_drain_without_clients_is_over_at_once() -> None:
    """It does not wait for its time."""
    server = tk.serve(None, port=0)
    server.stop(drain=600)
    assert server.status == "stopped"
    server.stop(drain=600)


@pytest.mark.parametrize("drain", [-1, "10s", float("nan"), 10**6])
def test_invalid_time_stops_nothing(drain: Any) -> None:
    """The server goes on."""
    server = tk.serve(None, port=0)
    with pytest.raises((InvalidArgument, TypeError)):
        server.stop(drain=drain)
    assert server.status == "listening"
    with dial(f"ws://{LOCAL}:{server.port}/ticks") as peer:
        server.publish(TICK)
        assert receive(peer)[0]["price"] == 1.0
