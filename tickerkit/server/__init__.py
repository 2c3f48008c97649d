"""The server: a log that is fed by a source and read by any number of websockets."""

from tickerkit.server.server import TickServer, serve

__all__ = ["TickServer", "serve"]
