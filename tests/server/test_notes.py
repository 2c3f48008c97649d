"""notes: texts that the owner of a server and its clients send to everybody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from peers import dial, receive
from websockets.sync.client import ClientConnection

import tickerkit as tk
from tickerkit.errors import InvalidArgument, Stopped
from tickerkit.protocol.messages import Error, Note
from tickerkit.server.notes import MAX_NOTE_CHARACTERS, Notes

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Until = Callable[..., None]


class Client:
    """A client with a name, as far as notes need one."""

    def __init__(self, name: str) -> None:
        self.name = name


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def note(text: str) -> str:
    """Return the message of a note."""
    return json.dumps({"type": "note", "text": text})


def read(notes: Notes, client: Client, data: str | bytes) -> Note | Error | None:
    """Return what becomes of a message."""
    return notes.read(cast("Any", client), data)


def test_note_is_one_line_with_the_name_of_its_sender() -> None:
    """Control characters, which a terminal would obey, are left out."""
    ana = Client("ana")
    assert read(Notes(), ana, note(" look\x1b[2J\nup \u202e ")) == Note("look [2J up", "ana")
    assert read(Notes(), ana, note("x" * MAX_NOTE_CHARACTERS)) == Note("x" * 500, "ana")


@pytest.mark.parametrize(
    "data",
    [
        *(note(""), note(" \n"), note("x" * (MAX_NOTE_CHARACTERS + 1))),
        *('{"type": "note"}', '{"type": "note", "text": 5}', '{"type": "note", "text": null}'),
    ],
)
def test_invalid_note_is_answered_with_the_fix(data: str) -> None:
    """It is sent to nobody."""
    answer = read(Notes(), Client("ana"), data)
    assert isinstance(answer, Error)
    assert (answer.code, "500 characters" in answer.hint) == ("bad-note", True)


@pytest.mark.parametrize(
    "data",
    ["", "x", "5", "[]", '{"type": "subscribe"}', b"\xff", '{"text": "note"}', "[" * 10**5],
)
def test_other_messages_are_left_to_the_session(data: str | bytes) -> None:
    """Also those that are no JSON."""
    assert read(Notes(), Client("ana"), data) is None


def test_client_may_send_two_notes_a_second() -> None:
    """Others are not limited by it; one that has left is forgotten."""
    clock = Clock()
    notes, ana, ben = Notes(clock), Client("ana"), Client("ben")
    for _ in range(2):
        assert isinstance(read(notes, ana, note("x")), Note)
    assert isinstance(read(notes, ana, note("x")), Error)
    assert isinstance(read(notes, ben, note("x")), Note)
    clock.now += 0.5
    assert isinstance(read(notes, ana, note("x")), Note)
    assert isinstance(read(notes, ana, note("x")), Error)
    for client in (ana, ben):
        notes.forget(cast("Any", client))
    assert not notes._of_each


def test_all_clients_may_send_twenty_notes_a_second() -> None:
    """Each goes to everybody: a thousand clients would send millions."""
    clock = Clock()
    notes = Notes(clock)
    sent = [read(notes, Client(f"{number}"), note("x")) for number in range(100)]
    assert sum(isinstance(each, Note) for each in sent) == 20
    clock.now += 0.25
    assert sum(isinstance(read(notes, Client("late"), note("x")), Note) for _ in range(9)) == 5


@pytest.fixture(scope="module")
def server() -> Iterator[tk.TickServer]:
    """Return a server that takes notes, which the tests of this module share."""
    with tk.serve(None, port=0, notes=True) as running:
        yield running


@pytest.fixture
def peers(server: tk.TickServer, until: Until) -> Iterator[tuple[ClientConnection, ...]]:
    """Return a client of `/ticks`, one of `/` and one of v1."""
    with (
        dial(f"{server.url}ticks?name=ana") as ticks,
        dial(server.url) as prices,
        dial(server.url, subprotocols=["tickerkit.v1"]) as v1,
    ):
        assert receive(v1) == {"type": "notes"}
        assert receive(v1)["type"] == "hello"
        until(lambda: server.stats["clients"] == 3)
        yield ticks, prices, v1


def test_note_of_a_client_goes_to_everybody(peers: tuple[ClientConnection, ...]) -> None:
    """Also to itself, with its name; one without a name is nobody's."""
    ticks, prices, _ = peers
    ticks.send(note("hello"))
    for peer in peers:
        assert receive(peer) == {"type": "note", "text": "hello", "from": "ana"}
    prices.send(note("me too"))
    assert receive(ticks) == {"type": "note", "text": "me too", "from": ""}


def test_note_of_the_owner_has_no_sender(
    server: tk.TickServer, peers: tuple[ClientConnection, ...]
) -> None:
    """Programs and pages get it; a feed goes on as if nothing had come."""
    with tk.connect(server.url) as feed:
        server.publish({"symbol": "AAPL", "price": 1})
        feed.wait(1)
        server.say("look\nup")
        server.publish({"symbol": "AAPL", "price": 2})
        feed.wait(1)
        assert (feed.status, feed.stats["refused"]) == ("live", 0)
    messages = [receive(peers[0]) for _ in range(3)]
    assert messages[1] == {"type": "note", "text": "look up"}


@pytest.mark.parametrize("text", ["", " \n", "x" * 501, None, 5])
def test_invalid_text_is_refused(server: tk.TickServer, text: Any) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidArgument, match="text="):
        server.say(text)


@pytest.mark.process
def test_process_says_and_takes_notes_too() -> None:
    """As a server in a thread does; a stopped one says nothing."""
    with (
        tk.serve(None, port=0, notes=True, process=True) as server,
        dial(f"{server.url}ticks?name=ana") as peer,
    ):
        peer.send(note("hello"))
        assert receive(peer)["from"] == "ana"
        server.say("look up")
        assert receive(peer) == {"type": "note", "text": "look up"}
    with pytest.raises(Stopped):
        server.say("too late")


def test_server_without_notes_answers_one_with_an_error() -> None:
    """Its owner may still say something, and no page has a box to send a note."""
    with (
        tk.serve(None, port=0) as server,
        dial(server.url + "ticks") as peer,
        dial(server.url, subprotocols=["tickerkit.v1"]) as v1,
    ):
        assert receive(v1)["type"] == "hello"
        peer.send(note("hello"))
        assert receive(peer)["code"] == "bad-message"
        server.say("look up")
        assert receive(peer) == receive(v1) == {"type": "note", "text": "look up"}


@pytest.mark.browser
def test_page_shows_notes_and_sends_them(
    server: tk.TickServer, chromium: Browser, artifacts: Path
) -> None:
    """As text, whatever is in it; the banner goes away by its button."""
    page = chromium.new_page(viewport={"width": 390, "height": 700})
    page.goto(server.page)
    page.wait_for_selector("#say-text", state="visible")
    with dial(f"{server.url}ticks?name=ana") as peer:
        peer.send(note("<b onclick=alert(1)>hello</b>"))
        page.wait_for_selector("#said b")
        server.say("look at the board")
        page.wait_for_function("() => document.querySelectorAll('#said p').length === 2")
        assert page.locator("#said b").count() == 1  # the name
        texts = page.locator("#said p").all_inner_texts()
        assert texts == ["ana: <b onclick=alert(1)>hello</b>", "look at the board"]
        server.publish([{"symbol": name, "price": 187.25} for name in ("AAPL", "MSFT")])
        page.wait_for_selector("#prices .quote")
        page.fill("#say-text", "I have a question")
        page.screenshot(path=artifacts / "notes.png")
        page.press("#say-text", "Enter")
        messages: list[Any] = []
        while not messages or messages[-1]["text"] != "I have a question":
            messages += [each for each in [receive(peer)] if isinstance(each, dict)]
        assert page.input_value("#say-text") == ""
        page.click("#said-close")
        page.wait_for_selector("#said-close", state="hidden")
    page.close()
