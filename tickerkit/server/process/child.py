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
from functools import partial
from typing import Any

from tickerkit.errors import ServerFailed
from tickerkit.formatting import format_line
from tickerkit.runtime.error_log import describe, logger
from tickerkit.runtime.threads import BackgroundThread, start_thread

if sys.platform == "win32":  # its loop reads pipes that subprocess.Popen can't make
    from asyncio.windows_utils import Popen
else:
    from subprocess import Popen

__all__ = ["HEADER_BYTES", "ChildProcess"]

# -P: import only from this process's paths; -u: its last output must not stay in a buffer.
COMMAND = ["-P", "-u", "-X", "faulthandler", "-m", "tickerkit.server.process"]
# Each answer is preceded by its length.
HEADER_BYTES = 8
MAX_STDERR_BYTES = 4096
MAX_STDERR_LINES = 10
DRAIN_S = 0.25
KILL_S = 5.0


class ChildProcess:
    """The process of a server; used on the portal's loop only.

    asyncio's own `subprocess_exec` needs the child watcher of the event loop policy, and that of
    uvloop has none. So a thread waits for the end of the process, and the loop has its pipes.

    Args:
        on_message: called with each message for the mirror of its log.

    Attributes:
        reason: how the process ended; empty while it runs.
        gone: done when the process has ended and all its output was read.
    """

    def __init__(self, on_message: Callable[[Any], None]) -> None:
        self.reason = ""
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._on_message = on_message
        self._received = bytearray()
        self._stderr = b""
        self._fault = ""
        self._may_end = False
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count()
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._waiter: BackgroundThread | None = None
        self._stdin: asyncio.WriteTransport | None = None
        # The transport of each pipe, and the pipe itself as long as it has none.
        self._pipes: list[Any] = []
        self._open_outputs = 0
        self._has_exited = False

    async def start(self) -> None:
        """Start the process, in a session that an interrupt of this process does not reach."""
        process = self._process = self._spawn()
        pipes = self._pipes = [process.stdin, process.stdout, process.stderr]
        try:
            self._stdin, _ = await self._loop.connect_write_pipe(asyncio.BaseProtocol, pipes[0])
            pipes[0] = self._stdin
            for index, receive in ((1, self._read), (2, self._read_stderr)):
                self._open_outputs += 1
                make_output = partial(_Output, receive, self._on_output_end)
                pipes[index], _ = await self._loop.connect_read_pipe(make_output, pipes[index])
        finally:
            # Only now: the pipes of a process that has ended are closed soon, and it may end
            # before all of them are connected.
            name = f"tickerkit process {process.pid}"
            self._waiter = start_thread(self._wait_for_exit, name)

    def _spawn(self) -> subprocess.Popen[bytes]:
        paths = [path for path in sys.path if isinstance(path, str) and path]
        new_group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        return Popen(
            [sys.executable, *COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
            creationflags=new_group | getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    @property
    def pid(self) -> int | None:
        """The process id; None if the process does not run."""
        return None if self._process is None or self.reason else self._process.pid

    async def request(self, within_s: float | None, name: str, *args: object) -> Any:
        """Send a command, wait for its answer, and return or raise it.

        Args:
            within_s: how long to wait; None for no limit.
            name: the command.
            *args: its arguments.

        Raises:
            ServerFailed: if the process is gone, or does not answer in time.
        """
        if self.reason:
            raise self.make_failure()
        assert self._stdin is not None
        number = next(self._numbers)
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._pending[number] = answer
        try:
            self._stdin.write(pickle.dumps((number, name, args)))
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
        if not self.reason and self._stdin is not None:
            self._stdin.close()
        await asyncio.shield(self.gone)

    async def kill(self) -> None:
        """Kill the process if it runs, and wait a few seconds until it is gone."""
        self._may_end = True
        if self._process is None:
            return
        self._kill()
        now = self._loop.time
        end = now() + KILL_S
        while not self.gone.done() and now() < end:
            # Wait even if this task is cancelled because the loop ends: pipes would stay open.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([self.gone], timeout=KILL_S)
        self._close_pipes()

    def _list_last_lines(self) -> list[str]:
        text = self._stderr.decode("utf-8", "replace")
        return [line for line in text.splitlines() if line.strip()][-MAX_STDERR_LINES:]

    # --- output and end -----------------------------------------------------------------------

    def _read_stderr(self, data: bytes) -> None:
        self._stderr = (self._stderr + data)[-MAX_STDERR_BYTES:]
        text = data.decode("utf-8", "replace").rstrip()
        logger.info("stderr of a server's process: %s", text)

    def _read(self, data: bytes) -> None:
        """Handle the answers in the next bytes of stdout."""
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

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _wait_for_exit(self) -> None:
        """Wait for the end of the process; in a thread of its own."""
        assert self._process is not None
        self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._on_exit)

    def _on_exit(self) -> None:
        assert self._waiter is not None
        self._waiter.join_within(KILL_S)  # it has nothing left to do; `gone` also means its end
        self._has_exited = True
        if self._open_outputs:
            # A process that the child has started could otherwise hold the pipes open.
            self._loop.call_later(DRAIN_S, self._finish)
        else:
            self._finish()

    def _on_output_end(self) -> None:
        self._open_outputs -= 1
        if not self._has_exited:  # a process that can't answer any more must end
            self._loop.call_later(DRAIN_S, self._kill)
        elif not self._open_outputs:
            self._finish()

    def _finish(self) -> None:
        """Note how the process ended, and let nobody wait for its answers; idempotent."""
        if self.gone.done():
            return
        assert self._process is not None
        self.gone.set_result(None)
        self._close_pipes()
        self.reason = (
            _describe_exit(self._process.returncode, self._list_last_lines()) + self._fault
        )
        if not self._may_end:
            logger.warning("server: %s", self.make_failure())
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(self.make_failure())

    def _close_pipes(self) -> None:
        for pipe in self._pipes:
            pipe.close()


class _Output(asyncio.Protocol):
    """Passes on what the process writes to one pipe, and reports its end."""

    def __init__(self, receive: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._receive = receive
        self._on_end = on_end

    def data_received(self, data: bytes) -> None:
        self._receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end()


def _describe_exit(code: int | None, stderr_lines: list[str]) -> str:
    """Return how a process ended, with its last line on stderr."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed ({signal.Signals(-code).name})"
    last = f": {format_line(stderr_lines[-1])}" if code and stderr_lines else ""
    return f"ended by itself (exit code {code}){last}"
