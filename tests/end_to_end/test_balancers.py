"""Servers behind HAProxy and nginx, which run with the files of `deploy/`."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from balancers import BALANCERS, DEPLOY, check, run_balancer
from nats_cluster import NatsCluster
from peers import Wire, ask, dial, free_port, receive

import tickerkit as tk
from tickerkit.protocol.v1 import HEARTBEAT_S
from tickerkit.server.thread_server import ThreadServer

Until = Callable[..., None]


def port_of(wire: Wire) -> int:
    """Return the port of a wire."""
    return int(wire.url.rpartition(":")[2].rstrip("/"))


def name_of_server(url: str) -> str:
    """Return the symbol that the server behind a balancer has."""
    with dial(url) as peer:
        return str(receive(peer)[0]["symbol"])


@pytest.fixture
def named() -> dict[str, tk.TickServer]:
    """Run two servers, each with a tick of its own symbol."""
    servers = {
        name: tk.serve(None, port=0, max_clients=limit) for name, limit in (("a", 1), ("b", 9))
    }
    for name, server in servers.items():
        server.publish({"symbol": name, "price": 1})
    return servers


@pytest.mark.parametrize("name", BALANCERS)
def test_balancer_finds_nothing_wrong_with_its_file(name: str, tmp_path: Path) -> None:
    """Its own check passes, without a warning."""
    done = check(name, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "warn" not in (done.stdout + done.stderr).lower()


@pytest.mark.parametrize("name", BALANCERS)
def test_feeds_behind_a_balancer_survive_the_end_of_a_relay(
    name: str, tmp_path: Path, until: Until
) -> None:
    """Cut off, both feeds find the one that is left, and have each tick once and in order."""
    server = tk.serve(None, port=0)
    with ExitStack() as stack:
        # Two ways to one server are like two relays that hold the same ticks.
        first, second = (stack.enter_context(Wire(server.port)) for _ in range(2))
        relays = [port_of(first), port_of(second)]
        balancer = stack.enter_context(run_balancer(name, tmp_path, relays))
        feeds = [tk.connect(balancer.url, history=None) for _ in range(2)]
        until(lambda: len(server.clients) == 2)
        server.publish({"symbol": "A", "price": 1})
        first.close()
        second.cut()
        for price in range(2, 5):
            server.publish({"symbol": "A", "price": price})
        for feed in feeds:
            assert feed.wait(4).frame()["seq"].tolist() == [1, 2, 3, 4]
            assert (len(feed.gaps), feed.stats["duplicates"]) == (0, 0)
            assert feed.stats["reconnects"] >= 1
        tk.stop_all()


def test_relay_that_is_not_ready_gets_no_new_readers(
    named: dict[str, tk.TickServer],
    tmp_path: Path,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """HAProxy leaves the readers alone that it has."""
    ports = [server.port for server in named.values()]
    with run_balancer("haproxy", tmp_path, ports) as balancer:
        feed = tk.connect(balancer.url).wait(1)
        has = str(feed.frame()["symbol"].iloc[0])
        other = ({"a", "b"} - {has}).pop()
        with monkeypatch.context() as patch:
            server = named[has]
            assert isinstance(server, ThreadServer)
            patch.setattr(server, "_phase", "stopping")
            until(lambda: f"relays/relay{1 + 'ab'.index(has)} is DOWN" in balancer.log.read_text())
            assert {name_of_server(balancer.url) for _ in range(3)} == {other}
        assert (feed.status, feed.stats["reconnects"]) == ("live", 0)
        tk.stop_all()


@pytest.mark.parametrize("name", BALANCERS)
def test_handshake_that_a_full_relay_refuses_goes_to_another(
    name: str, named: dict[str, tk.TickServer], tmp_path: Path
) -> None:
    """No reader is refused while another relay has room."""
    ports = [server.port for server in named.values()]
    with run_balancer(name, tmp_path, ports) as balancer, dial(named["a"].url):
        assert {name_of_server(balancer.url) for _ in range(4)} == {"b"}


@pytest.mark.parametrize("name", BALANCERS)
def test_feed_moves_between_relays_of_a_stream(name: str, tmp_path: Path, until: Until) -> None:
    """Each time its relay stops, it goes on at the other: each tick once and in order."""
    with ExitStack() as stack:
        brokers = stack.enter_context(NatsCluster(tmp_path))
        maker = tk.serve(None, port=0, publish=brokers.url("test"))
        maker.publish({"symbol": "A", "price": 1})
        relays = [tk.serve(brokers.url("test"), port=0) for _ in range(2)]
        ports = [relay.port for relay in relays]
        balancer = stack.enter_context(run_balancer(name, tmp_path, ports))
        feed = tk.connect(balancer.url, history=None).wait(1)
        for price in range(2, 6):
            number = [len(relay.clients) for relay in relays].index(1)
            relays[number].stop()
            maker.publish({"symbol": "A", "price": price})
            feed.wait(1)
            relays[number] = tk.serve(brokers.url("test"), port=ports[number])
            until(lambda: sum(len(relay.clients) for relay in relays) == 1)
        assert feed.frame()["seq"].tolist() == [1, 2, 3, 4, 5]
        assert (len(feed.gaps), feed.stats["duplicates"]) == (0, 0)
        assert feed.stats["reconnects"] >= 4
        tk.stop_all()


@pytest.mark.parametrize("name", BALANCERS)
def test_relay_that_drains_hands_its_readers_over(name: str, tmp_path: Path, until: Until) -> None:
    """The balancer sends each of them to the other relay, also before it has noticed."""
    with ExitStack() as stack:
        brokers = stack.enter_context(NatsCluster(tmp_path))
        maker = tk.serve(None, port=0, publish=brokers.url("test"))
        maker.publish({"symbol": "A", "price": 1})
        relays = [tk.serve(brokers.url("test"), port=0) for _ in range(2)]
        ports = [relay.port for relay in relays]
        balancer = stack.enter_context(run_balancer(name, tmp_path, ports))
        feeds = [tk.connect(balancer.url, history=None).wait(1) for _ in range(6)]
        relays[0].stop(drain=0.2)
        maker.publish({"symbol": "A", "price": 2})
        for feed in feeds:
            assert feed.wait(1).frame()["seq"].tolist() == [1, 2]
            assert (len(feed.gaps), feed.stats["duplicates"]) == (0, 0)
        until(lambda: len(relays[1].clients) == len(feeds))
        tk.stop_all()


@pytest.mark.parametrize("name", BALANCERS)
def test_idle_connections_are_kept(name: str, tmp_path: Path) -> None:
    """Each limit for an idle connection leaves a server time for several of its heartbeats."""
    file = "haproxy.cfg" if name == "haproxy" else "nginx.conf"
    text = (DEPLOY / file).read_text(encoding="utf-8")
    limits = {
        key: float(value) * {"s": 1, "m": 60, "h": 3600}[unit]
        for key, value, unit in re.findall(
            r"^\s*(timeout [\w-]+|proxy_\w+_timeout) +(\d+)([smh]);?$", text, re.MULTILINE
        )
    }
    idle = {
        "haproxy": ("timeout client", "timeout server", "timeout tunnel"),
        "nginx": ("proxy_read_timeout", "proxy_send_timeout"),
    }[name]
    assert min(limits[key] for key in idle) >= 10 * HEARTBEAT_S


@pytest.mark.parametrize("name", BALANCERS)
def test_feed_waits_while_no_relay_is_there(name: str, tmp_path: Path, until: Until) -> None:
    """The balancer answers 502 or 503, which is not final; the log never shows a token."""
    ports = [free_port(), free_port()]
    with run_balancer(name, tmp_path, ports) as balancer:
        feed = tk.connect(f"{balancer.url}?token=sesame")
        ask(balancer.port, "/?token=sesame")
        until(lambda: "the server answers HTTP 50" in feed.status_reason)
        assert feed.status == "connecting"
        server = tk.serve([{"symbol": "A", "price": 1}], port=ports[1], token="sesame")
        feed.wait(1, timeout=20)
        # Whatever the balancer remembers of failures, the relay now gets every request.
        assert [ask(balancer.port, "/?token=sesame")[0] for _ in range(4)] == [200] * 4
        feed.stop()
        server.stop()
    assert "sesame" not in balancer.log.read_text()
