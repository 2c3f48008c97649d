"""Listening sockets: who holds a port, and how to stop accepting without losing a connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable

__all__ = ["stop_accepting"]

TURNS = 5


async def stop_accepting(sockets: Iterable[socket.socket]) -> None:
    """Accept nothing more, and let what was accepted become connections: then close the server.

    Closed in between, asyncio of Python 3.11 prints an error, and the client hangs.
    """
    for listener in sockets:
        with contextlib.suppress(NotImplementedError):  # Windows' other loop, without the fault
            asyncio.get_running_loop().remove_reader(listener.fileno())
    for _ in range(TURNS):
        await asyncio.sleep(0)
