"""Real `tickerkit` commands for the tests: run them, wait for their output, interrupt them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

import pytest
from forker import Forked, Forker

import tickerkit
from tickerkit.cli import main
from tickerkit.cli.interrupt import interrupt

__all__ = ["Command", "InProcess", "environment", "on_posix", "port_is_free", "run_python"]

TIMEOUT_S = 60.0
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

on_posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and terminals of POSIX")


class Command:
    """A running command.

    Args:
        *arguments: the arguments after `tickerkit`.
        cwd: the folder that the command runs in.
        terminal: the rows of a terminal for stdout, 80 columns wide; 0 for a pipe.
            stderr is always a pipe.
        **env: more environment variables.

    Attributes:
        out: what the command wrote to stdout so far, escape sequences included.
        err: what the command wrote to stderr so far.
        process: the process.
    """

    def __init__(
        self, *arguments: str, cwd: Path | None = None, terminal: int = 0, **env: str
    ) -> None:
        self.out = self.err = ""
        self._changed = threading.Condition()
        out = self._open_terminal(terminal) if terminal else -1
        if not terminal:
            ours, out = os.pipe()
            self._stdout = os.fdopen(ours, "rb", buffering=0)
        ours, err = os.pipe()
        stderr = os.fdopen(ours, "rb", buffering=0)
        self.process = _start(arguments, cwd, env, out, err)
        os.close(out)
        os.close(err)
        self._readers = [
            threading.Thread(target=self._read, args=(self._stdout, "out"), daemon=True),
            threading.Thread(target=self._read, args=(stderr, "err"), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _open_terminal(self, rows: int) -> int:
        import pty

        ours, theirs = pty.openpty()
        self._stdout: IO[bytes] = os.fdopen(ours, "rb", buffering=0)
        self.resize(rows, 80)
        return theirs

    def resize(self, rows: int, columns: int) -> None:
        """Give the terminal another size."""
        import fcntl
        import struct
        import termios

        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._stdout.fileno(), termios.TIOCSWINSZ, size)

    def _read(self, stream: IO[bytes], name: str) -> None:
        with stream:
            while True:
                try:
                    data = os.read(stream.fileno(), 65536)
                except OSError:  # a terminal whose other side is closed
                    data = b""
                if not data:
                    return
                with self._changed:
                    setattr(self, name, getattr(self, name) + data.decode("utf-8", "replace"))
                    self._changed.notify_all()

    @property
    def text(self) -> str:
        """What the command wrote to stdout so far, without escape sequences."""
        return ESCAPES.sub("", self.out)

    def until(self, pattern: str, *, stream: str = "text") -> re.Match[str]:
        """Wait until the output matches, and return the match; fail if the command ends first."""
        end = time.monotonic() + TIMEOUT_S
        with self._changed:
            while (match := re.search(pattern, getattr(self, stream), re.MULTILINE)) is None:
                over = not any(reader.is_alive() for reader in self._readers)
                if over or time.monotonic() > end:
                    match = re.search(pattern, getattr(self, stream), re.MULTILINE)
                    assert match, f"no {pattern!r} in\n{self.text}\n{self.err}"
                    return match
                self._changed.wait(0.1)
        return match

    def end(self, how: int = signal.SIGINT) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(how)
        return self.wait()

    def wait(self) -> int:
        """Wait until the command has ended and all its output is read; return the exit code."""
        code = self.process.wait(TIMEOUT_S)
        for reader in self._readers:
            reader.join(TIMEOUT_S)
        return code

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()  # not kill, so that the command can end its own processes
        self.wait()


class InProcess:
    """A command that runs in a thread of this process: without signals and terminal, but at once.

    Args:
        capsys: the fixture that captures the command's output.
        *arguments: the arguments after `tickerkit`.

    Attributes:
        out: what the command has printed to stdout.
        err: what the command has printed to stderr.
    """

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.out = self.err = ""
        self._capsys = capsys
        self._code: int | None = None
        self._thread = threading.Thread(target=self._run, args=(arguments,))
        self._thread.start()

    def _run(self, arguments: Sequence[str]) -> None:
        self._code = main(arguments)

    def _read(self) -> None:
        out, err = self._capsys.readouterr()
        self.out += out
        self.err += err

    def until(self, pattern: str, *, stream: str = "out") -> re.Match[str]:
        """Wait until the output matches, and return the match; fail if the command ends first."""
        end = time.monotonic() + TIMEOUT_S
        while True:
            is_over = not self._thread.is_alive() or time.monotonic() > end
            self._read()
            if match := re.search(pattern, getattr(self, stream), re.MULTILINE):
                return match
            assert not is_over, f"no {pattern!r} in\n{self.out}\n{self.err}"
            self._thread.join(0.005)

    def end(self) -> int:
        """Interrupt the command as Ctrl-C does, and return its exit code."""
        interrupt.requested = True
        return self.wait()

    def wait(self) -> int:
        """Wait until the command ends, and return its exit code."""
        self._thread.join(TIMEOUT_S)
        self._read()
        assert self._code is not None, f"the command did not end:\n{self.out}\n{self.err}"
        return self._code

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: object) -> None:
        interrupt.requested = True
        self._thread.join(TIMEOUT_S)


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which a command uses this tickerkit and a standard terminal."""
    env = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    path = [str(Path(tickerkit.__file__).parents[1]), env.get("PYTHONPATH", "")]
    more["PYTHONPATH"] = os.pathsep.join([more.get("PYTHONPATH", ""), *path]).strip(os.pathsep)
    return env | {"TERM": "xterm-256color"} | more


def run_python(
    *arguments: str | Path, timeout_s: float = 60, cwd: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a Python to its end; it has the environment of a command, and `more` variables."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


@cache
def _forker() -> Forker:
    return Forker(environment())


def _start(
    arguments: Sequence[str], cwd: Path | None, more: Mapping[str, str], out: int, err: int
) -> Forked | subprocess.Popen[bytes]:
    """Start `tickerkit`: by a fork if that makes no difference, else by a new Python."""
    env = environment(**more)
    if Forker.can_start(more):
        return _forker().start(arguments, cwd, env, out, err)
    program = [sys.executable, "-m", "tickerkit", *arguments]
    return subprocess.Popen(
        program, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
    )


UNWANTED = {
    "TICKERKIT_TOKEN",
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "FORCE_COLOR",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
}


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on the port."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
