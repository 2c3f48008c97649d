"""client_handler: clients that are slow, stalled or gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from peers import dial, handshake, receive, receive_all
from rogues import LoopWatch
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State
from websockets.sync.client import ClientConnection

import tickerkit as tk
from tickerkit.net import liveness
from tickerkit.runtime.portal import portal
from tickerkit.server import client_handler, options, thread_server
from tickerkit.ticks import Batch, Text

Until = Callable[..., None]

TICK = {"symbol": "AAPL", "price": 187.25}
BULKY = [{**TICK, "note": "x" * 200}] * 1000


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> float:
    """Check clients every 50 ms instead of every second; return the interval in seconds."""
    for module in (options, thread_server, client_handler):
        monkeypatch.setattr(module, "CHECK_S", 0.05)
    return 0.05


@contextlib.contextmanager
def slow_reader(running: tk.TickServer, until: Until) -> Iterator[ClientConnection]:
    """Connect a client that reads a message only when the test asks, and publish much."""
    with dial(running.url + "ticks", max_queue=1) as slow:
        until(lambda: running.stats["clients"] == 1)
        for _ in range(30):
            running.publish(BULKY)
        yield slow


def statuses(running: tk.TickServer, kind: str) -> list[str]:
    """Return the statuses of the clients of a kind."""
    clients = running.clients
    return list(clients[clients["kind"] == kind]["status"])


@pytest.mark.usefixtures("quick")
def test_client_that_reads_nothing_is_marked_stalled_then_disconnected(until: Until) -> None:
    """The reason is in the stats; other clients get everything meanwhile."""
    running = tk.serve(None, port=0, stall_timeout=2.0)
    with handshake(running.port), dial(running.url) as prices, dial(running.url + "ticks") as good:
        until(lambda: running.stats["clients"] == 3)
        for _ in range(30):
            running.publish(BULKY)
        received = 0
        while received < 30_000:
            received += len(receive(good))
        until(lambda: running.stats["stalled"] == 1)
        assert sorted(statuses(running, "ticks")) == ["live", "stalled"]
        assert running.clients["behind"].max() > 0
        until(lambda: statuses(running, "ticks") == ["live"])
        assert "was disconnected: it read nothing for 2 s" in running.stats["last_cut_off"]
        assert running.stats["refused"] == 0
        running.publish(TICK)
        assert receive(good)[-1]["price"] == TICK["price"]
        assert receive(prices)


@pytest.mark.usefixtures("quick")
def test_disconnected_client_gets_the_reason_if_it_reads_on(until: Until) -> None:
    """The close frame comes after the ticks that were waiting."""
    running = tk.serve(None, port=0, stall_timeout=0.5)
    with slow_reader(running, until) as slow:
        until(lambda: "was disconnected" in running.stats["last_cut_off"])
        receive_all(slow)
        assert slow.close_code == 1013
        assert slow.close_reason == "read nothing for 0.5 s; connect again"


@pytest.mark.usefixtures("quick")
def test_slow_client_is_not_stalled(until: Until) -> None:
    """The client falls behind, and gets every tick."""
    running = tk.serve(None, port=0, stall_timeout=0.4)
    with slow_reader(running, until) as slow:
        received = 0
        while received < 30_000:
            received += len(receive(slow))
        assert running.stats["cut_off"] == 0


@pytest.mark.usefixtures("quick")
def test_stalled_client_is_kept_without_a_stall_timeout(until: Until) -> None:
    """When the client reads again, it gets the rest, with gaps for dropped ticks."""
    running = tk.serve(None, port=0, history=1000, stall_timeout=None)
    with dial(running.url + "ticks", max_queue=1) as slow:
        until(lambda: running.stats["clients"] == 1)
        until(lambda: running.publish(BULKY) or running.stats["stalled"] == 1, 30)
        running.publish({"symbol": "LAST", "price": 1})
        gaps, symbol, seq = [], "", 0
        while symbol != "LAST":
            message = receive(slow)
            if isinstance(message, dict):
                assert message["from"] == seq + 1
                gaps.append(message)
                seq = message["to"]
                continue
            assert message[0]["seq"] == seq + 1
            seq, symbol = message[-1]["seq"], message[-1]["symbol"]
        assert gaps
        until(lambda: running.stats["stalled"] == 0)


@pytest.mark.parametrize("size", [2**20, 2**21])
def test_unsent_data_of_one_client_is_bounded(size: int, until: Until) -> None:
    """At most `write_buffer` bytes wait for the client."""
    running = tk.serve(None, port=0, write_buffer=size)
    with handshake(running.port):
        until(lambda: running.stats["clients"] == 1)
        for _ in range(100):
            running.publish(BULKY)
        (one,) = running._handlers
        until(lambda: one.socket.unsent_bytes > size / 4)
        running.publish(BULKY)
        assert one.socket.unsent_bytes <= size


@pytest.mark.usefixtures("quick")
def test_vanished_client_is_disconnected(until: Until) -> None:
    """A client that answers no ping is dropped, as after a cut cable; a quiet one stays."""
    running = tk.serve(None, port=0)
    with handshake(running.port) as silent, dial(running.url) as quiet:
        until(lambda: running.stats["clients"] == 2)
        until(lambda: running.stats["clients"] == 1)
        # The quiet client answers pings, and stays.
        running.publish(TICK)
        assert receive(quiet)[0]["symbol"] == "AAPL"
        silent.settimeout(5)
        with contextlib.suppress(ConnectionError):
            while silent.recv(4096):
                pass


def test_blocked_server_disconnects_no_client(
    quick: float, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """After its loop was blocked beyond the silence limit, the server first reads waiting data."""
    running = tk.serve(None, port=0)
    feed = tk.connect(running)
    with dial(running.url) as quiet:
        until(lambda: running.stats["clients"] == 2)
        portal.post(time.sleep, 4 * liveness.MAX_SILENT_CHECKS * quick)
        running.publish(TICK)
        assert receive(quiet)[0]["symbol"] == "AAPL"
        assert running.stats["connections"] == 2
    assert feed.wait().stats["reconnects"] == 0


def test_client_that_sends_too_many_messages_is_closed(until: Until) -> None:
    """The close code is 1008."""
    running = tk.serve(None, port=0)
    with dial(running.url) as chatty:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(1000):
                chatty.send(json.dumps({"type": "subscribe", "symbols": None}))
        receive_all(chatty)
        assert chatty.close_code == 1008
    until(lambda: running.stats["clients"] == 0)


def test_slow_close_does_not_spin_the_loop(until: Until) -> None:
    """Timers that are due during a closing handshake do not fire again and again."""
    running = tk.serve(None, port=0)
    iterations = 0

    async def count() -> None:
        loop = asyncio.get_running_loop()
        run_once = loop._run_once

        def counted() -> None:
            nonlocal iterations
            iterations += 1
            run_once()

        loop._run_once = counted

    with handshake(running.port, "/") as silent:
        running.publish(TICK)
        until(lambda: running.stats["clients"] == 1)
        (one,) = running._handlers
        portal.post(one._close, 1000, "")
        until(lambda: one.socket.state is not State.OPEN)
        running.publish({**TICK, "price": 1})
        portal.call(count)
        until(lambda: running.stats["clients"] == 0)
        assert silent
    assert iterations < 100


def test_burst_of_requests_holds_up_nobody(until: Until) -> None:
    """A client that subscribes often at once, over a million ticks, is answered in steps."""
    running = tk.serve(None, port=0)
    codes = np.arange(1_000_000, dtype=np.int32) % 100
    symbols = Text(codes, [f"S{n}" for n in range(100)])
    columns: dict[str, Any] = {"symbol": symbols, "price": codes.astype(float)}
    times = np.zeros(len(codes), dtype=np.int64)
    portal.call(running._publish, Batch(len(codes), times, columns))
    wanted = masked('{"type":"subscribe","symbols":["S1","S2","S3"],"history":1}')
    with handshake(running.port, **{"Sec-WebSocket-Protocol": "tickerkit.v1"}) as peer:
        until(lambda: running.stats["clients"] == 1)
        with LoopWatch() as watch:
            peer.sendall(wanted * 60)
            until(lambda: running.clients["symbols"].tolist() == ["S1, S2, S3"])
            until(lambda: watch.iterations > 200)
    assert watch.longest_s < 0.05


def test_client_that_reads_nothing_costs_its_write_buffer(
    monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """However many words there are, and however often the client subscribes."""
    running = tk.serve(None, port=0)
    words = [{"symbol": f"S{n}", "price": n, "note": f"{n:0200}"} for n in range(20_000)]
    running.publish(words)
    with handshake(running.port, **{"Sec-WebSocket-Protocol": "tickerkit.v1"}) as mute:
        until(lambda: running.stats["clients"] == 1)
        (one,) = running._handlers
        receive, received = one.session.receive, threading.Event()

        def note(data: str | bytes, now: float) -> None:
            receive(data, now)
            received.set()

        monkeypatch.setattr(one.session, "receive", note)
        most = 0
        for n in range(60):
            mute.sendall(masked('{"type":"subscribe","history":null}'))
            assert received.wait(10)
            received.clear()
            running.publish({"symbol": "A", "price": n, "note": f"new {n}" * 100})
            most = max(most, one.socket.unsent_bytes + one.session._pending.pending_bytes)
    assert 0 < most <= 2**20


def masked(text: str) -> bytes:
    """Return a text frame as a client sends it."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode()
