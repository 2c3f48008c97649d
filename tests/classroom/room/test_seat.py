"""seat: a student's notebook joins a class by its address, with a name."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from peers import LOCAL, dial, free_port, receive

import tickerkit as tk

TICK = {"symbol": "AAPL", "price": 187.25}
URL = "ws://192.168.1.20:8000/ticks?token=otter42&name=ana"
TASK = {"number": 1, "title": "knock", "state": "passed", "hint": ""}


class SeatPages(BaseHTTPRequestHandler):
    """Answers as the server of a class does."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        name = parse_qs(parts.query).get("name", [""])[0]
        text = json.dumps({"name": name, "status": f"{name}: connected", "tasks": [TASK]})
        self.send_response(200 if parts.path == "/otter42/seat" else 404)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def pages() -> Iterator[str]:
    """Run a server that answers about seats; yield its host and port."""
    with ThreadingHTTPServer((LOCAL, 0), SeatPages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"{LOCAL}:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "address",
    [
        "192.168.1.20:8000/otter42",
        "http://192.168.1.20:8000/otter42",
        "http://192.168.1.20:8000/otter42/",
        "ws://192.168.1.20:8000/ticks?token=otter42",
        "ws://192.168.1.20:8000/?token=otter42&name=bob",
    ],
)
def test_each_form_of_the_address_joins(address: str) -> None:
    """Whatever the teacher's board shows can be typed or pasted."""
    seat = tk.join(address, name="ana")
    assert (seat.url, seat.page, seat.name) == (URL, "http://192.168.1.20:8000/otter42", "ana")


def test_name_may_be_in_the_address_or_missing() -> None:
    """Without a name the student is a guest; a server without a token needs no code."""
    assert tk.join(URL).name == "ana"
    guest = tk.join("192.168.1.20:8000")
    assert (guest.name, guest.url) == ("", "ws://192.168.1.20:8000/ticks")
    assert "guest" in repr(guest)


def test_name_with_other_signs_is_encoded() -> None:
    """The address for programs has no space in it."""
    seat = tk.join("192.168.1.20:8000/otter42", name=" Ana & Ü ")
    assert seat.name == "Ana & Ü"
    assert seat.url.endswith("&name=Ana%20%26%20%C3%9C")


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        (("https://192.168.1.20:8000/otter42",), "address"),
        (("192.168.1.20:8000/a/b",), "address"),
        (("",), "address"),
        ((7,), "address"),
        (("192.168.1.20:8000/otter42", "a" * 33), "name"),
        (("192.168.1.20:8000/otter42", "a\tb"), "name"),
        (("192.168.1.20:8000/otter42", 7), "name"),
    ],
)
def test_invalid_arguments_are_refused(arguments: tuple[object, ...], argument: str) -> None:
    """The error names the argument, and what it should be."""
    with pytest.raises(tk.InvalidArgument) as caught:
        tk.join(*arguments)  # type: ignore[arg-type]
    assert caught.value.argument == argument


def test_feed_and_tap_have_the_seats_name() -> None:
    """The server sees the name of a feed, and of a program that connects through the tap."""
    with tk.serve(None, port=0, token="otter42") as server:
        server.publish([TICK])
        seat = tk.join(f"{LOCAL}:{server.port}/otter42", name="ana")
        feed = seat.feed("AAPL", keep=1000)
        assert feed.wait(1, timeout=10).latest().index.tolist() == ["AAPL"]
        tap = seat.tap()
        with dial(tap.url) as peer:
            server.publish([TICK])
            assert receive(peer)[0]["symbol"] == "AAPL"
            assert server.clients["name"].tolist() == ["ana", "ana"]
        assert tap.frames()["opcode"].tolist()[0] == 1


def test_status_is_what_the_server_says(pages: str) -> None:
    """The card shows it, with the links."""
    seat = tk.join(f"{pages}/otter42", name="Ana Ü")
    assert seat.status == "Ana Ü: connected"
    assert seat.tasks == [TASK]
    card = seat._repr_html_()
    assert "Ana Ü: connected" in card
    assert f'href="{seat.page}"' in card


def test_status_says_why_the_server_can_not_be_asked(pages: str) -> None:
    """A wrong code and a server that is not there are told apart, without an exception."""
    assert tk.join(f"{pages}/ottr42", name="ana").status.startswith("not found")
    nobody = tk.join(f"{LOCAL}:{free_port()}/otter42", name="ana")
    assert nobody.status.startswith("not reached: Connection refused; see tickerkit doctor")
    assert nobody.tasks == []
