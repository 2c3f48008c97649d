"""seat: a student's notebook joins a class by its address, with a name."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator

import pytest
from peers import LOCAL, ask, dial, free_port, receive

import tickerkit as tk
from tickerkit.classroom.room.room import Room
from tickerkit.classroom.room.seat import Seat

TICK = {"symbol": "AAPL", "price": 187.25}
URL = "ws://192.168.1.20:8000/ticks?token=otter42&name=ana"


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    """Open one class for all tests."""
    with tk.room(code="otter42", host=LOCAL, port=0, process=False) as running:
        yield running


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


def test_feed_and_tap_have_the_seats_name(room: Room, until: Callable[..., None]) -> None:
    """The class sees the name of a feed, and of a program that connects through the tap."""
    room.server.publish([TICK])
    seat = tk.join(room.page, name="ana")
    feed = seat.feed("AAPL", keep=1000)
    assert feed.wait(1, timeout=10).latest().index.tolist() == ["AAPL"]
    tap = seat.tap()
    with dial(tap.url) as peer:
        assert receive(peer)["name"] == "ana"
        assert room.server.clients["name"].tolist() == ["ana", "ana"]
        assert tap.frames()["opcode"].tolist()[0] == 1
    assert room.roster["name"].tolist() == ["ana"]


def test_status_is_what_the_class_says(room: Room) -> None:
    """The card shows it, with the links; before the first connection there is no seat."""
    seat = tk.join(room.page, name="Bob Ü")
    assert seat.status == "not in the class: connect a program first"
    with dial(seat.url) as peer:
        said = receive(peer)
        assert (seat.status, seat.tasks) == (said["status"], said["tasks"])
        card = seat._repr_html_()
    assert said["status"] in card
    assert f'href="{seat.page}"' in card


def test_card_has_the_tasks(room: Room, until: Callable[..., None]) -> None:
    """What is passed has a tick; what is not, the server's hint."""
    room.challenge()
    seat = tk.join(room.page, name="cem")
    with dial(seat.url):
        until(lambda: any(task["state"] == "passed" for task in seat.tasks))
        card = seat._repr_html_()
        texts = [task["hint"] for task in seat.tasks if task["state"] != "passed"]
    room.end_challenge()
    assert "1 Knock" in card
    assert "✓" in card
    assert len(texts) == 6
    assert all(html.escape(text) in card for text in texts)


def test_status_says_why_the_class_can_not_be_asked(room: Room) -> None:
    """A wrong code and a server that is not there are told apart, without an exception."""
    assert tk.join(f"{LOCAL}:{room.port}/ottr42", name="ana").status.startswith("not found")
    nobody = tk.join(f"{LOCAL}:{free_port()}/otter42", name="ana")
    assert nobody.status.startswith("not reached: Connection refused; see tickerkit doctor")
    assert nobody.tasks == []


def test_class_hands_out_programs_and_a_notebook(room: Room) -> None:
    """They have the address by which the student has come, the code, and the name."""
    status, headers, text = ask(room.port, "/otter42/starter.py?name=Bob%20%C3%9C")
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert f"ws://{LOCAL}:{room.port}/ticks?token=otter42&name=Bob%20%C3%9C" in text
    status, headers, text = ask(room.port, "/otter42/starter.ipynb?name=ana")
    assert (status, headers["content-type"]) == (200, "application/x-ipynb+json")
    assert f'tk.join(\\"{LOCAL}:{room.port}/otter42\\", name=\\"ana\\")' in text
    assert "localhost:80/ticks" in ask(room.port, "/otter42/starter.mjs", Host="localhost")[2]


@pytest.mark.parametrize("path", ["/ottr42/starter.py", "/otter42/nothing.py", "/starter.py"])
def test_class_hands_out_nothing_else(room: Room, path: str) -> None:
    """Another code, or another file, is not found or refused."""
    status, _, text = ask(room.port, path)
    assert status in (401, 403, 404)
    assert "token=otter42" not in text


def test_starter_notebook_runs_in_a_class(
    capsys: pytest.CaptureFixture[str], until: Callable[..., None]
) -> None:
    """Its cells, and the starter program of tickerkit, run as they are handed out."""
    with tk.room("sim:AAPL,MSFT", "otter42", host=LOCAL, port=0, process=False) as room:
        notebook = json.loads(ask(room.port, "/otter42/starter.ipynb?name=ana")[2])
        names: dict[str, object] = {}
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                exec(compile(cell["source"], "starter.ipynb", "exec"), names)
        seat = names["seat"]
        assert isinstance(seat, Seat)
        assert seat.status == "connected, 0 behind"
        assert room.roster["name"].tolist() == ["ana"]
        capsys.readouterr()
        program = ask(room.port, "/otter42/with_tickerkit.py?name=bob")[2]
        exec(compile(program, "with_tickerkit.py", "exec"), {})
        assert "AAPL" in capsys.readouterr().out
        until(lambda: room.roster["name"].tolist() == ["ana", "bob"])
        tk.stop_all()
