"""Extensions of servers for the tests; a process of its own imports this module."""

from __future__ import annotations

import http
from typing import Any

from peers import LOCAL
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tickerkit.server.client_handler import ClientHandler
from tickerkit.server.extension import Extension, ExtensionHost
from tickerkit.server.options import ServerOptions
from tickerkit.server.serve import start_server
from tickerkit.server.server import TickServer

__all__ = ["Recorder", "serve_extended"]


class Recorder(Extension):
    """An extension that notes its calls, answers `/hello`, and takes messages that begin with !."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.closed: list[int | None] = []

    def begin(self, host: ExtensionHost) -> None:
        super().begin(host)
        self.calls.append("begin")

    def end(self) -> None:
        self.calls.append("end")

    def respond(self, request: Request) -> Response | None:
        match request.path:
            case "/hello":
                headers = Headers({"Content-Length": "2", "Connection": "close"})
                return Response(http.HTTPStatus.OK, "OK", headers, b"hi")
            case "/fault":
                raise RuntimeError("a fault of the extension")
        return None

    def admit(self, client: ClientHandler, request: Request) -> None:
        self.calls.append(f"admit {client.name}")
        client.send_object({"type": "welcome", "name": client.name})

    def refuse(self, address: str, name: str, code: int, reason: str) -> None:
        self.calls.append(f"refuse {name} {int(code)}")

    def receive(self, client: ClientHandler, data: str | bytes) -> bool:
        assert isinstance(data, str)
        if not data.startswith("!"):
            return False
        client.name = data[1:]
        return True

    def remove(self, client: ClientHandler) -> None:
        self.calls.append(f"remove {client.name}")
        self.closed.append(client.close_code)

    def check(self) -> None:
        if "check" not in self.calls:
            self.calls.append("check")

    def execute(self, command: str, *args: Any) -> Any:
        match command:
            case "calls":
                return list(self.calls)
            case "closed":
                return list(self.closed)
            case "ping":
                for client in self.host.handlers:
                    client.ping()
                return None
            case "pings":
                return [client.ping_ms for client in self.host.handlers]
            case "post":
                for value in args:
                    self.host.post(value)
                return len(args)
            case "tell":
                return [client.send_object(*args) for client in self.host.handlers]
        return super().execute(command, *args)


def serve_extended(extension: Extension, *, process: bool = False, **options: Any) -> TickServer:
    """Serve nothing on a free port, with an extension."""
    made = ServerOptions(extension=extension, **options)
    return start_server(None, LOCAL, 0, 10.0, made, process=process)
