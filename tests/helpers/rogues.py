"""Rogues: servers that try to hold up a feed, to fill its memory, or to keep it waiting.

Each rogue is a function that yields the bytes that a server sends after a valid handshake. Bytes
are made in blocks ahead of time, so that the feed's work is measured and not the rogue's.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import hashlib
import json
import random
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeAlias

from peers import LOCAL

from tickerkit.runtime.portal import portal

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = [
    "PING",
    "ROGUES",
    "LoopWatch",
    "Rogue",
    "RogueServer",
    "frame",
    "hello",
    "peak_memory_mb",
]

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = re.compile(rb"Sec-WebSocket-Key: (\S+)", re.IGNORECASE)
CONTINUATION, TEXT, PING = 0, 1, 9

Rogue: TypeAlias = Callable[[random.Random], Iterator[bytes]]


def frame(payload: bytes, opcode: int = TEXT, *, last: bool = True) -> bytes:
    """Return a frame as a server sends it."""
    head = bytes([last << 7 | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 2**16:
        return head + b"\x7e" + struct.pack("!H", len(payload)) + payload
    return head + b"\x7f" + struct.pack("!Q", len(payload)) + payload


def message(**fields: Any) -> bytes:
    """Return a message of `tickerkit.v1` as a frame."""
    return frame(json.dumps(fields).encode())


def hello(epoch: str = "e", symbols: list[str] | None = None, **columns: Any) -> bytes:
    """Return a hello."""
    return message(
        type="hello", epoch=epoch, first=1, next=1, symbols=symbols or ["A"], columns=columns
    )


def ticks(seq: int, words: list[str] | None = None, start: int = 1, **more: Any) -> bytes:
    """Return a message with a tick of the first symbol."""
    symbol = {"codes": [0], "from": start, "words": words or []}
    return message(type="ticks", seq=seq, count=1, time=[seq], symbol=symbol, price=[1], more=more)


def forever(*blocks: bytes) -> Iterator[bytes]:
    """Yield some bytes, and the last of them for ever."""
    yield from blocks
    while True:
        yield blocks[-1]


# --- rogues that speak tickerkit.v1 ---------------------------------------------------------------


def many_words(rng: random.Random) -> Iterator[bytes]:
    """Send 60,000 symbols, then thousands of short messages that each have a tick."""
    words = [f"{n:08}" for n in range(60_000)]
    yield hello()
    for start in range(0, len(words), 1000):
        yield ticks(start + 1, words[start : start + 1000], start + 1)
    for seq in count(100_000, 1000):
        yield b"".join(ticks(seq + n, start=60_001) for n in range(1000))


def too_many_words(rng: random.Random) -> Iterator[bytes]:
    """Send a million symbols."""
    yield hello()
    for start in count(0, 10_000):
        yield ticks(start + 1, [f"{n:08}" for n in range(start, start + 10_000)], start + 1)


def large_hello(rng: random.Random) -> Iterator[bytes]:
    """Send a hello of 14 MB."""
    yield from forever(hello(symbols=[f"{n:010}" for n in range(1_000_000)]))


def long_words(rng: random.Random) -> Iterator[bytes]:
    """Send words of a megabyte."""
    yield hello()
    for n in count():
        yield ticks(n + 1, [f"{n:01000000}"], n + 1)


def pings(rng: random.Random) -> Iterator[bytes]:
    """Send empty pings."""
    yield from forever(hello(), frame(b"", PING) * 2**17)


def heartbeats(rng: random.Random) -> Iterator[bytes]:
    """Send short messages."""
    yield from forever(hello(), message(type="at", seq=5) * 5000)


def gaps(rng: random.Random) -> Iterator[bytes]:
    """Send gaps of many epochs, with long reasons."""
    yield hello()
    for n in count(0, 100):
        reason = "x" * rng.choice((1, 1000, 20_000))
        yield b"".join(
            message(type="gap", epoch=f"e{n + k}", **{"from": 1, "to": None}, reason=reason)
            for k in range(100)
        )


def epochs(rng: random.Random) -> Iterator[bytes]:
    """Begin an epoch with each tick, and give some of them long names."""
    for n in count(0, 100):
        name = "x" * rng.choice((1, 1, 1, 100_000))
        yield b"".join(hello(f"{n + k}{name}") + ticks(1) for k in range(100))


def columns(rng: random.Random) -> Iterator[bytes]:
    """Send a thousand new columns of text with each message."""
    yield hello()
    for n in count():
        more = {f"c{n}.{k}": {"codes": [0], "from": 0, "words": ["w"]} for k in range(1000)}
        yield ticks(n + 1, **more)


def wide_ticks(rng: random.Random) -> Iterator[bytes]:
    """Send ever other columns, a few in each message."""
    yield hello()
    for n in count():
        yield b"".join(ticks(30 * n + k + 1, **{f"{'c' * 500}{n}.{k}": [1.0]}) for k in range(30))


def numbers(rng: random.Random) -> Iterator[bytes]:
    """Send messages of two megabytes of numbers."""
    many = [1] * rng.choice((2000, 8000, 400_000))
    body = message(
        type="ticks",
        seq=1,
        count=len(many),
        time=many,
        symbol={"codes": [0] * len(many)},
        price=many,
        steps=many[1:],
    )
    yield from forever(hello(), body)


def texts(rng: random.Random) -> Iterator[bytes]:
    """Send messages with as many ticks and new words as a server may send in one."""
    yield hello()
    for n in count():
        size = 8000
        words = {"codes": list(range(size)), "from": 0, "words": [f"{k}" for k in range(size)]}
        yield message(
            type="ticks",
            seq=1 + n * size,
            count=size,
            time=[1] * size,
            symbol={"codes": [0] * size},
            price=[1] * size,
            more={f"c{n}.{k}": words for k in range(8)},
        )


def nested(rng: random.Random) -> Iterator[bytes]:
    """Send deeply nested JSON, and JSON with a million small values that no message has."""
    yield hello()
    deep = frame(b"[" * 2_000_000)
    wide = frame(b'{"type":"at","seq":1,"x":[' + b"[]," * 600_000 + b"1]}")
    yield from forever(wide, rng.choice((deep, wide)))


def errors(rng: random.Random) -> Iterator[bytes]:
    """Send error messages of a megabyte."""
    text = "\x1b[31m" + "x" * 10**6
    yield from forever(hello(), message(type="error", code=text, message=text, hint=""))


def fragments(rng: random.Random) -> Iterator[bytes]:
    """Send a message in fragments without bytes, which never ends."""
    yield hello() + frame(b"", TEXT, last=False)
    yield from forever(frame(b"", CONTINUATION, last=False) * 2**16)


def large_message(rng: random.Random) -> Iterator[bytes]:
    """Send a message of 20 MB."""
    yield from forever(hello(), frame(b" " * 20_000_000))


# --- rogues without a subprotocol -----------------------------------------------------------------


def plain(item: bytes, size: int = 16_000_000) -> Rogue:
    """Return a rogue that sends an array of the same element, as large as a message may be."""

    def rogue(rng: random.Random) -> Iterator[bytes]:
        yield from forever(frame(b"[" + item * (size // len(item) - 1) + item.rstrip(b",") + b"]"))

    return rogue


def fields(rng: random.Random) -> Iterator[bytes]:
    """Send ticks that each have other fields."""
    each = [f'{{"s":"A","p":1,"x{n}":1,"y{n}":"t"}}' for n in range(100_000)]
    yield from forever(frame(f"[{','.join(each)}]".encode()))


def wide_tick(rng: random.Random) -> Iterator[bytes]:
    """Send a tick with as many fields as a megabyte holds."""
    more = ",".join(f'"x{n}":{n}' for n in range(rng.choice((900, 15_000, 60_000))))
    yield from forever(frame(f'[{{"s":"A","p":1,{more}}}]'.encode()))


def many_symbols(rng: random.Random) -> Iterator[bytes]:
    """Send ticks that each have another symbol."""
    for start in count(0, 100_000):
        each = [f'{{"s":"{start + n}","p":1}}' for n in range(100_000)]
        yield frame(f"[{','.join(each)}]".encode())


def digits(rng: random.Random) -> Iterator[bytes]:
    """Send numbers of thousands of digits, as numbers and as text, valid and not."""
    size = rng.choice((5000, 16_000, 200_000))
    each = rng.choice(
        (f'"{"1" * size}x"', "1" * size, f'"{"1" * size}"', f"1.{'1' * size}", f'"1.{"1" * size}x"')
    )
    yield from forever(frame(f'[{{"s":"A","p":{each}}},{{"s":"A","p":1,"time":{each}}}]'.encode()))


def one_object(rng: random.Random) -> Iterator[bytes]:
    """Send an object of 16 MB."""
    inner = rng.choice((b"[],", b'"",', b"{},", b"1,")) * 5_000_000
    yield from forever(frame((b'{"s":"A","p":1,"x":[' + inner)[:15_999_000] + b"1]}"))


def escapes(rng: random.Random) -> Iterator[bytes]:
    """Send text of backslashes and quotes."""
    inner = rng.choice((b"\\\\", b'\\"', b"\\u0000")) * 1_000_000
    yield from forever(frame(b'[{"s":"A","p":1,"x":"' + inner + b'"}]'))


ROGUES: dict[str, tuple[Rogue, bool]] = {
    **{
        rogue.__name__: (rogue, True)
        for rogue in (
            many_words,
            too_many_words,
            large_hello,
            long_words,
            pings,
            heartbeats,
            gaps,
            epochs,
            columns,
            wide_ticks,
            numbers,
            texts,
            nested,
            errors,
            fragments,
            large_message,
        )
    },
    "empty text": (plain(b'"",'), False),
    "numbers in a list": (plain(b"1,"), False),
    "text in text": (plain(b'"[1,1,1,1,1,1,1,1]",'), False),
    "short ticks": (plain(b'{"s":"A","p":1},'), False),
    "invalid JSON": (plain(b'{"s":"A","p":NaN},'), False),
    "small messages": (lambda _: forever(frame(b'{"s":"A","p":1}') * 5000), False),
    **{
        rogue.__name__: (rogue, False)
        for rogue in (fields, wide_tick, many_symbols, digits, one_object, escapes)
    },
}
"""Each rogue by its name, and whether it speaks `tickerkit.v1`."""


class RogueServer:
    """A server that sends what a rogue yields, on each connection from the start.

    Attributes:
        url: its address.
        connections: how many feeds have connected.
        sent_bytes: how many bytes were sent.
    """

    def __init__(self, rogue: Rogue, *, is_v1: bool, seed: int = 0) -> None:
        self._rogue = rogue
        self._is_v1 = is_v1
        self._seed = seed
        self._listener = socket.create_server((LOCAL, 0))
        self.url = f"ws://{LOCAL}:{self._listener.getsockname()[1]}/"
        self.connections = self.sent_bytes = 0
        self._peer: socket.socket | None = None
        self._is_ending = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> RogueServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending = True
        for sock in (self._listener, self._peer):
            with contextlib.suppress(OSError, AttributeError):
                sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while not self._is_ending:
                peer, _ = self._listener.accept()
                self._peer = peer
                self.connections += 1
                with peer, contextlib.suppress(OSError):
                    self._serve(peer)

    def _serve(self, peer: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (data := peer.recv(4096)):
            head += data
        if (key := KEY.search(head)) is None:
            return  # the feed has closed the connection
        accept = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
        protocol = b"Sec-WebSocket-Protocol: tickerkit.v1\r\n" if self._is_v1 else b""
        answer = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        )
        peer.sendall(answer + protocol + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        for block in self._rogue(random.Random(self._seed)):
            if self._is_ending:
                return
            peer.sendall(block)
            self.sent_bytes += len(block)


class LoopWatch:
    """Measures the longest time for which anything held tickerkit's event loop.

    It is CPU time of the loop's thread: time that other threads and programs take does not count.

    Attributes:
        longest_s: the longest time so far.
        iterations: how many iterations of the loop were measured.
    """

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.iterations = 0
        self._is_ending = False

    def __enter__(self) -> LoopWatch:
        gc.collect()
        gc.freeze()  # what other tests left is not searched for garbage again and again
        portal.enter("rogue")
        portal.post(self._begin)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending = True
        portal.leave("rogue")
        gc.unfreeze()

    def _begin(self) -> None:
        self._at = time.thread_time()
        self._step()

    def _step(self) -> None:
        now = time.thread_time()
        self.longest_s = max(self.longest_s, now - self._at)
        self.iterations += 1
        self._at = now
        if not self._is_ending:
            portal.post(self._step)


def peak_memory_mb() -> float:
    """Return how much memory this process has taken at most; 0 where that is not known."""
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
