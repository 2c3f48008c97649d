"""Any websocket that sends JSON, as a source (tk.websocket) and as a feed (tk.connect(fields=))."""

from __future__ import annotations

import gzip
import json
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from peers import free_port
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidUpgrade, SecurityError
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

import tickerkit as tk
from tickerkit.sources.messages import describe_error
from tickerkit.testing import FakeVenue

Until = Callable[..., None]

FIELDS = {"rows": "data[]", "symbol": "s", "price": "p", "size": "v", "time": "T:ms"}


def rows(*prices: object, symbol: str = "BTC") -> str:
    """Return a message with a row for each price."""
    return json.dumps(
        {"data": [{"s": symbol, "p": price, "v": "1", "T": 1723161255342} for price in prices]}
    )


class Foreign:
    """A websocket of somebody's, whose handler a test chooses.

    Attributes:
        url: its address.
        received: the messages that clients have sent, over all connections.
    """

    def __init__(self, server: Server) -> None:
        self.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/stream?key=sesame"
        self.received: list[Any] = []


@contextmanager
def foreign(
    handle: Callable[[ServerConnection, Callable[[], Any]], None], **options: Any
) -> Iterator[Foreign]:
    """Run a websocket; `handle` gets the connection, and a function that takes a message."""

    def run(connection: ServerConnection) -> None:
        def take() -> Any:
            running.received.append(json.loads(connection.recv()))
            return running.received[-1]

        try:
            handle(connection, take)
        except ConnectionClosed:
            return

    with serve(run, "127.0.0.1", 0, **options) as server:
        running = Foreign(server)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()


def idle(connection: ServerConnection) -> None:
    """Wait until the client closes the connection."""
    for _ in connection:
        pass


def test_feed_reads_a_websocket_by_its_map() -> None:
    """It subscribes, takes the rows, refuses a wrong one by name, and counts what has no row."""

    def handle(connection: ServerConnection, take: Callable[[], Any]) -> None:
        connection.send(json.dumps({"event": "subscribed", "to": take()}))
        connection.send(rows("100.5", "x", 101))
        connection.send(gzip.compress(rows(102).encode()))
        idle(connection)

    with (
        foreign(handle) as server,
        tk.connect(server.url, subscribe={"op": "on"}, fields=FIELDS) as feed,
    ):
        frame = feed.wait(3).frame()
        assert frame["price"].tolist() == [100.5, 101.0, 102.0]
        assert frame["size"].tolist() == [1.0] * 3
        assert frame["time"].iloc[0].isoformat() == "2024-08-08T23:54:15.342000+00:00"
        assert server.received == [{"op": "on"}]
        assert feed.stats["refused"] == 1
        assert "price is not a number: 'x'" in feed.stats["last_error"]
        assert feed.stats["unknown"] == {'{event: "subscribed", to}': 1}
        assert feed.fields == FIELDS
        assert "sesame" not in repr(feed) + feed._repr_html_() + str(feed.stats)


def test_a_break_is_a_gap_and_the_feed_subscribes_again() -> None:
    """What was sent meanwhile can't be known."""

    def handle(connection: ServerConnection, take: Callable[[], Any]) -> None:
        take()
        connection.send(rows(1))

    with foreign(handle) as server, tk.connect(server.url, subscribe="{}", fields=FIELDS) as feed:
        feed.wait(3)
        gaps = feed.gaps
        assert len(gaps) >= 2
        assert gaps["to"].isna().all()
        assert gaps["reason"].str.contains("the connection closed").all()
        assert len(server.received) >= 3


def test_source_serves_what_a_websocket_sends(tmp_path: Path) -> None:
    """Its map may be in a file, and only some symbols wanted."""

    def handle(connection: ServerConnection, take: Callable[[], Any]) -> None:
        connection.send(rows(1, 2))
        connection.send(rows(3, symbol="ETH"))
        idle(connection)

    path = tmp_path / "map.toml"
    path.write_text('rows = "data[]"\nsymbol = "s"\nprice = "p"\n', encoding="utf-8")
    with foreign(handle) as there:
        source = tk.websocket(there.url, fields=path, symbols="ETH")
        with tk.serve(source, port=0) as server, tk.connect(server.url, history=None) as feed:
            assert feed.wait(1).frame()["symbol"].tolist() == ["ETH"]
        assert "sesame" not in repr(source)


@pytest.mark.parametrize(
    "text",
    [b"rows = ", b"rows = '\xff'", b"rows = " + b"[" * 5000, b"rows = " + b"9" * 5000],
    ids=["half", "not UTF-8", "nested", "long"],
)
def test_file_that_is_no_toml_is_refused(text: bytes, tmp_path: Path) -> None:
    """Whatever makes the reader of TOML stop."""
    path = tmp_path / "map.toml"
    path.write_bytes(text)
    with pytest.raises(tk.InvalidArgument, match="a TOML file"):
        tk.websocket("wss://host", fields=path)


def test_source_with_a_map_can_be_sent_to_another_process() -> None:
    """`tk.serve(process=True)` does so; the map is compiled again there."""
    copy = pickle.loads(cloudpickle.dumps(tk.websocket("ws://127.0.0.1:1/", fields=FIELDS)))
    [batch] = copy.machine.receive([rows(1, 2)]).batches
    assert batch.count == 2
    assert copy.fields == FIELDS


def test_pings_are_sent_and_a_greeting_is_waited_for() -> None:
    """Some servers demand both; an answer that is to be ignored is not unknown."""
    asked: list[Any] = []

    def handle(connection: ServerConnection, take: Callable[[], Any]) -> None:
        connection.send('{"type": "welcome"}')
        asked.append(take())
        while take() == {"op": "ping"}:
            connection.send('{"op": "pong"}')
            connection.send(rows(1))

    with (
        foreign(handle) as server,
        tk.connect(
            server.url,
            subscribe={"op": "on"},
            fields=FIELDS,
            wait_for={"type": "welcome"},
            ping={"op": "ping"},
            ping_every_s=0.1,
            ignore={"op": "pong"},
        ) as feed,
    ):
        feed.wait(3)
        assert asked == [{"op": "on"}]
        assert feed.stats["unknown"] == {}


def test_silent_server_is_connected_to_again(until: Until) -> None:
    """Only where the caller says how long silence may last."""
    connections: list[int] = []

    def handle(connection: ServerConnection, take: Callable[[], Any]) -> None:
        connections.append(1)
        idle(connection)

    with foreign(handle) as server, tk.connect(server.url, fields=FIELDS, silent_s=1) as feed:
        until(lambda: len(connections) >= 2)
        until(lambda: feed.stats["reconnects"] >= 1)


def test_refused_connection_is_told_in_words(until: Until) -> None:
    """The status says what the server answered; the key of the address is not shown."""

    def refuse(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS, "not here")

    with (
        foreign(lambda *_: None, process_request=refuse) as server,
        tk.connect(server.url, fields=FIELDS) as feed,
    ):
        until(lambda: feed.status_reason)
        expected = "the server answered HTTP 451; it may not serve your region"
        assert feed.status_reason == expected
        assert expected in feed.status_detail
        assert "sesame" not in feed.status_detail


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TimeoutError(), "no answer within 10 s"),
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (OSError(-2, "Name or service not known"), "name or service not known"),
        (InvalidUpgrade("Upgrade", "none"), "invalid Upgrade header: none"),
        (ValueError("no ws://host/?key=sesame here"), "an error of type ValueError"),
    ],
)
def test_error_is_described_without_addresses(error: Exception, text: str) -> None:
    """They may contain keys."""
    assert describe_error(error) == text


def test_redirection_is_followed_only_without_headers(until: Until) -> None:
    """With headers, it would send a key to another host."""
    seen: list[Headers] = []

    def handle(connection: ServerConnection, take: Callable[[], Any]) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers)
        connection.send(rows(1))
        idle(connection)

    with foreign(handle) as there:

        def redirect(connection: ServerConnection, request: Request) -> Response:
            return Response(307, "Moved", Headers(Location=there.url, Content_Length="0"))

        with foreign(handle, process_request=redirect) as here:
            source = tk.websocket(here.url, fields=FIELDS, headers={"X-Api-Key": "k-0815-4711"})
            with tk.serve(source, port=0):
                until(lambda: "HTTP 307, a redirection" in source.status_reason)
            assert seen == []
            with tk.serve(tk.websocket(here.url, fields=FIELDS), port=0) as server:
                until(lambda: server.stats["ticks"] == 1)


def test_address_that_is_not_followed_is_not_shown() -> None:
    """It may have the key."""
    error = SecurityError("cannot follow redirect to non-secure URI ws://host/?key=sesame")
    assert describe_error(error) == "an error of type SecurityError"


@pytest.mark.parametrize(
    "message",
    [
        "no JSON: k-0815-4711",
        json.dumps({"data": [{"s": "BTC", "p": "k-0815-4711"}]}),
        json.dumps({"data": [{"s": "BTC", "p": ["k-0815-4711"]}]}),
        json.dumps({"data": [{"s": "BTC", "p": "x" * 70 + "k-0815-4711"}]}),
    ],
)
def test_key_that_the_server_repeats_is_not_in_errors(message: str, until: Until) -> None:
    """Neither whole, nor where a long text is cut off."""

    def handle(connection: ServerConnection, take: Callable[[], Any]) -> None:
        take()
        connection.send(message)
        connection.send(rows(1))
        idle(connection)

    with foreign(handle) as there:
        login = {"op": "auth", "key": "k-0815-4711"}
        with tk.serve(tk.websocket(there.url, login, FIELDS), port=0) as server:
            until(lambda: server.stats["ticks"] == 1 and server.stats["refused"] == 1)
            assert "k-0815" not in f"{server.stats}{server!r}"


def test_websocket_that_is_not_reached_is_the_last_error_of_its_server(until: Until) -> None:
    """A feed of its own shows it as its status only."""
    url, sub = f"ws://127.0.0.1:{free_port()}", {"op": "on"}
    with tk.serve(tk.websocket(url, sub, FIELDS), port=0) as server:
        until(lambda: "can't connect: connection refused" in server.stats["last_error"])
    with tk.connect(url, subscribe=sub, fields=FIELDS) as feed:
        until(lambda: feed.status_reason == "connection refused")
        assert (feed.stats["refused"], feed.stats["last_error"]) == (0, "")


def test_wait_timeout_has_the_messages_that_a_map_does_not_name(until: Until) -> None:
    """A wrong path leaves no other trace: the connection is live."""

    def handle(connection: ServerConnection, take: Callable[[], Any]) -> None:
        take()
        connection.send(rows(1, 2))
        connection.send(rows(3))
        idle(connection)

    wrong = FIELDS | {"rows": "date[]"}
    with (
        foreign(handle) as server,
        tk.connect(server.url, subscribe={"op": "on"}, fields=wrong) as feed,
    ):
        until(lambda: feed.stats["unknown"] == {"{data}": 2})
        text = re.escape('2 messages came without a tick, most like {data}; see feed.stats["unk')
        with pytest.raises(tk.WaitTimeout, match=text):
            feed.wait(timeout=0)


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_address_without_a_websocket_scheme_is_completed(scheme: str) -> None:
    """As for a tickerkit server; a venue in another place is found, too."""

    def handle(connection: ServerConnection, take: Callable[[], Any]) -> None:
        take()
        connection.send(rows(1))
        idle(connection)

    with foreign(handle) as server:
        url = server.url.replace("ws://", scheme)
        with tk.connect(url, subscribe={"op": "on"}, fields=FIELDS) as feed:
            assert len(feed.wait().frame()) == 1
    with FakeVenue("kraken", ["BTC/USD"]) as fake:
        url = fake.url.replace("ws://", scheme)
        with tk.live(tk.venue("kraken", "BTC/USD", url=url, rest=fake.rest)) as feed:
            feed.wait()
