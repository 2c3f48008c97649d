"""journal: who was refused by a server, disconnected by it or lost, and why."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import pandas as pd
import pytest
from peers import LOCAL, ask, dial, handshake, receive_all
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

import tickerkit as tk
from tickerkit.server.journal import JOURNAL_COLUMNS, MAX_ENTRIES, Ending, Journal

Until = Callable[..., None]

TOKEN = "otter42"


def path(name: str) -> str:
    """Return the path for a client with a name."""
    return f"/ticks?token={TOKEN}&name={name}"


@pytest.fixture(scope="module")
def server() -> Iterator[tk.TickServer]:
    """Return a server with a token, which the tests of this module share."""
    with tk.serve(None, port=0, token=TOKEN) as running:
        yield running


def news(server: tk.TickServer, before: int, until: Until) -> dict[str, object]:
    """Return the one entry that was added to a journal since it had so many."""
    until(lambda: len(server.journal) > before)
    (entry,) = server.journal[before:].to_dict("records")
    assert isinstance(entry["time"], pd.Timestamp)
    assert str(entry["address"]).startswith(f"{LOCAL}:")
    return {name: entry[name] for name in ("name", "event", "code")}


def text(data: bytes, *, mask: bool = True) -> bytes:
    """Return a text frame."""
    return Frame(Opcode.TEXT, data).serialize(mask=mask)


MISCHIEF = {
    "unmasked": (text(b"{}", mask=False), "fault", 1002),
    "reserved bits": (b"\xf1\x80abcd", "fault", 1002),
    "long ping": (b"\x89\xfe\x01\x00" + bytes(4) + bytes(256), "fault", 1002),
    "no UTF-8": (text(b"\xff\xfe"), "fault", 1007),
    "too large": (text(bytes(300_000)), "fault", 1009),
    "flood": (text(b"[]") * 300, "cut off", 1008),
    "ping flood": (Frame(Opcode.PING, b"").serialize(mask=True) * 80_000, "cut off", 1006),
    "broken": (b"\x81", "broken", 1006),
    "error code": (b"\x88\x82" + bytes(4) + (1011).to_bytes(2, "big"), "broken", 1011),
}


@pytest.mark.parametrize("case", MISCHIEF)
def test_misbehaviour_is_in_the_journal(server: tk.TickServer, case: str, until: Until) -> None:
    """With the client's address and name, the close code and the reason."""
    data, event, code = MISCHIEF[case]
    before, cut_off = len(server.journal), server.stats["cut_off"]
    name = case.replace(" ", "-")
    with handshake(server.port, path(name)) as sock:
        assert b" 101 " in sock.recv(4096)
        with contextlib.suppress(OSError):
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65_536):
                pass
    assert news(server, before, until) == {"name": name, "event": event, "code": code}
    reason = server.journal["reason"].iloc[-1]
    is_cut = event != "broken"
    assert server.stats["cut_off"] == cut_off + is_cut
    if is_cut:
        assert reason
        assert server.stats["last_cut_off"].startswith(f"{LOCAL}:")
        assert reason in server.stats["last_cut_off"]


def test_client_that_stays_after_its_fault_is_disconnected(
    server: tk.TickServer, until: Until
) -> None:
    """It is in the journal at once, and its connection ends soon."""
    before = len(server.journal)
    with handshake(server.port, path("ana")) as sock:
        assert b" 101 " in sock.recv(4096)
        sock.sendall(text(b"{}", mask=False))
        with contextlib.suppress(OSError):  # a reset
            while sock.recv(65_536):
                pass
        assert news(server, before, until) == {"name": "ana", "event": "fault", "code": 1002}
        until(lambda: server.clients.empty)


@pytest.mark.parametrize("code", [1000, 1001])
def test_normal_end_is_not_in_the_journal(server: tk.TickServer, code: int, until: Until) -> None:
    """Nor is one without a code, nor a subscribe message that is wrong."""
    before = len(server.journal)
    with dial(server.url.replace("/?", "/ticks?")) as peer, contextlib.suppress(ConnectionClosed):
        peer.send("nonsense")
        peer.recv()
        peer.close(code)
    with handshake(server.port, path("ana")) as sock:
        sock.sendall(Frame(Opcode.CLOSE, b"").serialize(mask=True))
        while sock.recv(65_536):
            pass
    until(lambda: server.clients.empty)
    assert len(server.journal) == before


def test_refusals_are_in_the_journal(server: tk.TickServer, until: Until) -> None:
    """With the HTTP status, or the code with which the websocket was closed at once."""
    before = len(server.journal)
    with dial(f"ws://{LOCAL}:{server.port}/ticks?token=wrong&name=ben") as peer:
        assert receive_all(peer) == []
    with pytest.raises(InvalidStatus), dial(f"ws://{LOCAL}:{server.port}/tick?token={TOKEN}"):
        pass
    assert ask(server.port, "/")[0] == 401
    assert ask(server.port, "/", Host="a b")[0] == 403
    with handshake(server.port, path("ana"), **{"Sec-WebSocket-Key": "short"}) as sock:
        assert b" 400 " in sock.recv(4096)
    with socket.create_connection((LOCAL, server.port)) as sock:
        sock.sendall(b"hello server\r\n\r\n")
        sock.recv(4096)
    with socket.create_connection((LOCAL, server.port)):
        pass  # as a browser that opens a connection in advance
    until(lambda: len(server.journal) >= before + 6)
    new = server.journal[before:]
    assert list(new["code"]) == [1008, 404, 401, 403, 400, 400]
    assert set(new["event"]) == {"refused"}
    assert list(new["name"]) == ["ben", "", "", "", "ana", ""]
    assert new["reason"].str.len().min() > 10
    assert TOKEN not in new.to_csv()
    assert server.stats["last_turned_away"].startswith(f"{LOCAL}:")


@pytest.mark.process
def test_journal_of_a_process_is_read_here(until: Until) -> None:
    """And stays as it was when the server stops."""
    with tk.serve(None, port=0, token=TOKEN, process=True) as server:
        assert server.journal.empty
        assert list(server.journal.columns) == JOURNAL_COLUMNS
        with handshake(server.port, path("ana")) as sock:
            sock.recv(4096)
            sock.sendall(text(b"{}", mask=False))
            assert news(server, 0, until) == {"name": "ana", "event": "fault", "code": 1002}
        assert server.stats["cut_off"] == 1
    assert list(server.journal["code"]) == [1002]


def test_clients_of_a_server_that_stops_are_not_in_its_journal() -> None:
    """It has closed them itself; the journal can still be read."""
    with tk.serve(None, port=0) as server, dial(server.url) as peer:
        server.stop()
        receive_all(peer)
    assert server.journal.empty
    assert server.journal.dtypes["time"].tz is not None


def test_journal_keeps_the_newest_entries() -> None:
    """The counts go on."""
    journal = Journal()
    for number in range(MAX_ENTRIES + 5):
        journal.note_refusal(f"192.168.1.7:{number}", f"n{number}", 401, "Wrong\ntoken")
    journal.note_ending("192.168.1.8:1", "ana", Ending("broken", 1006, ""))
    frame = journal.frame()
    assert len(frame) == MAX_ENTRIES
    assert list(frame["event"].tail(2)) == ["refused", "broken"]
    assert frame["name"].iloc[-1] == "ana"
    assert frame["reason"].iloc[0].isprintable()
    assert journal.turned_away.count == MAX_ENTRIES + 5
    assert journal.cut_off.count == 0


def test_program_that_connects_in_a_loop_is_noted_every_ten_seconds() -> None:
    """It does not push the others out of the journal; the counts go on."""
    now = 0.0
    journal = Journal(lambda: now)
    for number in range(MAX_ENTRIES * 5):
        journal.note_refusal(f"192.168.1.7:{number}", "ana", 401, "Wrong token")
        now += 0.01
    assert len(journal.frame()) == 5
    assert journal.turned_away.count == MAX_ENTRIES * 5
    journal.note_refusal("192.168.1.7:1", "ben", 401, "Wrong token")
    journal.note_refusal("192.168.1.8:1", "ana", 401, "Wrong token")
    journal.note_refusal("192.168.1.7:1", "ana", 404, "No such path")
    assert len(journal.frame()) == 8
