"""Projector: the panel of a tap without a notebook, served to browsers of this machine only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from peers import LOCAL, ask, dial, echo, plain_server, receive_all
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

import tickerkit as tk
from tickerkit.classroom import Tap
from tickerkit.classroom.projector import projector
from tickerkit.errors import Stopped

Until = Callable[..., None]
HERE = {"kind": "here", "page": "a", "from": 1}


@pytest.fixture
def tap() -> Iterator[Tap]:
    """Put a tap on an echo server of websockets, and send a message through it."""
    with plain_server(echo) as url, tk.tap(url) as tap, dial(tap.url) as peer:
        peer.send("hi")
        peer.recv(5)
        yield tap


def open_page(tap: Tap, **options: Any) -> ClientConnection:
    """Connect as the page does."""
    return dial(tap.projector.replace("http", "ws") + "socket", **options)


def tell(page: ClientConnection, message: object) -> None:
    """Send a message as the page does."""
    page.send(json.dumps(message))


def receive(page: ClientConnection, kind: str) -> Any:
    """Return the next message of a kind; of one with buffers, also those."""
    while True:
        data = page.recv(5)
        head, _, rest = (data if isinstance(data, bytes) else data.encode()).partition(b"\n")
        message = json.loads(head)
        if message["kind"] == kind:
            return (message, rest) if isinstance(data, bytes) else message


def test_each_browser_gets_the_frames_from_its_own_position(tap: Tap) -> None:
    """Two browsers both get all rows, may ask for a frame whole, and give orders."""
    with open_page(tap) as first, open_page(tap) as second:
        for page in (first, second):
            tell(page, HERE)
            message = receive(page, "frames")
            assert [bytes.fromhex(row[7]) for row in message["rows"]] == [b"hi", b"hi"]
        tell(first, {"kind": "ask", "seq": 1})
        message, buffers = receive(first, "payload")
        assert (message["seq"], message["sizes"], buffers) == (1, [2, 2], b"hihi")
        order = {"kind": "order", "id": "b-1", "name": "hold", "arguments": {}}
        tell(second, order)
        assert receive(second, "answer")["text"] == "Hold: given to 1 connection."
        assert receive(first, "frames")["state"]["status"] == "holding"
        for nonsense in ("{", '"hold"', "[]"):
            first.send(nonsense)
        tell(first, {**order, "name": "stop"})
        tell(first, {**order, "name": "run"})
        assert receive(first, "answer")["text"] == "Run: given to 1 connection."


def test_the_page_is_served_to_this_machine_only(tap: Tap) -> None:
    """Its files have a policy; names and pages of other machines are refused."""
    port = int(tap.projector.rpartition(":")[2].strip("/"))
    assert tap.projector == f"http://{LOCAL}:{port}/"
    for path in ("/?size=20", "/panel/panel.js", "/projector/projector.css"):
        status, headers, body = ask(port, path)
        assert (status, bool(body)) == (200, True)
        assert "default-src 'none'" in headers["content-security-policy"]
    assert ask(port, "/panel.py")[0] == 404
    assert ask(port, "/", Host="evil.example")[0] == 403
    with pytest.raises(InvalidStatus, match="403"):
        open_page(tap, origin="http://evil.example")


def test_only_so_many_browsers_are_served(tap: Tap, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused until another has gone."""
    monkeypatch.setattr(projector, "MAX_BROWSERS", 1)
    with open_page(tap), pytest.raises(InvalidStatus, match="503"):
        open_page(tap)


def test_a_browser_that_reads_slowly_gets_fewer_messages(
    tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent while too much waits for it; then it gets all that has passed."""
    monkeypatch.setattr(projector, "MAX_UNSENT_BYTES", -1)
    with open_page(tap) as page, dial(tap.url) as peer:
        tell(page, HERE)
        peer.send("ho")
        peer.recv(5)
        with pytest.raises(TimeoutError):
            page.recv(0.2)
        monkeypatch.setattr(projector, "MAX_UNSENT_BYTES", 2**20)
        message = receive(page, "frames")
        assert (message["start"], message["stop"], len(message["rows"])) == (1, 5, 4)


def test_the_projector_ends_with_its_tap_and_comes_back_with_the_cell(tap: Tap) -> None:
    """After a stop its port is free; the tap that replaces another has it at once."""
    address = tap.projector
    assert tap.projector == address
    with open_page(tap) as page:
        tap.stop()
        receive_all(page)
        assert page.close_code == 1001
    with pytest.raises(Stopped, match=r"call tk\.tap again"):
        _ = tap.projector
    port = int(address.rpartition(":")[2].strip("/"))
    with pytest.raises(OSError, match="refused"):
        ask(port, "/")
    again = Tap(
        tap._parts,
        tap._target,
        LOCAL,
        0,
        keep_bytes=10**6,
        is_held=False,
        shows_secrets=False,
        has_page=False,
    )
    again._replace(tap)
    with again.start():
        assert ask(port, "/")[0] == 200
        assert again.projector == address
