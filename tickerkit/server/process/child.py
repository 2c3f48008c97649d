"""Child: the other process, told through its stdin what to do; it answers through its stdout.

Both ways go pickles. When this process ends, however it does, stdin is at its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any, cast

from tickerkit.errors import ServerFailed
from tickerkit.formatting import format_line
from tickerkit.runtime.error_log import describe, logger

__all__ = ["HEAD_BYTES", "Child"]

# Paths are those of this process, and none besides; what it prints comes at once.
COMMAND = ["-P", "-u", "-X", "faulthandler", "-m", "tickerkit.server.process"]
HEAD_BYTES = 8
SAID_BYTES = 4096
SAID_LINES = 10
DRAIN_S = 0.25
KILLED_S = 5.0


class Child(asyncio.SubprocessProtocol):
    """The other process; used on the portal's loop alone.

    Args:
        take: called with each message about its log.

    Attributes:
        reason: what became of it, once it is gone.
        gone: done when it has ended and all that it said is heard.
    """

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self.reason = ""
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._take = take
        self._heard = bytearray()
        self._said = b""
        self._fault = ""
        self._may_end = False
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count()
        self._process: asyncio.SubprocessTransport | None = None

    async def start(self) -> None:
        """Start it: out of reach of an interrupt that is meant for this process."""
        paths = [path for path in sys.path if isinstance(path, str) and path]
        new_group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        await asyncio.get_running_loop().subprocess_exec(
            lambda: self,
            sys.executable,
            *COMMAND,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
            creationflags=new_group | getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return None if self._process is None or self.reason else self._process.get_pid()

    async def ask(self, within_s: float, name: str, *args: object) -> Any:
        """Have it do something, and return or raise what comes of it.

        Raises:
            ServerFailed: if it is gone, or does not answer in time.
        """
        if self.reason:
            raise self.failure()
        assert self._process is not None
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            self._stdin().write(pickle.dumps((number, name, args)))
            await asyncio.wait([answer], timeout=within_s)
            if not answer.done():
                raise ServerFailed(
                    f"has not answered for {within_s:.3g} s",
                    "what it was told may still be done; wait, or stop it and call tk.serve again",
                )
            return answer.result()
        finally:
            del self._asked[number]

    def failure(self) -> ServerFailed:
        """Return what became of it as an error, with what it wrote to stderr last as a note."""
        error = ServerFailed(self.reason)
        if lines := self._last_lines():
            error.add_note("It wrote last:\n" + "\n".join(lines))
        return error

    async def end(self) -> None:
        """Let it end, which it does at the end of its stdin."""
        self._may_end = True
        if not self.reason:
            self._stdin().close()
        await asyncio.shield(self.gone)

    async def kill(self) -> None:
        """End it if it runs, and wait a moment until it is gone."""
        self._may_end = True
        if self._process is None:
            return
        self._kill()
        now = asyncio.get_running_loop().time
        end = now() + KILLED_S
        while not self.gone.done() and now() < end:
            # When the loop is at its end too, which would leave its pipes open.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([self.gone], timeout=KILLED_S)
        self._process.close()

    def _kill(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):  # it has ended
            self._process.kill()

    def _stdin(self) -> asyncio.WriteTransport:
        assert self._process is not None
        return cast("asyncio.WriteTransport", self._process.get_pipe_transport(0))

    def _last_lines(self) -> list[str]:
        text = self._said.decode("utf-8", "replace")
        return [line for line in text.splitlines() if line.strip()][-SAID_LINES:]

    # --- called by asyncio --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._said = (self._said + data)[-SAID_BYTES:]
            logger.info("a server's process says: %s", data.decode("utf-8", "replace").rstrip())
            return
        self._heard += data
        at, size = 0, len(self._heard)
        try:
            while size - at >= HEAD_BYTES:
                stop = at + HEAD_BYTES + int.from_bytes(self._heard[at : at + HEAD_BYTES], "big")
                if size < stop:
                    break
                with memoryview(self._heard) as view:
                    message = pickle.loads(view[at + HEAD_BYTES : stop])
                at = stop
                self._hear(*message)
        except Exception as error:  # a version that was exchanged meanwhile, or ours
            self._fault = f": {describe(error)}"
            self._kill()
        del self._heard[:at]

    def _hear(self, number: int | None, good: bool, value: Any) -> None:
        if number is None:
            self._take(value)
            return
        answer = self._asked.get(number)
        if answer is None or answer.done():  # nobody waits any more
            return
        if good:
            answer.set_result(value)
        else:
            answer.set_exception(value)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:  # one that lives on could not be told from one that hangs
            asyncio.get_running_loop().call_later(DRAIN_S, self._kill)

    def process_exited(self) -> None:
        assert self._process is not None
        # A child of its own may hold the pipes open.
        asyncio.get_running_loop().call_later(DRAIN_S, self._process.close)

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._process is not None
        self._process.close()
        self.reason = _ending(self._process.get_returncode(), self._last_lines()) + self._fault
        if not self._may_end:
            logger.warning("server: %s", self.failure())
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(self.failure())
        if not self.gone.done():
            self.gone.set_result(None)


def _ending(code: int | None, lines: list[str]) -> str:
    """Return in words how a process has ended."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed ({signal.Signals(-code).name})"
    last = f": {format_line(lines[-1])}" if code and lines else ""
    return f"ended by itself (exit code {code}){last}"
