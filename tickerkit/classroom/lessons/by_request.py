"""A web server without websockets: it answers when it is asked, for lessons that compare both."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tickerkit.errors import InvalidType
from tickerkit.runtime.cards import render_card
from tickerkit.runtime.interrupts import allow_interrupts, hold_interrupts
from tickerkit.runtime.lifecycle import Lifecycle
from tickerkit.runtime.threads import BackgroundThread, start_thread

__all__ = ["RequestServer", "serve_by_request"]

POLL_S = 0.05
JOIN_S = 5.0


class RequestServer(Lifecycle):
    """Answers each HTTP request with what a function returns. Made by `serve_by_request`.

    Attributes:
        requests: how many were answered.
    """

    _kind = "request server"
    _how_to_restart = "call serve_by_request again"

    def __init__(self, function: Callable[[], object]) -> None:
        super().__init__()
        self._function = function
        self._http: ThreadingHTTPServer | None = None
        self._thread: BackgroundThread | None = None
        self.port = 0
        self.requests = 0

    @property
    def url(self) -> str:
        """The address to ask."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def status(self) -> str:
        """The status: listening or stopped."""
        return "listening" if self._phase == "running" else "stopped"

    def start(self) -> RequestServer:
        """Listen on a free port, and return the server."""
        self._start_service()
        return self

    def stop(self) -> None:
        """Stop, and free the port; idempotent."""
        self._stop_service(self._release)

    def answer(self) -> bytes:
        """Return the answer to one request, as JSON."""
        self.requests += 1
        return json.dumps(self._function()).encode()

    def _acquire(self) -> None:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    status, body = 200, answer()
                except Exception as error:  # the function's
                    status, body = 500, f"{type(error).__name__}: {error}\n".encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:  # a thread prints nothing
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._http.server_port
        http = self._http
        self._thread = start_thread(lambda: http.serve_forever(POLL_S), "tickerkit by request")

    def _release(self) -> None:
        if self._thread is not None and self._http is not None:
            with allow_interrupts():
                self._http.shutdown()
            self._thread.join_within(JOIN_S)
        if self._http is not None:
            self._http.server_close()

    def _summarize(self) -> dict[str, str]:
        return {
            "kind": self._kind,
            "address": f"127.0.0.1:{self.port}",
            "status": self.status,
            "about": f"{self.requests:,} answered",
        }

    def __repr__(self) -> str:
        return f"<RequestServer {self.url} {self.status}, {self.requests:,} answered>"

    def _repr_html_(self) -> str:
        lines = {"address": self.url, "answered": f"{self.requests:,}"}
        return render_card("Request server", self.status, lines)


def serve_by_request(function: Callable[[], object]) -> RequestServer:
    """Answer HTTP requests with what a function returns, as JSON, until `stop`.

    Args:
        function: called for each request, in a thread; an error is the answer, with status 500.

    Example:
        >>> web = serve_by_request(price)
        >>> urllib.request.urlopen(web.url).read()
    """
    if not callable(function):
        raise InvalidType("function", function, "a function without arguments")
    with hold_interrupts():
        return RequestServer(function).start()
