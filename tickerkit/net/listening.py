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
    """Accept no more sockets, and wait until accepted ones are connections; then close the server.

    If the server were closed in between, asyncio of Python 3.11 would print an error, and the
    client would hang.
    """
    for listener in sockets:
        # Windows' proactor loop has no readers, and doesn't have this fault either.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().remove_reader(listener.fileno())
    for _ in range(LOOP_ITERATIONS):
        await asyncio.sleep(0)
