"""tickerkit: a server with a source of batches, never far ahead of the slowest reader."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
import threading
from typing import Any

import tickerkit as tk
from bench.child import answer_orders
from bench.peers.stream import POOL, SIZE
from tickerkit.runtime.portal import portal
from tickerkit.sources import Outlet, Source
from tickerkit.ticks import read_ticks

BATCH = 1024
# For all readers together: about a tenth of a second of ticks, and at least some for each.
MAX_AHEAD, MIN_AHEAD = 500_000, 2 * BATCH
MAX_UNTAKEN, MIN_UNTAKEN = 2**24, 2**15
LOOK_S = 0.001


class Steady(Source):
    """The ticks of the pool repeatedly, as fast as the slowest reader takes them."""

    def __init__(self) -> None:
        self.on = threading.Event()
        self.server: tk.TickServer | None = None

    async def run(self, out: Outlet) -> None:
        pool, sent = read_ticks(POOL), 0
        while True:
            if not self.on.is_set() or not (room := await portal.call_async(self._room)):
                await asyncio.sleep(LOOK_S)
                continue
            for _ in range(0, room, BATCH):
                at = sent % SIZE
                await out.send(pool.part(at, at + BATCH))
                sent += BATCH

    async def _room(self) -> int:
        """Return how many more ticks to send. Runs in the server's thread, after earlier sends."""
        # `Outlet.taken` waits for the readers of v1 only, and not for what was sent to be taken.
        assert self.server is not None
        handlers = list(self.server._handlers)
        share = max(len(handlers), 1)
        untaken = max((untaken_bytes(handler.socket) for handler in handlers), default=0)
        if untaken > max(MAX_UNTAKEN // share, MIN_UNTAKEN):
            return 0
        behind = max((handler.session.behind for handler in handlers), default=0)
        return max(max(MAX_AHEAD // share, MIN_AHEAD) - behind, 0)


def untaken_bytes(socket: Any) -> int:
    """Return the bytes that wait for a client, here and in the system (megabytes)."""
    sock = socket.transport.get_extra_info("socket")
    queued = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)) if sock.fileno() >= 0 else b""
    return int(socket.unsent_bytes) + int.from_bytes(queued, sys.byteorder)


def main() -> None:
    source = Steady()
    source.server = server = tk.serve(source, port=0, max_clients=2000)
    answer_orders(server.port, {"go": source.on.set, "stop": source.on.clear})
    server.stop()


main()
