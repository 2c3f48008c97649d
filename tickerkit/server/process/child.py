"""ChildProcess: starts the process of a server, sends it commands, and detects its end.

Commands go through the child's stdin, answers come through its stdout, both as pickles. When this
process ends, even if it is killed, the child's stdin ends, and then the child ends too.
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

__all__ = ["HEADER_BYTES", "ChildProcess"]

# -P: import only from this process's paths; -u: its last output must not stay in a buffer.
COMMAND = ["-P", "-u", "-X", "faulthandler", "-m", "tickerkit.server.process"]
# Each answer is preceded by its length.
HEADER_BYTES = 8
MAX_STDERR_BYTES = 4096
MAX_STDERR_LINES = 10
DRAIN_S = 0.25
KILL_S = 5.0


class ChildProcess(asyncio.SubprocessProtocol):
    """The process of a server; used on the portal's loop only.

    Args:
        on_message: called with each message for the mirror of its log.

    Attributes:
        reason: how the process ended; empty while it runs.
        gone: done when the process has ended and all its output was read.
    """

    def __init__(self, on_message: Callable[[bytes], None]) -> None:
        self.reason = ""
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._on_message = on_message
        self._received = bytearray()
        self._stderr = b""
        self._fault = ""
        self._may_end = False
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count()
        self._process: asyncio.SubprocessTransport | None = None

    async def start(self) -> None:
        """Start the process, in a session that an interrupt of this process does not reach."""
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
        """The process id; None if the process does not run."""
        return None if self._process is None or self.reason else self._process.get_pid()

    async def request(self, within_s: float, name: str, *args: object) -> Any:
        """Send a command, wait for its answer, and return or raise it.

        Raises:
            ServerFailed: if the process is gone, or does not answer in time.
        """
        if self.reason:
            raise self.make_failure()
        assert self._process is not None
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[number] = answer
        try:
            self._stdin().write(pickle.dumps((number, name, args)))
            await asyncio.wait([answer], timeout=within_s)
            if not answer.done():
                raise ServerFailed(
                    f"has not answered for {within_s:.3g} s",
                    "the command may still be executed; wait, or stop the server and call "
                    "tk.serve again",
                )
            return answer.result()
        finally:
            del self._pending[number]

    def make_failure(self) -> ServerFailed:
        """Make an error of the process's end, with its last output to stderr as a note."""
        error = ServerFailed(self.reason)
        if lines := self._list_last_lines():
            error.add_note("It wrote last:\n" + "\n".join(lines))
        return error

    async def end(self) -> None:
        """Close stdin, after which the process ends by itself, and wait for its end."""
        self._may_end = True
        if not self.reason:
            self._stdin().close()
        await asyncio.shield(self.gone)

    async def kill(self) -> None:
        """Kill the process if it runs, and wait a few seconds until it is gone."""
        self._may_end = True
        if self._process is None:
            return
        self._kill()
        now = asyncio.get_running_loop().time
        end = now() + KILL_S
        while not self.gone.done() and now() < end:
            # Wait even if this task is cancelled because the loop ends: pipes would stay open.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([self.gone], timeout=KILL_S)
        self._process.close()

    def _kill(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):  # the process has ended
            self._process.kill()

    def _stdin(self) -> asyncio.WriteTransport:
        assert self._process is not None
        return cast("asyncio.WriteTransport", self._process.get_pipe_transport(0))

    def _list_last_lines(self) -> list[str]:
        text = self._stderr.decode("utf-8", "replace")
        return [line for line in text.splitlines() if line.strip()][-MAX_STDERR_LINES:]

    # --- called by asyncio --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._stderr = (self._stderr + data)[-MAX_STDERR_BYTES:]
            text = data.decode("utf-8", "replace").rstrip()
            logger.info("stderr of a server's process: %s", text)
            return
        self._received += data
        at, size = 0, len(self._received)
        try:
            while size - at >= HEADER_BYTES:
                start = at + HEADER_BYTES
                stop = start + int.from_bytes(self._received[at:start], "big")
                if size < stop:
                    break
                with memoryview(self._received) as view:
                    message = pickle.loads(view[start:stop])
                at = stop
                self._handle(*message)
        except Exception as error:  # a fault here, or the package was replaced by another version
            self._fault = f": {describe(error)}"
            self._kill()
        del self._received[:at]

    def _handle(self, number: int | None, ok: bool, value: Any) -> None:
        if number is None:
            self._on_message(value)
            return
        answer = self._pending.get(number)
        if answer is None or answer.done():  # `request` has stopped waiting
            return
        if ok:
            answer.set_result(value)
        else:
            answer.set_exception(value)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:  # a process that can't answer any more must end
            asyncio.get_running_loop().call_later(DRAIN_S, self._kill)

    def process_exited(self) -> None:
        assert self._process is not None
        # A process that the child has started could otherwise hold the pipes open.
        asyncio.get_running_loop().call_later(DRAIN_S, self._process.close)

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._process is not None
        self._process.close()
        self.reason = (
            _describe_exit(self._process.get_returncode(), self._list_last_lines()) + self._fault
        )
        if not self._may_end:
            logger.warning("server: %s", self.make_failure())
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(self.make_failure())
        if not self.gone.done():
            self.gone.set_result(None)


def _describe_exit(code: int | None, stderr_lines: list[str]) -> str:
    """Return how a process ended, with its last line on stderr."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed ({signal.Signals(-code).name})"
    last = f": {format_line(stderr_lines[-1])}" if code and stderr_lines else ""
    return f"ended by itself (exit code {code}){last}"
