"""Tapping: how a tap is put on a websocket."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from tickerkit.classroom.link import Target
from tickerkit.classroom.tap_proxy import Tap
from tickerkit.errors import InvalidArgument
from tickerkit.net.addresses import MAX_PORT
from tickerkit.net.tls import Trust, make_client_context
from tickerkit.net.urls import HasUrl, complete_websocket_url
from tickerkit.storage.paths import read_size
from tickerkit.validation import check_flag, check_number, check_text

__all__ = ["tap"]

DEFAULT_PORTS = {"ws": 80, "wss": 443}


def tap(
    server_or_url: str | HasUrl,
    port: int = 0,
    host: str = "127.0.0.1",
    keep: str | int = "16MB",
    hold: bool = False,
    *,
    compression: bool = True,
    secrets: bool = False,
    ssl: Trust | None = None,
) -> Tap:
    """Put a tap on a websocket: connect to `tap.url` in place of the server, and see every frame.

    It listens when this returns. Bytes pass as they came, and are passed on before they are read.
    When the same cell is run again, the new tap takes the place of the old one, on the same port.

    An address that begins with `wss://` is encrypted between the tap and the server only. Unless
    the server is plain and on this machine, the headers Host and Origin are changed to what it
    expects.

    Args:
        server_or_url: a server, or the address of a websocket.
        port: port to listen on; 0 for a free one.
        host: address to listen on. Who can connect to it can use the server.
        keep: how much memory the newest frames may take, such as "16MB".
        hold: hold back all frames until `step` or `run`.
        compression: whether clients may ask the server for compression; see `Tap.compression`.
        secrets: show tokens, cookies and credentials in handshakes; by default each of their
            characters is an x.
        ssl: whom to trust for `wss://`, as for `tk.connect`.

    Raises:
        InvalidArgument: if an argument is invalid.
        PortTaken: if another program listens on the port.

    Example:
        >>> tap = tk.tap(server)
        >>> feed = tk.connect(tap.url)
        >>> tap.frames(last=20)
    """
    parts = _parse_address(server_or_url)
    check_number("port", port, 0, MAX_PORT, whole=True)
    check_text("host", host, "an address such as '127.0.0.1' or '0.0.0.0'")
    keep_bytes = read_size("keep", keep)
    check_flag("hold", hold)
    check_flag("compression", compression)
    check_flag("secrets", secrets)
    context = make_client_context(ssl)
    tls = None
    if parts.scheme == "wss":
        from ssl import create_default_context

        tls = context or create_default_context()
    target = Target(parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme], tls)
    return Tap(
        parts,
        target,
        host,
        port,
        keep_bytes=keep_bytes,
        is_held=hold,
        shows_secrets=secrets,
        has_page=bool(getattr(server_or_url, "page", "")),
        compression=compression,
    ).start()


def _parse_address(server_or_url: object) -> SplitResult:
    try:
        return urlsplit(complete_websocket_url(server_or_url))
    except InvalidArgument as error:
        raise type(error)("server_or_url", error.value, error.expected) from None
