"""Link: one client's connection through a fault proxy, in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Sequence

from tickerkit.classroom.faults import CLOSING_KINDS, Direction, Fault, Kind

__all__ = ["Link"]

READ_BYTES = 65536
TRICKLE_BYTES = 500
# SO_LINGER on, for zero seconds: closing the socket sends a reset, and discards unsent data.
LINGER_RESET = struct.pack("ii", 1, 0)


class Link:
    """Passes bytes between a client and a server, and applies the faults of their connection.

    It buffers at most one read of 64 KiB in each direction beside the buffers of the transports.

    Args:
        reader: reads from the client.
        writer: writes to the client.
        faults: the faults of this connection.
        flowing: set while bytes may pass.
        note_fault: called with the kind of each fault that occurs.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        faults: Sequence[Fault],
        flowing: asyncio.Event,
        note_fault: Callable[[Kind], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._faults = faults
        self._flowing = flowing
        self._note_fault = note_fault
        self._writers = [writer]
        self._ended = asyncio.Event()

    async def run(self, host: str, port: int) -> None:
        """Connect to the server, and pass bytes until client, server or a fault ends the link.

        Return at once if the server refuses the connection.
        """
        # `end` must not wait for a server that doesn't answer: that can take minutes.
        connecting = asyncio.create_task(asyncio.open_connection(host, port))
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait([connecting, ended], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not connecting.done():
            connecting.cancel()
            return
        try:
            server_reader, server_writer = connecting.result()
        except OSError:
            return
        self._writers.append(server_writer)
        tasks = [
            asyncio.create_task(self._pump(self._reader, server_writer, "server")),
            asyncio.create_task(self._pump(server_reader, self._writer, "client")),
            asyncio.create_task(self._ended.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for writer in self._writers:
                writer.close()

    def end(self, kind: Kind) -> None:
        """End the connection as a fault of this kind does; idempotent."""
        if self._ended.is_set():
            return
        self._note_fault(kind)
        self._ended.set()
        if kind in ("reset", "stall"):
            for writer in self._writers:
                sock = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
                writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, toward: Direction
    ) -> None:
        """Pass bytes in one direction until the sender closes or a fault ends the link."""
        pending = sorted(
            (fault for fault in self._faults if fault.toward == toward),
            key=lambda fault: fault.after,
        )
        passed, trickle_until = 0, 0  # both in bytes of this direction
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_BYTES):
                await self._flowing.wait()
                while pending and pending[0].after < passed + len(data):
                    fault = pending.pop(0)
                    # A close first passes everything read, so it mostly falls between two messages.
                    size = len(data) if fault.kind == "close" else max(fault.after - passed, 0)
                    await self._write(writer, data[:size], trickle_until - passed)
                    data, passed = data[size:], passed + size
                    if fault.kind in CLOSING_KINDS:
                        self.end(fault.kind)
                        return
                    if fault.kind == "trickle":
                        trickle_until = passed + TRICKLE_BYTES
                        self._note_fault("trickle")
                        continue
                    await asyncio.sleep(fault.duration_s)
                    if fault.kind == "stall":
                        self.end("stall")
                        return
                    self._note_fault("delay")
                await self._write(writer, data, trickle_until - passed)
                passed += len(data)

    @staticmethod
    async def _write(writer: asyncio.StreamWriter, data: bytes, trickle_bytes: int) -> None:
        """Write data, the first `trickle_bytes` one by one."""
        trickle_bytes = min(max(trickle_bytes, 0), len(data))
        for index in range(trickle_bytes):
            writer.write(data[index : index + 1])
            await asyncio.sleep(0)
        if trickle_bytes < len(data):
            writer.write(data[trickle_bytes:])
        await writer.drain()
