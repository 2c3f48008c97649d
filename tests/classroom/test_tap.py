"""Tap: every frame of a real connection is seen, held, changed and saved."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from cells import Kernel
from kosoku import FailureError, run_fuzzingclient
from peers import LOCAL, another_program, ask, dial, echo, free_port, handshake, plain_server
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection

import tickerkit as tk
from tickerkit.classroom import FaultProxy, Tap
from tickerkit.wire import CORRUPTIONS
from tickerkit.wire.notes import Judge

Until = Callable[..., None]
COLUMNS = [
    *["seq", "time", "link", "toward", "opcode", "fin", "rsv"],
    *["masked", "key", "length", "header", "payload", "note"],
]
TICK = {"symbol": "AAPL", "price": 1.0, "time": 1}


@pytest.fixture
def tap() -> Iterator[Tap]:
    """Put a tap on an echo server of websockets."""
    with plain_server(echo) as url, tk.tap(url) as tap:
        yield tap


def test_feed_through_a_tap_is_seen_whole(until: Until) -> None:
    """Handshake, frames of both directions, the addresses, and what the tables say."""
    with (
        tk.serve(None, port=0, token="sesame") as server,
        tk.tap(server) as tap,
        tk.connect(tap.url) as feed,
    ):
        server.publish([TICK])
        feed.wait(1)
        server.publish([{**TICK, "price": 2.0}])
        feed.wait(1)
        assert tap.url == server.url.replace(str(server.port), str(tap.port))
        page = server.page.replace(str(server.port), str(tap.port))
        assert tap.page == f"{page}&patience=60"
        assert ask(tap.port, "/?token=sesame")[2] == ask(server.port, "/?token=sesame")[2]
        until(lambda: tap.links["ended"].str.len().tolist()[1:] == [len("by the server")])

        frames = tap.frames()
        assert frames.columns.tolist() == COLUMNS
        assert frames["seq"].tolist() == list(range(1, len(frames) + 1))
        assert set(frames["toward"]) == {"client", "server"}
        assert frames["masked"].equals(frames["toward"] == "server")
        assert frames["note"].unique().tolist() == [""]
        assert (frames["length"] == frames["payload"].map(len)).all()
        assert json.loads(frames["payload"][0])["type"] == "hello"
        assert tap.frames(last=1)["seq"].tolist() == [len(frames)]
        assert len(tap.frames(link=1)) == len(frames)
        assert tap.frames(link=2).empty
        assert tap.frames(last=0).dtypes.equals(frames.dtypes)

        links = tap.links.set_index("link")
        assert links["status"].tolist() == [101, 200]
        assert links["path"].tolist() == ["/", "/?token=xxxxxx"]
        assert links.loc[1, "frames_to_client"] + links.loc[1, "frames_to_server"] == len(frames)
        request, answer = tap.handshake(link=1).split("\n\n")
        assert "Authorization: xxxxxx xxxxxx" in request
        assert answer.startswith("HTTP/1.1 101 Switching Protocols\n")
        assert "sesame" not in repr(tap) + tap.handshake() + str(tk.status())


def test_secrets_are_shown_only_when_asked_for() -> None:
    """The token of the handshake is there with secrets=True."""
    with tk.serve(None, port=0, token="sesame") as server, tk.tap(server, secrets=True) as tap:
        ask(tap.port, "/?token=sesame")
        assert "sesame" in tap.handshake()
        assert "sesame" in tap.links["path"][0]


def test_compression_is_not_asked_for_where_it_is_off() -> None:
    """The tap removes the header of the request, and says so; it holds from the next on."""
    with plain_server(echo, compression="deflate") as url, tk.tap(url, compression=False) as tap:
        with connect(tap.url, proxy=None) as peer:
            assert peer.response is not None
            assert "Sec-WebSocket-Extensions" not in peer.response.headers
            peer.send("plain")
            assert peer.recv(5) == "plain"
            assert tap.frames()["rsv"].tolist() == [0, 0]
            request, changes, _ = tap.handshake().split("\n\n")
            assert "Sec-WebSocket-Extensions: permessage-deflate" in request
            assert changes == "changed by the tap:\nsec-websocket-extensions: removed"
        tap.compression = True
        with connect(tap.url, proxy=None) as peer:
            assert peer.response is not None
            assert "permessage-deflate" in peer.response.headers["Sec-WebSocket-Extensions"]
        with pytest.raises(tk.TickerkitError, match="Invalid compression=1"):
            tap.compression = 1


def test_held_frames_are_stepped_and_run(until: Until) -> None:
    """A tap that begins with hold passes the handshake, then frame by frame."""
    with plain_server(echo) as url, tk.tap(url, hold=True) as tap, dial(tap.url) as peer:
        assert tap.status == "holding"
        for text in ("one", "two", "three"):
            peer.send(text)
        until(lambda: tap.links["held"].tolist() == [3])
        assert tap.step() == 1
        assert tap.step() == 1
        until(lambda: len(tap.frames()) == 2)
        assert tap.frames()["payload"].tolist() == [b"one", b"two"]
        assert "held for" in tap.frames()["note"][1]
        assert tap.run() == 1
        assert [peer.recv(5) for _ in range(3)] == ["one", "two", "three"]
        assert tap.status == "listening"


@pytest.mark.parametrize("kind", ["opcode", "utf8", "size"])
def test_corrupted_frame_ends_the_connection_with_its_code(
    tap: Tap, kind: str, until: Until
) -> None:
    """A real peer closes as the table says, and the tap shows what it did."""
    with dial(tap.url) as peer:
        assert tap.corrupt(kind, link=1) == 1
        peer.send("[1,2]")
        with pytest.raises(ConnectionClosed):
            peer.recv(5)
    until(lambda: tap.links["ended"][0])
    frames = tap.frames()
    assert frames["note"].str.contains("changed by the tap").sum() == 1
    (close,) = frames[(frames["opcode"] == 8) & (frames["toward"] == "server")]["payload"]
    assert int.from_bytes(close[:2], "big") == CORRUPTIONS[kind].close_code


def test_orders_reach_a_real_connection(tap: Tap, until: Until) -> None:
    """Fragments, messages, pings, delays and a trickle do not harm it; truncate ends it."""
    with dial(tap.url) as peer:
        tap.fragment(3)
        tap.trickle(40)
        tap.stall(0.01)
        tap.delay(0.001, jitter=0.001)
        peer.send("hello")
        assert peer.recv(5) == "hello"
        tap.delay(0)
        assert tap.send(b"\x00\x01") == 1
        assert peer.recv(5) == b"\x00\x01"
        tap.send("back", "server")
        assert peer.recv(5) == "back"
        tap.ping("client")
        tap.ping("server")
        until(lambda: tap.links[["ping_client_ms", "ping_server_ms"]].notna().all(axis=None))
        tap.truncate()
        peer.send("the end")
        with pytest.raises(ConnectionClosed):
            peer.recv(5)
    until(lambda: tap.links["ended"].tolist() == ["by the tap"])
    assert tap.frames()["opcode"].tolist()[1:4] == [1, 0, 0]
    assert "ended within this frame" in tap.frames()["note"].iloc[-1]


def test_close_and_drop_end_connections(tap: Tap, until: Until) -> None:
    """Both ends get the code, or a reset; `link` names one of several connections."""
    with dial(tap.url) as first, dial(tap.url) as second:
        for peer in (first, second):
            peer.send("a")
            peer.recv(5)
        assert tap.close(4000, "lesson over", link=1) == 1
        with pytest.raises(ConnectionClosed):
            first.recv(5)
        assert (first.close_code, first.close_reason) == (4000, "lesson over")
        until(lambda: tap.links["ended"].tolist() == ["by the tap; close 4000 by the tap", ""])
        assert tap.close(link=1) == 0
        assert tap.drop() == 1
        with pytest.raises(ConnectionClosed):
            second.recv(5)
        assert second.close_code == 1006


def test_connection_that_the_tap_closes_has_ended_by_the_tap(tap: Tap, until: Until) -> None:
    """Also if the server closes the TCP connection before the client has answered."""
    with handshake(tap.port, "/"):
        until(lambda: tap.links["status"].tolist() == [101])
        assert tap.close() == 1
        until(lambda: tap.links["ended"].tolist() != [""])
        assert tap.links["ended"].tolist() == ["by the tap; close 1000 by the tap"]


def test_client_that_leaves_during_a_stall_is_written_to_no_more(
    until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """What was held back for it is discarded, and asyncio has nothing to warn of."""
    with (
        tk.serve(tk.simulate("AAPL", rate=500, seed=1), port=0) as server,
        tk.tap(server) as tap,
    ):
        with connect(f"{tap.url}ticks", close_timeout=0.01) as client:
            client.recv()
            tap.stall(0.5)
        until(lambda: tap.links["ended"].tolist() != [""])
    assert [each.message for each in caplog.records if each.name == "asyncio"] == []


def test_encrypted_server_gets_the_host_that_it_expects(tmp_path: Path) -> None:
    """Between tap and server is TLS; Host is changed, and so is an Origin that is the tap's."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    seen: list[str] = []

    def note(peer: ServerConnection) -> None:
        assert peer.request is not None
        seen.extend([peer.request.headers["Host"], peer.request.headers["Origin"]])
        echo(peer)

    with plain_server(note, ssl=context) as url:
        place = url.removeprefix("ws://").replace(LOCAL, "localhost")
        with tk.tap(f"wss://{place}", ssl=tmp_path / "ca.pem") as tap:
            assert tap.url.startswith("ws://")
            with dial(tap.url, origin=f"http://{LOCAL}:{tap.port}") as peer:
                peer.send("hello")
                assert peer.recv(5) == "hello"
            shown = tap.handshake()
        assert seen == [place[:-1], f"https://{place[:-1]}"]
        assert f"Host: {LOCAL}:{tap.port}" in shown
        assert f"changed by the tap:\nhost: {place[:-1]}" in shown
        with tk.tap(f"wss://{place}") as tap, socket.create_connection((LOCAL, tap.port)) as sock:
            assert sock.recv(100) == b""
            assert "certificate" in tap._repr_html_()


def test_slow_receiver_slows_its_sender(until: Until) -> None:
    """What a client does not read is not collected in the tap."""
    with (
        plain_server(flood) as url,
        tk.tap(url, keep="1MB") as tap,
        handshake(tap.port, "/"),
    ):
        sizes: list[int] = []

        def is_still() -> bool:
            sizes.append(int(tap.links["bytes_to_client"].sum()))
            return len(sizes) > 3 and sizes[-1] == sizes[-4] > 0

        until(is_still)
        assert sizes[-1] < 30_000_000


def flood(peer: ServerConnection) -> None:
    """Send 40 MB, as fast as the client takes it."""
    with contextlib.suppress(ConnectionClosed):
        for _ in range(400):
            peer.send(bytes(100_000))


def test_saved_frames_can_be_read_by_any_program(tap: Tap, tmp_path: Path) -> None:
    """A line for each frame, with the names of the table; a file is not replaced unasked."""
    with dial(tap.url) as peer:
        peer.send("hé")
        peer.recv(5)
    path = tap.save(tmp_path / "lesson.jsonl")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert list(lines[0]) == [*COLUMNS, "text"]
    assert lines[0]["text"] == "hé"
    assert lines[0]["payload"] == "hé".encode().hex()
    assert lines[0]["time"].endswith("Z")
    assert lines[0]["key"] == tap.frames()["key"][0]
    with pytest.raises(tk.RecordingExists):
        tap.save(path)
    tap.save(path, mode="overwrite")
    assert tap.save(tmp_path / "lesson.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    entries = json.loads(tap.save(tmp_path / "lesson.har").read_bytes())["log"]["entries"]
    assert [len(entry["_webSocketMessages"]) for entry in entries] == [len(lines)]


def test_deflated_frames_are_shown_inflated() -> None:
    """The length is that on the wire; the payload is what the peer meant."""
    text = "deflated " * 50
    with plain_server(echo, compression="deflate") as url, tk.tap(url) as tap:
        from websockets.sync.client import connect

        with connect(tap.url, proxy=None) as peer:
            for _ in range(3):
                peer.send(text)
                assert peer.recv(5) == text
        frames = tap.frames()
        data = frames[frames["opcode"] == 1]
        assert data["payload"].tolist() == [text.encode()] * 6
        newest = tap.frames(last=2, link=1)
        assert newest["seq"].tolist() == frames["seq"].tolist()[-2:]
        assert newest["payload"].tolist() == frames["payload"].tolist()[-2:]
        assert (data["length"] < 50).all()
        assert (data["rsv"] == 4).all()


def test_fault_of_the_reader_ends_no_connection(
    tap: Tap, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """The bytes pass, and the card shows the error."""
    with dial(tap.url) as peer:
        peer.send("seen")
        assert peer.recv(5) == "seen"
        until(lambda: len(tap.frames()) == 2)
        monkeypatch.setattr(Judge, "judge", lambda *_: 1 / 0)
        peer.send("unseen")
        assert peer.recv(5) == "unseen"
        peer.send("more")
        assert peer.recv(5) == "more"
    assert "division by zero" in tap._repr_html_()
    assert len(tap.frames()) == 2


@pytest.mark.soak
def test_tap_changes_no_verdict_on_conformance() -> None:
    """The cases of the Autobahn suite end in the same way with a tap in between."""

    def verdicts(url: str) -> dict[str, tuple[str, str]]:
        try:
            ran = asyncio.run(run_fuzzingclient(url, None, ["9.*", "12.*", "13.*"], concurrency=8))
        except FailureError as error:
            ran = list(error.results)
        return {each.case_id: (str(each.result), str(each.result_close)) for each in ran}

    with plain_server(echo) as url, tk.tap(url) as tap:
        directly = verdicts(url)
        assert verdicts(tap.url) == directly
        assert len(directly) > 240
        assert tap.last_error == ""


def test_unreachable_server_is_named(until: Until) -> None:
    """The client's connection ends, and the table and the card say why."""
    with tk.tap(f"ws://{LOCAL}:{free_port()}/") as tap:
        with socket.create_connection((LOCAL, tap.port)) as sock:
            sock.settimeout(5)
            assert sock.recv(1) == b""
        until(lambda: tap.links["ended"].str.contains("could not be reached").all())
        assert "last error" in tap._repr_html_()


def test_taken_port_is_named() -> None:
    """The error is that of a server."""
    with another_program() as (_, port), pytest.raises(tk.PortTaken, match=str(port)):
        tk.tap("ws://127.0.0.1:1/", port=port)


def test_tap_is_shown_like_other_services(tap: Tap, until: Until) -> None:
    """It has a repr, a card and a row in tk.status, and can be looked at after its stop."""
    with dial(tap.url) as peer:
        peer.send("a")
        peer.recv(5)
        assert repr(tap).startswith(f"<Tap {tap.port} → {LOCAL}:")
        until(lambda: "2 frames" in tap._repr_html_())
        assert tk.status()["kind"].tolist() == ["tap"]
    tap.stop()
    tap.stop()
    assert tap.status == "stopped"
    assert tk.status().empty
    assert tap.frames()["payload"].tolist()[:2] == [b"a", b"a"]
    assert "stopped" in repr(tap)
    with pytest.raises(tk.Stopped, match=r"call tk\.tap again"):
        tap.ping()


def test_rerun_cell_replaces_the_tap(kernel: Kernel) -> None:
    """The new tap has the same port; a proxy in the same cell is another service."""
    url = f"ws://{LOCAL}:{free_port()}/"
    kernel.run("cell")
    first, proxy = tk.tap(url), FaultProxy(url).start()
    kernel.run("cell")
    second = tk.tap(url)
    assert (first.status, second.status, proxy.status) == ("stopped", "listening", "listening")
    assert second.port == first.port


def test_unknown_connection_is_refused(tap: Tap) -> None:
    """The error says where the numbers are."""
    for call in (tap.drop, tap.handshake):
        with pytest.raises(tk.InvalidArgument, match=r"Invalid link=7; expected .* tap\.links"):
            call(link=7)
    assert tap.handshake() == ""
    assert tap.links.empty
