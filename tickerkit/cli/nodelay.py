"""For a Jupyter server: what a kernel says goes to the page at once.

jupyter_server leaves to TCP when a small message travels (Nagle's algorithm, RFC 896). While the
page says nothing, its system confirms what it got only after up to 40 ms, and what comes meanwhile
waits for that: of 60 updates a second 20 arrive too late for a frame of their own. `tickerkit lab`
has this switched off; a jupyter_server_config.py does it with

    c.ServerApp.kernel_websocket_connection_class = "tickerkit.cli.nodelay.AtOnce"
"""

from __future__ import annotations

import asyncio

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

__all__ = ["AtOnce"]


class AtOnce(ZMQChannelsWebsocketConnection):
    """A kernel's connection to a page, without the wait."""

    def connect(self) -> asyncio.Future[None] | None:  # type: ignore[override]
        self.websocket_handler.set_nodelay(True)
        return super().connect()
