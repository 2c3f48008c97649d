"""The tutorial's way: a handler for each client, which encodes and sends each tick."""

from __future__ import annotations

import asyncio
import json

from websockets.asyncio.server import ServerConnection, serve

from bench.peers.stream import Stream, port_of


async def main() -> None:
    ticks = Stream()

    async def handler(websocket: ServerConnection) -> None:
        async for tick in ticks:
            await websocket.send(json.dumps(tick))

    async with serve(handler, "127.0.0.1", 0) as server:
        ticks.obey(port_of(server))
        await server.serve_forever()


asyncio.run(main())
