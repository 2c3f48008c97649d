"""Listening sockets: names the reason if one can't be opened; closes one without losing clients."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

__all__ = ["find_port", "real_reasons", "set_backlog", "stop_accepting"]

# Iterations of the loop that a socket needs to become a connection.
LOOP_ITERATIONS = 5


@contextlib.contextmanager
def real_reasons() -> Iterator[None]:
    """Raise why no socket could be made, where asyncio only says that there is none.

    Its `create_server` leaves out each address for which no socket can be made: where no file
    descriptor is left, or where the system has no such addresses. If no address is left, it raises
    an OSError without an errno from Python 3.13 on, and nothing before: see `find_port`.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise
        _raise_reason()


def find_port(sockets: Sequence[Any]) -> int:
    """Return the port of a server's sockets.

    Raises:
        OSError: there is no socket, see `real_reasons`.
    """
    if not sockets:
        _raise_reason()
    return int(sockets[0].getsockname()[1])


def _raise_reason() -> NoReturn:
    socket.socket().close()  # raises the reason, if it is one of all sockets
    raise OSError(errno.EADDRNOTAVAIL, "no socket can be made for this address")


def set_backlog(sockets: Iterable[Any], count: int) -> None:
    """Have the system keep up to `count` connections that wait to be accepted, on each socket."""
    for listener in sockets:
        with listener.dup() as same:
            same.listen(count)


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
