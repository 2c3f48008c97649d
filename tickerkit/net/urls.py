"""Websocket URLs: complete those that users type, and hide the secrets of those shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, TypeAlias
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.net.addresses import MAX_PORT, is_loopback

__all__ = [
    "HasUrl",
    "Urls",
    "check_http_url",
    "check_websocket_url",
    "complete_websocket_url",
    "hide_secrets",
    "is_same_place",
    "split_websocket_url",
]

SCHEMES = ("ws", "wss", "http", "https")
# "ws//host" and "ws:/host" would be the hosts "ws" with a path.
BROKEN_SCHEME = re.compile(r"(wss?|https?)(:/|//)", re.IGNORECASE)
UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f]")
EXPECTED_PORT = f"an address with a port from 1 to {MAX_PORT}"
EXPECTED_URL = "the address of a websocket such as 'ws://127.0.0.1:8000/', or a server"


class HasUrl(Protocol):
    """A server, or anything else with the address of a websocket."""

    @property
    def url(self) -> str:
        """Address of the websocket."""


Urls: TypeAlias = str | HasUrl | Sequence[str | HasUrl]


def check_websocket_url(url: object) -> str:
    """Return the address of a websocket or of a page, or that of a server.

    Raises:
        InvalidType: `url` is neither text nor a server.
        InvalidArgument: it has another scheme, no host, or an invalid port.
    """
    address = getattr(url, "url", url)
    if not isinstance(address, str):
        raise InvalidType("url", url, EXPECTED_URL)
    if expected := _find_expected(address):
        # An address may contain a token, or a name and a password.
        raise InvalidArgument("url", re.sub(r"[^/]*@", "", hide_secrets(address)), expected)
    return address


def complete_websocket_url(url: object) -> str:
    """Return the address of a websocket with its scheme; `http` becomes `ws`, as for a feed.

    Raises:
        InvalidType: `url` is neither text nor a server.
        InvalidArgument: it has another scheme, no host, or an invalid port.
    """
    scheme, separator, rest = check_websocket_url(url).partition("://")
    if not separator:
        return f"ws://{scheme}"
    scheme = {"http": "ws", "https": "wss"}.get(scheme, scheme)
    return f"{scheme}://{rest}"


def check_http_url(name: str, url: object) -> None:
    """Check that an argument is an address that begins with http:// or https://.

    Raises:
        InvalidType: `url` is not text.
        InvalidArgument: `url` is no such address; the error does not show a name and password.
    """
    expected = "an address that begins with http:// or https://"
    if not isinstance(url, str):
        raise InvalidType(name, url, expected)
    if not url.startswith(("http://", "https://")) or _find_expected(url):
        raise InvalidArgument(name, re.sub(r"[^/]*@", "", hide_secrets(url)), expected)


def _find_expected(address: str) -> str:
    """Return what an invalid address should be; empty for a valid one."""
    schemes = "an address that begins with ws://, wss://, http:// or https://"
    if "://" not in address:
        if BROKEN_SCHEME.match(address):
            return schemes
        address = f"ws://{address}"
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets that don't close
        return EXPECTED_URL
    if parts.scheme == "nats":
        return f"{schemes}; for the stream of a broker call tk.serve(url) or tk.live(url)"
    if parts.scheme not in SCHEMES:
        return schemes
    if not parts.hostname or UNPRINTABLE.search(address):
        return EXPECTED_URL
    try:
        return "" if parts.port != 0 else EXPECTED_PORT
    except ValueError:
        return EXPECTED_PORT


def split_websocket_url(url: str) -> tuple[str, str | None]:
    """Return a websocket URL without its token, and the token.

    `http` becomes `ws`, so that the address of a server's page works too; a URL without a scheme
    gets `ws`.
    """
    if "://" not in url:
        url = f"ws://{url}"
    try:
        parts = urlsplit(url)
    except ValueError:  # an invalid URL: connecting reports the error
        return url, None
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    query = parse_qs(parts.query, keep_blank_values=True)
    token = query.pop("token", [None])[0]
    rest = urlencode(query, doseq=True)
    return urlunsplit((scheme, parts.netloc, parts.path or "/", rest, "")), token


def is_same_place(url: str, other: str) -> bool:
    """Return whether two addresses have the same host and port; all loopback hosts are the same."""
    return _place(url) == _place(other)


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme in ("wss", "https") else 80)
    return "127.0.0.1" if is_loopback(host) else host, port


def hide_secrets(url: str) -> str:
    """Return a URL without user name, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
