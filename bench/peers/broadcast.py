"""`websockets.broadcast`: each tick encoded once, and written to every connection at once."""

from __future__ import annotations

import asyncio
import json

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve

from bench.peers.stream import Stream, port_of

MAX_UNSENT = 2**18
LOOK_EVERY = 16


async def main() -> None:
    ticks = Stream()

    async def handler(websocket: ServerConnection) -> None:
        await websocket.wait_closed()

    # With compression, each message would be compressed again for each connection.
    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        ticks.obey(port_of(server))
        async for tick in ticks:
            broadcast(server.connections, json.dumps(tick))
            # broadcast() never waits, however much the clients leave unread.
            if tick["seq"] % LOOK_EVERY == 0:
                while most_unsent(server) > MAX_UNSENT:  # noqa: ASYNC110 - there is no event
                    await asyncio.sleep(0.001)


def most_unsent(server: Server) -> int:
    sizes = (each.transport.get_write_buffer_size() for each in server.connections)
    return max(sizes, default=0)


asyncio.run(main())
