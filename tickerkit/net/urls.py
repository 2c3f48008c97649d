"""Websocket URLs: complete those that users type, and hide the secrets of those shown."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

__all__ = ["HasUrl", "hide_secrets", "split_websocket_url"]


class HasUrl(Protocol):
    """A server, or anything else with the address of a websocket."""

    @property
    def url(self) -> str:
        """Address of the websocket."""


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


def hide_secrets(url: str) -> str:
    """Return a URL without user name, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
