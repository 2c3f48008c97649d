"""EventServer: an HTTP server on this machine that sends Server-Sent Events, for tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["EventServer", "Stream", "serve_events"]


class Stream:
    """One connection of a client, as the test's function sees it.

    Attributes:
        number: how many connections came before it.
        headers: those of the request.
    """

    def __init__(self, handler: BaseHTTPRequestHandler, server: EventServer) -> None:
        self.number = len(server.requests)
        self.headers = dict(handler.headers)
        self._handler = handler
        self._closing = server.closing

    def begin(self, status: int = 200, kind: str = "text/event-stream", **headers: str) -> None:
        """Send the head of the answer."""
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", kind)
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.end_headers()

    def send(self, text: str | bytes) -> None:
        """Send some of the stream."""
        self._handler.wfile.write(text.encode() if isinstance(text, str) else text)
        self._handler.wfile.flush()

    def idle(self) -> None:
        """Wait until the test ends."""
        self._closing.wait()


class EventServer:
    """The server.

    Attributes:
        url: its address, with a key that must never show.
        requests: the headers of each request.
        closing: set when the test ends.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/stream?key=sesame"
        self.requests: list[dict[str, str]] = []
        self.closing = threading.Event()


@contextmanager
def serve_events(handle: Callable[[Stream], None]) -> Iterator[EventServer]:
    """Run a server; `handle` answers each connection, which ends when it returns."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stream = Stream(self, running)
            running.requests.append(stream.headers)
            try:
                handle(stream)
            except OSError:  # the client has gone
                return

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        running = EventServer(http.server_address[1])
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield running
        finally:
            running.closing.set()
            http.shutdown()
            thread.join()
