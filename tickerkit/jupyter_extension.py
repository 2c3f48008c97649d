"""The Jupyter server extension: a Jupyter server sends each message of a kernel at once.

By default, jupyter_server leaves it to TCP when a small message is sent (Nagle's algorithm, RFC
896). While the page sends nothing, its system acknowledges data only after up to 40 ms, and later
messages wait for that: of 60 updates a second, 20 arrive too late for a frame of their own.

The wheel installs jupyter-config/tickerkit.json, by which a server loads this extension when it
starts. The extension replaces the class of a server's connections to pages only if it is
jupyter_server's own for local kernels: a class of the user's configuration, of a gateway or of
another extension stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

if TYPE_CHECKING:
    from asyncio import Future

    from jupyter_server.serverapp import ServerApp

__all__ = ["NoDelayConnection"]

SETTING = "kernel_websocket_connection_class"


class NoDelayConnection(ZMQChannelsWebsocketConnection):
    """A connection between a kernel and a page, with TCP_NODELAY."""

    def connect(self) -> Future[None] | None:  # type: ignore[override]
        self.websocket_handler.set_nodelay(True)
        return super().connect()


def _load_jupyter_server_extension(app: ServerApp) -> None:
    # Others set their class in the configuration, or when they are linked, which is earlier.
    settings = app.web_app.settings
    found = settings.get(SETTING)
    if found is ZMQChannelsWebsocketConnection:
        settings[SETTING] = NoDelayConnection
    else:
        app.log.info("tickerkit leaves the connections of kernels as they are: %s", found)
