"""Scripts: runs a server's program as in a terminal, and shows what client and terminal see."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_count
from tickerkit.validation import check_number, check_text

__all__ = [
    "PORT",
    "Script",
    "count_connections",
    "find_free_port",
    "mend",
    "try_both",
    "try_out",
]

NAME = "server.py"
PORT = "8000"
START_S = 5.0
RECEIVE_S = 5.0
POLL_S = 0.05
MAX_REQUESTS = 20
# The last line of a traceback.
ERROR = re.compile(r"^\w+(Error|Exception)\b.*\n", re.M)


def try_out(path: str = NAME) -> None:
    """Run a server as a script, on a free port, and print what a client and the terminal see.

    Args:
        path: the file of the script, which listens on port 8000.
    """
    with Script(_read(path)) as script:
        print(f"The client {_describe_first_message(script)}\n")
        print("The server's terminal:", script.read_terminal() or "(nothing)", sep="\n")


def try_both(path: str = NAME) -> None:
    """Listen where `python -m http.server` would, start a server there, and print its error.

    Args:
        path: the file of the script, which listens on port 8000.
    """
    with (
        ThreadingHTTPServer(("localhost", 0), SimpleHTTPRequestHandler) as web,
        Script(_read(path), web.server_port) as script,
    ):
        script.wait_for_error()
        *_, last = ["(nothing)", *script.read_terminal().splitlines()]
        print(f"The server's terminal ends with:\n{last}")


def count_connections(requests: int = 3) -> None:
    """Make requests to a web server of this machine by HTTP/1.1; print which port each came from.

    Args:
        requests: how many.
    """
    check_number("requests", requests, 1, MAX_REQUESTS, whole=True)
    with ThreadingHTTPServer(("localhost", 0), _LastingHandler) as web:
        serving = threading.Thread(target=web.serve_forever, args=[POLL_S])
        serving.start()
        try:
            with closing(HTTPConnection("localhost", web.server_port)) as http:
                ports = set()
                for number in range(1, requests + 1):
                    http.request("HEAD", "/")
                    answer = http.getresponse()
                    answer.read()
                    ports.add(http.sock.getsockname()[1])
                    where = f"from port {http.sock.getsockname()[1]}"
                    print(f"request {number}, {where}: {answer.status} {answer.reason}")
        finally:
            web.shutdown()
            serving.join()
    print(f"{format_count(requests, 'request')}, {format_count(len(ports), 'connection')}")


class _LastingHandler(BaseHTTPRequestHandler):
    """Answers each request, and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def mend(old: str, new: str, path: str = NAME, *, to_the_end: bool = False) -> None:
    """Replace a part of a file; if that has been done before, say so.

    Args:
        old: the part as it is.
        new: the part as it should be.
        path: the file.
        to_the_end: replace all that follows the part, too.

    Raises:
        InvalidArgument: the file has no such part.
    """
    check_text("old", old, "a part of the file")
    check_text("new", new, "what to put there")
    text = _read(path)
    before, found, after = text.partition(old)
    if new in text and (old in new or not found):
        print(f"{path} has this change already.\n")
    elif found:
        Path(path).write_text(before + new + ("" if to_the_end else after), encoding="utf-8")
    else:
        raise InvalidArgument("old", old, f"a part of {path}; write the file again, and mend it")


class Script:
    """A server's program that runs in a process of its own, from `with` to its end.

    Args:
        program: its source; it listens on port 8000.
        port: the port of this machine to use in place of 8000; by default a free one.
    """

    def __init__(self, program: str, port: int | None = None) -> None:
        self._port = find_free_port() if port is None else port
        self._program = program.replace(PORT, str(self._port))

    def __enter__(self) -> Script:
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / NAME
        self._path.write_text(self._program, encoding="utf-8")
        # A file: a pipe that nobody reads would stop a program that prints much.
        self._terminal = Path(self._folder.name) / "terminal"
        # No colours, and UTF-8 on each system.
        environment = {**os.environ, "PYTHON_COLORS": "0", "PYTHONIOENCODING": "utf-8"}
        with self._terminal.open("wb") as terminal:
            self._process = subprocess.Popen(
                [sys.executable, str(self._path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=terminal,
                env=environment,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._folder.cleanup()

    @contextmanager
    def connect(self) -> Iterator[ClientConnection]:
        """Connect to the program, as soon as it listens.

        Raises:
            OSError: it ends before it listens, or does not listen within some seconds.
            InvalidHandshake: the program that listens there is not a websocket server.
        """
        deadline = time.monotonic() + START_S
        with ExitStack() as stack:
            while True:
                try:
                    client = stack.enter_context(connect(f"ws://localhost:{self._port}"))
                    break
                except ConnectionRefusedError:
                    if self._process.poll() is not None or time.monotonic() > deadline:
                        raise
                    time.sleep(POLL_S)
            yield client

    def wait_for_error(self) -> None:
        """Wait until the program has printed an error; it is printed after a client was cut off."""
        deadline = time.monotonic() + START_S
        while not ERROR.search(self._read()) and time.monotonic() < deadline:
            if self._process.poll() is not None:
                return
            time.sleep(POLL_S)

    def read_terminal(self) -> str:
        """End the program; return the last traceback that it has printed, with short paths."""
        self._end()
        text = self._read()
        last = text[max(text.rfind("Traceback"), 0) :].strip()
        last = last.replace(str(self._path), NAME)
        return re.sub(r'File ".+?([^/\\"]+[/\\][^/\\"]+)"', r'File "…/\1"', last)

    def _read(self) -> str:
        return self._terminal.read_text(encoding="utf-8", errors="replace")

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()


def find_free_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.create_server(("localhost", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _describe_first_message(script: Script) -> str:
    try:
        with script.connect() as client:
            return f"got {client.recv(RECEIVE_S)!s}"
    except ConnectionRefusedError:
        return "found no server."
    except ConnectionClosed as error:
        script.wait_for_error()
        return f"was cut off: {error.rcvd or 'without a close frame'}."
    except TimeoutError:
        return f"got nothing within {RECEIVE_S:g} s."
    except (OSError, InvalidHandshake) as error:
        return f"got no handshake: {error}."


def _read(path: str) -> str:
    check_text("path", path, "the name of a file")
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        expected = f"a file of this folder; run the cell that writes {path}"
        raise InvalidArgument("path", path, expected) from None
