"""A slow link between the browser and a server: a TCP proxy with a rate and a delay."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import urllib.parse
from collections.abc import Iterator

CHUNK = 16_384
MAX_QUEUED = 64  # chunks on the way in one direction of a connection: 1 MB


class Link:
    """A proxy before one server, in a thread of its own; unlimited until `limit` is called.

    All connections share the rate of a direction, and each byte arrives half a round trip after it
    was sent. A new connection takes one round trip more, as TCP's handshake does; TCP's slow start
    is not imitated.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._is_up = threading.Event()
        self.limit()
        self._thread = threading.Thread(target=asyncio.run, args=[self._run()], daemon=True)
        self._thread.start()
        self._is_up.wait()

    def limit(self, bits_per_s: float = float("inf"), round_trip_s: float = 0.0) -> None:
        """Limit the link from now on; without arguments take the limit away."""
        self._bytes_per_s, self._round_trip_s = bits_per_s / 8, round_trip_s
        self._free_at = [0.0, 0.0]  # when each direction has sent what was handed to it

    def url(self, base: str) -> str:
        """Return the address of the server through this link."""
        return urllib.parse.urlsplit(base)._replace(netloc=f"127.0.0.1:{self._port}").geturl()

    def close(self) -> None:
        """Close all connections."""
        self._loop.call_soon_threadsafe(self._is_wanted.set_result, False)
        self._thread.join()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_wanted = self._loop.create_future()
        server = await asyncio.start_server(self._serve, "127.0.0.1", limit=CHUNK)
        self._port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        await self._is_wanted
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # this link is closed
            await self._join(reader, writer)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self._round_trip_s)
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        ways = [(0, reader, there_writer), (1, there_reader, writer)]
        try:
            async with asyncio.TaskGroup() as tasks:
                for way in ways:
                    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MAX_QUEUED)
                    tasks.create_task(self._send(way[0], way[1], on_the_way))
                    tasks.create_task(self._deliver(on_the_way, way[2]))
        except* OSError:
            pass
        finally:
            for _, _, each in ways:
                each.close()

    async def _send(
        self, way: int, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        data = b"-"
        while data:
            data = await reader.read(CHUNK)
            now = self._loop.time()
            start = max(now, self._free_at[way])
            self._free_at[way] = start + len(data) / self._bytes_per_s
            await queue.put((self._free_at[way] + self._round_trip_s / 2, data))

    async def _deliver(
        self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        data = b"-"
        while data:
            due, data = await queue.get()
            await asyncio.sleep(due - self._loop.time())
            if data:
                writer.write(data)
                await writer.drain()
        writer.write_eof()


@contextlib.contextmanager
def link_to(base: str) -> Iterator[Link]:
    """Open a link to the server at this address."""
    port = urllib.parse.urlsplit(base).port
    assert port is not None
    link = Link(port)
    try:
        yield link
    finally:
        link.close()
