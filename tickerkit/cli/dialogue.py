"""Dialogue: a websocket to talk on: lines in, frames out, and each frame shown. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from tickerkit.formatting import format_count

__all__ = ["COMMANDS", "Dialogue", "Shown"]

MAX_MESSAGE_BYTES = 2**24
# Of a binary message, so many bytes are shown.
MAX_HEX_BYTES = 32
MAX_PAYLOAD = 125  # of a control frame
# Pings that may wait for their pong.
MAX_PINGS = 100
ENDINGS = {1000: "a normal end", 1005: "without a code", 1006: "TCP ended without a close frame"}
COMMANDS = {
    "/ping [TEXT]": "sends a ping; its pong is shown with the time that it took",
    "/pong [TEXT]": "sends a pong that nobody asked for",
    "/binary HEX": "sends a binary message, such as /binary 00ff",
    "/close [CODE [REASON]]": "closes, such as /close 1000 bye",
    "//TEXT": "sends a text that begins with one slash",
}


class Shown(NamedTuple):
    """A line to print.

    Attributes:
        mark: "<" for what has come, ">" for what was sent, "!" for a mistake, or empty.
        text: the line.
        is_control: whether it is about a control frame or a header, and not a message.
    """

    mark: str
    text: str
    is_control: bool = True


class Dialogue:
    """The client's end of a websocket that a person types on.

    Pings are answered. The owner passes on what was read and typed, and sends what `take_data`
    returns.

    Args:
        url: the address, with its scheme.
        shows_frames: whether the header of each frame is shown, too.
        token: sent as a header; None for none.
    """

    def __init__(self, url: str, *, shows_frames: bool = False, token: str | None = None) -> None:
        self._protocol = ClientProtocol(parse_uri(url), max_size=MAX_MESSAGE_BYTES)
        self._shows_frames = shows_frames
        self._message = b""
        self._opcode = Opcode.TEXT
        self._sent_pings: dict[bytes, float] = {}
        self._number = 0
        request = self._protocol.connect()
        request.headers["User-Agent"] = "tickerkit"
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        self._protocol.send_request(request)

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._protocol.state is State.OPEN

    @property
    def is_closed(self) -> bool:
        """Whether both ends have sent a close frame, TCP has ended, or there is no websocket."""
        protocol = self._protocol
        if protocol.handshake_exc is not None:
            return True
        return protocol.state is State.CLOSED or bool(protocol.close_rcvd and protocol.close_sent)

    @property
    def refusal(self) -> str:
        """Why there is no websocket: the server's answer; empty if there is or was one."""
        match self._protocol.handshake_exc:
            case None:
                return ""
            case InvalidStatus(response=response):
                body = response.body or b""
                said = bytes(body).decode("utf-8", "replace").strip()
                answer = f"{response.status_code} {response.reason_phrase}"
                return f"the server answered {answer}{f': {said}' if said else ''}"
            case error:
                return f"the server's answer is not that of a websocket: {error}"

    @property
    def close_code(self) -> int:
        """The code that the connection has ended with."""
        return self._protocol.close_code or 1006

    def describe_end(self) -> str:
        """Return how the connection has ended, in words."""
        code, reason = self.close_code, self._protocol.close_reason or ENDINGS.get(self.close_code)
        return f"{code} {reason}" if reason else str(code)

    def take_data(self) -> Iterator[bytes]:
        """Yield what to send; empty bytes end the sending."""
        yield from self._protocol.data_to_send()

    # --- what comes ---------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> Iterator[Shown]:
        """Take what was read, empty bytes for the end of TCP, and yield what to show."""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                if self._protocol.handshake_exc is None:
                    yield Shown("", f"{event.status_code} {event.reason_phrase}")
            elif isinstance(event, Frame):
                yield from self._show_received(event, now)
        failure = self._protocol.parser_exc
        if failure is not None and self._protocol.close_sent is not None and data:
            yield Shown("!", f"the server broke the protocol: {failure}")

    def _show_received(self, frame: Frame, now: float) -> Iterator[Shown]:
        if self._shows_frames:
            yield Shown("<", _describe_header(frame))
        data = bytes(frame.data)
        match frame.opcode:
            case Opcode.PING:
                yield Shown("<", f"ping {_format(data)}".rstrip())
                if self._shows_frames:
                    yield Shown(">", f"{_describe_header(Frame(Opcode.PONG, data))}, masked")
                yield Shown(">", f"pong {_format(data)}".rstrip())
            case Opcode.PONG:
                sent = self._sent_pings.pop(data, None)
                took = "" if sent is None else f"after {(now - sent) * 1000:.1f} ms"
                yield Shown("<", " ".join(filter(None, ("pong", _format(data), took))))
            case Opcode.CLOSE:
                close = Close.parse(data)
                code = "" if close.code == 1005 else f" {close.code}"
                yield Shown("<", f"close{code} {close.reason}".rstrip())
            case _:
                yield from self._collect(frame, data)

    def _collect(self, frame: Frame, data: bytes) -> Iterator[Shown]:
        """Put the frames of a message together, and yield the message after its last."""
        if frame.opcode is not Opcode.CONT:
            self._opcode, self._message = frame.opcode, b""
        self._message += data
        if not frame.fin:
            return
        message, self._message = self._message, b""
        if self._opcode is Opcode.TEXT:
            yield Shown("<", message.decode("utf-8", "replace"), is_control=False)
        else:
            size = format_count(len(message), "byte")
            yield Shown("<", f"binary, {size}: {_format_hex(message)}", is_control=False)

    # --- what is typed ------------------------------------------------------------------------

    def say(self, line: str, now: float) -> Iterator[Shown]:
        """Take a line that was typed: a message, or a command that begins with a slash."""
        if not self.is_open:
            yield Shown("!", "not sent: the websocket is not open")
            return
        command, _, rest = line.partition(" ")
        rest = rest.strip()
        try:
            if not line.startswith("/"):
                yield from self._send(Frame(Opcode.TEXT, line.encode()))
            elif line.startswith("//"):
                yield from self._send(Frame(Opcode.TEXT, line[1:].encode()))
            elif command == "/ping":
                yield from self._ping(rest, now)
            elif command == "/pong":
                yield from self._send(Frame(Opcode.PONG, _take_payload(rest)))
            elif command == "/binary":
                yield from self._send(Frame(Opcode.BINARY, bytes.fromhex(rest)))
            elif command == "/close":
                yield from self.close(rest)
            else:
                yield from (Shown("", f"{name}: {about}") for name, about in COMMANDS.items())
        except (ValueError, WebSocketException) as error:
            yield Shown("!", f"not sent: {error}")

    def _ping(self, text: str, now: float) -> Iterator[Shown]:
        self._number += 1
        payload = _take_payload(text or str(self._number))
        self._sent_pings[payload] = now
        if len(self._sent_pings) > MAX_PINGS:
            del self._sent_pings[next(iter(self._sent_pings))]
        yield from self._send(Frame(Opcode.PING, payload))

    def close(self, text: str = "1000") -> Iterator[Shown]:
        """Send a close frame with a code and a reason, both as text; empty for neither."""
        if self._protocol.state is not State.OPEN:
            return
        code, _, reason = text.partition(" ")
        if not code:
            self._protocol.send_close()
        elif not code.isdecimal():
            raise ValueError("a close needs a code before its reason, such as /close 1000 bye")
        else:
            self._protocol.send_close(int(code), reason.strip())
        payload = b"" if not code else Close(int(code), reason.strip()).serialize()
        yield from self._show_sent(Frame(Opcode.CLOSE, payload))

    def _send(self, frame: Frame) -> Iterator[Shown]:
        protocol = self._protocol
        data = bytes(frame.data)
        match frame.opcode:
            case Opcode.TEXT:
                protocol.send_text(data)
            case Opcode.BINARY:
                protocol.send_binary(data)
            case Opcode.PING:
                protocol.send_ping(data)
            case _:
                protocol.send_pong(data)
        yield from self._show_sent(frame)

    def _show_sent(self, frame: Frame) -> Iterator[Shown]:
        """Yield the header that was sent; what was typed is on the screen already."""
        if self._shows_frames:
            yield Shown(">", f"{_describe_header(frame)}, masked")


def _describe_header(frame: Frame) -> str:
    """Return the bits of a header, the name of its opcode and its length as text."""
    bits = {"FIN": frame.fin, "RSV1": frame.rsv1, "RSV2": frame.rsv2, "RSV3": frame.rsv3}
    name = "continuation" if frame.opcode is Opcode.CONT else frame.opcode.name.lower()
    words = [bit for bit, is_set in bits.items() if is_set]
    return " ".join([*words, name, format_count(len(frame.data), "byte")])


def _take_payload(text: str) -> bytes:
    payload = text.encode()
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a control frame has at most {MAX_PAYLOAD} bytes, this {len(payload)}")
    return payload


def _format(payload: bytes) -> str:
    """Return a payload as text if it is printable, else as hexadecimal digits."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return _format_hex(payload)
    return text if text.isprintable() else _format_hex(payload)


def _format_hex(data: bytes) -> str:
    more = len(data) - MAX_HEX_BYTES
    return data[:MAX_HEX_BYTES].hex(" ") + (f" and {more:,} more" if more > 0 else "")
