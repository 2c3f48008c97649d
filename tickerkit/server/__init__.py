"""The server: a log that is fed by a source and read by any number of websockets."""

from tickerkit.server.serve import serve
from tickerkit.server.server import TickServer

__all__ = ["TickServer", "serve"]
