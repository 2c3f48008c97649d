"""room: a class on one server: who sits where, the teacher's orders, and what outlives what."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from cells import Kernel
from peers import LOCAL, ask, dial, receive
from rooms import close_code, find, join, open_room
from websockets.exceptions import ConnectionClosed

import tickerkit as tk
from tickerkit.classroom.room.room import Room
from tickerkit.errors import InvalidArgument, RecordingError, Stopped
from tickerkit.runtime.registry import is_registered, running
from tickerkit.server import token_limit

Until = Callable[..., None]


@pytest.fixture(scope="module")
def shared() -> Iterator[Room]:
    """Return a class, which the tests of this module share; each takes names of its own."""
    with open_room(code="otter42") as running:
        yield running


def test_student_has_a_seat_by_name(shared: Room, until: Until) -> None:
    """The roster shows who came, with what, and who is away."""
    with join(shared, "ana") as ana:
        assert receive(ana) == {
            "type": "seat",
            "name": "ana",
            "status": "connected, 0 behind",
            "tasks": [],
            "wire": "",
        }
        row = find(shared, "ana")
        assert (row["status"], row["client"], row["drops"]) == ("live", "websockets", 0)
        with join(shared) as guest:
            shared.say("look at the board")
            assert receive(ana) == {"type": "note", "text": "look at the board"}
            assert receive(guest) == {"type": "note", "text": "look at the board"}
    until(lambda: find(shared, "ana")["status"] == "away")
    until(lambda: not any(name.startswith("guest-") for name in shared.roster["name"]))
    until(lambda: list(shared.journal["event"])[-1] == "left")
    assert "look at the board" in list(shared.journal["reason"])


def test_student_who_is_removed_may_not_come_back_by_that_name(shared: Room, until: Until) -> None:
    """The connection is closed with a reason, and so is the next."""
    with join(shared, "bob") as bob:
        receive(bob)
        assert shared.kick("bob") == 1
        with pytest.raises(ConnectionClosed) as closed:
            receive(bob)
        assert close_code(closed.value) == 1008
    until(lambda: "left" in list(shared.journal.query("name == 'bob'")["event"]))
    assert "bob" not in list(shared.scores["name"])
    with join(shared, "bob") as bob, pytest.raises(ConnectionClosed):
        receive(bob)
    assert not find(shared, "bob")
    with pytest.raises(InvalidArgument, match="roster"):
        shared.kick("bob")


def test_student_who_is_renamed_keeps_the_seat(shared: Room, until: Until) -> None:
    """The program learns its new name, and the page's key still leads to the seat."""
    with join(shared, "xx", "key-of-xx") as page:
        receive(page)
        assert shared.rename("xx", "cleo") == "cleo"
        assert receive(page)["name"] == "cleo"
    with join(shared, "xx", "key-of-xx") as page:
        assert receive(page)["name"] == "cleo"
    with pytest.raises(InvalidArgument, match="no other student"):
        shared.rename("cleo", " ")
    with pytest.raises(InvalidArgument, match="Invalid name='nobody'"):
        shared.rename("nobody", "eva")


def test_page_is_at_the_code(shared: Room) -> None:
    """A path to be typed from a projector answers the page; others don't."""
    assert shared.page.endswith("/otter42")
    status, _, body = ask(shared.port, "/otter42")
    assert status == 200
    assert "otter42" in body
    assert ask(shared.port, "/otter43")[0] == 404
    status, _, program = ask(shared.port, "/otter42/starter.py?name=ana")
    assert status == 200
    assert f"{LOCAL}:{shared.port}" in program
    assert "ana" in program
    for number in range(10):  # with the right code, these are no guesses
        assert ask(shared.port, f"/otter42/nothing{number}")[0] == 404
    assert ask(shared.port, "/")[0] == 401


HTML = "text/html,*/*;q=0.8"  # as a browser asks


def test_mistyped_code_is_explained_in_a_browser(shared: Room) -> None:
    """Capital letters do no harm; another code, and none, are answered for people."""
    status, headers, _ = ask(shared.port, "/Otter42", Accept=HTML)
    assert (status, headers["location"]) == (302, "/otter42")
    status, _, body = ask(shared.port, "/otter43", Accept=HTML)
    assert status == 404
    assert f"{LOCAL}:{shared.port}/" in body
    assert "otter43" in body
    assert "otter42" not in body
    status, _, body = ask(shared.port, "/", Accept=HTML)
    assert (status, "code" in body, "token" in body) == (401, True, False)
    assert ask(shared.port, "/?token=otter42", Accept=HTML)[0] == 200


@pytest.mark.parametrize("accept", [HTML, "*/*"])
def test_who_guesses_the_code_has_to_wait(accept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a browser, whose guesses are answered by the page that explains a mistyped code."""
    monkeypatch.setattr(token_limit, "WINDOW_S", 60.0)
    with open_room(code="otter42") as room:
        for number in range(token_limit.MAX_WRONG + 1):
            assert ask(room.port, f"/guess{number}", Accept=accept)[0] == 404
        assert ask(room.port, "/otter42", Accept=accept)[0] == 429


def test_wrong_code_is_in_the_journal(shared: Room, until: Until) -> None:
    """The teacher sees who has mistyped it."""
    url = shared.url.replace("otter42", "0tter42") + "&name=zoe"
    with dial(url) as zoe, pytest.raises(ConnectionClosed) as closed:
        receive(zoe)
    assert close_code(closed.value) == 1008
    until(lambda: "zoe" in list(shared.journal["name"]))
    row = shared.journal[shared.journal["name"] == "zoe"].iloc[0]
    assert (row["event"], row["code"]) == ("refused", 1008)
    assert "Wrong token" in row["reason"]


def test_cell_that_runs_again_keeps_code_and_seats(kernel: Kernel) -> None:
    """The new room takes the port of the old one, whose students come again."""
    kernel.run("lesson")
    first = open_room()
    with join(first, "ana", "k") as ana:
        receive(ana)
        kernel.run("lesson")
        second = open_room()
        with pytest.raises(ConnectionClosed) as closed:
            receive(ana)
        assert close_code(closed.value) == 1012
    assert first.status == "stopped"
    assert (second.code, second.port) == (first.code, first.port)
    assert find(second, "ana")["status"] == "away"
    second.stop()
    second.stop()
    assert second.status == "stopped"
    with pytest.raises(Stopped):
        second.say("hello")


def test_server_on_the_same_port_ends_the_class(until: Until) -> None:
    """As it ends an earlier server; no thread of the class is left."""
    room = open_room()
    with tk.serve(None, LOCAL, room.port):
        until(lambda: not is_registered(room))
        assert room.status == "stopped"


def test_class_goes_on_from_its_file(tmp_path: Path, until: Until) -> None:
    """Everything is written when it happens; nothing is without `save`."""
    path = tmp_path / "7b.jsonl"
    with open_room(save=path) as room, join(room, "ana") as ana:
        receive(ana)
        until(lambda: b'"joined"' in path.read_bytes())
    with path.open("ab") as file:
        file.write(b'{"cut off by a ki')
    with open_room(save=path) as room:
        assert find(room, "ana")["status"] == "away"
        room.say("welcome back")
        copy = room.save(tmp_path / "copy.jsonl")
        assert copy.read_bytes() == path.read_bytes()
    with open_room(save=path) as room:
        assert "welcome back" in list(room.journal["reason"])
    path.write_text("symbol,price\nAAPL,1\n")
    with open_room(save=tmp_path / "other.jsonl") as room:
        with pytest.raises(RecordingError, match="line 1"):
            open_room(port=room.port, save=path)
        assert room.status == "listening"  # the class goes on


@pytest.mark.parametrize("code", ["", "a", "otter 42", "ticks", "ünder", "x" * 40])
def test_code_that_is_no_path_is_refused(code: str) -> None:
    """A teacher learns which codes can be typed."""
    with pytest.raises(InvalidArgument, match="otter42"):
        open_room(code=code)


@pytest.mark.process
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_stop_also_stops_a_server_that_is_being_started_again(
    until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port is free afterwards, also if the new process takes longer than the stop waits."""
    monkeypatch.setattr(sys.modules[Room.__module__], "JOIN_S", 0.01)
    with open_room(process=True) as room:
        os.kill(room.server.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        until(lambda: "starting" in list(tk.status()["status"]))
    assert room.port not in [getattr(each, "port", 0) for each in running()]
    with open_room(port=room.port):
        pass


@pytest.mark.process
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_seats_outlive_a_kill_of_the_process(until: Until) -> None:
    """The next process listens on the same port, with the same code and seats."""
    with open_room(process=True) as room:
        room.challenge("speak")
        # A board asks for the class from the thread that starts the server again.
        room._board = SimpleNamespace(poll=lambda now: room.snapshot())  # type: ignore[assignment]
        with join(room, "ben") as ben:
            ben.send('{"type":"subscribe","symbols":["AAPL"]}')
            until(lambda: find(room, "ben")["passed"] == 1)
        with join(room, "ana", "k") as ana:
            receive(ana)
            room.rename("ana", "cleo")
            os.kill(room.server.pid, signal.SIGKILL)  # type: ignore[attr-defined]
            receive(ana)
            with pytest.raises(ConnectionClosed):
                receive(ana)
        assert find(room, "cleo")["status"] == "away"
        assert room.restarts == 1
        assert find(room, "ben")["passed"] == 1
        assert list(room.scores["name"]) == ["ben", "cleo"]
        assert room.snapshot()["challenge"]["name"] == "speak"
        with join(room, "ana", "k") as ana:
            assert receive(ana)["name"] == "cleo"
        assert "killed" in room.last_error
        assert "room" in list(tk.status()["kind"])
