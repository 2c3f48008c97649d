"""FakeClass: the server of a class, as far as a student's page sees it; tests send by hand."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

CODE = "otter42"


class FakeClass:
    """Serves one page, and keeps the websockets that it opens.

    Attributes:
        port: the port, on all addresses.
        page: what is sent for the class's code.
        seats: the query of each websocket so far.
        sockets: those that are open.
        refusal: a code and a reason to close each new websocket with, if any.
    """

    def __init__(self, page: bytes, port: int = 0) -> None:
        self.page = page
        self.seats: list[dict[str, str]] = []
        self.sockets: list[ServerConnection] = []
        self.refusal: tuple[int, str] | None = None
        self._server = serve(self._handle, "0.0.0.0", port, process_request=self._respond)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _respond(self, _: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return None
        is_page = urlsplit(request.path).path == f"/{CODE}"
        body = self.page if is_page else b"alive\n"
        kind = "text/html" if is_page else "text/plain"
        headers = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))}
        return Response(200, "OK", Headers({**headers, "Connection": "close"}), body)

    def _handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        query = parse_qs(urlsplit(socket.request.path).query)
        if (refusal := self.refusal) is None:
            self.sockets.append(socket)  # before its seat, for which tests wait
        self.seats.append({name: values[0] for name, values in query.items()})
        if refusal is not None:
            socket.close(*refusal)
            return
        with contextlib.suppress(ConnectionClosed):
            for _ in socket:
                pass
        self.sockets.remove(socket)

    def send(self, message: object) -> None:
        """Send a message to every page."""
        for socket in list(self.sockets):
            with contextlib.suppress(ConnectionClosed):
                socket.send(json.dumps(message))

    def close(self, code: int, reason: str) -> None:
        """Close the websockets of all pages."""
        for socket in list(self.sockets):
            socket.close(code, reason)

    def stop(self) -> None:
        """Stop; idempotent."""
        for socket in list(self.sockets):
            socket.close(1012, "")
        self._server.shutdown()
        self._thread.join()


@contextlib.contextmanager
def fake_class(page: bytes, port: int = 0) -> Iterator[FakeClass]:
    """Run a class's server."""
    server = FakeClass(page, port)
    try:
        yield server
    finally:
        server.stop()
