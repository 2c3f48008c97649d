"""Commands that start at once: a process that has imported tickerkit forks each command.

With a new Python, a command takes a second to start, most of it for imports. A forked command has
all that it would have there: arguments, folder, environment, streams, signals and exit code. Only
the variables that Python itself reads when it starts have no effect: see `Forker.can_start`.

The forking process reads requests from a Unix socket, which is its standard input. Each request is
a JSON object, sent with the command's three streams and one end of a new socket. Over that socket
it sends back the process id at once, and the exit code when the command has ended.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["Forked", "Forker"]

MAX_BYTES = 1 << 20
# The modules that take long to import. `tickerkit.cli` is not among them, since it looks at the
# terminal when it is imported, and each command has its own.
PRELOADED = (
    *("rich.console", "rich.live", "rich.table", "typer"),
    *(f"tickerkit.{name}" for name in ("feed", "server", "sources", "storage")),
)


class Forked:
    """A forked command, with those methods of a `subprocess.Popen` that the tests need.

    Attributes:
        pid: the process id.
        returncode: the exit code, negative for the signal that ended the command; None while it
            runs.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self.pid = int(control.recv(16))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code if the command has ended, else None."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float) -> int:
        """Wait until the command has ended, and return the exit code."""
        if self.returncode is None:
            self._control.settimeout(timeout)
            try:
                self.returncode = int(self._control.recv(16))
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired("tickerkit", timeout) from None
            self._control.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the command has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask the command to end."""
        self.send_signal(signal.SIGTERM)


class Forker:
    """A process that forks commands on behalf of this process, and ends with this process."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._requests, theirs = socket.socketpair()
        program = [sys.executable, "-W", "ignore", __file__]
        with theirs:
            self._process = subprocess.Popen(program, stdin=theirs, env=dict(env))
        atexit.register(self._close)

    def _close(self) -> None:
        self._requests.close()
        self._process.wait()

    @staticmethod
    def can_start(env: Mapping[str, str]) -> bool:
        """Return whether a command can be forked that has these additional variables."""
        return hasattr(os, "fork") and not any(name.startswith("PYTHON") for name in env)

    def start(
        self, arguments: Sequence[str], cwd: Path | None, env: Mapping[str, str], out: int, err: int
    ) -> Forked:
        """Start `tickerkit` with arguments; `out` and `err` are the files for stdout and stderr."""
        ours, theirs = socket.socketpair()
        with theirs, open(os.devnull, "rb") as empty:
            request = {"arguments": arguments, "cwd": str(cwd or Path.cwd()), "env": dict(env)}
            files = [empty.fileno(), out, err, theirs.fileno()]
            socket.send_fds(self._requests, [json.dumps(request).encode()], files)
            return Forked(ours)


def main() -> None:
    """Fork for each request. The command's process returns; this one exits after the last request.

    A process between the two waits for the command, and sends back the exit code.
    """
    requests = socket.socket(fileno=os.dup(0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the processes between leave no zombies
    while True:
        data, files, _, _ = socket.recv_fds(requests, MAX_BYTES, 4)
        if not data:
            os._exit(0)
        if os.fork() == 0:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if (pid := os.fork()) == 0:
                os.close(files.pop())
                return _become(json.loads(data), files)
            for file in files[:3]:
                os.close(file)
            with socket.socket(fileno=files[3]) as control:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                control.sendall(str(pid).encode())
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                control.sendall(str(code).encode())
            os._exit(0)
        for file in files:
            os.close(file)


def _become(request: dict[str, Any], files: list[int]) -> None:
    """Give this process the streams, folder, environment and arguments of the command."""
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[0] = request["cwd"]
    sys.argv = ["tickerkit", *request["arguments"]]
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), "utf-8")
    sys.stdout = _writer(1, "strict", os.isatty(1))
    sys.stderr = _writer(2, "backslashreplace", True)


def _writer(file: int, errors: str, by_line: bool) -> io.TextIOWrapper:
    raw = io.BufferedWriter(io.FileIO(file, "w", closefd=False))
    return io.TextIOWrapper(raw, "utf-8", errors, line_buffering=by_line)


if __name__ == "__main__":
    for name in PRELOADED:
        import_module(name)
    gc.freeze()  # so that no collection in a child writes to this memory, and thereby copies it
    main()
    from tickerkit.cli import main as command

    sys.exit(command())
