"""Publishing: a server writes its log to a stream, whatever the broker does."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest
from cells import Kernel
from nats_cluster import NatsCluster, free_ports
from peers import ask
from streamed import Script, held, prices, read_stream, row, seqs

import tickerkit as tk
from tickerkit.brokers import NatsBroker
from tickerkit.errors import InvalidArgument, StreamError
from tickerkit.log import Position
from tickerkit.server import publishing
from tickerkit.server.thread_server import ThreadServer

Until = Callable[..., None]


def is_written(server: tk.TickServer) -> bool:
    """Return whether the broker has acknowledged all."""
    return not server.published["behind"] and server.published["status"] == "writing"


def count_connections(cluster: NatsCluster) -> int:
    """Return how many clients a broker has."""
    return int(cluster.servers[0].ask("connz")["num_connections"])


# --- what is written ------------------------------------------------------------------------------


@pytest.mark.parametrize("process", [False, pytest.param(True, marks=pytest.mark.process)])
def test_relay_serves_the_same_rows(process: bool, stream_url: str, until: Until) -> None:
    """Seqs, epochs, columns of text and numbers, units, gaps, and the end of the source."""
    steps = [
        row(1.5, "A", note="x", room="hall", temperature=20.5),
        [row(2, "B", size=7, time=1_700_000_000_000_000_000), row(3, "A", note="y")],
        (5, "the venue was away"),
        row(4, "A", temperature=-1),
        (None, "the venue was started again"),
        [row(5, "B", side="buy"), row(6, "Ö/€", note="ß")],
    ]
    script = Script(*steps)
    script.units = {"temperature": "°C"}
    with (
        tk.serve(script, port=0, publish=stream_url, process=process) as server,
        tk.serve(stream_url, port=0, process=process) as relay,
    ):
        until(lambda: relay.status == "ended")
        until(lambda: server.published["behind"] == 0)
        assert held(relay.log) == held(server.log)
        assert len(relay.log) == 6
        assert relay.log.units == {"temperature": "°C"}
        known = ["epoch", "from", "to", "reason"]
        assert relay.gaps[known].values.tolist() == server.gaps[known].values.tolist()
        assert relay.gaps["from"].tolist() == [4, 10]
        with tk.connect(relay.url, history=None) as feed:
            until(lambda: feed.status == "ended")
            assert held(feed.log) == held(server.log)


def test_published_has_its_fields_also_as_keys(stream_url: str, until: Until) -> None:
    """Without publish= there is none."""
    with tk.serve(None, port=0) as server:
        assert server.published is None
    with tk.serve(None, port=0, publish=stream_url) as server:
        server.publish(prices(1, 10))
        until(lambda: is_written(server) and server.published.seq == 10)
        published = server.published
        assert published is not None
        assert dict(published) == {name: getattr(published, name) for name in published}
        assert published.address == stream_url
        assert published.position == Position(server.log.epoch, 10)
        assert (published.epoch, published.seq) == (server.log.epoch, 10)
        assert (published.status, published.fenced, published.fenced_by) == ("writing", False, "")
        assert (published.errors, published.last_error, published.republished) == (0, "", 0)
        assert published.acks >= 2
        assert published.ack_s > 0
        with pytest.raises(KeyError):
            published["unknown"]
    assert server.published["status"] == "stopped"


@pytest.mark.process
def test_published_of_a_process_is_that_of_its_end(stream_url: str) -> None:
    """Also if it was never read before."""
    server = tk.serve(None, port=0, publish=stream_url, process=True)
    server.publish(prices(1, 10))
    server.stop()
    assert (server.published["status"], server.published["seq"]) == ("stopped", 10)


def test_stop_writes_the_last_ticks(stream_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a server that is stopped before the broker has acknowledged anything."""
    put = NatsBroker.put

    async def put_slowly(broker: NatsBroker, *args: Any) -> int:
        while server.status != "stopped":  # noqa: ASYNC110 - stopped in another thread
            await asyncio.sleep(0.001)
        return await put(broker, *args)

    monkeypatch.setattr(NatsBroker, "put", put_slowly)
    server = tk.serve(None, port=0, publish=stream_url)
    server.publish(prices(1, 20_000))
    server.stop()
    assert server.published["behind"] == 0
    with tk.serve(stream_url, port=0) as relay:
        assert seqs(relay.log) == list(range(1, 20_001))
        assert relay.status == "listening"  # the maker may be started again


# --- two makers -----------------------------------------------------------------------------------


def test_second_maker_takes_over(stream_url: str, until: Until) -> None:
    """The first one goes on serving its own readers, says so, and never writes again."""
    with (
        tk.serve(None, port=0, publish=stream_url) as first,
        tk.connect(first.url, history=None) as feed,
    ):
        first.publish(prices(1, 3))
        until(lambda: is_written(first) and first.published.seq == 3)
        with tk.serve(None, port=0, publish=stream_url) as second:
            second.publish(prices(1, 2))
            until(lambda: is_written(second) and second.published.seq == 2)
            first.publish(prices(4, 5))
            until(lambda: first.published["status"] == "fenced")
            written = read_stream(stream_url)
            assert first.published["fenced_by"] == second.log.epoch
            assert first.published["behind"] == 2
            assert f"(epoch {second.log.epoch})" in first.published["last_error"]
            assert ask(first.port, "/readyz")[::2] == (503, "fenced\n")
            assert ask(second.port, "/readyz")[0] == 200
            first.publish(row(6))
            until(lambda: len(feed.log) == 6)
            assert "fenced" in first._repr_html_()
            assert "its stream is fenced" in repr(first)
            assert "another maker has taken over the stream" in first._repr_html_()
        first.publish(row(7))
        assert [each.epoch for each in read_stream(stream_url)] == [each.epoch for each in written]


def test_maker_without_ticks_looks_after_its_stream(
    nats: NatsCluster,
    stream_url: str,
    stream_name: str,
    monkeypatch: pytest.MonkeyPatch,
    until: Until,
) -> None:
    """It writes again what the broker has lost, and finds that another maker has taken over."""
    monkeypatch.setattr(publishing, "LOOK_S", 0.02)
    with tk.serve(None, port=0, publish=stream_url) as server:
        server.publish(prices(1, 3))
        until(lambda: is_written(server) and server.published.seq == 3)
        nats.run_call(f"STREAM.DELETE.TICKERKIT_{stream_name}")
        until(lambda: server.published["republished"] == 3)
        until(lambda: server.published["status"] == "writing")
        assert server.published["behind"] == 0
        with tk.serve(None, port=0, publish=stream_url) as second:
            until(lambda: server.published["fenced_by"] == second.log.epoch)


def test_cell_that_runs_again_takes_over(kernel: Kernel, stream_url: str, until: Until) -> None:
    """Relays get one gap of unknown size, and then the new server's ticks."""
    kernel.run("cell")
    (port,) = free_ports(1)
    first = tk.serve(None, port=port, publish=stream_url)
    first.publish(prices(1, 3))
    with tk.serve(stream_url, port=0) as relay:
        kernel.run("cell")
        second = tk.serve(None, port=port, publish=stream_url)
        second.publish(prices(1, 2))
        until(lambda: len(relay.log) == 5)
        assert first.status == "stopped"
        assert first.published["behind"] == 0
        assert seqs(relay.log) == [1, 2, 3, 1, 2]
        assert relay.gaps[["epoch", "from"]].values.tolist() == [[first.log.epoch, 4]]
        assert relay.gaps["to"].isna().all()
        assert relay.log.epoch == second.log.epoch


# --- a broker that is away ------------------------------------------------------------------------


def test_broker_that_is_away_delays_nothing(
    fragile_nats: NatsCluster, stream_name: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """All is written once it is back."""
    monkeypatch.setattr(publishing, "LOOK_S", 0.1)
    broker, url = fragile_nats.servers[0], fragile_nats.url(stream_name)
    with tk.serve(None, port=0, publish=url) as server:
        server.publish(prices(1, 3))
        until(lambda: is_written(server) and server.published.seq == 3)
        broker.kill()
        server.publish(prices(4, 6))
        until(lambda: server.published["status"] == "waiting")
        assert "waiting" in server._repr_html_()
        assert str(broker.port) in server.published["last_error"]
        assert ask(server.port, "/readyz")[0] == 200
        server.publish(prices(7, 9))
        assert len(server.log) == 9
        assert server.published["behind"] >= 3
        broker.start()
        until(lambda: is_written(server) and server.published.seq == 9)
        with tk.serve(url, port=0) as relay:
            assert held(relay.log) == held(server.log)
            assert relay.gaps.empty
        broker.kill()
        until(lambda: server.published["status"] == "waiting")
        broker.start()
        until(lambda: server.published["status"] == "writing")  # though nothing is to be written


def test_ticks_that_the_maker_has_dropped_are_a_gap(
    fragile_nats: NatsCluster, stream_name: str, until: Until
) -> None:
    """It is exact, and the same on each relay, whenever that was started."""
    broker, url = fragile_nats.servers[0], fragile_nats.url(stream_name)
    with tk.serve(None, port=0, history=100, publish=url) as server:
        server.publish(prices(1, 50))
        until(lambda: is_written(server) and server.published.seq == 50)
        with tk.serve(url, port=0) as early:
            broker.kill()
            for first in range(51, 451, 50):
                server.publish(prices(first, first + 49))
            start = server.log.frame()["seq"].iloc[0]
            broker.start()
            until(lambda: is_written(server) and server.published.seq == 450)
            with tk.serve(url, port=0) as late:
                for relay in (early, late):
                    until(lambda relay=relay: relay.log.last_seq == 450)
                    assert seqs(relay.log) == [*range(1, 51), *range(start, 451)]
                    assert relay.gaps[["from", "to"]].values.tolist() == [[51, start - 1]]


def test_server_starts_without_its_broker(
    fragile_nats: NatsCluster, stream_name: str, until: Until
) -> None:
    """It writes as soon as the broker is there, and stops without waiting for one."""
    broker, url = fragile_nats.servers[0], fragile_nats.url(stream_name)
    broker.kill()
    with tk.serve(None, port=0, publish=url) as server:
        assert server.published["status"] == "waiting"
        server.publish(prices(1, 3))
        broker.start()
        until(lambda: is_written(server) and server.published.seq == 3)
        broker.kill()
        server.publish(row(4))
        until(lambda: server.published["status"] == "waiting")
    assert server.published["behind"] == 1


def test_broker_that_answers_nothing_does_not_keep_a_server_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The card says why nothing is written."""
    monkeypatch.setattr(publishing, "START_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"nats://127.0.0.1:{silent.getsockname()[1]}/a"
        with tk.serve(None, port=0, publish=url) as server:
            assert server.published["status"] == "waiting"
            assert "waiting: the broker did not answer within 0.1 s" in server._repr_html_()


# --- errors ---------------------------------------------------------------------------------------


def test_stream_with_other_settings_is_refused(
    nats: NatsCluster, stream_url: str, stream_name: str, until: Until
) -> None:
    """The server does not start, and leaves neither a port nor a connection."""
    config = {"name": f"TICKERKIT_{stream_name}", "subjects": [f"tickerkit.{stream_name}"]}
    config |= {"retention": "workqueue", "allow_direct": True}
    nats.run_call(f"STREAM.CREATE.TICKERKIT_{stream_name}", config)
    until(lambda: count_connections(nats) == 0)
    with pytest.raises(StreamError, match="retention is 'workqueue', not 'limits'") as caught:
        tk.serve(None, port=0, publish=stream_url)
    assert caught.value.is_final
    until(lambda: count_connections(nats) == 0)


def test_missing_package_is_one_sentence(stream_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    for module in ("connection", "nats_client"):
        monkeypatch.delitem(sys.modules, f"tickerkit.brokers.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(StreamError, match=r"pip install 'tickerkit\[scale\]'"):
        tk.serve(None, port=0, publish=stream_url)


def test_fault_while_publishing_leaves_the_server_running(
    stream_url: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """It is shown, and the server can be stopped."""
    with tk.serve(None, port=0, publish=stream_url) as server:
        assert isinstance(server, ThreadServer)
        assert server._publishing is not None

        def fail() -> None:
            raise ArithmeticError("a fault")

        monkeypatch.setattr(server._publishing._publisher, "next_put", fail)
        server.publish(row(1))
        until(lambda: server.published["status"] == "stopped")
        assert server.published["last_error"].startswith("ArithmeticError: a fault")
        server.publish(row(2))
        assert len(server.log) == 2


def test_relay_does_not_publish(stream_url: str) -> None:
    """Its stream would lead in a circle."""
    with pytest.raises(InvalidArgument, match="None: this server is a relay"):
        tk.serve(stream_url, port=0, publish=stream_url)
    for publish in ("nats://ann:secret@host", "ws://host/", 5):
        with pytest.raises(ValueError if isinstance(publish, str) else TypeError) as caught:
            tk.serve(None, port=0, publish=publish)  # type: ignore[arg-type]
        assert "publish" in str(caught.value)
        assert "secret" not in str(caught.value)


def test_error_of_another_variable_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is right: NATS_CREDS names no file."""
    monkeypatch.setenv("NATS_CREDS", "/no/file")
    with pytest.raises(InvalidArgument, match="Invalid NATS_CREDS"):
        tk.serve(None, port=0, publish="nats://host/a")


def test_secrets_are_shown_nowhere(stream_url: str, until: Until) -> None:
    """Neither in the card, nor the repr, nor what was published."""
    secret = stream_url.replace("nats://", "nats://ann:sesame@")
    with tk.serve(None, port=0, publish=secret) as server, tk.serve(secret, port=0) as relay:
        server.publish(row(1))
        until(lambda: len(relay.log) == 1)
        for each in (server, relay):
            shown = [repr(each), each._repr_html_(), str(each.published), str(dict(each.stats))]
            shown += [repr(each.source), str(tk.status())]
            assert not [text for text in shown if "sesame" in text or "ann" in text.split(":")]
        assert stream_url in server._repr_html_()
