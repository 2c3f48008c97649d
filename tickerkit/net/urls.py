"""Addresses of websockets, as users type them and as they may be shown."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

__all__ = ["hide_secrets", "websocket_url"]


def websocket_url(url: str) -> tuple[str, str | None]:
    """Return an address as one of a websocket, without a token in it, and that token.

    `http` becomes `ws`, so that a server's page will do; an address without a scheme gets `ws`.
    """
    if "://" not in url:
        url = f"ws://{url}"
    try:
        parts = urlsplit(url)
    except ValueError:  # the connection will tell what is wrong with it
        return url, None
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    query = parse_qs(parts.query, keep_blank_values=True)
    token = query.pop("token", [None])[0]
    rest = urlencode(query, doseq=True)
    return urlunsplit((scheme, parts.netloc, parts.path or "/", rest, "")), token


def hide_secrets(url: str) -> str:
    """Return an address without the secrets that may be in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
