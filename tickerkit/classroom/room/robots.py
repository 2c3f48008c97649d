"""Robots: robot students that do a class's tasks, for a trial of a lesson without a class."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
from collections import Counter
from urllib.parse import urlsplit

from tickerkit.classroom.room.robot import TEMPERS, Robot
from tickerkit.formatting import format_count
from tickerkit.runtime.cards import render_card
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.interrupts import allow_interrupts
from tickerkit.runtime.lifecycle import Lifecycle
from tickerkit.runtime.threads import BackgroundThread, start_thread
from tickerkit.validation import check_number
from tickerkit.wire.header import CLOSE, parse_header
from tickerkit.wire.heads import MAX_HEAD_BYTES

__all__ = ["MAX_ROBOTS", "Robots"]

MAX_ROBOTS = 300
MAX_HEADER_BYTES = 14
CONNECT_S = 5.0
JOIN_S = 5.0
# A peer that has sent no more for so long is gone.
SILENT_S = 30.0


class Robots(Lifecycle):
    """Robot students in a thread of their own; made by `Room.robots`.

    Each connects to the class like any program, and keeps coming back until it is stopped. They are
    named robot-1, robot-2 and so on, and have the tempers of `TEMPERS` in turn.

    Args:
        url: address of every tick, with the code.
        count: how many.
        pace: the pace of the challenge, by which their waits are divided.
        first: the number of the first.

    Raises:
        InvalidType: `count` is not a number.
        InvalidArgument: `count` is not from 1 to 300.
    """

    _kind, _how_to_restart = "robots", "call room.robots again"

    def __init__(self, url: str, count: int = 5, pace: float = 1.0, first: int = 1) -> None:
        check_number("count", count, 1, MAX_ROBOTS, whole=True)
        super().__init__()
        self._parts = urlsplit(url)
        self._robots = [
            Robot(f"robot-{number}", TEMPERS[(number - 1) % len(TEMPERS)], pace)
            for number in range(first, first + int(count))
        ]
        self._connected: set[Robot] = set()
        self._errors = ErrorLog("robots")
        self._thread: BackgroundThread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()

    @property
    def tempers(self) -> dict[str, str]:
        """The temper of each robot, by its name."""
        return {robot.name: robot.temper for robot in self._robots}

    @property
    def status(self) -> str:
        """One of "running" and "stopped"."""
        return "running" if self._phase == "running" else "stopped"

    @property
    def last_error(self) -> str:
        """The newest error, as text; empty without errors."""
        return self._errors.last

    def stop(self) -> None:
        """Stop: the robots leave, most of them with a close frame. Idempotent."""
        self._stop_service(self._release)

    def start(self) -> Robots:
        """Send the robots to the class; `Room.robots` calls it, once."""
        self._start_service()
        return self

    def __enter__(self) -> Robots:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Robots {self.status}, {self._describe()}>"

    def _repr_html_(self) -> str:
        tempers = Counter(robot.temper for robot in self._robots)
        lines = {
            "robots": self._describe(),
            "tempers": ", ".join(f"{count} {temper}" for temper, count in tempers.items()),
            "last error": self.last_error,
        }
        return render_card("Robots", self.status, lines)

    def _describe(self) -> str:
        return f"{len(self._connected)} of {format_count(len(self._robots), 'robot')} connected"

    def _summarize(self) -> dict[str, str]:
        return {
            "kind": self._kind,
            "address": self._parts.netloc,
            "status": self.status,
            "about": self._describe(),
        }

    def _acquire(self) -> None:
        loop = self._loop = asyncio.new_event_loop()
        self._thread = start_thread(lambda: self._run(loop), "tickerkit robots")

    def _release(self) -> None:
        if self._loop is None or self._thread is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has been closed already
            self._loop.call_soon_threadsafe(self._end.set)
        with allow_interrupts():
            self._thread.join_within(JOIN_S)

    # --- in the robots' thread ----------------------------------------------------------------

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._live())

    async def _live(self) -> None:
        tasks = [asyncio.create_task(self._live_one(robot)) for robot in self._robots]
        await self._end.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _live_one(self, robot: Robot) -> None:
        while True:
            try:
                await self._visit(robot)
            except (OSError, EOFError, TimeoutError):
                pass  # the class breaks connections on purpose
            except Exception as error:
                self._errors.add(error)
            await asyncio.sleep(robot.next_wait())

    async def _visit(self, robot: Robot) -> None:
        """Connect, and do what the class asks, until the connection ends."""
        host, port = self._parts.hostname or "", self._parts.port or 80
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(host, port, limit=MAX_HEAD_BYTES)
        try:
            async with asyncio.timeout(CONNECT_S):
                writer.write(self._make_request(robot))
                answer = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in answer.partition(b"\r\n")[0]:
                return
            writer.write(robot.start())
            self._connected.add(robot)
            await self._converse(robot, reader, writer)
        except asyncio.CancelledError:
            writer.write(robot.make_close())
            raise
        finally:
            self._connected.discard(robot)
            writer.close()

    async def _converse(
        self, robot: Robot, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            async with asyncio.timeout(SILENT_S):
                opcode, payload = await read_frame(reader)
            if writer.transport.is_closing():  # what was read has waited here
                return
            writer.write(robot.take(opcode, payload))
            if robot.is_leaving and (close := robot.make_close()):
                writer.write(close)
                await self._await_close(reader)
            if robot.is_leaving or opcode == CLOSE:
                return
            await asyncio.sleep(robot.read_wait)

    async def _await_close(self, reader: asyncio.StreamReader) -> None:
        async with asyncio.timeout(CONNECT_S):
            while (await read_frame(reader))[0] != CLOSE:
                pass

    def _make_request(self, robot: Robot) -> bytes:
        parts = self._parts
        query = "&".join(filter(None, (parts.query, robot.query)))
        lines = (
            f"GET {parts.path or '/'}?{query} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "User-Agent: robot",
            "\r\n",
        )
        return "\r\n".join(lines).encode()


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read a frame of a server; return its opcode and payload.

    Raises:
        EOFError: if the connection ends before its end.
    """
    data = b""
    while (head := parse_header(data)) is None:
        if len(data) >= MAX_HEADER_BYTES:
            raise EOFError
        data += await reader.readexactly(max(2 - len(data), 1))
    return head.opcode, await reader.readexactly(head.length)
