"""FastAPI on uvicorn: its documentation's `ConnectionManager`, sending to one client at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from bench.peers.stream import Stream, port_of


class ConnectionManager:
    def __init__(self) -> None:
        self.active_connections: list[WebSocket] = []

    async def connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.active_connections.append(websocket)

    def disconnect(self, websocket: WebSocket) -> None:
        self.active_connections.remove(websocket)

    async def broadcast(self, message: str) -> None:
        for connection in self.active_connections:
            await connection.send_text(message)


manager = ConnectionManager()


async def send_all(ticks: Stream) -> None:
    async for tick in ticks:
        await manager.broadcast(json.dumps(tick))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.ticks = Stream()
    sending = asyncio.create_task(send_all(app.state.ticks))
    yield
    sending.cancel()


app = FastAPI(lifespan=lifespan)


@app.websocket("/")
async def endpoint(websocket: WebSocket) -> None:
    await manager.connect(websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        manager.disconnect(websocket)


class Server(uvicorn.Server):
    async def startup(self, sockets: object = None) -> None:
        await super().startup(sockets)
        app.state.ticks.obey(port_of(self.servers[0]))


# uvicorn chooses loop and websocket library: uvloop if it is installed.
Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")).run()
