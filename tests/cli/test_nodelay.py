"""AtOnce: what a kernel says goes to the page without waiting for a confirmation."""

from __future__ import annotations

import asyncio
import socket

import pytest

pytest.importorskip("jupyter_server")
from jupyter_server.services.kernels.connection import channels
from tornado import httpserver, testing, web, websocket

from tickerkit.cli.lab import AT_ONCE
from tickerkit.cli.nodelay import AtOnce


def test_the_name_given_to_jupyter_is_that_of_the_class() -> None:
    """`tickerkit lab` hands it on as text."""
    assert f"{AtOnce.__module__}.{AtOnce.__qualname__}" == AT_ONCE


def test_a_connection_is_told_not_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket to the page has TCP_NODELAY on, and the connection is made as ever."""
    found: list[object] = []
    monkeypatch.setattr(
        channels.ZMQChannelsWebsocketConnection, "connect", lambda self: found.append("connected")
    )

    class Page(websocket.WebSocketHandler):
        def open(self, *args: str, **kwargs: str) -> None:
            connection = AtOnce.__new__(AtOnce)
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
