"""Extension: what one use of a server, such as a class, adds to it: paths, names, commands."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from websockets.http11 import Request, Response

from tickerkit.errors import InvalidArgument
from tickerkit.log import TickLog
from tickerkit.server.client_handler import ClientHandler
from tickerkit.sources import Source

__all__ = ["Extension", "ExtensionHost"]


class ExtensionHost(Protocol):
    """What an extension may use of its server.

    Attributes:
        handlers: the clients that are connected.
        log: its ticks.
        source: its source, which runs in a thread of its own; None without one.
    """

    log: TickLog
    source: Source | None

    @property
    def handlers(self) -> Collection[ClientHandler]: ...

    def post(self, value: object) -> None:
        """Send a value to the server's owner, whose `on_post` is called with it; never blocks.

        With `process=True` it is pickled. It arrives even if this process is killed soon after.
        """


class Extension:
    """Base of extensions; its methods do nothing.

    An extension lives where the server's connections are: with `process=True` it is pickled before
    the server starts, and then runs in the server's process. All methods are called on the event
    loop and must return at once. An error in one is counted by the server, and harms no client.

    Attributes:
        host: the server, from `begin` on.
    """

    host: ExtensionHost

    def begin(self, host: ExtensionHost) -> None:
        """Take the server; it is about to listen."""
        self.host = host

    def end(self) -> None:
        """Release what it holds; the server has closed its connections."""

    def respond(self, request: Request) -> Response | None:
        """Return the response to a plain HTTP request without a token; None to leave it.

        The server has checked its Host.
        """
        return None

    def refuse(self, address: str, name: str, code: int, reason: str) -> None:
        """Note that a request was refused, such as for a wrong token; see `TickServer.journal`.

        The same refusal of the same client is noted once within ten seconds.
        """

    def admit(self, client: ClientHandler, request: Request) -> None:
        """Take a new client, before its first message is sent."""

    def receive(self, client: ClientHandler, data: str | bytes) -> bool:
        """Take a client's message; return False to leave it to the client's session."""
        return False

    def remove(self, client: ClientHandler) -> None:
        """Note that a client's connection has ended."""

    def check(self) -> None:
        """Do what is due; called every second."""

    def execute(self, command: str, *args: Any) -> Any:
        """Execute a command of the server's owner, see `TickServer.execute`, and return its result.

        With `process=True` the arguments and the result are pickled.

        Raises:
            InvalidArgument: if there is no such command.
        """
        raise InvalidArgument("command", command, "a command of the server's extension")
