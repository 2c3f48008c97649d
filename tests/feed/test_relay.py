"""WebsocketRelay: a relay of another server, which may be a relay itself, and `tk.relay`."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme
from peers import LOCAL, ask, free_port, plain_server
from relays import RelayedEvents, hello, ticks
from streamed import Script, held, prices, resume, row, seqs
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

import tickerkit as tk
from tickerkit.classroom import FaultProxy
from tickerkit.errors import InvalidArgument, StreamError
from tickerkit.feed.relay import WebsocketRelay
from tickerkit.feed.rotation import Address
from tickerkit.log import Gap, Position
from tickerkit.protocol import SUBPROTOCOL, CaughtUp, End, Taken
from tickerkit.server import thread_server

Until = Callable[..., None]

TICK = '{"symbol": "AAPL", "price": 187.25}'
FIRST: list[Taken] = [hello("E1"), ticks("E1", 1, 100), CaughtUp(0)]


class Upstream(RelayedEvents):
    """The source of a relay that gets as far as a test says."""

    def __init__(self, *events: Taken) -> None:
        super().__init__(events)

    async def run(self, out: tk.Outlet) -> None:
        self._loop, self._queue = asyncio.get_running_loop(), asyncio.Queue[Any]()
        await out.take(self.events)
        while True:
            await out.take(await self._queue.get())

    def feed(self, *events: Taken) -> None:
        """Have the relay take further events."""
        self._loop.call_soon_threadsafe(self._queue.put_nowait, events)


@contextlib.contextmanager
def v1_server(*connections: list[dict[str, Any]]) -> Any:
    """Run a server that sends some messages at each connection, those of the last one from then on.

    It sends the first message at once and the others after an answer.
    """
    left, is_over = list(connections), threading.Event()

    def serve(peer: ServerConnection) -> None:
        first, *others = left.pop(0) if len(left) > 1 else left[0]
        with contextlib.suppress(ConnectionClosed):
            peer.send(json.dumps(first))
            peer.recv()
            for each in others:
                peer.send(json.dumps(each))
            is_over.wait(10)

    with plain_server(serve, subprotocols=[SUBPROTOCOL]) as url:
        try:
            yield url
        finally:
            is_over.set()


def v1_hello(epoch: str, next_seq: int) -> dict[str, Any]:
    """Return a hello of the wire."""
    columns: dict[str, Any] = {}
    about = {"epoch": epoch, "first": 1, "next": next_seq, "symbols": ["A"], "columns": columns}
    return {"type": "hello", **about}


def v1_tick(seq: int) -> dict[str, Any]:
    """Return a message of the wire with one tick."""
    symbol = {"codes": [0], "from": 1, "words": []}
    return {"type": "ticks", "seq": seq, "count": 1, "time": [seq], "symbol": symbol, "price": [1]}


def refuses(server: tk.TickServer, epoch: str, seq: int) -> bool:
    """Return whether a reader that stands elsewhere is told to come again later."""
    try:
        resume(server, epoch, seq)
    except ConnectionClosed as error:
        return error.rcvd is not None and error.rcvd.code == 1013
    return False


# --- what is served -------------------------------------------------------------------------------


@pytest.mark.parametrize("process", [False, pytest.param(True, marks=pytest.mark.process)])
def test_relay_of_a_relay_serves_the_same_rows(process: bool, until: Until) -> None:
    """Seqs, epochs, columns of text and numbers, units, gaps, and the end of the source."""
    steps = [
        row(1.5, "A", note="x", temperature=20.5),
        [row(2, "B", size=7, time=1_700_000_000_000_000_000), row(3, "A", note="y")],
        (5, "the venue was away"),
        row(4, "A", temperature=-1),
        (None, "the venue was started again"),
        [row(5, "B", side="buy"), row(6, "Ö/€", note="ß")],
    ]
    script = Script(*steps, ends=False)
    script.units = {"temperature": "°C"}
    with (
        tk.serve(script, port=0) as server,
        tk.serve(tk.relay(server.url), port=0, process=process) as first,
        tk.serve(tk.relay(first.url), port=0) as second,
    ):
        for each in (first, second):
            until(lambda each=each: len(each.log) == 6)
            assert held(each.log) == held(server.log)
            assert each.log.units == {"temperature": "°C"}
            known = ["epoch", "from", "to", "reason"]
            assert each.gaps[known].values.tolist() == server.gaps[known].values.tolist()
        assert second.stats["gap_ticks"] == 5
        assert second.stats["stream"] == "live"
        assert repr(second.source) == f"tk.relay({first.url!r})"


def test_relay_takes_as_many_of_the_newest_ticks_as_it_holds() -> None:
    """The older ones are reported as no gap."""
    with tk.serve(None, port=0) as server:
        server.publish(prices(1, 1000))
        with tk.serve(tk.relay(server), port=0, history=100) as relay:
            assert seqs(relay.log) == list(range(901, 1001))
            assert relay.gaps.empty


def test_relay_of_a_server_without_ticks_listens(until: Until) -> None:
    """Its epoch is known."""
    with tk.serve(None, port=0) as server, tk.serve(tk.relay(server.url), port=0) as relay:
        assert relay.log.epoch == server.log.epoch
        server.publish(prices(1, 3))
        until(lambda: held(relay.log) == held(server.log))


def test_relay_ends_with_the_source_of_its_maker(until: Until) -> None:
    """It goes on serving, and knows that no other epoch will come."""
    with tk.serve(Script(prices(1, 3)), port=0) as server:
        until(lambda: server.status == "ended")
        with tk.serve(tk.relay(server.url), port=0) as relay:
            until(lambda: relay.status == "ended")
            with tk.connect(relay.url, history=None) as feed:
                until(lambda: feed.status == "ended")
                assert held(feed.log) == held(server.log)
            until(lambda: not refuses(relay, "foreign", 7))
            assert resume(relay, "foreign", 7)[0]["epoch"] == "foreign"
            assert relay.last_error == ""


def test_epochs_may_end_while_the_log_is_filled() -> None:
    """A relay listens although the epoch of the first hello is over before it was passed on."""
    messages = [
        v1_hello("E1", 3),
        v1_tick(1),
        v1_tick(2),
        {"type": "gap", "epoch": "E1", "from": 3, "to": None, "reason": "restarted"},
        v1_hello("E2", 1),
        v1_tick(1),
        {"type": "gap", "epoch": "E2", "from": 2, "to": None, "reason": "restarted"},
        v1_hello("E3", 1),
        v1_tick(1),
    ]
    relay = WebsocketRelay("ws://host/")
    for epoch in ("E1", "E2", "E3"):
        relay._note_epoch(epoch)
    assert relay._is_reached(Position("E2", 1), Position("E3", 1))
    assert not relay._is_reached(Position("E4", 1), Position("E3", 1))
    with v1_server(messages) as url, tk.serve(tk.relay(url), port=0) as server:
        assert server.status == "listening"


def test_stopped_relay_leaves_its_maker(until: Until) -> None:
    """Its connection is closed, also one for a question."""
    with tk.serve(None, port=0) as server:
        relay = tk.serve(tk.relay(server.url), port=0)
        assert refuses(relay, "foreign", 7)
        assert len(server.clients)
        relay.stop()
        until(lambda: not len(server.clients))


# --- questions about epochs -----------------------------------------------------------------------


def test_foreign_epoch_is_asked_about_up_to_the_maker(until: Until) -> None:
    """Each relay closes with 1013 until it has looked; then the reader gets its gap."""
    with (
        tk.serve(None, port=0) as server,
        tk.serve(tk.relay(server.url), port=0) as first,
        tk.serve(tk.relay(first.url), port=0) as second,
    ):
        server.publish(prices(1, 3))
        until(lambda: len(second.log) == 3)
        assert refuses(second, "foreign", 7)
        until(lambda: not refuses(second, "foreign", 7))
        gap = resume(second, "foreign", 7)[0]
        assert (gap["type"], gap["epoch"], gap["from"]) == ("gap", "foreign", 8)


def test_lagging_relay_is_no_proof(until: Until) -> None:
    """Its hello isn't either, when it is connected to again: the reader's epoch is on its way."""
    source = Upstream(*FIRST)
    with (
        tk.serve(source, port=0) as upstream,
        FaultProxy(upstream) as proxy,
        tk.serve(tk.relay(proxy.url), port=0) as relay,
    ):
        assert refuses(relay, "E2", 5)
        until(lambda: source.origin.questions)
        proxy.reset()
        until(lambda: relay.stats["stream_resets"])
        until(lambda: relay.stats["stream"] == "live")
        assert refuses(relay, "E2", 5)
        source.feed(Gap("E1", 101, None, "restarted"), hello("E2"), ticks("E2", 1, 5))
        until(lambda: relay.log.epoch == "E2" and relay.log.last_seq == 5)
        assert [each["type"] for each in resume(relay, "E2", 5)] == ["at"]


def test_proof_of_a_lagging_relay_comes_once_it_has_caught_up(until: Until) -> None:
    """The question is asked again until then."""
    source = Upstream(*FIRST)
    with tk.serve(source, port=0) as upstream, tk.serve(tk.relay(upstream.url), port=0) as relay:
        assert refuses(relay, "foreign", 7)
        until(lambda: source.origin.questions)
        source.feed(CaughtUp(source.origin.questions))
        until(lambda: not refuses(relay, "foreign", 7))
        assert resume(relay, "foreign", 7)[0]["epoch"] == "foreign"


def test_answer_about_another_epoch_is_no_proof(until: Until) -> None:
    """The other server knows that epoch, so it answers without a look at its stream."""
    ended = [hello("E0"), ticks("E0", 1, 9), Gap("E0", 10, None, "restarted")]
    source = Upstream(*ended, *FIRST)
    with (
        tk.serve(source, port=0) as upstream,
        tk.serve(tk.relay(upstream.url), port=0, history=50) as relay,
    ):
        assert refuses(relay, "E2", 5)
        until(lambda: source.origin.questions)
        for _ in range(20):
            assert refuses(relay, "E0", 5)
            assert refuses(relay, "E2", 5)
        source.feed(CaughtUp(source.origin.questions))
        until(lambda: not refuses(relay, "E2", 5))


def test_further_questions_do_not_delay_an_answer(until: Until) -> None:
    """The relay asks about all of them, and goes on asking until it has the answer."""
    source = Upstream(*FIRST)
    with tk.serve(source, port=0) as upstream, tk.serve(tk.relay(upstream.url), port=0) as relay:
        assert refuses(relay, "first", 7)
        until(lambda: source.origin.questions)
        source.feed(CaughtUp(source.origin.questions))
        numbers = itertools.count()
        until(lambda: refuses(relay, f"x{next(numbers)}", 7) and not refuses(relay, "first", 7))


@pytest.mark.parametrize("first", ['{"more":' + "[" * 5000, "not JSON", '{"type": "at", "seq": 1}'])
def test_hostile_answer_is_no_answer(first: str) -> None:
    """The question can be asked again."""
    with plain_server(lambda peer: peer.send(first), subprotocols=[SUBPROTOCOL]) as url:
        assert asyncio.run(WebsocketRelay(url)._ask(Address(url), "E2")) is None


def test_what_a_server_holds_is_read_after_its_answer() -> None:
    """It may have got the epoch in question between its hello and the answer."""
    at = {"type": "at", "seq": 5}
    with v1_server([v1_hello("E1", 101), at], [v1_hello("E2", 6), at]) as url:
        relay = WebsocketRelay(url)
        assert asyncio.run(relay._ask(Address(url), "E2")) == Position("E2", 5)


# --- an upstream that is away ---------------------------------------------------------------------


def test_relay_waits_for_its_maker() -> None:
    """`tk.serve` raises after `wait_s`; that is not final, for the maker may come."""
    port = free_port()
    url = f"ws://{LOCAL}:{port}/"
    with pytest.raises(StreamError, match="nothing listens there yet") as caught:
        tk.serve(tk.relay(url, wait_s=0), port=0)
    assert not caught.value.is_final
    source = tk.relay(url, wait_s=None)
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(tk.serve, source, port=0)
        while not source.status:
            assert not serving.done()
        with tk.serve(None, port=port) as server, serving.result(10) as relay:
            assert relay.log.epoch == server.log.epoch


def test_maker_that_is_started_again_is_another_epoch(
    monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """While it is away, the relay serves what it has, and says so."""
    monkeypatch.setattr(thread_server, "MAX_READY_LAG_S", 0.2)
    server = tk.serve(None, port=0)
    server.publish(prices(1, 3))
    epoch = server.log.epoch
    with tk.serve(tk.relay(server.url), port=0) as relay:
        until(lambda: len(relay.log) == 3)
        assert ask(relay.port, "/readyz")[0] == 200
        server.stop()
        until(lambda: ask(relay.port, "/readyz")[::2] == (503, "behind\n"))
        assert relay.stats["stream"] == "nothing listens there yet"
        assert relay.stats["lag_s"] > 0.2
        with tk.connect(relay.url, history=None) as feed:
            until(lambda: len(feed.log) == 3)
            with tk.serve(None, port=server.port) as again:
                again.publish(prices(1, 2))
                until(lambda: len(feed.log) == 5)
                assert seqs(feed.log) == [1, 2, 3, 1, 2]
                for gaps in (relay.gaps, feed.gaps):
                    assert gaps[["epoch", "from"]].values.tolist() == [[epoch, 4]]
                    assert gaps["to"].isna().all()
                until(lambda: ask(relay.port, "/readyz")[0] == 200)
                assert (relay.stats["stream"], relay.stats["stream_resets"]) == ("live", 1)


def test_relay_goes_on_at_another_address(until: Until) -> None:
    """Several servers with the same ticks are tried in turn."""
    sources = [Upstream(*FIRST), Upstream(*FIRST)]
    with tk.serve(sources[0], port=0) as one, tk.serve(sources[1], port=0) as two:
        nobody = f"ws://{LOCAL}:{free_port()}/"
        with tk.serve(tk.relay([nobody, one.url, two.url]), port=0) as relay:
            until(lambda: len(one.clients) == 1)
            one.stop()
            until(lambda: len(two.clients) == 1)
            sources[1].feed(ticks("E1", 101, 105))
            until(lambda: relay.log.last_seq == 105)
            assert seqs(relay.log) == list(range(1, 106))
            assert relay.gaps.empty


def test_end_of_a_relay_that_fails_is_no_end(until: Until) -> None:
    """Only the maker's end is one."""
    source = Upstream(*FIRST)
    with tk.serve(source, port=0) as upstream, tk.serve(tk.relay(upstream.url), port=0) as relay:
        upstream.stop()
        until(lambda: relay.stats["stream"] != "live")
        assert relay.status == "listening"
        with tk.serve(Upstream(*FIRST, End()), port=upstream.port):
            until(lambda: relay.status == "ended")


# --- peers that can't be relayed ------------------------------------------------------------------


def send_plain(peer: ServerConnection) -> None:
    """Send a tick as a program without tickerkit does, and wait for the end."""
    with contextlib.suppress(ConnectionClosed):
        peer.send(TICK)
        peer.recv()


def test_peer_of_plain_json_is_refused() -> None:
    """Its ticks have no seqs with which a reader could resume."""
    with plain_server(send_plain) as url:
        with pytest.raises(StreamError, match=r"does not speak tickerkit\.v1") as caught:
            tk.serve(tk.relay(url), port=0)
        assert caught.value.is_final
        with pytest.raises(StreamError, match="not a server of tickerkit"):
            tk.serve(tk.relay([url, url]), port=0)


def test_wrong_token_is_refused() -> None:
    """The right one may be in the address; none of them is shown."""
    with tk.serve(None, port=0, token="sesame") as server:
        address = f"ws://{LOCAL}:{server.port}/"
        with pytest.raises(StreamError, match="Wrong token") as caught:
            tk.serve(tk.relay(address, token="simsim"), port=0)
        assert caught.value.is_final
        assert "simsim" not in str(caught.value)
        for source in (tk.relay(server.url), tk.relay(address, token="sesame")):
            with tk.serve(source, port=0) as relay:
                assert refuses(relay, "foreign", 7)  # asked with the token, too
                assert "sesame" not in repr(relay) + repr(source) + relay._repr_html_()
                assert "sesame" not in str(dict(relay.stats))


def test_question_is_asked_with_the_token_and_over_tls(tmp_path: Path, until: Until) -> None:
    """It takes the same options as the relay's connection."""
    authority = trustme.CA()
    made = authority.issue_cert(LOCAL)
    pair, trusted = (tmp_path / "cert.pem", tmp_path / "key.pem"), tmp_path / "ca.pem"
    made.cert_chain_pems[0].write_to_path(pair[0])
    made.private_key_pem.write_to_path(pair[1])
    authority.cert_pem.write_to_path(trusted)
    with tk.serve(None, port=0, ssl=pair, token="sesame") as server:
        assert server.url.startswith("wss://")
        with pytest.raises(StreamError, match="certificate"):
            tk.serve(tk.relay(server.url), port=0)
        for trust in (trusted, ssl.create_default_context(cafile=trusted)):
            with tk.serve(tk.relay(server.url, ssl=trust), port=0) as relay:
                assert refuses(relay, "foreign", 7)
                until(lambda relay=relay: not refuses(relay, "foreign", 7))


@pytest.mark.parametrize(
    ("url", "options", "argument"),
    [
        ("nats://ann:sesame@host/a", {"token": "sesame"}, "token"),
        ("nats://host/a", {"ssl": "ca.pem"}, "ssl"),
        ("nats://ann:sesame@host", {}, "url"),
        ("ws://host/", {"creds": "sesame.creds"}, "creds"),
        ("ws://host/", {"cert": "cert.pem"}, "cert"),
        ("ftp://ann:sesame@host/", {}, "url"),
        ("ws://host/", {"wait_s": -1}, "wait_s"),
        ([], {}, "url"),
    ],
)
def test_arguments_are_checked(url: Any, options: dict[str, Any], argument: str) -> None:
    """The error names the argument, and shows no secret of an address."""
    with pytest.raises(InvalidArgument) as caught:
        tk.relay(url, **options)
    assert caught.value.argument == argument
    assert "ann" not in str(caught.value)
