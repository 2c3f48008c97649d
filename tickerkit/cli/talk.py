"""`tickerkit talk`: lines that are typed go out on a websocket, and what comes is shown."""

from __future__ import annotations

import codecs
import contextlib
import queue
import socket
import sys
import time
from collections.abc import Iterable
from ssl import SSLContext, create_default_context
from typing import TYPE_CHECKING, Annotated, TypeAlias
from urllib.parse import quote, urlsplit

import typer
from rich.text import Text

from tickerkit.cli.exit_codes import FAILED
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.options import ServersToken, Ssl, choose_token
from tickerkit.cli.terminal import console, escape_controls, print_line
from tickerkit.errors import TickerkitError
from tickerkit.net.tls import make_client_context
from tickerkit.net.urls import complete_websocket_url, hide_secrets
from tickerkit.runtime.threads import BackgroundThread, start_thread

if TYPE_CHECKING:
    from tickerkit.cli.dialogue import Dialogue, Shown

__all__ = ["talk"]

CONNECT_S = 10.0
END_S = 3.0
POLL_S = 0.05
READ_BYTES = 65_536
PORTS = {"ws": 80, "wss": 443}
# 1005 is a close frame without a code.
NORMAL_CODES = (1000, 1001, 1005)
COLOURS = {"<": "cyan", ">": "green", "!": "yellow", "": "dim"}

# What the threads pass on: the connection; what was read, empty at the end; a line that was typed,
# None after the last; or an error.
Item: TypeAlias = socket.socket | bytes | str | OSError | None


def talk(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help='Address of a websocket, such as "ws://192.168.1.20:8000/ticks?token=otter42"; '
            "http becomes ws.",
        ),
    ],
    name: Annotated[
        str, typer.Option(metavar="TEXT", help="Your name in a class, as ?name= in the address.")
    ] = "",
    frames: Annotated[
        bool, typer.Option("--frames", help="Show the header of each frame, too.")
    ] = False,
    token: ServersToken = None,
    ssl: Ssl = None,
) -> None:
    """Type lines onto a websocket, and see every frame that comes.

    Each line is a message. A line that begins with a slash is a command: /ping, /pong, /close 1000
    bye, /binary 00ff; /help lists them. Pings are answered. Ctrl-C, or Ctrl-D in a terminal, closes
    with code 1000. The exit code is 1 if the server closed for a reason other than 1000 and 1001.
    """
    from tickerkit.cli.dialogue import Dialogue

    address = complete_websocket_url(url)
    chosen = choose_token([address], token)
    if name:
        address += f"{'&' if '?' in address else '?'}name={quote(name, safe='')}"
    dialogue = Dialogue(address, shows_frames=frames, token=chosen)
    talker = _Talker(address, dialogue, make_client_context(ssl))
    try:
        talker.run()
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        problem = f"no connection to {hide_secrets(address)}: {reason}"
        raise TickerkitError(f"{problem}; `tickerkit doctor --reach URL` says more") from None
    finally:
        talker.stop()
    if dialogue.refusal:
        raise TickerkitError(dialogue.refusal)
    print_line(f"closed: {escape_controls(dialogue.describe_end())}", "dim")
    if dialogue.close_code not in NORMAL_CODES and not interrupt.requested:
        raise typer.Exit(FAILED)


class _Talker:
    """Connects a dialogue with a socket and the keyboard, each read in a thread of its own.

    A terminal on Windows can't be waited for together with a socket.

    Args:
        url: the address of the websocket.
        dialogue: the websocket.
        context: the certificates to trust; None for those of the system.
    """

    def __init__(self, url: str, dialogue: Dialogue, context: SSLContext | None) -> None:
        self._url = url
        self._dialogue = dialogue
        self._context = context
        self._items: queue.Queue[Item] = queue.Queue()
        self._socket: socket.socket | None = None
        self._reader: BackgroundThread | None = None
        self._is_typing = False

    def run(self) -> None:
        """Pass on what is read and typed until the connection ends.

        Raises:
            OSError: there is no connection.
        """
        dialogue = self._dialogue
        self._reader = start_thread(self._read, "tickerkit talk reads")
        end = float("inf")
        while time.monotonic() < end:
            if interrupt.requested:
                if self._socket is None:
                    return
                _print(dialogue.close())
            self._send()
            if dialogue.is_closed or interrupt.requested:
                end = min(end, time.monotonic() + END_S)
            try:
                item = self._items.get(timeout=POLL_S)
            except queue.Empty:
                continue
            if item == b"":
                _print(dialogue.receive(b"", time.monotonic()))
                return
            self._take(item)

    def _take(self, item: Item) -> None:
        dialogue, now = self._dialogue, time.monotonic()
        match item:
            case socket.socket():
                self._socket = item
            case OSError():
                raise item
            case bytes():
                _print(dialogue.receive(item, now))
                if dialogue.is_open and not self._is_typing:
                    self._is_typing = True
                    start_thread(self._read_lines, "tickerkit talk reads lines")
            case str():
                _print(dialogue.say(item, now))
            case None if sys.stdin is not None and sys.stdin.isatty():
                _print(dialogue.close())

    def _send(self) -> None:
        if self._socket is None:
            return
        for data in self._dialogue.take_data():
            with contextlib.suppress(OSError):  # the reader notices the end, too
                if data:
                    self._socket.sendall(data)
                else:
                    self._socket.shutdown(socket.SHUT_WR)

    def stop(self) -> None:
        """Close the connection. The thread that waits for a line ends with the process."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        if self._reader is not None and self._socket is not None:
            self._reader.join_within(END_S)

    # --- in threads ---------------------------------------------------------------------------

    def _read(self) -> None:
        parts = urlsplit(self._url)
        host = parts.hostname or ""
        try:
            connection = socket.create_connection(
                (host, parts.port or PORTS[parts.scheme]), CONNECT_S
            )
            if parts.scheme == "wss":
                context = self._context or create_default_context()
                connection = context.wrap_socket(connection, server_hostname=host)
            connection.settimeout(None)
        except OSError as error:
            self._items.put(error)
            return
        self._items.put(connection)
        data = b"-"
        while data:
            try:
                data = connection.recv(READ_BYTES)
            except OSError:
                data = b""
            self._items.put(data)

    def _read_lines(self) -> None:
        # Without Python's buffer: a thread that waits in it for a line would hold its lock, and
        # Python aborts when it ends meanwhile.
        stream = getattr(getattr(sys.stdin, "buffer", None), "raw", None)
        with contextlib.suppress(OSError, ValueError):
            if stream is None:
                for line in sys.stdin or ():
                    self._items.put(line.rstrip("\r\n"))
            else:
                decoder = codecs.getincrementaldecoder("utf-8")("replace")
                rest = ""
                while data := stream.read(READ_BYTES):
                    *lines, rest = (rest + decoder.decode(data)).split("\n")
                    for line in lines:
                        self._items.put(line.rstrip("\r"))
                if rest:
                    self._items.put(rest)
        self._items.put(None)


def _print(lines: Iterable[Shown]) -> None:
    for mark, text, is_control in lines:
        line = Text(f"{mark} " if mark else "", style=COLOURS[mark])
        line.append(escape_controls(text), "dim" if is_control and mark != "!" else "default")
        console.print(line, soft_wrap=True)
