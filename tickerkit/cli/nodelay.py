"""NoDelayConnection: a Jupyter server sends each message of a kernel to the page at once.

By default, jupyter_server leaves it to TCP when a small message is sent (Nagle's algorithm, RFC
896). While the page sends nothing, its system acknowledges data only after up to 40 ms, and later
messages wait for that: of 60 updates a second, 20 arrive too late for a frame of their own.
`tickerkit lab` uses this class; another server uses it with a line in jupyter_server_config.py:

    c.ServerApp.kernel_websocket_connection_class = "tickerkit.cli.nodelay.NoDelayConnection"
"""

from __future__ import annotations

import asyncio

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

__all__ = ["NoDelayConnection"]


class NoDelayConnection(ZMQChannelsWebsocketConnection):
    """A connection between a kernel and a page, with TCP_NODELAY."""

    def connect(self) -> asyncio.Future[None] | None:  # type: ignore[override]
        self.websocket_handler.set_nodelay(True)
        return super().connect()
