"""Raw bytes sent to a running server, and a hostile server for a feed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import hashlib
import logging
import random
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hostile import CONVERSATION, REQUESTS, SUBSCRIPTIONS, TICKS
from mutations import Mutations
from peers import LOCAL, handshake
from soaks import soak

import tickerkit as tk
from tickerkit.feed.connection import Connection
from tickerkit.runtime.portal import portal

Until = Callable[..., None]

PATIENCE_S = 60
TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = re.compile(rb"(?i)sec-websocket-key: *(\S+)")
V1 = {"Sec-WebSocket-Protocol": "tickerkit.v1"}


class Frames:
    """Random websocket frames; most of them break a rule of RFC 6455.

    Args:
        rng: the source of randomness.
        seeds: messages for their payloads, as they are and mutated.
        masked: whether valid frames are masked, as a client's must be.
    """

    def __init__(self, rng: random.Random, seeds: list[bytes], *, masked: bool) -> None:
        self.rng = rng
        self.masked = masked
        self._mutations = Mutations(seeds, rng)

    def next(self) -> bytes:
        """Return a frame, valid or not."""
        rng = self.rng
        payload = self._mutations.next()[:60_000]
        if rng.random() < 0.4:
            return self.frame(TEXT, payload)
        match rng.randrange(10):
            case 0:
                return self.frame(rng.randrange(16), payload)
            case 1:
                return self.frame(TEXT, payload, reserved=rng.randrange(8))
            case 2:
                return self.frame(TEXT, payload, masked=not self.masked)
            case 3:
                lie = rng.choice((0, 125, 126, 127, 65_535, 65_537, 2**31, 2**63 - 1, 2**64 - 1))
                return self.frame(TEXT, payload[:200], length=lie)
            case 4:
                return self.frame(TEXT, payload, last=False) + self.frame(rng.choice((0, 1)), b"x")
            case 5:
                return self.frame(CLOSE, rng.choice((b"", b"\3", b"\3\xea\xff", payload)))
            case 6:
                return self.frame(PING, rng.choice((b"", payload)), last=rng.random() < 0.8)
            case 7:
                return self.frame(TEXT, payload)[: rng.randrange(12)]
            case 8:
                return rng.randbytes(rng.randrange(1, 200))
            case _:
                return self.frame(BINARY, payload)

    def frame(
        self,
        opcode: int,
        payload: bytes,
        *,
        last: bool = True,
        reserved: int = 0,
        masked: bool | None = None,
        length: int | None = None,
    ) -> bytes:
        """Return a frame with these fields, valid or not."""
        masked = self.masked if masked is None else masked
        length = len(payload) if length is None else length
        head = bytes([last << 7 | reserved << 4 | opcode])
        mask = masked << 7
        if length < 126:
            head += bytes([mask | length])
        elif length < 65_536:
            head += bytes([mask | 126]) + struct.pack("!H", length)
        else:
            head += bytes([mask | 127]) + struct.pack("!Q", length)
        if not masked:
            return head + payload
        key = self.rng.randbytes(4)
        body = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
        return head + key + body


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that no task ends with an error, and that only refusals are logged."""
    contexts: list[dict[str, Any]] = []

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: contexts.append(context))

    portal.enter("test")
    try:
        portal.call(watch)
        yield
        gc.collect()  # a task reports an error that was never retrieved when it is collected
        assert contexts == []
    finally:
        portal.leave("test")
    assert [each for each in caplog.records if each.name == "asyncio" or each.exc_info] == []
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


async def tasks() -> int:
    """Return how many tasks run on the loop of this coroutine."""
    return len(asyncio.all_tasks())


def reset(sock: socket.socket) -> None:
    """Close a connection with a TCP reset."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def read_head(sock: socket.socket) -> bytes:
    """Read up to an empty line, or to the end."""
    head = b""
    while b"\r\n\r\n" not in head and (data := sock.recv(4096)):
        head += data
    return head


def attack(port: int, rng: random.Random, frames: Frames, requests: Mutations) -> int:
    """Open a connection, send invalid data, and reset it; return the number of frames sent."""
    kind = rng.randrange(8)
    if kind == 0:
        sock, sent = socket.create_connection((LOCAL, port)), [requests.next()]
    elif kind == 1:
        sock, sent = socket.create_connection((LOCAL, port)), [rng.randbytes(rng.randrange(500))]
    else:
        headers = V1 if rng.random() < 0.5 else {}
        sock = handshake(port, rng.choice(("/", "/ticks")), **headers)
        sent = [frames.next() for _ in range(rng.randrange(1, 9))]
        if rng.random() < 0.9:
            # Frames that arrive with the request would only reach websockets itself.
            sock.settimeout(PATIENCE_S)
            read_head(sock)
    with contextlib.suppress(OSError):  # the server has closed the connection
        for data in sent:
            sock.sendall(data)
        if rng.random() < 0.7:
            # Half-close, and read on until the server closes its side too.
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(PATIENCE_S)
            while sock.recv(65_536):
                pass
    reset(sock)
    return len(sent)


many = pytest.mark.parametrize("frames", [200, soak(100_000)])


@many
def test_invalid_frames_do_not_disturb_other_clients(
    frames: int, quiet: None, until: Until
) -> None:
    """Other clients get every tick, and no connection or error remains."""
    rng = random.Random(frames)
    raw = Frames(rng, SUBSCRIPTIONS, masked=True)
    requests = Mutations([each.replace(b"Host: a", b"Host: localhost") for each in REQUESTS], rng)
    with tk.serve(port=0) as server, tk.connect(server.url, history=None) as good:
        server.publish({"symbol": "A", "price": 0})
        good.wait()
        before = portal.call(tasks)
        sent = published = 0
        while sent < frames:
            sent += attack(server.port, rng, raw, requests)
            published += 1
            server.publish({"symbol": "A", "price": published})
        until(lambda: good.log.stop > published, PATIENCE_S)
        frame = good.frame()
        assert frame["price"].tolist() == list(range(published + 1))
        assert frame["seq"].tolist() == list(range(1, published + 2))
        assert (good.stats["reconnects"], good.stats["duplicates"], len(good.gaps)) == (0, 0, 0)
        until(lambda: portal.call(tasks) <= before, PATIENCE_S, "all connections have ended")
        assert len(server.clients) == 1
        assert server.stats["connections"] > frames / 20
        assert (server.stats["refused"], server.stats["last_error"]) == (0, "")


class HostileServer:
    """A server with a valid handshake that then sends invalid frames.

    Attributes:
        sent: number of frames sent.
    """

    def __init__(self, count: int, rng: random.Random, *, ours: bool) -> None:
        self.sent = 0
        self._count = count
        self._rng = rng
        self._ours = ours
        # No `end` message: a feed would believe it, and stop.
        seeds = [each for each in CONVERSATION if b'"end"' not in each] if ours else TICKS
        self._frames = Frames(rng, seeds, masked=False)
        self._listener = socket.create_server((LOCAL, 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> HostileServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while self.sent < self._count:
                peer, _ = self._listener.accept()
                peer.settimeout(PATIENCE_S)
                with contextlib.suppress(OSError):
                    self._serve(peer)
                reset(peer)

    def _serve(self, peer: socket.socket) -> None:
        if (key := KEY.search(read_head(peer))) is None:
            return  # the peer has closed the connection
        accept = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
        protocol = b"Sec-WebSocket-Protocol: tickerkit.v1\r\n" if self._ours else b""
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        peer.sendall(head + protocol + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        if self._ours and self._rng.random() < 0.8:
            peer.sendall(self._frames.frame(TEXT, CONVERSATION[0]))
        for _ in range(self._rng.randrange(1, 9)):
            self.sent += 1
            peer.sendall(self._frames.next())
        if self._rng.random() < 0.7:
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(65_536):
                pass


@pytest.mark.parametrize("ours", [True, False], ids=["tickerkit.v1", "plain"])
@pytest.mark.parametrize("frames", [1_000, soak(50_000)])
def test_feed_survives_a_hostile_server(
    frames: int, ours: bool, quiet: None, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses invalid messages, reconnects, and gets its ticks from a good server later."""
    monkeypatch.setattr("tickerkit.feed.rotation.MAX_LOCAL_DELAY_S", 0.001)
    # A mutated hello may name another version, a mutated close a list that is too long, and a
    # mutated length a message that is too large. All fail a feed, as they should. Here the feed
    # continues, to get the other frames too.
    expected = ("it speaks version", "name fewer", "larger than")
    reasons: list[str] = []
    monkeypatch.setattr(Connection, "_fail", lambda _, reason: reasons.append(reason))
    with HostileServer(frames, random.Random(frames), ours=ours) as hostile:
        port = hostile.port
        feed = tk.connect(f"ws://{LOCAL}:{port}/", history=None)
        until(lambda: hostile.sent >= frames or feed.status == "failed", 1500)
        assert feed.status not in ("failed", "ended"), feed.status_detail
        assert all(any(text in each for text in expected) for each in reasons)
        assert feed.stats["reconnects"] > frames / 20
        assert feed.stats["refused"] > frames / 100
    with tk.serve(port=port) as server:
        for price in range(3):
            server.publish({"symbol": "GOOD", "price": price})
        until(lambda: len(feed.frame("GOOD")) == 3, PATIENCE_S, feed.status_detail)
        server.publish({"symbol": "GOOD", "price": 3})
        until(lambda: len(feed.frame("GOOD")) == 4, PATIENCE_S, feed.status_detail)
        assert feed.frame("GOOD")["price"].tolist() == [0, 1, 2, 3]
        assert feed.status == "live"
        assert len(feed.gaps) > 0
    feed.stop()
