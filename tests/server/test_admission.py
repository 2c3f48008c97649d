"""admission: limits of open and pending connections, and of the data that each sends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from commands import run_python
from peers import LOCAL, ask, dial, handshake, receive
from websockets.exceptions import ConnectionClosed, InvalidStatus

import tickerkit as tk
from tickerkit.runtime.portal import portal
from tickerkit.server import admission
from tickerkit.server.page import find_asset
from tickerkit.server.thread_server import ThreadServer

Until = Callable[..., None]

TICK = {"symbol": "AAPL", "price": 187.25}


def open_tcp(port: int, data: bytes = b"") -> socket.socket:
    """Open a TCP connection, and send data."""
    sock = socket.create_connection((LOCAL, port))
    sock.sendall(data)
    sock.settimeout(5)
    return sock


def is_closed(sock: socket.socket) -> bool:
    """Read to the end of the connection; return False if it does not end within the timeout."""
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def test_client_beyond_the_limit_gets_503(until: Until, caplog: pytest.LogCaptureFixture) -> None:
    """Open connections are not affected; a client that leaves makes room."""
    server = tk.serve(None, port=0, max_clients=2)
    with dial(server.url) as first, dial(server.url):
        for _ in range(5):
            with pytest.raises(InvalidStatus) as refused:
                dial(server.url)
        answer = refused.value.response
        assert answer.status_code == 503
        assert answer.body == b"This server is full: 2 clients are connected; try again later.\n"
        assert ask(server.port)[0] == 200
        server.publish(TICK)
        assert receive(first)[0]["symbol"] == "AAPL"
        assert server.stats["turned_away"] == 5
        assert "is full" in server.stats["last_turned_away"]
        assert 1 <= len([each for each in caplog.records if "is full" in each.message]) < 5
        feed = tk.connect(server)
        until(
            lambda: "HTTP 503: This server is full: 2 clients are connected" in feed.status_detail
        )
    server.publish(TICK)
    assert len(feed.wait(1).frame())


def test_oldest_idle_connections_are_closed_for_new_ones(
    monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """Idle connections and half handshakes are closed, the oldest first."""
    monkeypatch.setattr(admission, "MAX_PENDING_CONNECTIONS", 10)
    server = tk.serve(None, port=0)
    with contextlib.ExitStack() as stack:
        good = stack.enter_context(dial(server.url))
        idle = [
            stack.enter_context(open_tcp(server.port, b"GET / HTTP/1.1\r\n" * (number % 2)))
            for number in range(100)
        ]
        assert all(is_closed(sock) for sock in idle[:90])
        idle[-1].settimeout(0.2)
        assert not is_closed(idle[-1])
        assert ask(server.port)[0] == 200
        late = stack.enter_context(dial(server.url))
        server.publish(TICK)
        assert receive(good)[0]["symbol"] == receive(late)[0]["symbol"] == "AAPL"


def test_burst_of_handshakes_is_admitted(monkeypatch: pytest.MonkeyPatch, until: Until) -> None:
    """More connections than max_pending are admitted if all have sent their request."""
    monkeypatch.setattr(admission, "MAX_PENDING_CONNECTIONS", 10)
    server = tk.serve(None, port=0)
    held = threading.Event()
    portal.post(held.wait)
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(handshake(server.port)) for _ in range(100)]
        held.set()
        until(lambda: server.stats["clients"] == len(crowd))


def test_closed_connection_is_not_admitted() -> None:
    """A request that was read before the close must not count as admitted forever."""
    made = admission.ConnectionLimiter(10, 2**20)
    closed = admission.ServerSocket.__new__(admission.ServerSocket)
    made.remove(closed)
    assert not made.admit(closed)
    assert made.admitted == set()


def test_failed_handshake_is_not_admitted(until: Until) -> None:
    """Only upgraded connections count."""
    server = tk.serve(None, port=0, max_clients=1)
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            request = f"GET / HTTP/1.1\r\nHost: {LOCAL}:{server.port}\r\nUpgrade: websocket\r\n\r\n"
            sock = stack.enter_context(open_tcp(server.port, request.encode()))
            assert sock.recv(12) == b"HTTP/1.1 426"
        good = stack.enter_context(dial(server.url))
        server.publish(TICK)
        assert receive(good)[0]["symbol"] == "AAPL"


def test_flood_of_wrong_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch, until: Until) -> None:
    """Refused clients stay pending ones, of which the oldest are closed; others are served."""
    monkeypatch.setattr(admission, "MAX_PENDING_CONNECTIONS", 10)
    server = tk.serve(None, port=0, token="sesame", max_clients=2)
    plain = f"ws://{LOCAL}:{server.port}/"
    with contextlib.ExitStack() as stack:
        good = stack.enter_context(dial(server.url))
        # Each gets the reason, answers no close frame, and sends messages without end.
        crowd = [stack.enter_context(handshake(server.port, "/")) for _ in range(100)]
        for sock in crowd:
            with contextlib.suppress(OSError):
                sock.sendall(masked(0x1, b"[" * 1000) * 100)
        until(lambda: server.stats["turned_away"] == 100)
        assert server.stats["clients"] == server.stats["connections"] == 1
        with dial(plain) as late, pytest.raises(ConnectionClosed) as refused:
            late.recv(5)
        assert refused.value.rcvd is not None
        assert (refused.value.rcvd.code, "token" in refused.value.rcvd.reason) == (1008, True)
        server.publish(TICK)
        assert receive(good)[0]["symbol"] == "AAPL"
        with dial(server.url) as second:
            assert receive(second)[0]["symbol"] == "AAPL"
        count = connections_of(server)
        until(lambda: count() <= 11, what="the refused are gone")


def connections_of(server: tk.TickServer) -> Callable[[], int]:
    """Return a function that counts the open connections of a server."""
    limiter = server._limiter  # type: ignore[attr-defined]
    return lambda: len(limiter.list_connections())


@pytest.mark.parametrize("left", [8, 100, 500, 100_000])
def test_limits_fit_the_limit_of_open_files(left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Admitted and pending connections together are fewer than the files that may be opened."""
    monkeypatch.setattr(admission, "_count_free_files", lambda: left)
    made = admission.ConnectionLimiter(1000, 2**20)
    assert 1 <= made.limit <= 1000
    assert made.limit + made.max_pending + made.backlog <= left
    assert (made.limit == 1000) == (left == 100_000)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no limit of open files")
@pytest.mark.process
@pytest.mark.package
@pytest.mark.parametrize("is_encrypted", [False, True])
def test_process_with_few_files_never_runs_out(is_encrypted: bool, tmp_path: Path) -> None:
    """With hundreds of connections, clients are served or refused, and no error is printed."""
    files: list[Path] = []
    if is_encrypted:
        authority = trustme.CA()
        made = authority.issue_cert(LOCAL)
        files = [tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"]
        made.cert_chain_pems[0].write_to_path(files[0])
        made.private_key_pem.write_to_path(files[1])
        authority.cert_pem.write_to_path(files[2])
    done = run_python("-c", FEW_FILES, *files, timeout_s=110)
    assert done.stderr == ""
    assert done.stdout.split() == ["True", "True", "alive", "0"]
    assert done.returncode == 0


FEW_FILES = """
import resource, subprocess, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
import tickerkit as tk

*pair, ca = sys.argv[1:] or [None]
server = tk.serve(None, port=0, ssl=tuple(pair) or None)
crowd = '''
import resource, socket, ssl, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
from websockets.sync.client import connect
url, inside, refused, kept = sys.argv[1], 0, 0, []
port = int(url.rsplit(":", 1)[1].strip("/"))
trust = ssl.create_default_context(cafile=sys.argv[2]) if sys.argv[2:] else None
idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
for _ in range(300):
    try:
        kept.append(connect(url, ssl=trust, proxy=None, open_timeout=30))
        inside += 1
    except Exception as error:
        # TLS strangers are closed before they can be answered; waiting for ever is no refusal.
        closed = trust and isinstance(error.__cause__ or error, (EOFError, OSError))
        full = getattr(getattr(error, "response", None), "status_code", 0) == 503
        refused += full or (bool(closed) and not isinstance(error, TimeoutError))
print(inside, refused, flush=True)
'''
out = subprocess.run(
    [sys.executable, "-c", crowd, server.url, *filter(None, [ca])],
    capture_output=True,
    text=True,
    timeout=80,
)
inside, refused = map(int, out.stdout.split())
print(inside > 50, inside + refused == 300)
feed = tk.connect(server, ssl=ca)
server.publish({"symbol": "A", "price": 1})
print("alive" if len(feed.wait(1, timeout=20).frame()) else "dead")
print(server.stats["refused"])
tk.stop_all()
"""


def test_tiny_frames_are_charged(until: Until) -> None:
    """A client may send a megabyte a second: 16,000 empty pings, not 170,000."""
    server = tk.serve(None, port=0, stall_timeout=None)
    with handshake(server.port) as flood:
        until(lambda: server.stats["clients"] == 1)
        (one,) = server._handlers
        one.check = lambda: None  # which would begin to count again
        flood.sendall(masked(0x9, b"") * 1000)
        until(lambda: one.socket.received_bytes >= 64_000)


def masked(opcode: int, data: bytes, *, last: bool = True) -> bytes:
    """Return a frame as a client sends it."""
    if len(data) < 126:
        head = bytes([last << 7 | opcode, 0x80 | len(data)])
    else:
        head = bytes([0x80 | opcode, 0x80 | 126]) + struct.pack("!H", len(data))
    return head + b"\0\0\0\0" + data


@pytest.mark.parametrize(
    ("frame", "most"),
    [
        (masked(0x9, b"x" * 125), 2**17),
        (masked(0x1, b"[" * 1000), 2**14),
        (masked(0x9, b""), 2**17),
        (masked(0x1, b"", last=False) + masked(0, b"", last=False) * 100, 2**14),
    ],
    ids=["pings", "messages", "empty pings", "empty fragments"],
)
def test_client_that_floods_is_disconnected(frame: bytes, most: int, until: Until) -> None:
    """It does not matter whether the client reads the answers; other clients are served."""
    server = tk.serve(None, port=0)
    with dial(server.url) as good, handshake(server.port) as flood:
        until(lambda: server.stats["clients"] == 2)
        with pytest.raises(ConnectionError):
            flood.sendall(frame * 16 * most)
        until(lambda: server.stats["clients"] == 1)
        server.publish(TICK)
        assert receive(good)[0]["symbol"] == "AAPL"


def test_page_arrives_complete_over_a_slow_link() -> None:
    """A client that reads 50 kB/s gets every byte of the largest file."""
    server = tk.serve(None, port=0)
    paths = ["/", *(f"/{name}" for name in ("page.js", "feed.js", "board.js", "page.css"))]
    largest = max(paths, key=lambda path: len(found.body) if (found := find_asset(path)) else 0)
    found = find_asset(largest)
    assert found is not None
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.connect((LOCAL, server.port))
        sock.sendall(f"GET {largest} HTTP/1.1\r\nHost: {LOCAL}:{server.port}\r\n\r\n".encode())
        received = b""
        while data := sock.recv(1000):
            received += data
            time.sleep(len(data) / 50_000)
    assert received.endswith(found.body)


def test_loop_accepts_fewer_connections_at_a_time_than_have_a_place(
    monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """So each is answered before it has to make room for the next ones, however many come."""
    monkeypatch.setattr(admission, "MAX_PENDING_CONNECTIONS", 20)
    monkeypatch.setattr(admission, "MAX_BACKLOG", 60)
    server = tk.serve(None, port=0)
    assert isinstance(server, ThreadServer)
    limiter, held, seen = server._limiter, threading.Event(), [0]

    async def watch() -> None:
        while len(limiter.admitted) < 60:
            seen.append(len(limiter.list_connections()))
            await asyncio.sleep(0)

    portal.post(held.wait)
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(handshake(server.port))
        held.set()
        portal.call(watch)
        assert limiter.accepts == 80 // admission.HANDSHAKE_ITERATIONS
        assert max(after - before for before, after in itertools.pairwise(seen)) == limiter.accepts
