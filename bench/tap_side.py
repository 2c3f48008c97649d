"""The child processes of `bench.tap`: `python -m bench.tap_side serve|read`."""

from __future__ import annotations

import json
import socket
import statistics
import sys
import threading
import time
from typing import Any

from bench.child import answer_orders
from tickerkit.wire.header import make_frame

SIZE = 95
FRAME = make_frame(1, b"x" * SIZE)
LARGE = make_frame(2, bytes(2**16))
MASKED = make_frame(1, b"x" * SIZE, b"abcd")
PING = make_frame(9, b"p" * SIZE, b"abcd")
PONG = make_frame(10, b"p" * SIZE)
REQUEST = b"GET /%d HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
BATCH = 600


def receive(peer: socket.socket, size: int) -> bytes:
    """Receive so many bytes; return the last of them."""
    data = b""
    while size:
        data = peer.recv(min(size, 2**18))
        if not data:
            raise ConnectionError
        size -= len(data)
    return data


def serve_peer(peer: socket.socket) -> None:
    """Answer a handshake; send as many frames as its path says, or echo if it says 0.

    If the number is negative, the frames are of 64 KiB.
    """
    with peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += peer.recv(4096)
        peer.sendall(ANSWER)
        count = int(head.split(b" ")[1][1:])
        for _ in range(max(-count, 0)):
            peer.sendall(LARGE)
        batch = FRAME * BATCH
        for _ in range(max(count, 0) // BATCH):
            peer.sendall(batch)
        peer.sendall(FRAME * (max(count, 0) % BATCH))
        try:
            while not count:
                peer.sendall(PONG if receive(peer, len(PING)) == PING else FRAME)
        except ConnectionError:
            return
        peer.recv(1)


def serve() -> None:
    """Serve until the parent ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps(listener.getsockname()[1]), flush=True)

    def accept() -> None:
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=serve_peer, args=[peer], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


def connect(port: int, count: int) -> socket.socket:
    """Shake hands with the server, directly or through a proxy."""
    peer = socket.create_connection(("127.0.0.1", port))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.sendall(REQUEST % count)
    receive(peer, len(ANSWER))
    return peer


def read(port: int, count: int) -> Any:
    """Receive frames; of 64 KiB if the number is negative."""
    with connect(port, count) as peer:
        receive(peer, count * len(FRAME) if count > 0 else -count * len(LARGE))
    return count


def trips(port: int, count: int) -> tuple[float, float]:
    """Return the p50 and p99 of messages there and back, in milliseconds, at 1,000 a second.

    If the number is negative, they are pings.
    """
    took = []
    frame = MASKED if count > 0 else PING
    with connect(port, 0) as peer:
        for _ in range(abs(count)):
            began = time.perf_counter()
            peer.sendall(frame)
            receive(peer, len(FRAME))
            took.append(time.perf_counter() - began)
            time.sleep(max(0.001 - took[-1], 0))
    cuts = statistics.quantiles(took, n=100)
    return cuts[49] * 1e3, cuts[98] * 1e3


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        answer_orders(None, {"read": read, "trips": trips})
