"""Projector: serves the panel of a tap to browsers, on a port of its own of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import http
from collections import deque
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

import msgspec
from websockets.asyncio.server import Server, ServerConnection, broadcast
from websockets.asyncio.server import serve as websockets_serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tickerkit.classroom.panel.exchange import MESSAGES_PER_S, MakeExchange
from tickerkit.classroom.panel.messages import FromKernel
from tickerkit.classroom.panel.page_side import read_page_side, read_part
from tickerkit.net.listening import find_port, real_reasons
from tickerkit.runtime.error_log import wire_logger
from tickerkit.runtime.scheduler import SENDER
from tickerkit.server.access import Access

__all__ = ["Projector"]

HOST = "127.0.0.1"
SOCKET = "/socket"
ELEMENTS = "runtime/page_parts/elements.js"
MAX_BROWSERS = 20
MAX_ORDER_BYTES = 2**16
MAX_ORDERS = 100
# A browser that reads more slowly gets fewer messages, and counts the frames in between.
MAX_UNSENT_BYTES = 2**20
CLOSE_S = 1.0
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; "
    "img-src data:; frame-ancestors 'none'"
)
HTML, CSS, JAVASCRIPT = (f"text/{name}; charset=utf-8" for name in ("html", "css", "javascript"))


@cache
def _read_files() -> Mapping[str, tuple[str, bytes]]:
    """Return the type and the content of each file, by the path that a browser asks for."""
    folder = resources.files(__package__)
    return {
        "/": (HTML, (folder / "projector.html").read_bytes()),
        "/projector/projector.css": (CSS, (folder / "projector.css").read_bytes()),
        "/projector/projector.js": (JAVASCRIPT, (folder / "projector.js").read_bytes()),
        "/panel/panel.css": (CSS, read_part("panel.css").encode()),
        f"/{ELEMENTS}": (JAVASCRIPT, (resources.files("tickerkit") / ELEMENTS).read_bytes()),
        "/panel/panel.js": (JAVASCRIPT, read_page_side().encode()),
    }


class Projector:
    """A web server for the panel of a tap. All of it is called on the event loop.

    Only this machine reaches it, and only pages of this machine may connect, as for a server
    without a token. At most 20 browsers are connected at a time.

    Args:
        make_exchange: makes the exchange of a browser.

    Attributes:
        port: the port it listens on; 0 before `start`.
    """

    def __init__(self, make_exchange: MakeExchange) -> None:
        self.port = 0
        self._make_exchange = make_exchange
        self._access = Access(HOST)
        self._browsers: set[_Browser] = set()
        self._server: Server | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on a port; idempotent."""
        if self._server is not None:
            return
        with real_reasons():
            # Without start_serving, a cancelled call would leave the port open.
            self._server = await websockets_serve(
                self._serve,
                HOST,
                port,
                process_request=self._respond,
                compression=None,
                server_header=None,
                max_size=MAX_ORDER_BYTES,
                close_timeout=CLOSE_S,
                logger=wire_logger,
                start_serving=False,
            )
        self.port = find_port(self._server.sockets)
        await self._server.start_serving()

    async def stop(self) -> None:
        """Close the connections and the port; idempotent."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _respond(self, _: ServerConnection, request: Request) -> Response | None:
        """Return a file, or why there is none; None for a websocket, which is accepted then."""
        page = f"http://{HOST}:{self.port}/"
        refusal = self._access.check_request(
            request.path, request.headers, page=page, needs_token=False
        )
        if refusal is not None:
            return _make_response(refusal.status, refusal.reason.encode())
        path = request.path.partition("?")[0]
        if path == SOCKET:
            if len(self._browsers) < MAX_BROWSERS:
                return None
            text = f"{MAX_BROWSERS} pages show this tap; close one first."
            return _make_response(http.HTTPStatus.SERVICE_UNAVAILABLE, text.encode())
        found = _read_files().get(path)
        if found is None:
            return _make_response(http.HTTPStatus.NOT_FOUND, f"The page is at {page}".encode())
        return _make_response(http.HTTPStatus.OK, found[1], found[0])

    async def _serve(self, socket: ServerConnection) -> None:
        browser = _Browser(socket, self._make_exchange)
        self._browsers.add(browser)
        try:
            with contextlib.suppress(ConnectionClosed):
                async for message in socket:
                    browser.receive(message)
        finally:
            self._browsers.discard(browser)
            browser.close()


class _Browser:
    """One browser. What it asks for is done in the thread that sends for all widgets.

    A message is JSON; one with buffers is a line of JSON that has their `sizes`, then the buffers.
    """

    min_interval_s = 1 / MESSAGES_PER_S

    def __init__(self, socket: ServerConnection, make_exchange: MakeExchange) -> None:
        self._socket, self._loop = socket, asyncio.get_running_loop()
        self._inbox: deque[object] = deque(maxlen=MAX_ORDERS)
        self._exchange = make_exchange(self._send, lambda: SENDER.request(self))

    def receive(self, message: str | bytes) -> None:
        with contextlib.suppress(msgspec.DecodeError):
            self._inbox.append(msgspec.json.decode(message))
            SENDER.request(self)

    def flush(self) -> None:
        """Do what the page has asked for, and send it what is new."""
        while self._inbox:
            self._exchange.handle(self._inbox.popleft())
        if self._socket.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            SENDER.request(self)
        else:
            self._exchange.flush()

    def close(self) -> None:
        self._exchange.close()
        SENDER.discard(self)

    def _send(self, message: FromKernel, buffers: Sequence[bytes]) -> None:
        data: str | bytes
        if buffers:
            head = msgspec.json.encode({**message, "sizes": [len(each) for each in buffers]})
            data = b"".join((head, b"\n", *buffers))
        else:
            data = msgspec.json.encode(message).decode()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(broadcast, [self._socket], data)


def _make_response(
    status: http.HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8"
) -> Response:
    headers = Headers(
        {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "Cache-Control": "no-cache",
            "Connection": "close",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
    )
    return Response(status.value, status.phrase, headers, body)
