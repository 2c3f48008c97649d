"""NoDelayConnection: a kernel's messages are sent to the page without a delay."""

from __future__ import annotations

import asyncio
import socket

import pytest

pytest.importorskip("jupyter_server")
from jupyter_server.services.kernels.connection import channels
from tornado import httpserver, testing, web, websocket

from tickerkit.cli.lab import NO_DELAY
from tickerkit.cli.nodelay import NoDelayConnection


def test_name_given_to_jupyter_is_the_class() -> None:
    """`tickerkit lab` passes the class to Jupyter by its name."""
    assert f"{NoDelayConnection.__module__}.{NoDelayConnection.__qualname__}" == NO_DELAY


def test_connection_sets_tcp_nodelay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's socket has TCP_NODELAY, and the connection is made as usual."""
    found: list[object] = []
    monkeypatch.setattr(
        channels.ZMQChannelsWebsocketConnection, "connect", lambda self: found.append("connected")
    )

    class Page(websocket.WebSocketHandler):
        def open(self, *args: str, **kwargs: str) -> None:
            connection = NoDelayConnection.__new__(NoDelayConnection)
            connection._trait_values["websocket_handler"] = self
            before = self.nodelay()
            connection.connect()
            found.extend([before, self.nodelay()])
            opened.set()

        def nodelay(self) -> bool:
            stream = self.ws_connection.stream
            return bool(stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    opened = asyncio.Event()

    async def visit() -> None:
        sock, port = testing.bind_unused_port()
        server = httpserver.HTTPServer(web.Application([("/", Page)]))
        server.add_sockets([sock])
        page = await websocket.websocket_connect(f"ws://127.0.0.1:{port}/")
        await opened.wait()
        page.close()
        server.stop()
        await server.close_all_connections()

    asyncio.run(asyncio.wait_for(visit(), 10))
    assert found == ["connected", False, True]
