"""extension: what an extension adds to a server, wherever the server's connections are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from extensions import Recorder, serve_extended
from peers import ask, dial, handshake, receive
from websockets.datastructures import Headers

import tickerkit as tk
from tickerkit.errors import InvalidArgument, Stopped
from tickerkit.net.round_trips import RoundTrips
from tickerkit.server.client_facts import find_program, read_name

Until = Callable[..., None]

TICK = {"symbol": "AAPL", "price": 187.25}


@pytest.fixture(scope="module")
def server() -> Iterator[tk.TickServer]:
    """Return a server in a thread, which the tests of this module share."""
    with serve_extended(Recorder()) as running:
        yield running


@pytest.mark.parametrize("process", [False, pytest.param(True, marks=pytest.mark.process)])
def test_extension_is_called_where_the_connections_are(process: bool, until: Until) -> None:
    """It answers paths, takes clients and messages, and executes the owner's commands."""
    server = serve_extended(Recorder(), process=process)
    with server:
        assert ask(server.port, "/hello")[2] == "hi"
        with dial(f"{server.url}ticks?name=ana", user_agent_header="curl/8.5") as peer:
            assert receive(peer) == {"type": "welcome", "name": "ana"}
            until(lambda: server.execute("calls")[:2] == ["begin", "admit ana"])
            server.publish(TICK)
            assert receive(peer)[0]["price"] == TICK["price"]
            assert server.execute("tell", {"type": "note", "text": "look up"}) == [True]
            assert receive(peer) == {"type": "note", "text": "look up"}
            server.execute("ping")
            until(lambda: server.execute("pings")[0] is not None)
            peer.send("!ben")
            until(lambda: list(server.clients["name"]) == ["ben"])
            (row,) = server.clients.to_dict("records")
            assert (row["program"], row["messages"], row["status"]) == ("curl", 1, "live")
            assert row["ping_ms"] > 0
        until(lambda: "remove ben" in server.execute("calls"))
        assert server.execute("closed") == [1000]
        until(lambda: "check" in server.execute("calls"))
        posted: list[object] = []
        server.on_post = posted.append
        assert server.execute("post", "one", {"two": 2}) == 2
        # They come before the answer.
        assert posted == ["one", {"two": 2}]
        with pytest.raises(InvalidArgument, match="dance"):
            server.execute("dance")
    with pytest.raises(Stopped):
        server.execute("calls")


def test_extension_is_told_of_the_end_after_its_clients() -> None:
    """Each client is removed with the code of its end first."""
    recorder = Recorder()
    with serve_extended(recorder) as server, dial(server.url + "ticks") as peer:
        receive(peer)
        server.stop()
        assert recorder.calls == ["begin", "admit ", "remove ", "end"]
    assert recorder.closed == [1001]


def test_fault_of_an_extension_harms_no_client(server: tk.TickServer) -> None:
    """It is counted, and the server answers as if the extension had not been asked."""
    assert ask(server.port, "/fault")[0] == 404
    assert "a fault of the extension" in server.stats["last_error"]


def test_message_that_the_extension_leaves_goes_to_the_session(server: tk.TickServer) -> None:
    """A subscribe message, or one that nobody takes, is answered as without an extension."""
    with dial(server.url + "ticks") as peer:
        receive(peer)
        peer.send("hello")
        assert receive(peer)["code"] == "bad-message"


def test_object_is_refused_for_a_client_of_v1(server: tk.TickServer, until: Until) -> None:
    """A feed and the page speak a protocol that has no such message."""
    with dial(server.url, subprotocols=["tickerkit.v1"]) as peer:
        assert receive(peer)["type"] == "hello"
        until(lambda: server.execute("tell", {"type": "note"}) == [False])


def test_object_is_refused_while_many_wait(server: tk.TickServer, until: Until) -> None:
    """A client that reads nothing costs a bounded amount of memory."""
    with handshake(server.port):
        until(lambda: server.stats["clients"] == 1)
        text = "x" * 100_000
        until(lambda: server.execute("tell", {"type": "note", "text": text}) == [False])


def test_broken_connection_has_code_1006(server: tk.TickServer, until: Until) -> None:
    """TCP has ended without a close frame."""
    before = len(server.execute("closed"))
    with handshake(server.port):
        until(lambda: server.stats["clients"] == 1)
    # A connection of the test before may end meanwhile.
    until(lambda: 1006 in server.execute("closed")[before:])


@pytest.mark.parametrize(
    ("agent", "program"),
    [
        ("Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0", "Edge"),
        ("Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/142.0 Safari/537.36", "Chrome"),
        ("Mozilla/5.0 (iPhone) AppleWebKit/605 Version/18.0 Mobile Safari/604.1", "Safari"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox"),
        ("Python/3.12 websockets/16.0", "websockets"),
        ("tickerkit", "tickerkit"),
        ("node", "node"),
        ("<b>curl</b>", "?"),
        (None, "?"),
    ],
)
def test_program_is_named_by_its_user_agent(agent: str | None, program: str) -> None:
    """Browsers name several programs; of others, the first word is shown."""
    headers = Headers() if agent is None else Headers({"User-Agent": agent})
    assert find_program(headers) == program


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/ticks?name=ana", "ana"),
        ("/ticks?token=x&name=Zo%C3%AB%20K.", "Zoë K."),
        ("/ticks?name=%0aa%1b%5b31m%E2%80%AEb++c", "a [31m b c"),
        ("/ticks?name=" + "x" * 40, "x" * 32),
        ("/ticks?name=%ff", "\ufffd"),
        ("/ticks", ""),
    ],
)
def test_name_of_a_client_can_be_shown(path: str, name: str) -> None:
    """It is one line of at most 32 printable characters, whatever the request has."""
    assert read_name(path) == name


def test_round_trip_is_that_of_the_pong_with_the_same_number() -> None:
    """A pong answers the pings before it too; others are ignored."""
    trips = RoundTrips()
    first, second, third = trips.send(1.0), trips.send(2.0), trips.send(3.0)
    for payload in (b"", b"hello", bytes(4)):
        trips.receive(payload, 3.0)
    assert trips.newest_s is None
    trips.receive(second, 2.25)
    assert trips.newest_s == 0.25
    trips.receive(first, 9.0)
    assert trips.newest_s == 0.25
    trips.receive(third, 3.5)
    assert trips.newest_s == 0.5


def test_pings_without_pongs_are_kept_in_bounded_number() -> None:
    """The oldest is forgotten."""
    trips = RoundTrips()
    first = trips.send(0.0)
    for second in range(1, 100):
        newest = trips.send(float(second))
    trips.receive(first, 100.0)
    assert trips.newest_s is None
    trips.receive(newest, 100.0)
    assert trips.newest_s == 1.0
