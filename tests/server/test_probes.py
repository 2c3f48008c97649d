"""Probes: a load balancer asks whether a server is alive, and whether it can take clients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from peers import LOCAL, ask, dial, receive
from relays import RelayedEvents, hello, ticks
from websockets.datastructures import Headers
from websockets.http11 import Request

import tickerkit as tk
from tickerkit.protocol import CaughtUp
from tickerkit.server.http import respond_to_probe
from tickerkit.server.thread_server import ThreadServer

Until = Callable[..., None]


def test_probes_need_neither_token_nor_known_host() -> None:
    """A probe comes with the address of a pod as its Host, and with no token."""
    server = tk.serve(None, port=0, token="sesame")
    strange = {"Host": "10.1.2.3:8000", "Origin": "http://elsewhere.example"}
    assert ask(server.port, "/", **strange)[0] == 403
    assert ask(server.port, "/healthz", **strange)[::2] == (200, "ok\n")
    assert ask(server.port, "/readyz?verbose", **strange)[::2] == (200, "ready\n")
    assert server.stats["turned_away"] == 1


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_not_cached_and_accept_get_and_head_only(path: str) -> None:
    """HEAD gets the headers of GET; another method gets 405."""
    server = tk.serve(None, port=0)
    _, headers, _ = ask(server.port, path)
    assert headers["cache-control"] == "no-store"
    status, head, body = ask(server.port, path, "HEAD")
    assert (status, head["content-length"], body) == (200, headers["content-length"], "")
    assert ask(server.port, path, "POST")[0] == 405


def test_full_server_is_alive_but_not_ready(until: Until) -> None:
    """It is ready again once a client has left."""
    server = tk.serve(None, port=0, max_clients=1)
    with dial(server.url):
        assert ask(server.port, "/readyz")[::2] == (503, "full\n")
        assert ask(server.port, "/readyz", "HEAD")[0] == 503
        assert ask(server.port, "/healthz")[0] == 200
    until(lambda: ask(server.port, "/readyz")[0] == 200)


def test_server_that_is_not_running_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may still answer while it starts and stops."""
    server = tk.serve(None, port=0)
    assert isinstance(server, ThreadServer)
    with monkeypatch.context() as patch:
        patch.setattr(server, "_phase", "stopping")
        assert ask(server.port, "/readyz")[::2] == (503, "stopped\n")
    assert ask(server.port, "/readyz")[0] == 200


def test_source_that_has_ended_leaves_the_server_ready(until: Until) -> None:
    """Clients that join later get the history."""
    server = tk.serve([{"symbol": "A", "price": 1.0}], port=0)
    until(lambda: server.status == "ended")
    assert ask(server.port, "/readyz")[0] == 200


def test_relay_of_which_the_source_has_failed_is_not_ready(until: Until) -> None:
    """It gets no more ticks, and never will."""
    events = [hello("E1"), ticks("E1", 1, 3), CaughtUp(0)]
    server = tk.serve(RelayedEvents(events, RuntimeError("a fault")), port=0)
    until(lambda: ask(server.port, "/readyz")[::2] == (503, "failed\n"))


def test_websocket_of_v1_is_spoken_at_the_path_of_a_probe() -> None:
    """`tickerkit.v1` is spoken on any path."""
    server = tk.serve(None, port=0)
    url = f"ws://{LOCAL}:{server.port}/healthz"
    with dial(url, subprotocols=["tickerkit.v1"]) as peer:
        assert receive(peer)["type"] == "hello"


def test_unready_reason_is_asked_for_readiness_only() -> None:
    """A server that is cut off from its stream is alive; restarting it would not help."""
    request = Request("/healthz", Headers())
    response = respond_to_probe(request, lambda: "behind")
    assert response is not None
    assert response.status_code == 200
    response = respond_to_probe(Request("/readyz", Headers()), lambda: "behind")
    assert response is not None
    assert (response.status_code, response.body) == (503, b"behind\n")
    assert respond_to_probe(Request("/", Headers()), lambda: "behind") is None
