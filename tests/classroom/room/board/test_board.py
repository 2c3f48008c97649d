"""ClassBoard: what it sends to pages, when, and the orders that it takes from them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
from rooms import join, open_room
from snapshots import make_line, make_seat

from tickerkit.classroom.room.board import room_board, widget
from tickerkit.classroom.room.board.room_board import UNREACHED_S, RoomSource
from tickerkit.classroom.room.board.widget import PARTS, UPDATE_S, ClassBoard
from tickerkit.classroom.room.room import Room
from tickerkit.errors import InvalidArgument, Stopped
from tickerkit.runtime.presence import LEASE_S

DECLARED = re.compile(r"^(?:export )?(?:async )?(?:const|let|function|class) (\w+)", re.MULTILINE)


class Shown:
    """The board of a room, with a clock of its own; what it sends is kept."""

    def __init__(self, room: Room) -> None:
        self.board = room._make_board()
        self.now = 1000.0
        self.board._clock = self.board._lease._clock = lambda: self.now
        self.board._lease._idle_since = lambda: -float("inf")
        self.sent: list[dict[str, Any]] = []
        self.board.send = lambda content, buffers=None: self.sent.append(content)

    def receive(self, message: object) -> list[dict[str, Any]]:
        """Take a message of a page; return what the board sends then."""
        self.board._handle_message(None, message, [])
        return self.update(after=0.0)

    def update(self, after: float = UPDATE_S) -> list[dict[str, Any]]:
        """Return what the board sends some seconds later."""
        self.now += after
        self.board.poll()
        count = len(self.sent)
        self.board.flush()
        return self.sent[count:]

    def order(self, order: str, /, **arguments: object) -> list[dict[str, Any]]:
        """Return the answers to an order."""
        message = {"kind": "order", "id": "a-1", "name": order, "arguments": arguments}
        return [each for each in self.receive(message) if each["kind"] == "answer"]


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    """Return a class that the tests of this module share."""
    with open_room("sim:AAPL,MSFT", code="otter42", wifi=("Room 12", "secret")) as running:
        yield running


@pytest.fixture
def shown(room: Room, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    """Show a new board of the class, without the sending thread."""
    monkeypatch.setattr(widget.SENDER, "request", lambda _: None)
    monkeypatch.setattr(room, "_poll_board", lambda **_: None)
    shown = Shown(room)
    yield shown
    shown.board.close()
    room._board = None


HERE = {"kind": "here", "page": "a", "from": 0}


def test_page_gets_facts_then_only_changes(shown: Shown, room: Room) -> None:
    """Nothing is sent before a page is there, nor when nothing has changed."""
    assert shown.update() == []
    first, changes = shown.receive(HERE)
    facts = first["facts"]
    assert (facts["code"], facts["page"]) == ("otter42", room.page)
    assert facts["wifi_qr"].startswith("<svg")
    assert [number for number, _ in facts["tasks"]] == [1, 2, 3, 4, 5, 6, 7]
    assert changes["start"] == 0
    assert changes["state"]["symbols"] == ["AAPL", "MSFT"]
    assert shown.update() == []
    with join(room, "ana"):
        changes = shown.update()[0]
        assert [row[:2] for row in changes["rows"]] == [("ana", "live")]
        assert changes["state"]["connected"] == 1
    assert shown.receive({"kind": "away", "page": "a"}) == []
    with join(room, "bo"):
        assert shown.update() == []


def test_page_that_no_longer_reports_gets_nothing(shown: Shown, room: Room) -> None:
    """A closed laptop costs nothing; when it is back, it gets what it has missed."""
    shown.receive(HERE)
    with join(room, "cy"):
        assert shown.update(after=LEASE_S + 1) == []
        assert any(row[0] == "cy" for row in shown.receive({**HERE, "from": 1})[-1]["rows"])


def test_orders_are_given_and_answered_in_words(shown: Shown, room: Room) -> None:
    """A refusal is answered, too; an unknown order, or an argument too many, is not."""
    shown.receive(HERE)
    with join(room, "dee"):
        said = shown.order("say", text="look at the board", name="dee")
        assert [each["text"] for each in said] == ["Said to 1 connection."]
        assert "dee2" in shown.order("rename", name="dee", new="dee2")[0]["text"]
        assert shown.order("stall", seconds=0.1, name="dee2")[0]["ok"]
        assert shown.order("kick", name="dee2")[0]["text"] == "dee2 is removed."
    for order in ("pause", "play"):
        assert shown.order(order)[0]["ok"]
    assert shown.order("speed", factor=2)[0]["text"] == "The market runs at 2 times its speed."
    assert "-20%" in shown.order("crash", symbol="AAPL", part=-0.2, over=1)[0]["text"]
    refused = shown.order("crash", symbol="TSLA", part=-0.2, over=1)[0]
    assert (refused["ok"], "AAPL, MSFT" in refused["text"]) == (False, True)
    assert shown.order("stop") == []
    assert shown.order("say", text="x", secret=1) == []
    assert shown.receive("nonsense") == []


def test_board_of_a_stopped_class_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The students stay on the board, and orders are refused with the reason."""
    monkeypatch.setattr(widget.SENDER, "request", lambda _: None)
    with open_room() as room:
        shown = Shown(room)
        shown.receive(HERE)
    assert shown.update(after=0.0)[-1]["state"]["status"] == "stopped"
    assert "tk.room" in shown.order("say", text="x")[0]["text"]
    shown.board.close()


class FakeRoom:
    """A room of which only the snapshot matters."""

    status = "listening"


def test_board_proves_that_other_machines_reach_it() -> None:
    """Connections of this machine prove nothing; after a minute without others it is told."""
    now = [0.0]
    source = RoomSource(FakeRoom(), {"192.168.1.20"}, lambda: now[0])  # type: ignore[arg-type]
    own = [make_seat("me", address="127.0.0.1:1"), make_seat("i", address="192.168.1.20:2")]
    assert source.describe({"seats": own, "journal": [make_line(1)]})["reached"] == []
    now[0] = UNREACHED_S + 1
    assert source.describe({})["is_unreached"]
    state = source.describe({"seats": [*own, make_seat("ana", address="[fd00::7]:99")]})
    assert (state["reached"], state["is_unreached"]) == (["fd00::7"], False)
    for number in range(10):
        state = source.describe({"seats": [make_seat("bo", address=f"10.0.0.{number}:1")]})
    assert state["reached"] == ["10.0.0.9", "10.0.0.8", "10.0.0.7", "10.0.0.6"]


def test_class_without_a_wire_or_challenge_offers_none() -> None:
    """A board shows no button for what its class can't do."""
    controls = room_board.Controls(FakeRoom())
    assert controls.orders == ["say", "kick", "rename"]


@pytest.mark.parametrize("wifi", ["", ("a",), ("a", 1), 7])
def test_wrong_wifi_is_refused(wifi: object) -> None:
    """Before a room that runs is replaced."""
    with pytest.raises(InvalidArgument, match="wifi"):
        open_room(wifi=wifi)


def test_source_raises_when_the_server_has_stopped() -> None:
    """The board then keeps what it has."""
    with open_room() as room:
        source = RoomSource(room, set())
        assert source.snapshot(0)["seats"] == []
    with pytest.raises(Stopped):
        source.snapshot(0)


def test_modules_can_be_joined() -> None:
    """Names at the top level differ, and each file comes after those that it imports."""
    package = resources.files("tickerkit")
    texts = {path: (package / path).read_text("utf-8") for path in PARTS}
    names = Counter(name for text in texts.values() for name in DECLARED.findall(text))
    assert [name for name, count in names.items() if count > 1] == []
    for at, text in enumerate(texts.values()):
        before = {path.rpartition("/")[2] for path in PARTS[:at]}
        imported = re.findall(r'from "[^"]*/([^"/]+)"', re.sub(r"/\*\*.*?\*/", "", text))
        assert set(imported) <= before
    assert "import " not in ClassBoard._esm
