"""tickerkit: a server whose source makes batches, never far ahead of the slowest reader."""

from __future__ import annotations

import asyncio
import threading

import tickerkit as tk
from bench.child import answer_orders
from bench.peers.stream import POOL, SIZE
from tickerkit.sources import Outlet, Source
from tickerkit.ticks import read_ticks

BATCH = 1024
MOST_AHEAD = 16_384
LOOK_S = 0.001


class Steady(Source):
    """The ticks of the pool over and over, as fast as the slowest reader is sent them."""

    def __init__(self) -> None:
        self.on = threading.Event()
        self.server: tk.TickServer | None = None

    async def run(self, out: Outlet) -> None:
        pool, sent = read_ticks(POOL), 0
        while True:
            # The log is another thread's, which has no event for this.
            while not self.on.is_set() or sent - self.taken() > MOST_AHEAD:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
            at = sent % SIZE
            await out.send(pool.part(at, at + BATCH))
            sent += BATCH

    def taken(self) -> int:
        """Return how many ticks the slowest reader was sent."""
        # `Outlet.taken` waits for the readers of v1 only.
        assert self.server is not None
        peers = list(self.server._peers)
        return self.server.log.next - max((peer.session.behind() for peer in peers), default=0)


def main() -> None:
    source = Steady()
    source.server = server = tk.serve(source, port=0, max_clients=2000)
    answer_orders(server.port, {"go": source.on.set, "stop": source.on.clear})
    server.stop()


main()
