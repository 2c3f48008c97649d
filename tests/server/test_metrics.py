"""Metrics: what Prometheus reads of a server."""

from __future__ import annotations

import builtins
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from peers import another_program, ask, dial, free_port, receive
from prometheus_client.parser import text_string_to_metric_families

import tickerkit as tk
from tickerkit.errors import InvalidArgument, PortTaken
from tickerkit.server.metrics import OF_PUBLISHED, OF_STATS, render_metrics

Until = Callable[..., None]
TICK = {"symbol": "A", "price": 1.0}
OF_RELAYS = {"lag_s": 0.25, "behind": 7, "gap_ticks": 3, "stream_resets": 1}
OF_MAKERS = {"seq": 41, "behind": 2, "ack_s": 0.002, "fenced": True}


def read(text: str) -> dict[str, float]:
    """Return the values of metrics by name, as prometheus-client's parser reads them."""
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples}


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make prometheus-client impossible to import."""
    found = builtins.__import__

    def refuse(name: str, *args: Any) -> Any:
        if name.partition(".")[0] == "prometheus_client":
            raise ImportError(name)
        return found(name, *args)

    monkeypatch.setattr(builtins, "__import__", refuse)


def test_metrics_are_the_counts_of_the_server(until: Until) -> None:
    """A server without a stream has no metrics of one."""
    server = tk.serve(None, port=0)
    with dial(server.url) as peer:
        server.publish([TICK, TICK])
        receive(peer)
        status, headers, body = ask(server.port, "/metrics")
        assert (status, headers["cache-control"]) == (200, "no-store")
        assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert read(body) == {
            "tickerkit_clients": 1,
            "tickerkit_stalled": 0,
            "tickerkit_ticks_total": 2,
            "tickerkit_sent_messages_total": server.stats["sent_messages"],
            "tickerkit_turned_away_total": 0,
            "tickerkit_cut_off_total": 0,
        }
        assert server.stats["sent_messages"] >= 1
    until(lambda: "tickerkit_clients 0.0" in ask(server.port, "/metrics")[2])


def test_relays_and_makers_have_the_metrics_of_their_stream() -> None:
    """A value that is not known yet is left out."""
    values = read(render_metrics(OF_RELAYS, OF_MAKERS).decode())
    assert values == {
        "tickerkit_lag_seconds": 0.25,
        "tickerkit_behind_ticks": 7,
        "tickerkit_gap_ticks_total": 3,
        "tickerkit_stream_resets_total": 1,
        "tickerkit_published_seq": 41,
        "tickerkit_unpublished_ticks": 2,
        "tickerkit_ack_seconds": 0.002,
        "tickerkit_fenced": 1,
    }
    assert render_metrics({"lag_s": None}, {"ack_s": None}) == b""


def test_promtool_finds_nothing_to_correct() -> None:
    """Names, types and helps follow the conventions of Prometheus."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    counts = {metric.key: 1 for metric in OF_STATS}
    text = render_metrics(counts, {metric.key: 1 for metric in OF_PUBLISHED})
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_metrics_want_the_token_of_the_server() -> None:
    """In the header or in the query, as the page does; a probe needs none."""
    server = tk.serve(None, port=0, token="sesame")
    assert ask(server.port, "/metrics")[0] == 401
    assert ask(server.port, "/metrics?token=wrong")[0] == 401
    assert ask(server.port, "/metrics?token=sesame")[0] == 200
    assert ask(server.port, "/metrics", Authorization="Bearer sesame")[0] == 200
    assert ask(server.port, "/metrics", Host="evil.example")[0] == 403


def test_second_port_serves_the_metrics_alone_without_a_token() -> None:
    """It is freed when the server stops."""
    with tk.serve(None, port=0, token="sesame", metrics_port=0) as server:
        port = server.metrics_port
        assert port not in (None, 0, server.port)
        assert "tickerkit_clients 0.0" in ask(port, "/metrics")[2]
        assert ask(port, "/metrics", "HEAD")[::2] == (200, "")
        assert ask(port, "/metrics", "POST")[0] == 405
        assert ask(port, "/metrics", Host="evil.example")[0] == 403
        assert ask(port, "/")[::2] == (404, "This port serves /metrics only.\n")
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
        assert ask(port, "/metrics", **upgrade)[0] == 404
    with pytest.raises(OSError):
        ask(port, "/metrics")


def test_server_in_a_process_serves_its_metrics_too() -> None:
    """`metrics_port` is the port that the process has taken."""
    with tk.serve(None, port=0, metrics_port=0, process=True) as server:
        server.publish(TICK)
        assert read(ask(server.metrics_port, "/metrics")[2])["tickerkit_ticks_total"] == 1


def test_taken_metrics_port_raises_port_taken() -> None:
    """The error names the argument; nothing is left running."""
    port = free_port()
    with another_program() as (_, taken), pytest.raises(PortTaken) as caught:
        tk.serve(None, port=port, metrics_port=taken)
    assert (caught.value.port, caught.value.argument) == (taken, "metrics_port")
    tk.serve(None, port=port).stop()


@pytest.mark.usefixtures("without_package")
def test_without_the_package_the_response_says_what_to_install() -> None:
    """The server itself works; a port for metrics alone is refused at once."""
    server = tk.serve(None, port=0)
    status, _, body = ask(server.port, "/metrics")
    assert status == 501
    assert body == (
        "Metrics need the package prometheus-client; run: pip install 'tickerkit[scale]'\n"
    )
    with pytest.raises(InvalidArgument, match=r"pip install 'tickerkit\[scale\]'"):
        tk.serve(None, port=0, metrics_port=0)
