"""Network peers for the tests: plain clients and servers, and connections that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from tickerkit.sources import Source

LOCAL = "127.0.0.1"


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as sock:
        sock.bind((LOCAL, 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def another_program() -> Iterator[tuple[int, int]]:
    """Run a program that listens on a port; yield its process id and the port."""
    code = (
        "import socket; s = socket.create_server(('127.0.0.1', 0));"
        "print(s.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        yield other.pid, int(other.stdout.readline())
        other.communicate("\n")


def dial(url: str, **options: Any) -> ClientConnection:
    """Connect as a plain program would, without tickerkit."""
    return connect(url, compression=None, proxy=None, **options)


def receive(peer: ClientConnection, timeout_s: float = 5) -> Any:
    """Return the next message, decoded."""
    return json.loads(peer.recv(timeout_s))


def receive_all(peer: ClientConnection, timeout_s: float = 5) -> list[Any]:
    """Return every message up to the end of the connection, decoded."""
    messages = []
    with contextlib.suppress(Exception):
        while True:
            messages.append(receive(peer, timeout_s))
    return messages


def handshake(port: int, path: str = "/ticks", **headers: str) -> socket.socket:
    """Open a websocket by hand, and read nothing, so that a test can let its buffers fill up."""
    lines = {
        "Host": f"{LOCAL}:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    sock = socket.create_connection((LOCAL, port))
    sock.sendall(f"GET {path} HTTP/1.1\r\n{text}\r\n".encode("latin-1"))
    return sock


def ask(
    port: int, path: str = "/", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    """Send a plain HTTP request; return the status, the headers and the body."""
    connection = http.client.HTTPConnection(LOCAL, port, timeout=5)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=names)
        answer = connection.getresponse()
        body = answer.read().decode()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body
    finally:
        connection.close()


def echo(peer: ServerConnection) -> None:
    """Send each message back."""
    with contextlib.suppress(ConnectionClosed):
        for message in peer:
            peer.send(message)


@contextlib.contextmanager
def plain_server(
    handler: Callable[[ServerConnection], object],
    port: int = 0,
    compression: str | None = None,
    **options: Any,
) -> Iterator[str]:
    """Serve a websocket as a program without tickerkit would; yield its address."""
    with serve(handler, LOCAL, port, compression=compression, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://{LOCAL}:{server.socket.getsockname()[1]}/"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def refusing(status: int, text: str = "") -> Iterator[str]:
    """Run a server that answers every request with an HTTP status; yield its address."""
    with plain_server(
        lambda _: None, process_request=lambda peer, _: peer.respond(status, text)
    ) as url:
        yield url


@contextlib.contextmanager
def raw_server(answer: bytes) -> Iterator[str]:
    """Run a server that answers any first data with these bytes, and closes; yield its address."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((LOCAL, 0)))

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer, contextlib.suppress(OSError):
                        peer.recv(4096)
                        peer.sendall(answer)

        thread = threading.Thread(target=run)
        thread.start()
        stack.callback(thread.join)
        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        yield f"ws://{LOCAL}:{listener.getsockname()[1]}/"


class Wire:
    """A TCP proxy in front of a port: forwards data both ways, and can cut its connections.

    Attributes:
        url: the proxy's address, to connect to instead of the port.
        cuts: how many connections were cut.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((LOCAL, 0))
        self.url = f"ws://{LOCAL}:{self._listener.getsockname()[1]}/"
        self.cuts = 0
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """Reset every connection, so that what is on its way is lost on both sides."""
        ends, self._ends = self._ends, []
        self.cuts += len(ends) // 2
        for end in ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RD)
            end.close()

    def close(self) -> None:
        """Accept no further connection, and reset those that there are; idempotent."""
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._threads[0].join()
            self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection((LOCAL, self._target))
                except OSError:
                    near.close()
                    continue
                self._ends += [near, far]
                for pair in ((near, far), (far, near)):
                    self._threads.append(threading.Thread(target=self._pump, args=pair))
                    self._threads[-1].start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


class Kept:
    """An outlet that keeps what a source sends.

    Attributes:
        sent: what the source has sent, one item per call.
        errors: the errors that the source has reported.
        enough: how many items and errors it takes until the source is cancelled.
    """

    def __init__(self, enough: int = 10**9) -> None:
        self.sent: list[object] = []
        self.errors: list[BaseException] = []
        self.enough = enough

    async def send(self, ticks: object) -> None:
        """Keep the ticks."""
        self.sent.append(ticks)
        self._count()

    async def wait_for_readers(self, count: int) -> None:
        """Return at once."""

    async def wait_until_read(self, max_behind: int) -> None:
        """Return at once."""

    def report(self, error: BaseException) -> None:
        """Keep the error."""
        self.errors.append(error)
        self._count()

    def _count(self) -> None:
        if len(self.sent) + len(self.errors) >= self.enough:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    def run(self, source: Source) -> None:
        """Run a source until it ends, or until `enough` items and errors are kept."""
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(source.run(self))
