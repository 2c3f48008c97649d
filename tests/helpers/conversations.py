"""A connection through a tap in memory, also with the state machines of websockets as its ends."""

from __future__ import annotations

import contextlib
import random
from itertools import pairwise
from typing import Any

from websockets.client import ClientProtocol
from websockets.exceptions import ProtocolError
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from tickerkit.wire import Conversation, Fields, FrameLog, Gate, Line, Toward, WireFrame

REQUEST = b"GET /ticks HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\r\n"
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
MAX_SIZE = 2**20


class Tapped:
    """A conversation whose two ends are lists of what was sent.

    Attributes:
        sent: the objects that were sent toward each peer since the handshake.
        ends: how the tap has ended the connection.
        now_ns: the time.
    """

    def __init__(self, keep_bytes: int = 2**24, **options: Any) -> None:
        self.now_ns = 10**18
        self.sent: dict[Toward, list[bytes]] = {"client": [], "server": []}
        self.ends: list[str] = []
        self.log = FrameLog(keep_bytes, self._drop)
        lines: dict[Toward, Line] = {
            "client": Line(self.sent["client"].append, max_bytes=MAX_SIZE),
            "server": Line(self.sent["server"].append, max_bytes=MAX_SIZE),
        }
        self.gate = options.pop("gate", Gate())
        self.tap = Conversation(1, self.log, lines, self.gate, self.ends.append, **options)

    def _drop(self, fields: Fields) -> None:
        self.tap.drop(fields)

    def open(self) -> Tapped:
        """Pass a handshake, and forget it."""
        self.feed("server", REQUEST)
        self.feed("client", ANSWER)
        for sent in self.sent.values():
            sent.clear()
        return self

    def feed(self, toward: Toward, *reads: bytes) -> None:
        """Pass the data of some reads, a millisecond after each other."""
        for data in reads:
            self.now_ns += 10**6
            self.tap.feed(toward, data, self.now_ns)
            self.tap.advance(self.now_ns)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ns += int(seconds * 1e9)
        self.tap.advance(self.now_ns)

    def bytes(self, toward: Toward) -> bytes:
        """Return all bytes sent toward a peer."""
        return b"".join(self.sent[toward])

    @property
    def frames(self) -> list[WireFrame]:
        """The frames of the log."""
        return [WireFrame._make(fields) for fields in self.log.read()[1]]

    def notes(self) -> list[tuple[str, ...]]:
        """Return the names of the notes of each frame."""
        return [frame.notes for frame in self.frames]


class Peers(Tapped):
    """A conversation between a client and a server of websockets, without sockets."""

    def __init__(self, *, deflate: bool = False, **options: Any) -> None:
        super().__init__(**options)
        client = [ClientPerMessageDeflateFactory()] if deflate else None
        server = [ServerPerMessageDeflateFactory()] if deflate else None
        self.client = ClientProtocol(parse_uri("ws://127.0.0.1/ticks"), extensions=client)
        self.server = ServerProtocol(extensions=server, max_size=MAX_SIZE)
        self.received: dict[Toward, list[Frame]] = {"client": [], "server": []}
        self.client.send_request(self.client.connect())
        self.run()

    def peer(self, toward: Toward) -> ClientProtocol | ServerProtocol:
        """Return the end that is at one side."""
        return self.client if toward == "client" else self.server

    def run(self, rng: random.Random | None = None) -> None:
        """Pass what the ends send until nothing is left; with `rng`, in reads of random sizes."""
        moved = True
        while moved:
            moved = False
            for toward, source in (("server", self.client), ("client", self.server)):
                if data := b"".join(source.data_to_send()):
                    cuts = sorted(rng.choices(range(len(data)), k=3)) if rng is not None else []
                    edges = pairwise([0, *cuts, len(data)])
                    reads = [data[start:stop] for start, stop in edges if start < stop]
                    self.feed(toward, *reads)  # type: ignore[arg-type]
                    moved = True
            for toward in ("client", "server"):
                if data := self.bytes(toward):
                    self.sent[toward].clear()
                    self._receive(toward, data)
                    moved = True

    def _receive(self, toward: Toward, data: bytes) -> None:
        peer = self.peer(toward)
        with contextlib.suppress(ProtocolError):
            peer.receive_data(data)
        for event in peer.events_received():
            if isinstance(event, Request):
                self.server.send_response(self.server.accept(event))
            elif isinstance(event, Frame):
                self.received[toward].append(event)
                # websockets' connections check the text of whole messages in the same way.
                if event.opcode is Opcode.TEXT and event.fin:
                    try:
                        bytes(event.data).decode()
                    except UnicodeDecodeError:
                        peer.fail(1007)
