"""Tests of connection: it connects, receives, reconnects, and reports its status."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from peers import LOCAL, free_port, plain_server, raw_server, refusing
from rogues import PING, Rogue, RogueServer, frame, hello
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection
from websockets.typing import Subprotocol
from websockets.utils import accept_key

import tickerkit as tk
from tickerkit.classroom import FaultProxy
from tickerkit.errors import FeedFailed, InvalidArgument
from tickerkit.feed import connection, failures, rotation
from tickerkit.feed.connection import Connection
from tickerkit.feed.rotation import Address, Rotation
from tickerkit.net import liveness
from tickerkit.net.urls import hide_secrets, split_websocket_url
from tickerkit.protocol import Client, Event, PlainClient, Received
from tickerkit.runtime.error_log import ErrorLog

Until = Callable[..., None]

PAINTED = "sorry \x1b[31m\x1b]0;title\x07\x00\x08\x9b1m\u202e\r\n\u2028and more"
TICK = '{"symbol": "AAPL", "price": 187.25}'


class Running:
    """A connection that runs on an event loop in a thread of its own."""

    def __init__(self, url: str | list[str], token: str | None = None, **options: Any) -> None:
        self.events: list[Event] = []
        self.faults = ErrorLog("test")
        urls = [url] if isinstance(url, str) else url
        self.connection = Connection(
            Rotation([Address(each, token) for each in urls]),
            Client(None, None),
            PlainClient(),
            lambda event, _: self.events.append(event),
            self.faults,
            **options,
        )
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self.connection.run())
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._loop.run_until_complete(asyncio.wait([self._task]))
        self._loop.close()

    @property
    def status(self) -> str:
        """The connection's status."""
        return self.connection.status

    @property
    def status_detail(self) -> str:
        """The status as a sentence."""
        return self.connection.status_detail

    def ticks(self) -> int:
        """Return the number of ticks received."""
        return sum(event.batch.count for event in self.events if isinstance(event, Received))

    def stop(self) -> None:
        """Cancel the connection, and wait for its thread."""
        with contextlib.suppress(RuntimeError):  # its loop has closed: it ended by itself
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()


@pytest.fixture
def connect() -> Iterator[Callable[..., Running]]:
    """Return a function that starts a connection, which is stopped after the test."""
    running: list[Running] = []

    def begin(url: str | list[str], token: str | None = None, **options: Any) -> Running:
        running.append(Running(url, token, **options))
        return running[-1]

    yield begin
    for each in running:
        each.stop()


Connect = Callable[..., Running]


# --- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "url", "token"),
    [
        ("ws://127.0.0.1:8000/", "ws://127.0.0.1:8000/", None),
        ("ws://127.0.0.1:8000", "ws://127.0.0.1:8000/", None),
        ("http://127.0.0.1:8000/", "ws://127.0.0.1:8000/", None),
        ("https://example.org", "wss://example.org/", None),
        ("HTTP://example.org", "ws://example.org/", None),
        ("localhost:8000", "ws://localhost:8000/", None),
        ("localhost:8000/ticks", "ws://localhost:8000/ticks", None),
        ("[::1]:8000", "ws://[::1]:8000/", None),
        ("ws://h/?token=sesame", "ws://h/", "sesame"),
        ("http://h/p?a=1&token=ses%26ame&b=", "ws://h/p?a=1&b=", "ses&ame"),
        ("ws://h/#part", "ws://h/", None),
        ("ftp://h/", "ftp://h/", None),
        ("ws://[::1", "ws://[::1", None),
    ],
)
def test_addresses_of_all_forms_lead_to_the_websocket(
    given: str, url: str, token: str | None
) -> None:
    """A page's address, one without a scheme and one with a token all work."""
    assert split_websocket_url(given) == (url, token)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://h:8000/ticks", "ws://h:8000/ticks"),
        ("ws://h/?token=sesame&key=secret", "ws://h/"),
        ("wss://me:secret@h:1/", "wss://h:1/"),
        ("ws://[::1?token=secret", "ws://[::1"),
    ],
)
def test_shown_address_has_no_secrets(url: str, shown: str) -> None:
    """Neither a query nor a user's name and password is shown."""
    assert hide_secrets(url) == shown


@pytest.mark.parametrize(
    ("host", "proxy"),
    [
        ("localhost", None),
        ("127.0.0.1", None),
        ("::1", None),
        ("192.168.1.7", None),
        ("10.0.0.1", None),
        ("8.8.8.8", True),
        ("stream.example.org", True),
        ("", True),
    ],
)
def test_local_servers_are_connected_to_without_a_proxy(host: str, proxy: bool | None) -> None:
    """The environment's proxy is for addresses outside this machine and its network."""
    assert connection.choose_proxy(host) is proxy


# --- connecting -------------------------------------------------------------------------------


def test_connection_finds_a_server_that_starts_later(connect: Connect, until: Until) -> None:
    """The status says that nothing listens, then that it is live."""
    port = free_port()
    made = connect(f"ws://{LOCAL}:{port}/")
    until(lambda: "nothing listens there yet; trying again" in made.status_detail)
    assert made.status == "connecting"
    server = tk.serve(None, port=port)
    until(lambda: made.status == "live")
    assert made.status_detail == f"live from ws://{LOCAL}:{port}/"
    assert (made.connection.reconnects, made.connection.failure) == (0, None)
    server.publish({"symbol": "A", "price": 1})
    until(lambda: made.ticks() == 1)


@pytest.mark.parametrize(
    ("status", "text", "shown"),
    [
        (401, "who are you?", "the server requires a token; pass token= (HTTP 401): who are you?"),
        (403, "not you\n", "the server refused the connection (HTTP 403): not you"),
        (404, "<html>", "there is nothing at this path (HTTP 404)"),
        (400, "", "this address is not a websocket (HTTP 400)"),
        (200, "<html>hello</html>", "this address is not a websocket (HTTP 200)"),
        (302, "", "this address is not a websocket (HTTP 302)"),
    ],
)
def test_final_refusal_fails_the_connection(
    status: int, text: str, shown: str, connect: Connect, until: Until
) -> None:
    """A request that would be refused again isn't repeated, and the status has the reason."""
    with refusing(status, text) as url:
        made = connect(url)
        until(lambda: made.status == "failed")
    assert made.status_detail == f"failed: {shown}"
    assert isinstance(made.connection.failure, FeedFailed)
    assert str(made.connection.failure) == f"the feed from {url} failed: {shown}"
    assert made.faults.count == 1


def test_close_1008_before_any_message_is_a_refusal(connect: Connect, until: Until) -> None:
    """It isn't repeated, and the status has the server's reason."""
    opened = []

    def refuse(peer: ServerConnection) -> None:
        opened.append(peer)
        peer.close(1008, "Wrong token\x1b; ask for the new link.")

    with plain_server(refuse) as url:
        made = connect(url)
        until(lambda: made.status == "failed")
        assert "the server refused the connection (1008, Wrong token" in made.status_detail
        assert made.status_detail.isprintable()
        assert isinstance(made.connection.failure, FeedFailed)
        assert len(opened) == 1


def test_close_1008_after_a_message_is_not_final(connect: Connect, until: Until) -> None:
    """A server also closes with 1008 a client that sent too much; that one may connect again."""
    opened = []

    def close_later(peer: ServerConnection) -> None:
        opened.append(peer)
        peer.send('[{"symbol":"A","price":1}]')
        peer.close(1008, "too many messages")

    with plain_server(close_later) as url:
        made = connect(url)
        until(lambda: len(opened) > 2)
        assert made.status != "failed"


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_temporary_http_error_is_retried(status: int, connect: Connect, until: Until) -> None:
    """A gateway whose server isn't up yet may have one soon."""
    with refusing(status) as url:
        made = connect(url)
        until(lambda: f"the server answers HTTP {status}; trying again" in made.status_detail)
        assert made.status == "connecting"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\xff\x00\xff\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nServer: SimpleHTTP\r\n\r\n<html>",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        b"x" * 100_000,
    ],
)
def test_port_without_a_websocket_fails_the_connection(
    answer: bytes, connect: Connect, until: Until
) -> None:
    """The status says that something else listens there."""
    with raw_server(answer) as url:
        made = connect(url)
        until(lambda: made.status == "failed")
    assert made.status_detail.startswith("failed: the server there does not speak the websocket")
    assert made.status_detail.isprintable()


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (b"", "the server closed the connection during the handshake"),
        (b"HTTP/1.1 101 Switch", "the server closed the connection during the handshake"),
        (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", "the server answers HTTP 503; trying again"),
    ],
)
def test_interrupted_handshake_is_retried(
    answer: bytes, shown: str, connect: Connect, until: Until
) -> None:
    """A server that restarts, or a load balancer in front of it, is not a failure."""
    with raw_server(answer) as url:
        made = connect(url)
        until(lambda: shown in made.status_detail)
        assert made.status == "connecting"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ftp://example.org/", "scheme isn't ws or wss"),
        ("ws:///ticks", "hostname isn't provided"),
        (f"ws://{LOCAL}:99999/", "Port out of range"),
        ("ws://[::1", "Invalid IPv6 URL"),
        ("ftp://me:secret@example.org/", "scheme isn't ws or wss"),
    ],
)
def test_invalid_address_fails_the_connection(
    url: str, shown: str, connect: Connect, until: Until
) -> None:
    """The status says that the address is invalid, without its secrets."""
    made = connect(url)
    until(lambda: made.status == "failed")
    assert shown in made.status_detail
    assert "secret" not in str(made.connection.failure)


def test_refusal_by_several_addresses_reads_like_one() -> None:
    """Where all addresses of `localhost` refuse, the text is the same as for one."""
    refused = f"[Errno {errno.ECONNREFUSED}] Connect call failed"
    several = OSError(f"Multiple exceptions: {refused} ('::1', 1, 0, 0), {refused} ('h', 1)")
    assert failures._explain_os_error(several) == "nothing listens there yet"
    assert failures._explain_os_error(OSError(errno.EHOSTUNREACH, "No route")) == "no route"
    assert failures._explain_os_error(OSError("odd")) == "OSError: odd"


def test_unknown_host_is_retried(connect: Connect, until: Until) -> None:
    """A name that can't be resolved may be resolved once the network is back."""
    made = connect("ws://no.such.host.invalid/")
    until(lambda: "trying again" in made.status_detail, what="an answer for the name")
    assert made.status == "connecting"
    assert "no.such.host.invalid" in made.status_detail


def test_connection_to_itself_is_retried(
    connect: Connect, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that gets the port it connects to as its own talks to itself, not to a server."""
    port, tries = free_port(), []

    def from_the_same_port(*args: Any, **options: Any) -> Any:
        tries.append(options)
        return dial(*args, local_addr=(LOCAL, port), **options)

    dial = connection.connect
    monkeypatch.setattr(connection, "connect", from_the_same_port)
    made = connect(f"ws://{LOCAL}:{port}/")
    until(lambda: len(tries) > 3)
    assert made.status == "connecting"


def test_silent_port_is_retried_after_a_timeout(
    connect: Connect, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handshake without an answer ends after a while."""
    monkeypatch.setattr(connection, "OPEN_TIMEOUT_S", 0.1)
    silent = threading.Event()
    with plain_server(lambda _: None, process_request=lambda *_: silent.wait(20) and None) as url:
        made = connect(url)
        until(lambda: "no answer within 0.1 s; trying again" in made.status_detail)
        silent.set()


def test_unexpected_error_fails_the_connection(
    connect: Connect, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status has the error; the connection never ends without a reason."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(connection, "connect", fail)
    made = connect("ws://h/")
    until(lambda: made.status == "failed")
    assert made.status_detail == "failed: ZeroDivisionError: a bug"


def test_token_is_sent_in_the_header(connect: Connect, until: Until) -> None:
    """The token is a bearer token, not part of the address, which proxies would log."""
    seen: list[tuple[str, str | None]] = []

    def look(peer: ServerConnection, _: object) -> None:
        assert peer.request is not None
        seen.append((peer.request.path, peer.request.headers.get("Authorization")))

    with plain_server(lambda peer: peer.recv(), process_request=look) as url:
        made = connect(url, "sesame")
        until(lambda: made.status == "live")
        made.stop()
    assert seen == [("/", "Bearer sesame")]


# --- receiving --------------------------------------------------------------------------------


def test_plain_peer_that_closes_normally_ends_the_connection(
    connect: Connect, until: Until
) -> None:
    """A plain peer has no other way to say that there is no more."""
    with plain_server(lambda peer: peer.send(f"[{TICK}, {TICK}]")) as url:
        made = connect(url)
        until(lambda: made.status == "ended")
    assert made.status_detail == "ended: the source is finished"
    assert made.ticks() == 2


def test_abnormal_close_is_retried(connect: Connect, until: Until) -> None:
    """The status has the close code and the reason."""
    visits = 0

    def handler(peer: ServerConnection) -> None:
        nonlocal visits
        visits += 1
        peer.send(TICK)
        if visits == 1:
            peer.close(1011, "sorry\r\n\x1b[31m")
        else:
            peer.recv()

    with plain_server(handler) as url:
        made = connect(url)
        until(lambda: made.ticks() == 2)
        assert (made.connection.reconnects, made.status) == (1, "live")
        made.stop()


def test_peer_that_closes_at_once_is_retried_slowly(connect: Connect, until: Until) -> None:
    """A connection that is dropped at once counts as a failed attempt."""
    visits: list[float] = []

    def handler(peer: ServerConnection) -> None:
        visits.append(time.monotonic())
        peer.send(TICK)
        peer.close(1011, "out of order")

    with plain_server(handler) as url:
        made = connect(url)
        until(lambda: len(visits) >= 4)
        until(lambda: "(1011, out of order); trying again in" in made.status_detail)
        began = time.monotonic()
        count = len(visits)
        time.sleep(0.5)  # not for anything to happen, but to see how little does
        assert len(visits) - count < 20 * (time.monotonic() - began)
        assert made.status == "reconnecting"


def test_first_retry_is_immediate(connect: Connect, until: Until) -> None:
    """A server that restarts is found as soon as it is up."""
    server = tk.serve(None, port=0)
    made = connect(server.url)
    for price in range(5):
        server.publish({"symbol": "A", "price": price})
        until(lambda price=price: made.ticks() == price + 1)
        began = time.monotonic()
        server = tk.serve(None, port=server.port)
        until(lambda price=price: made.connection.reconnects == price + 1)
        assert time.monotonic() - began < 2
    assert made.connection.reconnects == 5


def closing(peer: ServerConnection) -> None:
    """Close with a reason that holds control characters."""
    peer.close(1011, PAINTED)


def complaining(peer: ServerConnection) -> None:
    """Send an error message that holds control characters."""
    peer.send(json.dumps({"type": "error", "code": "x", "message": PAINTED, "hint": PAINTED}))
    peer.recv()


def ticking(peer: ServerConnection) -> None:
    """Send an invalid tick whose price holds control characters."""
    peer.send(json.dumps({"symbol": "A", "price": PAINTED}))
    peer.recv()


V1 = {"subprotocols": ["tickerkit.v1"]}
HOSTILE: dict[str, Callable[[], contextlib.AbstractContextManager[str]]] = {
    "a close": lambda: plain_server(closing),
    "a close of v1": lambda: plain_server(closing, **V1),
    "an error of v1": lambda: plain_server(complaining, **V1),
    "a tick": lambda: plain_server(ticking),
    "a body": lambda: refusing(403, PAINTED),
    "a reason phrase": lambda: raw_server(f"HTTP/1.1 403 {PAINTED}\r\n\r\n".encode()),
    "a header": lambda: raw_server(f"HTTP/1.1 101 OK\r\n{PAINTED}: 1\r\n\r\n".encode()),
    "an Upgrade": lambda: raw_server(f"HTTP/1.1 101 OK\r\nUpgrade: {PAINTED}\r\n\r\n".encode()),
    "no HTTP": lambda: raw_server(f"{PAINTED}\r\n".encode()),
}


@pytest.mark.parametrize("way", HOSTILE)
def test_text_from_a_peer_is_shown_without_control_characters(
    way: str, caplog: pytest.LogCaptureFixture, until: Until
) -> None:
    """A peer can't colour a terminal, or begin a line in a log."""
    caplog.set_level(logging.DEBUG, "tickerkit")
    with HOSTILE[way]() as url, tk.connect(url) as feed:
        until(lambda: feed.stats["last_error"] or "trying again" in feed.status_detail)
        failure = feed._connection.failure
        shown = [feed.status_detail, feed.stats["last_error"], repr(feed), str(failure)]
    for record in caplog.records:
        if record.name.startswith("tickerkit"):
            shown += [record.getMessage(), *logging.Formatter().format(record).split("\n")]
    assert [text for text in shown if not text.isprintable()] == []
    assert any("title" in text for text in shown)


def test_invalid_ticks_of_a_plain_peer_are_refused(connect: Connect, until: Until) -> None:
    """The next message is read all the same."""
    messages: list[Any] = ["nonsense", b"\xff\xfe", "[]", "[1, 2]", TICK]

    def handler(peer: ServerConnection) -> None:
        for message in messages:
            peer.send(message)
        peer.recv()

    with plain_server(handler) as url:
        made = connect(url)
        until(lambda: made.ticks() == 1)
        made.stop()
    refused = [event.batch.refused for event in made.events if isinstance(event, Received)]
    assert refused == [1, 1, 0, 2, 0]


def test_protocol_violation_closes_the_connection(connect: Connect, until: Until) -> None:
    """A broken v1 message closes the connection with its close code, and is counted."""
    codes: list[int | None] = []

    def handler(peer: ServerConnection) -> None:
        peer.send('{"type": "ticks"}')
        try:
            peer.recv()
        except ConnectionClosed:
            codes.append(peer.close_code)

    with plain_server(handler, subprotocols=["tickerkit.v1"]) as url:
        made = connect(url)
        until(lambda: made.faults.count >= 2)
        made.stop()
    assert set(codes) == {1007}
    assert "the peer broke the protocol (1007)" in made.faults.last


def test_error_message_of_the_server_is_counted(connect: Connect, until: Until) -> None:
    """The text of the message is kept as the last error."""

    def handler(peer: ServerConnection) -> None:
        peer.send('{"type": "error", "code": "x", "message": "bad wish", "hint": "wish again"}')
        peer.recv()

    with plain_server(handler, subprotocols=["tickerkit.v1"]) as url:
        made = connect(url)
        until(lambda: made.faults.count)
        made.stop()
    assert made.faults.last == "the server reports: bad wish; wish again"


def test_connection_to_a_plain_server_is_live_at_once(connect: Connect, until: Until) -> None:
    """The peer need not send anything first."""
    with plain_server(lambda peer: peer.recv()) as url:
        made = connect(url)
        until(lambda: made.status == "live")
        made.stop()


# --- peers that say nothing, and machines that sleep ------------------------------------------


CHECK_S = 0.05


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check every 50 ms instead of every second; a server sends a message every 100 checks."""
    monkeypatch.setattr(connection, "CHECK_S", CHECK_S)
    monkeypatch.setattr(liveness, "MAX_QUIET_CHECKS", 200)


class Sleeps:
    """A suspend detector: the machine sleeps when `now` is set."""

    def __init__(self) -> None:
        self.now = False

    def was_suspended(self) -> bool:
        """Return whether it slept, once."""
        was, self.now = self.now, False
        return was


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("plain", [False, True], ids=["v1", "plain"])
def test_silent_peer_is_disconnected(plain: bool, connect: Connect, until: Until) -> None:
    """A cut cable closes nothing; ticks missed meanwhile arrive over the next connection."""
    server = tk.serve(None, port=0)
    with FaultProxy(server.url + ("ticks" if plain else "")) as proxy:
        made = connect(proxy.url)
        until(lambda: made.status == "live")
        proxy.stall()
        server.publish({"symbol": "A", "price": 1})
        until(lambda: made.status == "reconnecting")
        proxy.reset()
        proxy.stall(False)
        until(lambda: made.status == "live")
        if plain:  # gets only ticks that are published after the server has accepted it
            until(lambda: [server.publish({"symbol": "A", "price": 2}), made.ticks()][1])
        else:
            server.publish({"symbol": "A", "price": 2})
            until(lambda: made.ticks() == 2)


@pytest.mark.usefixtures("often")
def test_quiet_peer_stays_connected(connect: Connect, until: Until) -> None:
    """A peer that answers pings may be silent for any time."""
    with plain_server(lambda peer: list(peer)) as url:
        made = connect(url)
        until(lambda: made.status == "live")
        time.sleep(3 * connection.MAX_SILENT_CHECKS * CHECK_S)  # for something not to happen
        assert made.connection.reconnects == 0


def hang(rng: random.Random) -> Iterator[bytes]:
    """Send nothing: pings are answered, as by a proxy before a server that hangs."""
    yield hello()
    yield from pings_only(rng)


def pings_only(_: random.Random) -> Iterator[bytes]:
    """Send pings with data, as a server that hangs or a proxy may, and no message."""
    while True:
        time.sleep(CHECK_S / 5)
        yield frame(b"x" * 125, PING) * 10


def drip(_: random.Random) -> Iterator[bytes]:
    """Send a message byte by byte."""
    for byte in frame(b" " * 2**20):
        time.sleep(CHECK_S / 5)
        yield bytes([byte])


def trickle(rng: random.Random) -> Iterator[bytes]:
    """Send a large message slowly, but not too slowly, and then only pings."""
    large = hello(symbols=[f"{n:0100}" for n in range(9000)])
    for start in range(0, len(large), 20_000):
        time.sleep(CHECK_S / 2)
        yield large[start : start + 20_000]
    yield from pings_only(rng)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("rogue", [hang, pings_only, drip])
def test_server_that_sends_no_message_is_given_up(
    rogue: Rogue, connect: Connect, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of v1 promises messages: pings, their answers and single bytes are no life."""
    monkeypatch.setattr(liveness, "MAX_QUIET_CHECKS", 13)
    with RogueServer(rogue, is_v1=True) as server:
        made = connect(server.url)
        until(lambda: "the server sent no message for" in made.status_detail)
        until(lambda: server.connections > 1)
        made.stop()


@pytest.mark.usefixtures("often")
def test_large_message_may_take_long(
    connect: Connect, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a message makes progress, the connection stays, however slow the network is."""
    monkeypatch.setattr(liveness, "MAX_QUIET_CHECKS", 13)
    with RogueServer(trickle, is_v1=True) as server:
        made = connect(server.url)
        until(lambda: made.events)
        assert server.connections == 1
        made.stop()


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("is_v1", [True, False])
def test_message_that_is_always_too_large_fails_the_feed(
    is_v1: bool, connect: Connect, until: Until
) -> None:
    """The third time in a row the feed says so, instead of trying again for ever."""

    def rogue(_: random.Random) -> Iterator[bytes]:
        large = frame(b" " * 2_000_000) if is_v1 else b"\x81\x7f" + (2**25).to_bytes(8, "big")
        yield from (hello(), large) if is_v1 else (large,)
        threading.Event().wait(0.5)  # neither closes the connection nor reads

    with RogueServer(rogue, is_v1=is_v1) as server:
        made = connect(server.url)
        until(lambda: made.status == "failed", 30)
        assert "larger than" in made.connection.status_reason
        assert "larger than" in made.faults.last
        assert server.connections == connection.MAX_OVERSIZED


def test_large_message_after_ticks_does_not_fail_the_feed(connect: Connect, until: Until) -> None:
    """Each connection brings a tick: the feed goes on, and its status has the reason."""

    def handler(peer: ServerConnection) -> None:
        peer.send(TICK)
        peer.send(" " * (connection.MAX_PLAIN_MESSAGE_BYTES + 1))
        list(peer)

    with plain_server(handler) as url:
        made = connect(url)
        until(lambda: made.ticks() > connection.MAX_OVERSIZED, 30)
        until(lambda: "larger than 17 MB" in made.connection.status_reason)
        assert made.connection.failure is None
        made.stop()


@pytest.mark.usefixtures("often")
def test_client_that_was_blocked_keeps_its_connection(connect: Connect, until: Until) -> None:
    """A kernel that computed for half a minute first reads the messages that wait."""
    with plain_server(lambda peer: [peer.send(TICK), *peer]) as url:
        made = connect(url)
        until(lambda: made.status == "live")
        for _ in range(3):
            made._loop.call_soon_threadsafe(time.sleep, 2 * connection.MAX_SILENT_CHECKS * CHECK_S)
        done = threading.Event()
        made._loop.call_soon_threadsafe(done.set)
        done.wait()
        until(lambda: made.ticks() == 1)
        assert made.connection.reconnects == 0


@pytest.mark.usefixtures("often")
def test_dead_peer_is_disconnected_sooner_after_a_suspend(
    connect: Connect, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer has three checks to answer, not eight."""
    sleep = Sleeps()
    monkeypatch.setattr(liveness, "MAX_SILENT_CHECKS", 10**6)
    server = tk.serve(None, port=0)
    with FaultProxy(server.url) as proxy:
        made = connect(proxy.url, suspend_detector=sleep)
        until(lambda: made.status == "live")
        proxy.stall()
        sleep.now = True
        until(lambda: made.connection.reconnects == 0 and made.status == "reconnecting")
        assert "the server sent nothing" in made.status_detail


def test_live_peer_stays_connected_after_a_suspend(
    connect: Connect, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers the ping."""
    monkeypatch.setattr(connection, "CHECK_S", 4 * CHECK_S)
    sleep = Sleeps()
    server = tk.serve(None, port=0)
    made = connect(server.url, suspend_detector=sleep)
    until(lambda: made.status == "live")
    for price in range(6):
        sleep.now = True
        until(lambda: not sleep.now)
        server.publish({"symbol": "A", "price": price})
        until(lambda price=price: made.ticks() == price + 1)
    assert made.connection.reconnects == 0


@pytest.mark.usefixtures("often")
def test_suspend_ends_the_wait_for_the_next_attempt(
    connect: Connect, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop that wakes up reconnects at once."""
    monkeypatch.setattr(rotation.random, "uniform", lambda _, most: 600.0 if most else 0.0)
    sleep, port = Sleeps(), free_port()
    made = connect(f"ws://{LOCAL}:{port}/", suspend_detector=sleep)
    until(lambda: "trying again in 600.0 s" in made.status_detail)
    server = tk.serve(None, port=port)
    sleep.now = True
    until(lambda: made.status == "live")
    assert server.stats["clients"] == 1


def test_connection_fails_after_retry_for_seconds(connect: Connect, until: Until) -> None:
    """The failure has the problem of the last attempt."""
    made = connect(f"ws://{LOCAL}:{free_port()}/", retry_for=0.5)
    until(lambda: made.status == "failed")
    assert "no connection for 0.5 s: nothing listens there yet" in str(made.connection.failure)


def test_retry_for_starts_again_with_each_outage(
    connect: Connect, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It limits one outage, not the life of a feed."""
    server = tk.serve(None, port=0)
    made = connect(server.url, retry_for=1e9)
    until(lambda: made.status == "live")
    server.stop()
    until(lambda: made.connection._lost_at is not None)
    lost_at = made.connection._lost_at
    server = tk.serve(None, port=server.port)
    until(lambda: made.status == "live")
    server.stop()
    until(lambda: made.connection._lost_at not in (None, lost_at))


def test_retry_delay_ends_within_retry_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait does not go on past the end."""
    monkeypatch.setattr(rotation.random, "uniform", lambda _, most: most)
    addresses = Rotation([Address("ws://h/")])
    made = Connection(
        addresses, Client(), PlainClient(), lambda *_: None, ErrorLog("test"), retry_for=30
    )
    made._lost_at = 100.0
    addresses._rounds = 9
    assert [made._choose_delay_s(now) for now in (105.0, 127.0, 140.0)] == [10, 3, 0]


def test_retry_for_limits_the_wait_for_an_answer(connect: Connect, until: Until) -> None:
    """An attempt has at least a second."""
    with socket.create_server((LOCAL, 0)) as deaf:
        made = connect(f"ws://{LOCAL}:{deaf.getsockname()[1]}/", retry_for=0.1)
        until(lambda: made.status == "failed", 5)
        assert "no connection for 0.1 s: no answer within 1 s" in str(made.connection.failure)


def flood(listener: socket.socket) -> None:
    """Accept each connection, and send pings without ever reading the answers."""
    with contextlib.suppress(OSError):
        while True:
            peer, _ = listener.accept()
            with peer, contextlib.suppress(OSError):
                request = peer.recv(4096).decode()
                key = accept_key(request.partition("Sec-WebSocket-Key: ")[2].partition("\r")[0])
                peer.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + key.encode() + b"\r\n\r\n"
                )
                while True:
                    peer.sendall((b"\x89\x7d" + b"x" * 125) * 100)


def test_peer_that_reads_no_pongs_is_disconnected(
    connect: Connect, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unread answers don't fill the memory, and don't delay the end."""
    # Less than the real limit: a busy machine needs half a minute to fill 4 MiB with pongs.
    monkeypatch.setattr(liveness, "MAX_UNSENT_BYTES", 2**16)
    with socket.create_server((LOCAL, 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**14)
        thread = threading.Thread(target=flood, args=[listener], daemon=True)
        thread.start()
        made = connect(f"ws://{LOCAL}:{listener.getsockname()[1]}/")
        until(lambda: made.connection.reconnects >= 1, 30)
        made.stop()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_too_long_a_list_of_symbols_fails_the_connection(connect: Connect, until: Until) -> None:
    """Connecting again would not help."""
    with plain_server(lambda peer: peer.close(1009)) as url:
        made = connect(url)
        until(lambda: made.status == "failed")
        assert "name fewer" in str(made.connection.failure)


def test_restarting_server_is_retried_soon(
    connect: Connect, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After close code 1012, no delay is longer than half a second for ten seconds."""
    monkeypatch.setattr(rotation.random, "uniform", lambda _, most: most)
    with plain_server(lambda peer: peer.close(1012)) as url:
        made = connect(url)
        until(lambda: made.connection.reconnects >= 1)
    made.stop()
    addresses = made.connection._rotation
    addresses._rounds = 9
    assert addresses.advance(addresses._restarts_until - 1) == 0.5
    assert addresses.advance(addresses._restarts_until + 1) == 1


def test_server_of_another_version_fails_the_connection(connect: Connect, until: Until) -> None:
    """Connecting again would not help."""
    hello = '{"type":"hello","protocol":2,"epoch":"e","first":1,"next":1,"symbols":[],"columns":{}}'
    with plain_server(lambda peer: [peer.send(hello), *peer], subprotocols=["tickerkit.v1"]) as url:
        made = connect(url)
        until(lambda: made.status == "failed")
        assert "it speaks version 2, not 1" in str(made.connection.failure)


# --- several addresses ------------------------------------------------------------------------


def test_address_that_refuses_is_left_out(connect: Connect, until: Until) -> None:
    """A final refusal of one server ends nothing while another works; the error log names it."""
    with refusing(401) as closed, tk.serve(None, port=0) as server:
        made = connect([closed, server.url])
        until(lambda: made.status == "live")
        assert made.connection.url == server.url
        assert made.faults.last.startswith(f"{closed} is left out for 60 s: the server requires")
        assert made.faults.count == 0


def test_feed_fails_when_all_addresses_refuse(connect: Connect, until: Until) -> None:
    """The reason names each address with its own."""
    with refusing(401) as closed, refusing(404) as empty:
        made = connect([closed, empty])
        until(lambda: made.status == "failed")
        failure = made.connection.failure
        assert failure is not None
        assert failure.url == f"{closed},{empty}"
        assert failure.reason == (
            f"{closed}: the server requires a token; pass token= (HTTP 401); "
            f"{empty}: there is nothing at this path (HTTP 404)"
        )


def test_address_that_is_down_is_not_left_out(connect: Connect, until: Until) -> None:
    """While one address refuses for good, the other is retried until it comes up."""
    port = free_port()
    later = f"ws://{LOCAL}:{port}/"
    with refusing(403) as closed:
        made = connect([closed, later])
        until(lambda: made.connection.retry_in_s > 0)
        assert made.connection.status_reason == f"{later}: nothing listens there yet"
        with tk.serve(None, port=port):
            until(lambda: made.status == "live")
            made.stop()


@pytest.mark.parametrize("status", [502, 503, 504])
def test_answer_of_a_balancer_without_a_server_is_retried(
    status: int, connect: Connect, until: Until
) -> None:
    """Behind a balancer such an answer means that no server is ready now."""
    with refusing(status) as busy:
        made = connect([busy, busy])
        until(lambda: made.connection.retry_in_s > 0)
        assert made.status == "connecting"
        assert made.faults.last == ""


def test_relay_that_has_not_caught_up_is_retried(connect: Connect, until: Until) -> None:
    """Close code 1013 is not final, and the next address follows."""
    text = "this relay has not caught up"

    def close(peer: ServerConnection) -> None:
        peer.close(1013, text)

    protocols = [Subprotocol("tickerkit.v1")]
    with plain_server(close, subprotocols=protocols) as late, tk.serve(None, port=0) as server:
        made = connect([late, server.url])
        until(lambda: made.status == "live")
        assert made.connection.url == server.url
        alone = connect(late)
        until(lambda: text in alone.status_detail)
        until(lambda: alone.connection.reconnects > 3)


def test_other_server_is_refused_among_several_addresses(connect: Connect, until: Until) -> None:
    """A feed could not resume there; alone, such a server is fine."""
    with plain_server(lambda peer: peer.recv()) as plain, tk.serve(None, port=0) as server:
        made = connect([plain, server.url])
        until(lambda: made.status == "live")
        assert made.connection.url == server.url
        assert "not a server of tickerkit" in made.faults.last
        alone = connect([plain])
        until(lambda: alone.status == "live")
        alone.stop()


def test_address_of_a_stream_is_refused_with_what_to_call() -> None:
    """A feed reads servers; the stream of a broker is served first. No password is shown."""
    with pytest.raises(
        InvalidArgument, match=r"call tk\.serve\(url\) or tk\.live\(url\)"
    ) as caught:
        tk.connect("nats://user:sesame@host:4222/crypto")
    assert "sesame" not in str(caught.value)
