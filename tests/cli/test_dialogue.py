"""dialogue: what is typed goes out as frames, and what comes is shown; without a socket."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tickerkit.cli.dialogue import COMMANDS, Dialogue


class Pair:
    """A dialogue and a server's end of websockets, joined in memory."""

    def __init__(self, *, shows_frames: bool = False, token: str | None = None) -> None:
        self.dialogue = Dialogue("ws://h:8000/ticks", shows_frames=shows_frames, token=token)
        self.server = ServerProtocol()
        self.shown: list[str] = []
        self.received: list[Frame] = []
        self.now = 0.0
        (self.request,) = self.exchange()
        assert isinstance(self.request, Request)

    def accept(self) -> Pair:
        """Answer the handshake."""
        assert isinstance(self.request, Request)
        self.server.send_response(self.server.accept(self.request))
        self.exchange()
        return self

    def exchange(self) -> list[object]:
        """Pass all that waits, in both directions; return what the server got."""
        events: list[object] = []
        while True:
            ours = [data for data in self.dialogue.take_data() if data]
            for data in ours:
                self.server.receive_data(data)
            new = self.server.events_received()
            events += new
            theirs = [data for data in self.server.data_to_send() if data]
            self.now += 0.001
            for data in theirs:
                self.read(data)
            if not ours and not theirs:
                return events

    def read(self, data: bytes) -> None:
        """Pass bytes on as if they came from the server; empty ones as the end of TCP."""
        self.shown += [
            f"{mark} {text}".strip() for mark, text, _ in self.dialogue.receive(data, self.now)
        ]

    def say(self, line: str) -> list[str]:
        """Type a line; return what is shown at once, and keep the frames that the server got."""
        shown = [f"{mark} {text}".strip() for mark, text, _ in self.dialogue.say(line, self.now)]
        events = self.exchange()
        self.received += [event for event in events if isinstance(event, Frame)]
        return shown


@pytest.fixture
def pair() -> Pair:
    """Return a dialogue whose handshake is over."""
    return Pair().accept()


@pytest.mark.parametrize(
    ("line", "opcode", "payload"),
    [
        ("hello", Opcode.TEXT, b"hello"),
        ("", Opcode.TEXT, b""),
        ("//help", Opcode.TEXT, b"/help"),
        ("Grüße", Opcode.TEXT, "Grüße".encode()),
        ("/ping", Opcode.PING, b"1"),
        ("/ping two words", Opcode.PING, b"two words"),
        ("/pong", Opcode.PONG, b""),
        ("/pong x", Opcode.PONG, b"x"),
        ("/binary 00ff", Opcode.BINARY, b"\x00\xff"),
        ("/binary 00 ff", Opcode.BINARY, b"\x00\xff"),
        ("/binary", Opcode.BINARY, b""),
        ("/close", Opcode.CLOSE, b""),
        ("/close 1000", Opcode.CLOSE, b"\x03\xe8"),
        ("/close 4000 see you", Opcode.CLOSE, b"\x0f\xa0see you"),
    ],
)
def test_line_becomes_a_frame(pair: Pair, line: str, opcode: Opcode, payload: bytes) -> None:
    """A command is a frame of its kind, any other line a text."""
    assert pair.say(line) == []
    (frame,) = pair.received
    assert (frame.opcode, bytes(frame.data)) == (opcode, payload)


@pytest.mark.parametrize(
    "line",
    ["/binary 0", "/binary xx", "/close bye", "/close 1006", "/close 99", f"/ping {'x' * 126}"],
)
def test_mistake_is_shown_and_sends_nothing(pair: Pair, line: str) -> None:
    """The websocket stays open."""
    (shown,) = pair.say(line)
    assert shown.startswith("! not sent: ")
    assert pair.received == []
    assert pair.dialogue.is_open


def test_unknown_command_lists_the_commands(pair: Pair) -> None:
    """As does /help."""
    assert len(pair.say("/help")) == len(pair.say("/pnig")) == len(COMMANDS)
    assert pair.received == []


def test_pings_are_shown_and_answered(pair: Pair) -> None:
    """A payload that is not text is shown in hexadecimal digits."""
    pair.server.send_ping(b"beat")
    pair.server.send_ping(b"\x00\xff")
    events = pair.exchange()
    assert [bytes(e.data) for e in events if isinstance(e, Frame)] == [b"beat", b"\x00\xff"]
    assert pair.shown[1:] == ["< ping beat", "> pong beat", "< ping 00 ff", "> pong 00 ff"]


def test_pong_is_shown_with_its_time(pair: Pair) -> None:
    """One that nobody asked for has no time."""
    pair.say("/ping")
    pair.server.send_pong(b"1")
    pair.exchange()
    assert pair.shown[1:] == ["< pong 1 after 1.0 ms", "< pong 1"]


def test_message_in_several_frames_is_shown_once(pair: Pair) -> None:
    """A ping may come between them."""
    pair.server.send_text(b"Gr\xc3", fin=False)
    pair.server.send_ping(b"")
    pair.server.send_continuation(b"\xbc\xc3\x9fe", fin=True)
    pair.server.send_binary(bytes(40))
    pair.exchange()
    assert pair.shown[1:4] == ["< ping", "> pong", "< Grüße"]
    assert pair.shown[4] == f"< binary, 40 bytes: {bytes(32).hex(' ')} and 8 more"


def test_headers_are_shown_on_request() -> None:
    """Each frame has a line with its bits, its opcode and its length; what is sent is masked."""
    pair = Pair(shows_frames=True).accept()
    assert pair.say("x" * 39) == ["> FIN text 39 bytes, masked"]
    assert pair.say("/close 1000 bye") == ["> FIN close 5 bytes, masked"]
    assert pair.shown == ["101 Switching Protocols", "< FIN close 5 bytes", "< close 1000 bye"]
    pair = Pair(shows_frames=True).accept()
    pair.server.send_text(b"a", fin=False)
    pair.server.send_ping(b"")
    pair.server.send_continuation(b"", fin=True)
    pair.exchange()
    assert pair.shown[1:] == [
        "< text 1 byte",
        *["< FIN ping 0 bytes", "< ping", "> FIN pong 0 bytes, masked", "> pong"],
        *["< FIN continuation 0 bytes", "< a"],
    ]


def test_close_of_the_server_is_shown_and_answered(pair: Pair) -> None:
    """The end has the code and the reason."""
    pair.server.send_close(1012, "the server restarts")
    pair.exchange()
    pair.read(b"")
    assert pair.shown[1:] == ["< close 1012 the server restarts"]
    assert pair.dialogue.is_closed
    assert (pair.dialogue.close_code, pair.dialogue.refusal) == (1012, "")
    assert pair.dialogue.describe_end() == "1012 the server restarts"
    assert pair.say("hello") == ["! not sent: the websocket is not open"]


def test_end_without_a_close_frame_is_said(pair: Pair) -> None:
    """As after the loss of a connection."""
    pair.read(b"")
    assert pair.dialogue.describe_end() == "1006 TCP ended without a close frame"


def test_frame_that_breaks_the_protocol_is_said(pair: Pair) -> None:
    """A server must not mask what it sends."""
    pair.read(b"\x81\x81\0\0\0\0a")
    pair.exchange()
    assert pair.shown[-1].startswith("! the server broke the protocol: ")
    assert not pair.dialogue.is_open


def test_refusal_has_the_servers_words() -> None:
    """Also one whose answer is no websocket's at all."""
    pair = Pair()
    pair.server.send_response(pair.server.reject(403, "not with this Host\n"))
    pair.exchange()
    pair.read(b"")
    assert pair.dialogue.refusal == "the server answered 403 Forbidden: not with this Host"
    assert pair.shown == []
    other = Pair()
    other.read(b"SSH-2.0-OpenSSH_9.2\r\n")
    other.read(b"")
    assert "not that of a websocket" in other.dialogue.refusal
    assert other.dialogue.is_closed


def test_token_is_sent_as_a_header() -> None:
    """It is no part of the address then."""
    request = Pair(token="otter42").request
    assert isinstance(request, Request)
    assert (request.path, request.headers["Authorization"]) == ("/ticks", "Bearer otter42")
