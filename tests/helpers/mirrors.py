"""Mirrors: the mirror of a server in a process of its own, without that process."""

from __future__ import annotations

from peers import LOCAL

from tickerkit.server.options import ServerOptions
from tickerkit.server.process.__main__ import MirroredServer

__all__ = ["make_mirrored_server"]


def make_mirrored_server() -> MirroredServer:
    """Return a mirror that keeps ten ticks; it is not started."""
    options = ServerOptions(
        history=10,
        token=None,
        ssl=None,
        origins=(),
        hosts=(),
        max_clients=1,
        stall_timeout=None,
        write_buffer=2**16,
        metrics_port=None,
        publish=None,
    )
    return MirroredServer(None, LOCAL, 0, options)
