"""The web page that the server shows: each of its few files, at its one fixed address.

The files lie beside this module and are read when first asked for. A request's path is only ever
looked up in `FILES`, and never becomes a path of the file system: there is nothing to escape from.

The files hold no data and no secrets. A server that wants a token must want it for the page and
the websocket, but not for the other files: a browser asks for those without the page's `?token=`.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from importlib import resources

__all__ = ["FILES", "Asset", "asset"]

# Browsers refuse a module script whose type is not JavaScript, so nothing here is left to guessing
# (Python's mimetypes asks the system, and some systems answer text/plain).
_HTML = "text/html; charset=utf-8"
_CSS = "text/css; charset=utf-8"
_JAVASCRIPT = "text/javascript; charset=utf-8"
_SVG = "image/svg+xml"

FILES: dict[str, tuple[str, str]] = {
    "/": ("index.html", _HTML),
    "/page.css": ("page.css", _CSS),
    "/page.js": ("page.js", _JAVASCRIPT),
    "/board.js": ("board.js", _JAVASCRIPT),
    "/feed.js": ("feed.js", _JAVASCRIPT),
    "/sparkline.js": ("sparkline.js", _JAVASCRIPT),
    "/icon.svg": ("icon.svg", _SVG),
}
"""For each path that a request may name, the file and its content type."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it goes over the wire."""

    body: bytes
    content_type: str
    etag: str
    """Quoted, ready for the ETag header; it changes when the body does."""


def asset(path: str) -> Asset | None:
    """Return what to serve at `path` (of a URL, without its query), or None if there is nothing."""
    # Looked up before anything is remembered: strangers' paths must not fill a cache.
    return _load(path) if path in FILES else None


@functools.cache
def _load(path: str) -> Asset:
    name, content_type = FILES[path]
    body = (resources.files(__name__) / name).read_bytes()
    return Asset(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:16]}"')
