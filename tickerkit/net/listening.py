"""Listening sockets: stop accepting without losing a connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable

__all__ = ["stop_accepting"]

# Iterations of the loop that a socket needs to become a connection.
LOOP_ITERATIONS = 5


async def stop_accepting(sockets: Iterable[socket.socket]) -> None:
    """Stop accepting sockets, and wait until accepted ones are connections.

    Call it before closing a server. If the server is closed between the two steps, asyncio of
    Python 3.11 prints an error, and the client hangs.
    """
    for listener in sockets:
        # Windows' proactor loop has no readers, and doesn't have this fault either.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().remove_reader(listener.fileno())
    for _ in range(LOOP_ITERATIONS):
        await asyncio.sleep(0)
