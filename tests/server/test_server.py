"""server: a log, the protocol, websockets and the page, on one port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cells import Kernel
from commands import port_is_free
from peers import LOCAL, another_program, ask, dial, free_port, handshake, receive, receive_all
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

import tickerkit as tk
from tickerkit.errors import BadTick, PortalError, PortTaken, SourceError, Stopped
from tickerkit.net.interfaces import find_network_address
from tickerkit.runtime import error_log, registry
from tickerkit.runtime.cards import GREEN, RED
from tickerkit.server import TickServer
from tickerkit.server import server as server_module
from tickerkit.server.page import FILES
from tickerkit.server.thread_server import STOP_WAIT_S
from tickerkit.ticks import read_ticks

Until = Callable[..., None]

TICK = {"symbol": "AAPL", "price": 187.25}
V1 = ["tickerkit.v1"]


@pytest.fixture
def server() -> TickServer:
    """Return a server without a source."""
    return tk.serve(None, port=0)


def names() -> list[str]:
    """Return the names of tickerkit's threads."""
    return [each.name for each in threading.enumerate() if each.name.startswith("tickerkit")]


def can_bind(port: int) -> bool:
    """Return whether another program could listen on a port."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            sock.bind((LOCAL, port))
            sock.listen()
            return True
    return False


def closed_with(peer: ClientConnection) -> tuple[int | None, str | None]:
    """Read to the end of a connection; return its close code and reason."""
    receive_all(peer)
    return peer.close_code, peer.close_reason


def prices(server: TickServer) -> list[float]:
    """Return the prices in a server's log."""
    return list(server.log.frame()["price"])


# --- listening --------------------------------------------------------------------------------


def test_serve_returns_once_it_listens(server: TickServer) -> None:
    """The port answers when the call returns, and the addresses name it."""
    assert server.status == "listening"
    assert server.port > 0
    assert server.url == f"ws://127.0.0.1:{server.port}/"
    assert server.page == f"http://127.0.0.1:{server.port}/"
    socket.create_connection((LOCAL, server.port)).close()
    assert registry.running() == [server]


def test_server_listens_on_the_given_port() -> None:
    """A free port is taken as given."""
    port = free_port()
    server = tk.serve(None, port=port)
    assert server.port == port
    assert not can_bind(port)


def test_server_listens_on_loopback_by_default(server: TickServer) -> None:
    """Other machines can't connect."""
    assert server.host == "127.0.0.1"
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", server.port), timeout=1)


def test_ipv6_addresses_have_brackets() -> None:
    """The addresses work."""
    try:
        server = tk.serve(None, host="::1", port=0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert server.url == f"ws://[::1]:{server.port}/"
    with dial(server.url) as peer:
        server.publish(TICK)
        assert receive(peer)[0]["symbol"] == "AAPL"


def test_server_on_the_same_port_is_replaced(until: Until) -> None:
    """The old server closes its connections with 1012, and the new one works."""
    first = tk.serve(None, port=0)
    with dial(first.url) as peer:
        until(lambda: first.stats["clients"] == 1)
        second = tk.serve(None, port=first.port)
        assert closed_with(peer) == (1012, "the server is restarting")
    assert first.status == "stopped"
    assert (second.port, second.status) == (first.port, "listening")
    with dial(second.url) as peer:
        second.publish(TICK)
        assert receive(peer)[0]["price"] == 187.25
    assert registry.running() == [second]
    first.stop()
    assert second.status == "listening"


def test_taken_port_raises_port_taken() -> None:
    """The error names the port, its holder and the fix."""
    with another_program() as (pid, port), pytest.raises(PortTaken) as caught:
        tk.serve(tk.simulate(["A"]), port=port)
    text = str(caught.value)
    assert f"port {port} of 127.0.0.1 is taken" in text
    assert "port=0" in text
    assert caught.value.port == port
    if Path("/proc/net/tcp").exists():
        assert f"(pid {pid})" in text
    assert names() == []
    assert registry.running() == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"source": 17}, SourceError),
        ({"host": "no.such.host.invalid"}, OSError),
        ({"host": "192.0.2.1"}, OSError),
        ({"port": 99999}, ValueError),
        ({"port": -1}, ValueError),
        ({"history": 0}, ValueError),
        ({"ssl": ("no.pem", "no.key")}, OSError),
        ({"every": 0, "source": lambda: TICK}, SourceError),
    ],
)
def test_failed_serve_leaves_nothing_running(
    options: dict[str, Any], error: type[Exception]
) -> None:
    """An invalid argument raises at once, and no thread is left."""
    with pytest.raises(error):
        tk.serve(**{"source": None, "port": 0, **options})
    assert names() == []
    assert registry.running() == []


def test_rerun_keeps_the_port(kernel: Kernel, until: Until) -> None:
    """With port=0 the new server takes the port of the cell's earlier server."""
    kernel.run("cell")
    first = tk.serve(None, port=0)
    kernel.run("cell")
    second = tk.serve(None, port=0)
    assert second.port == first.port
    assert (first.status, second.status) == ("stopped", "listening")
    assert registry.running() == [second]


def test_rerun_replaces_each_of_two_servers_in_a_cell(kernel: Kernel) -> None:
    """The n-th server replaces the n-th one of the last run."""
    ports = []
    for _ in range(2):
        kernel.run("cell")
        ports.append([tk.serve(None, port=0).port, tk.serve(None, port=0).port])
    assert ports[0] == ports[1]
    assert len(set(ports[0])) == 2
    assert len(registry.running()) == 2


def test_other_cells_get_other_ports(kernel: Kernel) -> None:
    """With port=0 the server of another cell is not replaced."""
    kernel.run("cell")
    first = tk.serve(None, port=0)
    kernel.run("another cell")
    assert tk.serve(None, port=0).port != first.port
    assert first.status == "listening"


# --- stopping ---------------------------------------------------------------------------------


def stop_within(server: TickServer, seconds: float) -> None:
    """Stop a server within a time, and check that nothing is left."""
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < seconds
    assert server.status == "stopped"
    assert names() == []
    assert can_bind(server.port)
    assert registry.running() == []


def test_stop_frees_the_port_and_the_threads() -> None:
    """Everything is gone when stop returns; stop is idempotent."""
    server = tk.serve(tk.simulate(["A"]), port=0)
    stop_within(server, 2)
    server.stop()
    server.stop()


def test_stop_closes_connections_with_1001(server: TickServer, until: Until) -> None:
    """Each connection gets a closing handshake, without delay."""
    paths = ("", "ticks")
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(dial(server.url + path)) for path in paths]
        peers.append(stack.enter_context(dial(server.url, subprotocols=V1)))
        until(lambda: server.stats["clients"] == 3)
        stop_within(server, 2)
        assert {closed_with(peer) for peer in peers} == {(1001, "the server is stopping")}


def test_client_that_never_reads_does_not_delay_stop(server: TickServer, until: Until) -> None:
    """The client is aborted; clients that read get the close frame."""
    with handshake(server.port), dial(server.url) as good:
        until(lambda: server.stats["clients"] == 2)
        for _ in range(60):
            server.publish([{**TICK, "note": "x" * 200}] * 500)
        until(lambda: server.clients["behind"].max() > 0)
        stop_within(server, 4 * STOP_WAIT_S)
        assert closed_with(good)[0] == 1001


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"\x00\xff"])
def test_half_a_handshake_does_not_delay_stop(
    server: TickServer, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Browsers open connections without using them, and scanners send half a request."""
    monkeypatch.setattr("tickerkit.server.thread_server.STOP_WAIT_S", 5.0)
    with socket.create_connection((LOCAL, server.port)) as peer:
        peer.sendall(data)
        with dial(server.url):
            stop_within(server, 2)
        with contextlib.suppress(ConnectionResetError):
            assert peer.recv(1000) == b""


def test_blocked_source_delays_stop_by_a_second_only(until: Until) -> None:
    """The port is free then, and ticks that it still makes are dropped."""
    blocked, release = threading.Event(), threading.Event()

    def fetch() -> dict[str, Any]:
        blocked.set()
        release.wait(30)
        return TICK

    server = tk.serve(fetch, port=0)
    assert blocked.wait(5)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 4
    assert can_bind(server.port)
    assert names() == ["tickerkit poll(fetch, every=10)"]
    release.set()
    until(lambda: not names())
    assert len(server.log) == 0
    assert server.stats["refused"] == 0


def test_late_error_of_an_abandoned_source_is_ignored(
    until: Until, capfd: pytest.CaptureFixture[str]
) -> None:
    """The abandoned thread ends quietly."""
    blocked, release = threading.Event(), threading.Event()

    def ticks() -> Iterator[object]:
        blocked.set()
        release.wait(30)
        raise ValueError("too late")
        yield

    server = tk.serve(ticks, port=0)
    assert blocked.wait(5)
    server.stop()
    release.set()
    until(lambda: not names())
    assert (server.status, server.stats["refused"]) == ("stopped", 0)
    assert capfd.readouterr() == ("", "")


def test_stop_while_the_source_ends_stays_stopped(until: Until) -> None:
    """A source that ends during stop does not bring the server back."""
    for _ in range(30):
        server = tk.serve([TICK], port=0)
        server.stop()
        assert server.status == "stopped"
        assert names() == []


def test_source_may_stop_its_own_server(until: Until) -> None:
    """Stop does not wait for its own thread."""

    def fetch() -> dict[str, Any]:
        tk.stop_all()
        return TICK

    server = tk.serve(fetch, port=0, every=0.001)
    until(lambda: server.status == "stopped" and not names())
    assert registry.running() == []


def test_threads_that_stop_one_server_return_when_the_port_is_free() -> None:
    """Whichever of them is first, none returns before."""
    for _ in range(10):
        server = tk.serve(None, port=0)
        together, free = threading.Barrier(2), list[bool]()

        def stop(
            server: TickServer = server,
            together: threading.Barrier = together,
            free: list[bool] = free,
        ) -> None:
            together.wait(5)
            server.stop()
            free.append(port_is_free(server.port))

        threads = [threading.Thread(target=stop) for _ in range(2)]
        with dial(server.url):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert free == [True, True]


def test_stop_in_a_hook_of_the_log_is_refused_and_loses_nothing() -> None:
    """In tickerkit's own thread it would wait for itself; the server can be stopped elsewhere."""
    with tk.serve(None, port=0) as server:
        refused: list[BaseException] = []

        def hook() -> None:
            for stop in (server.stop, tk.stop_all):
                try:
                    stop()
                except PortalError as error:
                    refused.append(error)

        server.log.on_append(hook)
        server.publish(TICK)
        assert len(refused) == 2
        assert (server.status, registry.running()) == ("listening", [server])
        with dial(server.url):
            pass
    assert port_is_free(server.port)
    assert registry.running() == []


def test_hook_of_the_log_that_raises_does_not_take_publish_down(
    server: TickServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is removed, and its error is logged; the tick is sent, and other hooks are called."""
    calls: list[str] = []

    def fail() -> None:
        calls.append("fails")
        raise RuntimeError("no such loop")

    server.log.on_append(fail)
    server.log.on_append(lambda: calls.append("works"))
    with dial(server.url + "ticks") as peer, caplog.at_level(logging.WARNING, "tickerkit"):
        for _ in range(2):
            server.publish(TICK)
            assert receive(peer)[0]["price"] == TICK["price"]
    assert calls == ["fails", "works", "works"]
    [record] = caplog.records
    assert "hook" in record.getMessage()
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "no such loop"


def test_server_is_a_context_manager() -> None:
    """It stops at the end of the block, also after an error."""
    with pytest.raises(KeyError), tk.serve(None, port=0) as server:
        raise KeyError
    assert server.status == "stopped"


def test_client_that_connects_during_stop_sees_the_end() -> None:
    """At any stage of its connection, the client does not hang."""
    for _ in range(50):
        with tk.serve(None, port=0) as server:
            clients = [socket.create_connection((LOCAL, server.port)) for _ in range(5)]
        for client in clients:
            with client, contextlib.suppress(ConnectionError):
                client.settimeout(5)
                assert client.recv(1) == b""


def test_concurrent_stops_stop_once(server: TickServer) -> None:
    """Other services keep the shared thread."""
    other = tk.serve(None, port=0)
    threads = [threading.Thread(target=server.stop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.status == "stopped"
    other.publish(TICK)
    assert prices(other) == [187.25]


# --- publishing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ticks",
    [
        TICK,
        [TICK],
        (TICK,),
        pd.DataFrame([TICK]),
        json.dumps(TICK),
        json.dumps([TICK]).encode(),
        iter([TICK]),
    ],
)
def test_publish_accepts_ticks_in_any_form(server: TickServer, ticks: object) -> None:
    """They are in the log when the call returns."""
    server.publish(ticks)
    assert server.log.frame()[["symbol", "price"]].to_numpy().tolist() == [["AAPL", 187.25]]


def test_publish_appends_good_ticks_and_raises_for_bad_ones(server: TickServer) -> None:
    """The error names field and value, and no good tick is lost."""
    with pytest.raises(BadTick, match="price") as caught:
        server.publish([TICK, {"symbol": "MSFT", "price": "dear"}, {**TICK, "price": 2}])
    assert (caught.value.field, caught.value.value) == ("price", "dear")
    assert prices(server) == [187.25, 2]
    assert server.stats["refused"] == 1
    assert "price" in server.stats["last_error"]


def test_publish_works_beside_a_source() -> None:
    """Published ticks are appended among those of the source."""
    server = tk.serve(lambda: TICK, port=0, every=3600)
    server.publish({**TICK, "symbol": "BY HAND"})
    assert "BY HAND" in server.log.symbols()


def test_ticks_appended_to_the_log_directly_are_sent(server: TickServer) -> None:
    """A server without a source allows its log one other writer, in any thread."""
    with dial(server.url + "ticks") as every, dial(server.url) as prices:
        server.publish({"symbol": "A", "price": 1})
        for peer in (every, prices):
            assert receive(peer)[0]["price"] == 1
        server.log.append(read_ticks({"symbol": "A", "price": 2}), received=0)
        for peer in (every, prices):
            assert receive(peer)[0]["price"] == 2
    server.stop()
    server.log.append(read_ticks({"symbol": "A", "price": 3}), received=0)


def test_publish_after_stop_is_refused(server: TickServer) -> None:
    """The error names the fix."""
    server.stop()
    with pytest.raises(Stopped, match=r"the server is stopped; call tk\.serve again"):
        server.publish(TICK)


def test_many_threads_may_publish(server: TickServer) -> None:
    """Each tick is in the log once, with unbroken seqs."""

    def publish(symbol: str) -> None:
        for price in range(200):
            server.publish({"symbol": symbol, "price": price})

    threads = [threading.Thread(target=publish, args=(symbol,)) for symbol in "ABCDE"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    frame = server.log.frame()
    assert frame["seq"].tolist() == list(range(1, 1001))
    for symbol in "ABCDE":
        assert server.log.frame(symbol)["price"].tolist() == list(range(200))


# --- sources ----------------------------------------------------------------------------------


async def fetch_async() -> list[dict[str, Any]]:
    """Return a tick after a moment."""
    await asyncio.sleep(0)
    return [TICK]


def fetch_slowly() -> pd.DataFrame:
    """Return a tick after blocking for a moment."""
    time.sleep(0.005)
    return pd.DataFrame([TICK])


@pytest.mark.parametrize(
    "fetch", [lambda: TICK, lambda: json.dumps(TICK), fetch_async, fetch_slowly]
)
def test_function_is_polled(fetch: Callable[[], object], until: Until) -> None:
    """The function may be sync or async, and may block."""
    server = tk.serve(fetch, port=0, every=0.001)
    until(lambda: len(server.log) >= 5)
    assert set(server.log.frame()["price"]) == {187.25}
    assert (server.status, server.stats["refused"]) == ("listening", 0)


@pytest.mark.parametrize(
    ("answers", "data"),
    [
        ([ValueError("no network")], "ValueError: no network"),
        ([None], "is None"),
        ([17], "is not an object"),
        (["nonsense"], "is not JSON"),
        ([{"symbol": "A"}], "price is missing"),
        ([{"price": 1}], "symbol is missing"),
        ([{"symbol": "A", "price": float("nan")}], "price"),
        ([SystemExit("leave")], "SystemExit: leave"),
    ],
)
def test_failed_poll_is_counted_and_polling_goes_on(
    answers: list[object], data: str, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """The error is in the stats, and logged once."""
    calls = [0]

    def fetch() -> object:
        calls[0] += 1
        answer = answers[0] if calls[0] % 2 else TICK
        if isinstance(answer, BaseException):
            raise answer
        return answer

    server = tk.serve(fetch, port=0, every=0.001)
    until(lambda: server.stats["refused"] >= 10 and len(server.log) >= 10)
    assert data in server.stats["last_error"]
    assert server.status == "listening"
    assert len(caplog.records) == 1
    assert data in caplog.records[0].getMessage()


def drop() -> Iterator[object]:
    """Yield ticks of every form."""
    yield TICK
    yield [{**TICK, "price": 1}, {**TICK, "price": 2}]
    yield json.dumps({**TICK, "price": 3})


async def drip() -> AsyncIterator[object]:
    """Yield ticks of every form, with pauses."""
    for item in drop():
        await asyncio.sleep(0)
        yield item


@pytest.mark.parametrize("source", [drop, drop(), drip, drip(), list(drop())])
def test_iterable_is_served_to_its_end(source: object, until: Until) -> None:
    """Iterables, generators, async generators, and functions that return them."""
    server = tk.serve(source, port=0)
    until(lambda: server.status == "ended")
    assert prices(server) == [187.25, 1, 2, 3]


def test_frame_is_served_to_its_end(until: Until) -> None:
    """A DataFrame without times is sent at once."""
    frame = pd.DataFrame({"symbol": ["A", "B"], "price": [1.0, 2.0], "venue": ["X", None]})
    server = tk.serve(frame, port=0)
    until(lambda: server.status == "ended")
    found = server.log.frame()
    assert found["price"].tolist() == [1, 2]
    assert found["venue"].tolist() == ["X", np.nan]


def test_source_that_raises_has_ended(until: Until) -> None:
    """Its ticks are served, its error is in the stats, and the server continues."""

    def failing() -> Iterator[object]:
        yield TICK
        raise SystemExit("no more")

    server = tk.serve(failing, port=0)
    until(lambda: server.status == "ended")
    assert prices(server) == [187.25]
    line = failing.__code__.co_firstlineno + 2
    assert server.stats["last_error"] == f"SystemExit: no more (test_server.py, line {line})"
    server.publish(TICK)


# --- protocols --------------------------------------------------------------------------------


def test_root_path_sends_the_newest_tick_of_every_symbol(server: TickServer) -> None:
    """Each message on `/` is an array, as the tutorial's page expects it."""
    server.publish([{**TICK, "price": 1}, {"symbol": "MSFT", "price": 2, "size": 5}, TICK])
    with dial(server.url) as peer:
        first = receive(peer)
        assert [(each["symbol"], each["price"]) for each in first] == [
            ("AAPL", 187.25),
            ("MSFT", 2),
        ]
        assert first[1]["size"] == 5
        assert first[0]["seq"] == 3
        assert first[0]["time"].endswith("Z")
        server.publish({"symbol": "MSFT", "price": 3})
        assert [each["price"] for each in receive(peer)] == [187.25, 3]


def test_prices_are_sent_at_most_ten_times_a_second(server: TickServer) -> None:
    """However fast ticks arrive, the newest one is sent in the end."""
    with dial(server.url) as peer:
        began = time.monotonic()
        for price in range(400):
            server.publish({**TICK, "price": price})
            time.sleep(0.001)
        last, received = -1.0, 0
        while last < 399:
            last, received = receive(peer)[0]["price"], received + 1
        assert 2 <= received <= 10 * (time.monotonic() - began) + 2


def test_ticks_path_sends_every_tick(server: TickServer) -> None:
    """A plain client on `/ticks` gets each new tick once and in order."""
    server.publish(TICK)
    with dial(server.url + "ticks") as peer:
        for price in range(200):
            server.publish({**TICK, "price": price})
        received: list[Any] = []
        while len(received) < 200:
            received += receive(peer)
        assert [each["price"] for each in received] == list(range(200))
        assert [each["seq"] for each in received] == list(range(2, 202))


def test_plain_clients_may_subscribe_to_symbols(server: TickServer) -> None:
    """After a subscribe message, both plain paths send only these symbols."""
    server.publish([TICK, {"symbol": "MSFT", "price": 1}])
    subscribe = json.dumps({"type": "subscribe", "symbols": ["MSFT"]})
    with dial(server.url) as prices_now, dial(server.url + "ticks") as ticks:
        assert len(receive(prices_now)) == 2
        prices_now.send(subscribe)
        assert [each["symbol"] for each in receive(prices_now)] == ["MSFT"]
        ticks.send("nonsense")
        error = receive(ticks)
        assert (error["type"], error["code"]) == ("error", "bad-message")
        assert "subscribe" in error["hint"]
        ticks.send(subscribe)
        ticks.send("nonsense")  # its answer shows that the subscribe was read
        assert receive(ticks)["type"] == "error"
        server.publish([TICK, {"symbol": "MSFT", "price": 2}, TICK])
        assert [each["price"] for each in receive(ticks)] == [2]


def test_v1_is_used_if_the_client_offers_it(server: TickServer) -> None:
    """The server sends hello, and starts on subscribe."""
    server.publish(TICK)
    with dial(server.url + "any/path", subprotocols=["other", *V1]) as peer:
        assert peer.subprotocol == "tickerkit.v1"
        hello = receive(peer)
        assert (hello["type"], hello["next"]) == ("hello", 2)
        peer.send(json.dumps({"type": "subscribe", "history": None}))
        assert [receive(peer)["type"], receive(peer)["type"]] == ["at", "ticks"]
    with dial(server.url, subprotocols=["other"]) as peer:
        assert peer.subprotocol is None
        assert receive(peer)[0]["price"] == 187.25


def test_end_of_the_source_closes_every_connection(until: Until) -> None:
    """A v1 client gets `end`, and every connection closes with 1000."""
    going = threading.Event()

    def ticks() -> Iterator[object]:
        yield TICK
        going.wait(20)

    server = tk.serve(ticks, port=0)
    until(lambda: len(server.log) == 1)
    with (
        dial(server.url) as prices_now,
        dial(server.url + "ticks") as every,
        dial(server.url, subprotocols=V1) as v1,
    ):
        v1.send(json.dumps({"type": "subscribe"}))
        assert [receive(v1)["type"], receive(v1)["type"]] == ["hello", "at"]
        going.set()
        assert receive_all(v1)[-1] == {"type": "end"}
        for peer in (v1, prices_now, every):
            assert closed_with(peer) == (1000, "the source has ended")
    assert server.status == "ended"


def test_client_that_joins_after_the_end_gets_history_and_end(until: Until) -> None:
    """The server continues, and serves the ticks that it holds."""
    server = tk.serve([TICK, {**TICK, "price": 2}], port=0)
    until(lambda: server.status == "ended")
    with dial(server.url, subprotocols=V1) as peer:
        peer.send(json.dumps({"type": "subscribe", "history": None}))
        received = receive_all(peer)
        assert [each["type"] for each in received] == ["hello", "at", "ticks", "end"]
        assert received[2]["price"] == [187.25, 2]
        assert closed_with(peer)[0] == 1000
    with dial(server.url) as peer:
        assert receive(peer)[0]["price"] == 2
        assert closed_with(peer)[0] == 1000


# --- the page ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES)
def test_page_and_its_files_are_served(server: TickServer, path: str) -> None:
    """With their content types and security headers."""
    status, headers, body = ask(server.port, path)
    assert status == 200
    assert body
    assert headers["content-type"] == FILES[path][1]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert int(headers["content-length"]) == len(body.encode())


def test_unchanged_file_is_answered_304(server: TickServer) -> None:
    """The browser sends the etag of its copy."""
    _, headers, _ = ask(server.port, "/page.js")
    status, again, body = ask(server.port, "/page.js", If_None_Match=headers["etag"])
    assert (status, body, again["etag"]) == (304, "", headers["etag"])
    assert ask(server.port, "/page.js", If_None_Match='"another"')[0] == 200


@pytest.mark.parametrize("path", ["/nothing", "/tick", "/../server.py", "/%2e%2e/server.py"])
def test_unknown_path_is_answered_404(server: TickServer, path: str) -> None:
    """The body names the page and both websockets, also where a websocket was asked for."""
    status, _, body = ask(server.port, path)
    assert status == 404
    address = f"ws://{LOCAL}:{server.port}"
    for each in (server.page, f"{address}/ ", f"{address}/ticks "):
        assert each in body
    with pytest.raises(InvalidStatus) as caught, dial(address + path):
        pass
    assert caught.value.response.status_code == 404
    assert bytes(caught.value.response.body or b"").decode() == body
    assert ask(server.port, "/ticks")[0] == 426


def test_query_does_not_change_the_page(server: TickServer) -> None:
    """The query is not part of the path."""
    assert ask(server.port, "/?token=x&y=z")[2] == ask(server.port, "/")[2]


def test_head_is_answered_without_a_body(server: TickServer) -> None:
    """The headers are those of GET."""
    status, headers, body = ask(server.port, "/", "HEAD")
    assert (status, body) == (200, "")
    assert headers["content-length"] == ask(server.port, "/")[1]["content-length"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "NONSENSE"])
def test_other_methods_are_answered_405(server: TickServer, method: str) -> None:
    """The server goes on."""
    status, headers, _ = ask(server.port, "/", method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert ask(server.port, "/")[0] == 200


# --- access -----------------------------------------------------------------------------------


def test_foreign_host_is_answered_403_with_the_fix(server: TickServer) -> None:
    """The body names the exact hosts= to pass, which then admits the request."""
    status, headers, body = ask(server.port, "/", Host="evil.example:8000")
    assert status == 403
    assert headers["content-type"].startswith("text/plain")
    assert 'pass hosts=["evil.example:8000"]' in body
    server = tk.serve(None, port=server.port, hosts=["evil.example:8000"])
    assert ask(server.port, "/", Host="evil.example:8000")[0] == 200


def test_foreign_page_is_answered_403_with_the_fix(server: TickServer) -> None:
    """The body names the exact origins= to pass, which then admits the page."""
    for origin in ("https://evil.example", "null"):
        with pytest.raises(InvalidStatus) as caught, dial(server.url, origin=origin):
            pass
        assert caught.value.response.status_code == 403
        body = bytes(caught.value.response.body or b"").decode()
        assert f'pass origins=["{origin}"]' in body
    server = tk.serve(None, port=server.port, origins=["https://evil.example", "null"])
    with dial(server.url, origin="https://evil.example"), dial(server.url, origin="null"):
        pass


def test_refused_requests_are_counted_and_logged(
    server: TickServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is in the stats, in the card, and once a second in the log."""
    now = 1000.0
    monkeypatch.setattr(error_log, "time", SimpleNamespace(monotonic=lambda: now))
    reason = (
        'A page from "null" may not connect here; pass origins=["null"], '
        f"or open the page that this server serves: {server.page}"
    )
    for _ in range(20):
        with pytest.raises(InvalidStatus) as caught, dial(server.url, origin="null"):
            pass
        assert bytes(caught.value.response.body or b"").decode() == f"{reason}\n"
    now += 1
    assert ask(server.port, "/", Host="evil.example")[0] == 403
    assert server.stats["turned_away"] == 21
    lines = [each for each in caplog.records if each.name == "tickerkit"]
    assert [each.levelname for each in lines] == ["WARNING", "WARNING"]
    assert lines[0].getMessage().startswith(f"server: turned away: {LOCAL}:")
    assert lines[0].getMessage().endswith(f": {reason}")
    assert "evil.example" in lines[1].getMessage()
    assert "evil.example" in server.stats["last_turned_away"]
    assert "evil.example" in server._repr_html_()


def test_refused_client_cannot_forge_log_lines(
    server: TickServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Control characters that a client sent reach neither the log nor a terminal."""
    data = "\t\x1b[31m\x85\x9b2Jevil\xad"
    with handshake(server.port, Origin="http://a\tb\x85\x9b31mc") as peer:
        assert b" 403 " in peer.recv(100)
    for headers in ({"Host": data}, {"Origin": data}):
        with contextlib.suppress(OSError), handshake(server.port, **headers) as peer:
            peer.recv(100)
    assert server.stats["turned_away"]
    assert server.stats["last_turned_away"].isprintable()
    assert all(each.getMessage().isprintable() for each in caplog.records)


def test_local_pages_may_connect(server: TickServer) -> None:
    """The tutorial's page comes from another local server, on another port."""
    with dial(server.url, origin="http://localhost:5500") as peer:
        server.publish(TICK)
        assert receive(peer)


def test_token_is_required_for_page_and_websocket() -> None:
    """The page's own files need none."""
    server = tk.serve(None, port=0, token="sesame&more")
    assert server.url.endswith("/?token=sesame%26more")
    assert server.page.endswith("/?token=sesame%26more")
    plain = f"ws://127.0.0.1:{server.port}/"
    for url in (plain, f"{plain}?token=nonsense"):
        with dial(url) as peer, pytest.raises(ConnectionClosed) as caught:
            peer.recv(5)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008
        assert "token" in caught.value.rcvd.reason
        assert "sesame" not in caught.value.rcvd.reason
    assert server.clients.empty
    assert server.stats["connections"] == 0
    assert server.stats["turned_away"] == 2
    with (
        dial(server.url),
        dial(plain, additional_headers={"Authorization": "Bearer sesame&more"}),
    ):
        pass
    assert ask(server.port, "/")[0] == 401
    assert ask(server.port, "/?token=sesame%26more")[0] == 200
    assert ask(server.port, "/page.js")[0] == 200


def test_server_bound_elsewhere_generates_a_token() -> None:
    """The shown links contain it; token=False opens the server."""
    server = tk.serve(None, host="0.0.0.0", port=0)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{20,}", server.page)
    with dial(server.url):
        pass
    assert ask(server.port, "/")[0] == 401
    for link in (server.page, server.page_for_others):
        if link:  # empty on a machine without a network
            assert f'href="{link}"' in server._repr_html_()
    open_one = tk.serve(None, host="0.0.0.0", port=0, token=False)
    assert "token" not in open_one.url
    assert ask(open_one.port, "/")[0] == 200


def test_notebook_prints_the_link_with_a_generated_token(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A re-run keeps the token, so that links stay valid."""
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setattr(server_module, "find_network_address", lambda version: "192.168.1.20")
    urls = []
    for _ in range(2):
        kernel.run("a")
        server = tk.serve(None, host="0.0.0.0", port=0)
        urls.append(server.url)
        assert server.page_for_others.startswith("http://192.168.1.20:")
        text = f"Anyone with this link can connect: {server.page_for_others}\n"
        assert capsys.readouterr().out == text
    assert urls[0] == urls[1]
    for options in ({"host": "0.0.0.0", "token": "sesame"}, {"host": "0.0.0.0", "token": False}):
        tk.serve(None, port=0, **options)
    tk.serve(None, port=0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("process", [False, True])
def test_server_that_replaces_another_on_its_port_keeps_the_generated_token(
    kernel: Kernel, process: bool
) -> None:
    """A copy of the cell does not lock out a class; a token that is given is the new one."""
    kernel.run("a")
    first = tk.serve(None, host="0.0.0.0", port=0)
    kernel.run("b")
    second = tk.serve(None, host="0.0.0.0", port=first.port, process=process)
    assert (first.status, second.status) == ("stopped", "listening")
    assert second.url == first.url
    with dial(first.url) as peer:
        second.publish(TICK)
        assert receive(peer)
    other = tk.serve(None, host="0.0.0.0", port=0)
    assert other.url.partition("?")[2] != first.url.partition("?")[2]
    given = tk.serve(None, host="0.0.0.0", port=first.port, token="sesame")
    assert given.url.endswith("?token=sesame")
    after = tk.serve(None, host="0.0.0.0", port=first.port)
    assert "sesame" not in after.url


def test_addresses_for_others_are_by_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    """The card lists the page, the prices and every tick, each with the token."""
    monkeypatch.setattr(server_module, "find_network_address", lambda version: "192.168.1.20")
    server = tk.serve(None, host="0.0.0.0", port=0, token="a b")
    at = f"192.168.1.20:{server.port}"
    assert server.page_for_others == f"http://{at}/?token=a%20b"
    assert server.url_for_others == f"ws://{at}/?token=a%20b"
    card = server._repr_html_()
    assert f'href="{server.page_for_others}"' in card
    assert f">ws://{at}/?token=a%20b<" in card
    assert f">ws://{at}/ticks?token=a%20b<" in card
    server.stop()
    assert at not in server._repr_html_()


def test_loopback_address_is_never_given_to_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a network, and on loopback, there is no address for others, and no link for them."""
    monkeypatch.setattr(server_module, "find_network_address", lambda version: None)
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    for host, token in (("0.0.0.0", None), (LOCAL, None), (LOCAL, True), ("localhost", False)):
        server = tk.serve(None, host=host, port=0, token=token)
        assert server.page_for_others == server.url_for_others == ""
        assert server.list_addresses_for_others() == {}
        out = capsys.readouterr().out
        assert "Anyone" not in out
        if token is not False and "token" in server.url:
            assert out == f"Only this machine can connect, with this link: {server.page}\n"


def test_address_that_a_server_is_bound_to_is_the_one_for_others() -> None:
    """Bound to one address of this machine, others reach it there, with TLS as well."""
    if (address := find_network_address()) is None:
        pytest.skip("this machine has no network")
    server = tk.serve(None, host=address, port=0, token="sesame")
    assert server.url_for_others == server.url == f"ws://{address}:{server.port}/?token=sesame"
    assert server.page_for_others == server.page
    with dial(server.url_for_others):
        pass


LINK_WITHOUT_ROUTE = """
ip link add class0 type veth peer name class1 && ip addr add 192.168.7.20/24 dev class0 || exit 77
ip link set lo up; ip link set class0 up; ip link set class1 up
exec "$0" -c '
import tickerkit as tk
with tk.serve(None, "0.0.0.0", 0, token="sesame") as server:
    print(server.url_for_others.replace(str(server.port), "PORT"))
'
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a network namespace")
def test_address_for_others_is_found_without_a_default_route() -> None:
    """A hotspot or a switch without a gateway has no default route, but an address."""
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-c", LINK_WITHOUT_ROUTE, sys.executable],
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no network namespace here: {done.stderr.strip()}")
    assert done.stderr == ""
    assert done.stdout == "ws://192.168.7.20:PORT/?token=sesame\n"


def test_token_is_only_in_the_addresses(caplog: pytest.LogCaptureFixture) -> None:
    """It is in no repr, summary, stats or log line."""
    caplog.set_level(logging.DEBUG)
    server = tk.serve(None, port=0, token="sesame")
    with dial(server.url):
        assert "sesame" in server.url
    with contextlib.suppress(OSError), socket.create_connection((LOCAL, server.port)) as peer:
        peer.sendall(b"GET /?token=sesame HTTP/0.9\r\n\r\n")
        peer.recv(1000)
    ask(server.port, "/?token=sesame", "PUT")
    shown = [repr(server), str(server.summary()), str(dict(server.stats)), server.clients.to_csv()]
    assert not any("sesame" in text for text in shown)
    ours = [each for each in caplog.records if each.name.startswith("tickerkit")]
    assert not any("sesame" in logging.Formatter().format(record) for record in ours)


def test_page_behind_jupyterhub_is_the_proxys_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser reaches the kernel's machine only through the proxy, and is accepted."""
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_URL", "https://hub.example.org/user/me/")
    server = tk.serve(None, port=0, token="sesame")
    page = f"https://hub.example.org/user/me/proxy/{server.port}/?token=sesame"
    assert server.page == page
    assert server.url == f"ws://127.0.0.1:{server.port}/?token=sesame"
    assert ask(server.port, "/?token=sesame", Host="hub.example.org")[0] == 200


# --- clients, stats, repr and card ------------------------------------------------------------


def test_clients_are_listed(server: TickServer, until: Until) -> None:
    """With address, kind, symbols, time of connection and ticks behind."""
    assert server.clients.empty
    columns = ["name", "address", "program", "kind", "since", "symbols", "behind", "status"]
    columns += ["ping_ms", "messages"]
    assert list(server.clients.columns) == columns
    before = pd.Timestamp.now("UTC").floor("ms")
    with dial(server.url) as prices_now, dial(server.url, subprotocols=V1) as v1:
        v1.send(json.dumps({"type": "subscribe", "symbols": ["MSFT", "AAPL"]}))
        until(lambda: "AAPL, MSFT" in server.clients["symbols"].tolist())
        found = server.clients.set_index("kind")
        assert list(server.clients.columns) == columns
        assert found.loc["prices", "symbols"] == "all"
        assert found.loc["v1", "behind"] == 0
        assert set(found["status"]) == {"live"}
        assert (found["since"] >= before).all()
        local = {"{}:{}".format(*peer.local_address) for peer in (prices_now, v1)}
        assert set(found["address"]) == local
    until(lambda: server.clients.empty)


def test_client_that_does_not_read_is_shown_as_behind(server: TickServer, until: Until) -> None:
    """Nothing is queued for it, and other clients get everything."""
    with handshake(server.port), dial(server.url + "ticks") as good:
        until(lambda: server.stats["clients"] == 2)
        received = 0
        for _ in range(60):
            server.publish([{**TICK, "note": "x" * 200}] * 500)
        while received < 30_000:
            received += len(receive(good))
        until(lambda: server.clients["behind"].tolist().count(0) == 1)
        assert server.clients["behind"].max() > 1000


def test_stats_count_ticks_connections_and_refusals(server: TickServer, until: Until) -> None:
    """The fields are complete."""
    server = tk.serve(None, port=server.port, history=10)
    server.publish([{"symbol": str(n % 3), "price": n} for n in range(25)])
    with contextlib.suppress(BadTick):
        server.publish(17)
    with dial(server.url):
        until(lambda: server.stats["clients"] == 1)
    until(lambda: server.stats["clients"] == 0)
    found = dict(server.stats)
    assert found.pop("rate") > 0
    assert found.pop("last_error").startswith("message is not an object: 17")
    assert found == {
        "ticks": 25,
        "held": 10,
        "symbols": 3,
        "clients": 0,
        "stalled": 0,
        "cut_off": 0,
        "last_cut_off": "",
        "connections": 1,
        "sent_messages": 1,
        "refused": 1,
        "misfits": {},
        "turned_away": 0,
        "last_turned_away": "",
        "status": "listening",
    }


def test_repr_is_one_line(server: TickServer) -> None:
    """It shows address, status and counts."""
    server.publish([TICK] * 1234)
    address = f"ws://127.0.0.1:{server.port}/"
    assert repr(server) == f"<TickServer {address} listening, 1,234 ticks, 0 clients>"
    assert server.summary() == {
        "kind": "server",
        "address": address,
        "status": "listening",
        "about": "1,234 ticks, 0 clients",
    }
    assert tk.status()["address"].tolist() == [address]
    server.stop()
    assert "stopped" in repr(server)


def test_card_of_a_server_that_refuses_every_tick_is_red(until: Until) -> None:
    """With its first tick it is green, whatever is refused later."""
    values: list[dict[str, object]] = [{"symbol": "kitchen", "temperature": "21.5"}]
    server = tk.serve(lambda: values, every=0.01, port=0)
    until(lambda: server.stats["refused"])
    html = server._repr_html_()
    assert "failing, no tick so far" in html
    assert (RED in html, GREEN in html) == (True, False)
    values.append({"symbol": "kitchen", "price": 21.5})
    until(lambda: server.stats["ticks"])
    html = server._repr_html_()
    assert "● listening" in html
    assert (RED in html, GREEN in html) == (False, True)


def test_card_escapes_names_and_errors(until: Until) -> None:
    """No text of a source becomes an element in the notebook."""

    def nasty() -> None:
        raise ValueError("<img src=x onerror=alert(1)>")

    nasty.__name__ = "<script>alert(2)</script>"
    server = tk.serve(nasty, port=0)
    until(lambda: server.stats["refused"])
    html = server._repr_html_()
    assert "<script>" not in html
    assert "<img" not in html
    assert "&lt;img src=x" in html
    assert f'href="http://127.0.0.1:{server.port}/"' in html
    server.stop()
    assert "href" not in server._repr_html_()


# --- hostile peers ----------------------------------------------------------------------------


def garbage(port: int) -> None:
    """Send data that is not HTTP."""
    for data in (b"\x16\x03\x01\x02\x00", b"\x00" * 3000, b"GET\r\n\r\n", b"\xff" * 70_000):
        with contextlib.suppress(OSError), socket.create_connection((LOCAL, port)) as peer:
            peer.sendall(data)
            peer.settimeout(0.2)
            peer.recv(1000)


def broken_frames(port: int) -> None:
    """Open a websocket, and send invalid frames."""
    for data in (b"\xff" * 100, b"\x81\x05hello", b"\x88\x01", b"\x81\xfe\x00"):
        with contextlib.suppress(OSError), handshake(port) as peer:
            peer.sendall(data)
            peer.settimeout(0.2)
            peer.recv(1000)


def bad_messages(port: int) -> None:
    """Send invalid messages on each path."""
    bad: list[str | bytes] = [
        "",
        "nonsense",
        "null",
        "[]",
        "{}",
        '{"type": "subscribe", "symbols": 17}',
        '{"type": "subscribe", "history": -1}',
        '{"type": "subscribe", "history": 1e999}',
        '{"type": "subscribe", "symbols": ["\\ud800"]}',
        '{"type": "subscribe", "resume": {"epoch": "x", "seq": "y"}}',
        '{"type": "hello"}',
        "[" * 30_000,
        b"\x00\xff",
    ]
    for path, options in (("", {}), ("ticks", {}), ("", {"subprotocols": V1})):
        for data in bad:
            with (
                contextlib.suppress(ConnectionClosed, TimeoutError),
                dial(f"ws://127.0.0.1:{port}/{path}", **options) as peer,
            ):
                peer.send(data)
                peer.recv(0.02)


def impossible_positions(port: int) -> None:
    """Ask to resume from positions that never existed."""
    for seq in (-1, -(2**63), 2**62, 2**63, 2**64, 10**30):
        with dial(f"ws://127.0.0.1:{port}/", subprotocols=V1) as peer:
            epoch = receive(peer)["epoch"]
            resume = {"epoch": epoch, "seq": seq}
            peer.send(json.dumps({"type": "subscribe", "resume": resume}))
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                peer.recv(0.02)


def huge_message(port: int) -> None:
    """Send a message beyond the size limit."""
    with dial(f"ws://127.0.0.1:{port}/") as peer:
        with contextlib.suppress(ConnectionClosed):
            peer.send("x" * 10**6)
        assert closed_with(peer)[0] == 1009


def odd_requests(port: int) -> None:
    """Send requests with contradictory headers."""
    for lines in (
        b"Host: localhost\r\nHost: localhost\r\n",
        b"Host: localhost\r\nOrigin: http://[\r\nUpgrade: websocket\r\n",
        b"Host: localhost\r\nUpgrade: websocket\r\n",
        b"Host: localhost\r\nContent-Length: 5\r\n",
        b"Host: \xff\xfe\r\n",
        b"",
    ):
        with contextlib.suppress(OSError), socket.create_connection((LOCAL, port)) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\n" + lines + b"\r\n")
            peer.settimeout(0.2)
            peer.recv(1000)


@pytest.mark.parametrize(
    "attack",
    [garbage, broken_frames, bad_messages, impossible_positions, huge_message, odd_requests],
)
def test_hostile_client_does_not_disturb_others(
    attack: Callable[[int], None], server: TickServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """Other clients get every tick, and nothing is printed."""
    with tk.connect(server.url) as feed:
        attacker = threading.Thread(target=attack, args=(server.port,))
        attacker.start()
        sent = 0
        while attacker.is_alive() or sent < 100:
            server.publish({**TICK, "price": sent})
            sent += 1
            time.sleep(0.001)
        attacker.join()
        feed.wait(sent)
        assert feed.frame()["price"].tolist() == list(range(sent))
        assert len(feed.gaps) == 0
    assert (server.stats["refused"], server.stats["last_error"]) == (0, "")
    assert capfd.readouterr() == ("", "")


def test_internal_error_closes_one_connection_only(
    server: TickServer, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """The error is counted, the client gets 1011, and other clients are served."""
    from tickerkit.protocol import PricesSession

    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(PricesSession, "receive", fail)
    with dial(server.url) as bad, dial(server.url + "ticks") as good:
        until(lambda: server.stats["clients"] == 2)
        bad.send("{}")
        assert closed_with(bad)[0] == 1011
        server.publish(TICK)
        assert receive(good)[0]["price"] == 187.25
    monkeypatch.setattr(PricesSession, "next_message", fail)
    with dial(server.url) as bad:
        assert closed_with(bad)[0] == 1011
    assert server.stats["refused"] == 2
    assert server.stats["last_error"].startswith("ZeroDivisionError: a bug (test_server.py, ")
    until(lambda: server.stats["clients"] == 0)


def test_closed_connections_leave_nothing(server: TickServer, until: Until) -> None:
    """After a hundred clients no connection or file is left."""
    with dial(server.url):
        until(lambda: server.stats["clients"] == 1)
        files = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
        for number in range(100):
            with dial(server.url + ("ticks" if number % 2 else "")):
                pass
        until(lambda: server.stats["clients"] == 1)
        if files:
            until(lambda: len(os.listdir("/proc/self/fd")) <= files)
    assert server.stats["connections"] == 101


def test_repr_names_the_last_error(until: Callable[..., None]) -> None:
    """An error of the source is visible without asking for stats."""
    with tk.serve(lambda: {"AAPL": 187.25}, every=60, port=0) as server:
        until(lambda: "last error: symbol is missing" in repr(server))
