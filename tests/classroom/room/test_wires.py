"""wires: what passes between the server of a class and one student, read, delayed and broken."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from peers import ask, dial, handshake, receive, receive_all
from rooms import find, join, open_room
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

import tickerkit as tk
from tickerkit.classroom.room.room import Room
from tickerkit.errors import InvalidArgument

Until = Callable[..., None]

TICK = {"symbol": "AAPL", "price": 187.25}


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    """Return a class, which the tests of this module share; each takes names of its own."""
    with open_room() as running:
        yield running


@contextlib.contextmanager
def student(room: Room, name: str, key: str = "") -> Iterator[ClientConnection]:
    """Connect a student, past the object about the seat."""
    with join(room, name, key) as peer:
        assert receive(peer)["type"] == "seat"
        yield peer


def next_tick(peer: ClientConnection) -> object:
    """Return the next message that is not an object."""
    while isinstance(message := receive(peer), dict):
        pass
    return message


def test_ticks_that_a_challenge_slows_pass_when_it_ends(until: Until) -> None:
    """One message a second came, and many wait; the student is not left behind for good."""
    with open_room(tk.simulate("AAPL", rate=100)) as room, student(room, "ana") as ana:
        room.challenge("slow", pace=2)
        until(lambda: time_to_next(ana) > 0.3, timeout_s=20)
        room.end_challenge()
        until(lambda: max(time_to_next(ana) for _ in range(10)) < 0.3, timeout_s=20)


def time_to_next(peer: ClientConnection) -> float:
    """Return how many seconds the next message takes."""
    began = time.monotonic()
    receive(peer)
    return time.monotonic() - began


def test_dropped_student_alone_loses_the_connection(room: Room, until: Until) -> None:
    """TCP is reset without a close frame; the others go on, and the roster counts it."""
    with student(room, "ana") as ana, student(room, "ben") as ben:
        assert room.wire("ana").drop() == 1
        with pytest.raises(ConnectionClosed) as closed:
            receive(ana)
        assert closed.value.rcvd is None
        room.server.publish(TICK)
        assert next_tick(ben)
        until(lambda: find(room, "ana")["drops"] == 1)
        assert room.snapshot()["seats"][0]["wire"] == "dropped"
    with student(room, "ana"):
        until(lambda: room.snapshot()["seats"][0]["wire"] == "")


def test_stalled_student_gets_everything_later(room: Room) -> None:
    """Nothing is lost, and the other is not held up."""
    with student(room, "cleo") as cleo, student(room, "dan") as dan:
        assert room.wire("cleo").stall(60) == 1
        for _ in range(3):
            room.server.publish(TICK)
        assert next_tick(dan)
        with pytest.raises(TimeoutError):
            receive(cleo, 0.2)
        row = next(each for each in room.snapshot()["seats"] if each["name"] == "cleo")
        assert row["wire"] == "stalled"
        room.wire("cleo").resume()
        assert receive(cleo)["wire"] == "stalled"
        ticks = [tick for _ in range(3) for tick in next_tick(cleo)]  # type: ignore[attr-defined]
        assert len(ticks) == 3
        assert receive(cleo)["wire"] == ""


def test_delay_holds_for_later_connections_too(room: Room) -> None:
    """Until it is ended with zero."""
    with student(room, "eve"):
        room.wire("eve").delay(0.3)
    began = time.monotonic()
    with join(room, "eve") as eve:
        assert receive(eve)["name"] == "eve"
        assert time.monotonic() - began > 0.25
        room.wire("eve").delay(0)
        room.server.publish(TICK)
        assert next_tick(eve)


def test_half_a_frame_ends_the_connection(room: Room, until: Until) -> None:
    """The client has the beginning of a frame, and then the end of TCP."""
    path = f"/ticks?token={room.code}&name=fay"
    with handshake(room.port, path) as raw:
        until(lambda: find(room, "fay").get("status") == "live")
        room.wire("fay").truncate()
        room.server.publish(TICK)
        raw.settimeout(5)
        data = b"".join(iter(lambda: raw.recv(65536), b""))
    frames = data[data.index(b"\r\n\r\n") + 4 :]
    last = frames[frames.rindex(b"\x81") :]
    assert 2 < len(last) < 2 + last[1]


def test_close_has_code_and_reason(room: Room) -> None:
    """The student's program reads both."""
    with student(room, "gus") as gus:
        room.wire("gus").close(1012, "back soon")
        with pytest.raises(ConnectionClosed) as closed:
            receive(gus)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "back soon")


def test_tap_shows_frames_in_both_directions(room: Room, until: Until) -> None:
    """Ping and pong, the mask of the client's frames, and no token."""
    with student(room, "hal") as hal:
        tap = room.tap("hal")
        hal.ping(b"abc").wait(5)
        hal.send('{"type":"subscribe","symbols":["AAPL"]}')
        room.server.publish(TICK)
        assert next_tick(hal)
        until(lambda: len(tap.frames()) >= 4)
        frames = tap.frames()
        named = list(zip(frames["toward"], frames["opcode"], strict=True))
        assert named[:3] == [("server", 9), ("client", 10), ("server", 1)]
        assert list(frames["masked"][:3]) == [True, False, True]
        assert bytes(frames["payload"][0]) == b"abc"
        assert not "".join(frames["note"][:1])
        assert "name=hal" in tap.handshake()
        assert room.code not in tap.handshake()
        assert "SeatTap of hal" in repr(tap)
    with student(room, "hal") as hal:
        until(lambda: set(tap.frames()["link"]) == {frames["link"][0], frames["link"][0] + 1}, 5)


def test_page_goes_on_while_the_program_is_broken(room: Room, until: Until) -> None:
    """So the page can say what the teacher does."""
    with student(room, "ida", "key-of-ida") as page, student(room, "ida") as program:
        assert room.wire("ida").stall(60) == 1
        assert receive(page)["wire"] == "stalled"
        room.wire("ida").drop()
        assert not receive_all(program)
        until(lambda: find(room, "ida")["client"] == "websockets")
        assert receive(page)["wire"] in ("", "dropped")
        # Alone, the page is what a phone has.
        assert room.wire("ida").drop() == 1


def test_closing_client_is_answered_through_the_wire(room: Room, until: Until) -> None:
    """The closing handshake works, and the end of a client that only shuts down its side."""
    with student(room, "jan") as jan:
        room.tap("jan")
        jan.close(1000, "bye")
        assert jan.close_code == 1000
    until(lambda: find(room, "jan")["status"] == "away")
    assert find(room, "jan")["drops"] == 0
    with handshake(room.port, f"/ticks?token={room.code}&name=jan") as raw:
        until(lambda: find(room, "jan")["status"] == "live")
        raw.shutdown(socket.SHUT_WR)
        until(lambda: find(room, "jan")["status"] == "away")
    assert find(room, "jan")["drops"] == 1


def test_slow_reader_stops_the_server_at_the_wire(room: Room, until: Until) -> None:
    """What a stall holds back is bounded; the rest stays in the log."""
    with student(room, "kim") as kim:
        room.wire("kim").stall(60)
        rows = [{**TICK, "note": "x" * 1000}] * 50
        for _ in range(20):
            room.server.publish(rows)
        until(lambda: find(room, "kim")["behind"] > 0)
        seat = f"/{room.code}/seat?name=kim"
        until(lambda: re.search(r"connected, [1-9][\d,]* behind", ask(room.port, seat)[2]))
        room.wire("kim").resume()
        seqs: list[int] = []
        while len(seqs) < 1000:
            seqs += [tick["seq"] for tick in next_tick(kim)]  # type: ignore[attr-defined]
        assert seqs == list(range(seqs[0], seqs[0] + 1000))
        until(lambda: find(room, "kim")["behind"] == 0)


def test_orders_are_for_all_or_for_one(room: Room) -> None:
    """`wires` reaches each connection; a name that nobody has is refused."""
    with student(room, "leo"), dial(room.url):
        assert room.wires.delay(0) >= 2
        assert room.wires.ping() >= 2
        with pytest.raises(InvalidArgument, match="expected 'leo'"):
            room.wire("Leo").drop()
    with pytest.raises(InvalidArgument, match="roster"):
        room.wire("nobody").drop()
    with pytest.raises(InvalidArgument, match="seconds"):
        room.wires.stall(-1)
    with pytest.raises(InvalidArgument, match="code"):
        room.wires.close(5)
